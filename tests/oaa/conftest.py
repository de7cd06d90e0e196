"""A Veza of its own for each test, a payload, and retries that do not wait."""

from collections.abc import Iterator

import pytest

from oaa_bitbucket_async.oaa.payload import Payload, build_payload
from oaa_bitbucket_async.oaa.retry import RetryPolicy
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Veza
from tests.oaa.estates import snapshot_of, steps_of
from tests.servers.veza import RiggedVeza


class Sleeps:
    """A sleep that only notes how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def server() -> Iterator[RiggedVeza]:
    with RiggedVeza() as server, server.trusted():
        yield server


@pytest.fixture(scope="module")
def payload() -> Payload:
    return build_payload(snapshot_of(steps_of(11)))


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def policy(sleeps: Sleeps) -> RetryPolicy:
    return RetryPolicy(attempts=6, sleep=sleeps)


def veza(server: RiggedVeza, **more) -> Veza:
    return Veza(url=server.url, api_key=Secret(server.api_key), **more)
