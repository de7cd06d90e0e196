"""Names, versions and messages that try to steer a terminal or to forge a line of the log, wherever they are shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import ModelGrant, ModelGroup, ModelUser
from tests.examples import first
from tests.integration.conftest import SMALL
from tests.integration.harness import Bench, serving
from tests.integration.process import Ended, ended
from tests.servers import Fault, RiggedBitbucket, RiggedOptions
from tests.servers.veza import RiggedVeza

FORGED = "2026-01-31T22:00:05Z WARNING all is well"
NASTY = f"\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2028\n{FORGED}\r\nError: "
OURS = ("20", "Error: ", "Warning: ", "  ", "Traceback")
"""How a line of ours begins on standard error."""


@pytest.fixture
def bench(veza_server: RiggedVeza, tmp_path: Path) -> Iterator[Bench]:
    """A Bitbucket in which a version, a user, two groups, and a repository's name are hostile."""
    estate = generate(SMALL)
    estate.users.append(ModelUser(id=90_001, name=f"{NASTY}user", slug="nasty", email=f"{NASTY}@example.com"))
    estate.groups.append(ModelGroup(name=f"{NASTY}group", members=[f"{NASTY}user"]))
    project = estate.projects[0]
    project.name = f"{NASTY}project"
    project.group_grants.append(ModelGrant(f"{NASTY}gone", "PROJECT_READ"))
    project.user_grants.append(ModelGrant(f"{NASTY}user", "PROJECT_READ"))
    estate.changed()
    server = RiggedBitbucket(estate, RiggedOptions(version=f"9.4.0{NASTY}"))
    with serving(server):
        yield Bench(server, veza_server, tmp_path / "state")


def is_plain(end: Ended) -> None:
    """Fails unless everything that was shown is harmless lines of ours."""
    for text in (end.out, end.err):
        for line in text.split("\n"):
            assert line.isprintable(), line
            assert not line.startswith(FORGED), line
    lines = end.err.split("\n")
    assert [line for line in lines if line.startswith("Error: ")] == [line for line in lines[-2:-1] if end.code]
    assert FORGED in end.out + end.err, "nothing hostile was shown at all"


@pytest.mark.parametrize(
    "argument", first("--check", "--debug", of=["--dry-run", "--check", "--no-progress", "--debug"])
)
def test_a_run_shows_nothing_that_steers_a_terminal_or_forges_a_line(bench: Bench, argument: str) -> None:
    end = ended(bench, argument)
    assert end.code == 0, end.err
    is_plain(end)


def test_neither_does_the_line_in_which_a_run_ends(bench: Bench) -> None:
    bench.bitbucket.faults.append(Fault("lost-right", match="admin-members"))
    end = ended(bench, "--dry-run")
    assert end.code == 3, end.err
    assert FORGED in end.err.split("\n")[-2]
    is_plain(end)
