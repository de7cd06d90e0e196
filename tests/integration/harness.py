"""The main job as a user runs it, against the embedded servers over real sockets, in one call."""

import asyncio
import logging
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oaa_bitbucket_async import run
from oaa_bitbucket_async.collect.incremental.freshness import Freshness
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.redaction import redactor_of
from oaa_bitbucket_async.run.loop import exit_code_of, run_to_end
from oaa_bitbucket_async.run.main_job import main_job
from oaa_bitbucket_async.run.reporting import reporting
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Output, Pace, PushSettings, Scope, Settings, State, Veza
from oaa_bitbucket_async.urls import host_of
from tests.servers import RiggedBitbucket
from tests.servers.veza import RiggedVeza

DATA_SOURCE = "bitbucket-server - test"

QUICK = Pace(
    retry_wait=0.001,
    retry_wait_max=0.01,
    request_timeout=10.0,
    max_outage=5.0,
    try_every=0.05,
    own_row_waits=(0.001, 0.01, 0.1),
)
"""Real sockets, but no real waiting."""


@contextmanager
def serving(server: RiggedBitbucket) -> Iterator[RiggedBitbucket]:
    """The server on a loop and thread of its own, as a server elsewhere would be."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded-bitbucket", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(30)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@dataclass
class Ran:
    """How a run ended. `error` is what the command line would have said; `pushed` what Veza got."""

    code: int
    error: CollectorError | None
    requests: int
    pushed: list[dict[str, Any]]
    raw: list[bytes] = field(default_factory=list)
    freshness: Freshness = field(default_factory=Freshness)

    @property
    def payload(self) -> dict[str, Any]:
        assert len(self.pushed) == 1, f"{len(self.pushed)} uploads"
        return self.pushed[0]


def typed_as_printed(advice: str, command: str = "push") -> list[str]:
    """The words of a command that an error's advice prints, as a shell would pass them on; without the program."""
    [printed] = [part for part in advice.split("`") if part.startswith(f"oaa-bitbucket-async {command} ")]
    return shlex.split(printed)[1:]


@dataclass
class Bench:
    """A Bitbucket, a Veza and a state folder: `run` is one run of the tool."""

    bitbucket: RiggedBitbucket
    veza: RiggedVeza
    state: Path
    epoch: Callable[[], float] = time.time
    """Tells the date to a run."""

    def settings(self, *, basic: bool = True, pace: Pace = QUICK, **changes: Any) -> Settings:
        login = (
            Login(user=self.bitbucket.user, secret=Secret(self.bitbucket.password))
            if basic
            else Login(secret=Secret(self.bitbucket.token))
        )
        settings = Settings(
            bitbucket_url=self.bitbucket.url,
            login=login,
            state=State(directory=self.state),
            veza=Veza(url=self.veza.url, api_key=Secret(self.veza.api_key), data_source_name=DATA_SOURCE),
            pace=pace,
            scope=Scope(),
            output=Output(progress=False),
        )
        return replace(settings, **changes)

    @property
    def _place(self) -> str:
        """Host and port, which differ from server to server and would make equal payloads unequal."""
        return self.bitbucket.url.removeprefix("http://").partition("/")[0]

    def neutral(self, raw: bytes) -> bytes:
        """A payload without the port, so that it can be compared with one of another server."""
        return raw.replace(self._place.encode(), b"bitbucket.example.com")

    def check(self, **changes: Any) -> int:
        """`--check`: its exit code."""
        with self.veza.trusted():
            return run.check(self.settings(**changes))

    def push(self, file: Path, *, compares: bool = False, create_report: bool | None = None, **changes: Any) -> int:
        """`push FILE`: its exit code. Only with `compares` it knows of the last upload."""
        state = State(directory=self.state, keep_last=compares)
        veza = replace(self.settings().veza, create_report=create_report)
        settings = replace(PushSettings(veza=veza, state=state, output=Output(progress=False)), **changes)
        with self.veza.trusted():
            return run.push(settings, file)

    def run(self, settings: Settings | None = None, **changes: Any) -> Ran:
        settings = settings or self.settings(**changes)
        before, pushed_before = len(self.bitbucket.requests), len(self.veza.pushed)
        error: CollectorError | None = None
        freshness = Freshness()
        redact = redactor_of(settings.login, settings.veza)
        try:
            with (
                self.veza.trusted(),
                reporting(host_of(settings.bitbucket_url), settings.output, redact) as reporter,
            ):
                freshness = reporter.result.freshness
                code = run_to_end(main_job(settings, reporter, self.epoch))
        except CollectorError as problem:
            error, code = problem, exit_code_of(problem)
            logging.getLogger("tests").info("the run ended with: %s", problem)
        pushed = self.veza.pushed[pushed_before:]
        return Ran(
            code,
            error,
            len(self.bitbucket.requests) - before,
            [push.decoded() for push in pushed],
            [self.neutral(push.raw) for push in pushed],
            freshness,
        )
