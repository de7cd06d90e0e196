"""A bench for each test: a Bitbucket, a Veza and a state folder of its own."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async.bitbucket.pacing import outage
from oaa_bitbucket_async.cli.main import execute
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate
from tests.integration.harness import Bench, Ran, serving
from tests.integration.process import Ended, environment
from tests.integration.site import Site, site
from tests.servers import Fault, RiggedBitbucket, RiggedOptions
from tests.servers.veza import RiggedVeza

SMALL = EstateShape(users=40, groups=10, projects=6, repositories=40, personal_projects=3, seed=3)
Benches = Callable[..., Bench]
Typed = Callable[..., Ended]
Sites = Callable[..., Site]


@pytest.fixture
def veza_server() -> Iterator[RiggedVeza]:
    """A Veza that only this test knows. Who runs something against it trusts it for as long as that takes."""
    with RiggedVeza() as veza:
        yield veza


@pytest.fixture(scope="module")
def veza() -> Iterator[RiggedVeza]:
    """A Veza that the tests of a file share."""
    with RiggedVeza() as server:
        yield server


@pytest.fixture
def open_site(veza: RiggedVeza, tmp_path: Path) -> Iterator[Sites]:
    """`open_site(**options)`: a site, as `tests.integration.site.site` makes it."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(site(veza, tmp_path, **options))


@pytest.fixture
def begun(open_site: Sites) -> Sites:
    """A site with a base whose run has read the audit log."""

    def make(**options: Any) -> Site:
        here = open_site(**options)
        assert here.full().code == 0
        assert here.incremental().code == 0
        return here

    return make


@pytest.fixture
def bench(veza_server: RiggedVeza, tmp_path: Path) -> Iterator[Benches]:
    """`bench(options, faults, estate)`: a running server of 40 repositories, unless an estate says otherwise."""
    with ExitStack() as stack:

        def make(
            options: RiggedOptions | None = None, faults: Sequence[Fault] = (), estate: Estate | None = None
        ) -> Bench:
            server = RiggedBitbucket(estate or generate(SMALL), options, faults)
            stack.enter_context(serving(server))
            return Bench(server, veza_server, tmp_path / "state")

        yield make


@pytest.fixture
def short_probe_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an outage, the server is tried after 5 ms instead of a second."""
    monkeypatch.setattr(outage, "PROBE_DELAYS", (0.005, 0.01))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    """`typed(bench, *arguments, **variables)`: a command line as `process.ended` has it, but within this process.

    It costs a tenth of a process; who needs a working folder, signals or pipes takes a process.
    """

    def run(bench: Bench, *arguments: str, **variables: str) -> Ended:
        for name in list(os.environ):
            if name.startswith(("OAA_", "BITBUCKET_", "VEZA_")):
                monkeypatch.delenv(name)
        for name, value in environment(bench, **variables).items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = execute(arguments)
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run in which nothing went wrong, against a bench as it comes."""
    with RiggedVeza() as veza, serving(RiggedBitbucket(generate(SMALL))) as server:
        ran = Bench(server, veza, tmp_path_factory.mktemp("truth")).run()
    assert ran.code == 0, ran.error
    return ran
