"""A bench for each test: its own Bitbucket estate and state folder, the session's Veza."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from oaa_bitbucket_async.demo.bitbucket import EmbeddedBitbucket, Fault, ServerOptions
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from tests.integration.harness import Bench, Ran, serving

SMALL = EstateShape(users=40, groups=10, projects=6, repositories=40, personal_projects=3, seed=3)
Benches = Callable[..., Bench]


@pytest.fixture
def bench(veza_server: EmbeddedVeza, tmp_path: Path) -> Iterator[Benches]:
    """`bench(options, faults, estate)`: a running server of 40 repositories, unless an estate says otherwise."""
    with ExitStack() as stack:

        def make(
            options: ServerOptions | None = None, faults: Sequence[Fault] = (), estate: Estate | None = None
        ) -> Bench:
            server = EmbeddedBitbucket(estate or generate(SMALL), options, faults)
            stack.enter_context(serving(server))
            return Bench(server, veza_server, tmp_path / "state")

        yield make


@pytest.fixture(scope="session")
def truth(veza_server: EmbeddedVeza, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run in which nothing went wrong, against a bench as it comes."""
    with serving(EmbeddedBitbucket(generate(SMALL))) as server:
        ran = Bench(server, veza_server, tmp_path_factory.mktemp("truth")).run()
    assert ran.code == 0, ran.error
    return ran
