"""Runs the tool against instances by the hundred: one thread for all servers, one Veza, one state folder."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from oaa_bitbucket_async.settings import Include, Pace
from tests.access.strategies import Instance
from tests.integration.harness import QUICK, Bench
from tests.servers import Fault, RiggedBitbucket
from tests.servers.veza import RiggedVeza

Upload = Callable[..., bytes]


@pytest.fixture(scope="session")
def servers() -> Iterator[asyncio.AbstractEventLoop]:
    """A running loop for servers."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded-bitbuckets", daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


@pytest.fixture(scope="session")
def upload(servers: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upload]:
    """The JSON that Veza took (`upload(instance, pace=…, faults=…, include=…)`), with the same host for all servers."""

    def collect(
        instance: Instance,
        *,
        pace: Pace = QUICK,
        faults: Sequence[Fault] = (),
        include: frozenset[Include] = frozenset(),
    ) -> bytes:
        server = RiggedBitbucket(instance.estate, instance.options, faults)
        asyncio.run_coroutine_threadsafe(server.__aenter__(), servers).result(30)
        try:
            bench = Bench(server, veza, state)  # strangers take each other's place: no guard
            ran = bench.run(basic=instance.basic, pace=pace, include=include, max_removed=None)
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), servers).result(30)
            veza.pushed.clear()
        assert ran.code == 0, ran.error
        (raw,) = ran.raw
        return raw

    state: Path = tmp_path_factory.mktemp("state")
    with RiggedVeza() as veza:
        yield collect
