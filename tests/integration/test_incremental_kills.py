"""Runs that are killed, at any request and between the upload and the change of the base: what comes after is true.

What a kill leaves is a copy of the state folder, made while the run goes on.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oaa_bitbucket_async.collect.journal import journal
from oaa_bitbucket_async.demo.changes import grant, random_changes
from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import Estate
from tests.examples import rounds
from tests.integration.harness import Ran
from tests.integration.site import TINY, Site, everyone_without, site
from tests.servers import Fault
from tests.servers.veza import RiggedVeza

Runs = Callable[[Site], Ran]


class Watched(RiggedVeza):
    """Tells when a payload was taken, before it answers."""

    taken: Callable[[], None] | None = None

    def take(self, *arguments: object, **more: object):  # type: ignore[no-untyped-def]
        answer = super().take(*arguments, **more)  # type: ignore[arg-type]
        if self.taken is not None:
            self.taken()
        return answer


@pytest.fixture(scope="module")
def veza() -> Iterator[Watched]:
    with Watched() as server:
        yield server


@pytest.fixture(autouse=True)
def quick_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered is on its way to the disk at once: the runs take a part of a second."""
    monkeypatch.setattr(journal, "WRITE_INTERVAL", 0.001)


def copy_of(state: Path, to: Path) -> None:
    shutil.copytree(state, to, ignore=shutil.ignore_patterns("*-shm", "*.tmp*"))


def killed(here: Site, run: Runs, request: int) -> None:
    """The state folder is as if the run had been killed when it had sent so many requests."""
    state = here.bench.state
    copy = state.parent / "killed"
    shutil.rmtree(copy, ignore_errors=True)

    def kill(_: Estate) -> None:
        copy_of(state, copy)

    here.server.change_at(request, kill)
    run(here)
    here.server.happen()
    shutil.rmtree(state)
    copy.rename(state)


def cut_off(here: Site, run: Runs) -> None:
    """A run that ends without one answer, so that its journal is left with all others."""
    fault = Fault("lost-right", match="/admin/permissions/groups")
    here.server.faults.append(fault)
    assert run(here).code == 3
    here.server.faults.remove(fault)
    assert here.paths.journal.exists()


def _full(here: Site) -> Ran:
    return here.full()


def _incremental(here: Site) -> Ran:
    return here.incremental()


@contextmanager
def begun(veza: Watched, folder: Path, *, base: bool = True) -> Iterator[Site]:
    with site(veza, folder, estate=generate(TINY)) as here:
        if base:
            assert here.full().code == 0
            assert here.incremental().code == 0
        else:
            here.bench.state.mkdir()
        yield here


AFTER: dict[str, tuple[bool, Runs, Runs]] = {
    "incremental, then incremental": (True, _incremental, _incremental),
    "incremental, then full": (True, _incremental, _full),
    "full, then incremental": (True, _full, _incremental),
    "full, then full": (True, _full, _full),
    "first full, then incremental": (False, _full, _incremental),
    "first incremental, then incremental": (False, _incremental, _incremental),
    "first incremental, then full": (False, _incremental, _full),
}


FIRST = "incremental, then incremental"


@pytest.mark.parametrize(
    "what", [FIRST, *(pytest.param(what, marks=pytest.mark.thorough) for what in AFTER if what != FIRST)]
)
def test_killed_at_any_request(veza: Watched, tmp_path: Path, what: str) -> None:
    """And while nothing runs there are more changes: the run after the next one knows all grants at the latest.

    What is told of people who vanished meanwhile may be as old as any answer that a full run takes up.
    """
    base, run, after = AFTER[what]
    rng = random.Random(what)
    for number in range(rounds(6, least=1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with begun(veza, folder, base=base) as here:
            here.passes(3)
            random_changes(here.estate, rng, 10)
            request = rng.randrange(15, 45 if run is _incremental and base else 90)
            killed(here, run, request)
            here.passes(1)
            random_changes(here.estate, rng, 10)
            here.passes(0.2)
            ran = after(here)
            if base and after is _incremental:
                assert here.is_true(ran), f"killed at request {request}"
            here.passes(0.1)
            ran = here.incremental()
            assert here.grants_are_true(ran), f"killed at request {request}, the run after the next"
            here.passes(24)
            assert here.is_true(here.incremental()), f"killed at request {request}, a day later"


@pytest.mark.thorough
def test_killed_at_any_request_while_nothing_changes(veza: Watched, tmp_path: Path) -> None:
    """Then what comes after has the same bytes, be it incremental or not."""
    rng = random.Random(1)
    with begun(veza, tmp_path) as here:
        here.passes(3)
        random_changes(here.estate, rng, 20)
        unbroken = here.truth().raw
        for run, after in ((_incremental, _incremental), (_incremental, _full), (_full, _incremental)):
            for _ in range(rounds(6, least=1)):
                killed(here, run, rng.randrange(15, 45))
                assert after(here).raw in (unbroken, []), "or nothing, if the kill came after the upload"
                here.full()  # the base is whole again
                here.truth()  # so that something is sent


def test_killed_between_the_upload_and_the_change_of_the_base(veza: Watched, tmp_path: Path) -> None:
    with begun(veza, tmp_path) as here:
        here.passes(3)
        random_changes(here.estate, random.Random(1), 20)
        unbroken = here.truth().raw
        copy = tmp_path / "killed"
        veza.taken = lambda: copy_of(here.bench.state, copy)
        assert here.incremental().raw == unbroken
        veza.taken = None
        shutil.rmtree(here.bench.state)
        copy.rename(here.bench.state)
        assert here.paths.journal.exists()
        ran = here.incremental()
        assert ran.code == 0
        assert not ran.freshness.full_because
        assert here.is_true(ran)
        assert not here.paths.journal.exists()
        here.passes(1)
        random_changes(here.estate, random.Random(2), 20)
        assert here.is_true(here.incremental())


def test_what_changed_before_a_full_run_was_taken_up_is_named_to_the_next(veza: Watched, tmp_path: Path) -> None:
    """The run that goes on believes what it takes up; the next one is told of what happened since it was asked."""
    with begun(veza, tmp_path, base=False) as here:
        cut_off(here, _full)
        here.passes(1)
        for repository in here.estate.repositories:
            grant(here.estate, "REPO_ADMIN", repository, user=everyone_without(here, repository))
        here.passes(1)
        assert not here.is_true(here.incremental())
        ran = here.incremental()
        assert ran.freshness.incremental
        assert here.is_true(ran)


def test_a_full_run_takes_up_nothing_of_a_base(veza: Watched, tmp_path: Path) -> None:
    with begun(veza, tmp_path) as here:
        cut_off(here, _incremental)
        assert len(here.asked(here.full())) >= 20, "the interrupted run had asked for one at most"
