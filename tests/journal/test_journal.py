"""The journal keeps what it was told, takes up only what it may, and never harms the run."""

# ruff: noqa: ASYNC240, ASYNC110  (the loop of a test has nobody else to wait for)

import asyncio
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal import Fingerprint, Journal, records
from oaa_bitbucket_async.collect.journal import journal as journal_module
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.settings import Scope
from tests.journal.estate import FINGERPRINT, NOW, everything, found_in, open_at, run, tell, told, user, written

LISTING = Unit(kinds.USERS)
REPOSITORY = Unit(kinds.REPOSITORY_USERS, "7")
posix = pytest.mark.skipif(os.name != "posix", reason="permissions and limits of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "git.example.com-1.journal"


@pytest.fixture
def small_files() -> Iterator[None]:
    """A disk that is full as soon as a file has 200 kB."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_told_is_replayed_in_order(path: Path) -> None:
    async def test() -> None:
        await written(path, range(300))
        assert await found_in(path) == [told(n) for n in range(300)]

    run(test)


def test_runs_that_are_cut_off_again_and_again_add_up(path: Path) -> None:
    async def test() -> None:
        for first in range(0, 100, 20):
            journal = await open_at(path)
            assert journal.resumed is (first > 0)
            assert await everything(journal) == [told(n) for n in range(first)]
            for number in range(first, first + 20):
                tell(journal, told(number))
            await journal.close()
        assert len(await found_in(path)) == 100

    run(test)


def test_it_began_with_the_first_run(path: Path) -> None:
    async def test() -> None:
        await written(path, [1])
        await written(path, [2], now=NOW + 100)
        journal = await open_at(path, now=NOW + 250)
        assert journal.began == NOW
        await journal.close()

    run(test)


def test_what_was_read_before_the_journal_began_is_no_answer_of_its_own(path: Path) -> None:
    async def test() -> None:
        await written(path, range(300), now=NOW + 20)
        old = [told(n) for n in range(300) if told(n).read_at < NOW + 20]
        journal = await open_at(path, now=NOW + 60)
        own = await everything(journal, own=True)
        assert {one.unit for one in own}.isdisjoint(one.unit for one in old)
        assert len(own) + len(old) == 300
        await journal.close()
        assert await found_in(path) == own, "the others are forgotten"

    run(test)


def test_a_unit_without_its_end_is_not_replayed_and_does_not_mix_with_its_second_try(path: Path) -> None:
    async def test() -> None:
        journal = await open_at(path)
        journal.page(LISTING, [user(1), user(2)])
        tell(journal, told(2))
        await journal.close()
        journal = await open_at(path)
        assert await everything(journal) == [told(2)]
        journal.page(LISTING, [user(3)])
        journal.done(LISTING, [user(4)], NOW)
        await journal.close()
        assert [t.pages for t in await found_in(path) if t.unit == LISTING] == [((user(3),), (user(4),))]

    run(test)


def test_a_unit_that_is_asked_again_is_forgotten_whole(path: Path) -> None:
    async def test() -> None:
        journal = await open_at(path)
        journal.page(LISTING, [user(1)])
        journal.done(LISTING, [user(2)], NOW)
        journal.done(REPOSITORY, [rows.UserGrant(user(1), "REPO_READ")], NOW)
        journal.forget(LISTING)
        journal.forget(REPOSITORY)
        journal.done(LISTING, [user(3)], NOW + 1)
        await journal.close()
        assert [(t.unit, t.pages) for t in await found_in(path)] == [(LISTING, ((user(3),),))]

    run(test)


def test_a_second_try_that_was_cut_off_takes_the_first_one_with_it(path: Path) -> None:
    async def test() -> None:
        journal = await open_at(path)
        journal.page(LISTING, [user(1)])
        journal.done(LISTING, [user(2)], NOW)
        journal.page(LISTING, [user(3)])
        await journal.close()
        assert await found_in(path) == []

    run(test)


def test_users_who_changed_between_two_answers_stay_as_each_answer_had_them(path: Path) -> None:
    async def test() -> None:
        other = msgspec.structs.replace(user(1), display_name="Renamed", active=False)
        journal = await open_at(path)
        for key, who in (("1", user(1)), ("2", other), ("3", user(1))):
            journal.done(Unit(kinds.PROJECT_USERS, key), [rows.UserGrant(who, "PROJECT_READ")], NOW)
        await journal.close()
        users = [t.pages[0][0].user for t in await found_in(path)]  # type: ignore[union-attr]
        assert users == [user(1), other, user(1)]

    run(test)


def fingerprint(**changed: object) -> Fingerprint:
    scope = {k: v for k, v in changed.items() if k in Scope.__dataclass_fields__}
    rest = {k: v for k, v in changed.items() if k not in scope}
    arguments = {
        "base_url": "https://git.example.com/scm",
        "authentication": "basic",
        "user": "collector",
        "server_version": "9.4.0",
        "global_permissions": "explicit",
        **rest,
    }
    return Fingerprint.of(scope=replace(Scope(), **scope), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"base_url": "https://git.example.com/other"},
        {"authentication": "token"},
        {"user": "other"},
        {"server_version": "9.4.1"},
        {"global_permissions": "effective"},
        {"projects": ("A*",)},
        {"exclude_projects": ("A*",)},
        {"personal_projects": False},
        {"archived": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_journal_of_other_settings_is_set_aside(
    path: Path, changed: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        await written(path, [1, 2])
        journal = await open_at(path, fingerprint=fingerprint(**changed))
        assert not journal.resumed
        assert journal.active
        assert journal.set_aside == f"it is from a run with other settings ({next(iter(changed))})"
        assert path.with_name(f"{path.name}.old").exists()
        assert await everything(journal) == []
        await journal.close()

    run(test)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_patterns_count_as_they_are_applied() -> None:
    assert fingerprint(projects=("B", "a*", "b")) == fingerprint(projects=("A*", "b"))


@pytest.mark.parametrize("another", [{"layout": "another"}, {"layout": "another", "fingerprint": {"unknown": 1}}])
def test_a_journal_of_another_version_is_set_aside(path: Path, another: dict[str, object]) -> None:
    async def test() -> None:
        await written(path, [1])
        connection = sqlite3.connect(path)
        header = msgspec.json.decode(connection.execute("SELECT body FROM header").fetchone()[0])
        connection.execute("UPDATE header SET body = ?", (msgspec.json.encode({**header, **another}),))
        connection.commit()
        connection.close()
        journal = await open_at(path)
        assert journal.set_aside == "it is from another version of the journal"
        await journal.close()

    run(test)


def test_the_layout_tells_rows_apart() -> None:
    assert "email_address" in records.layout()
    assert records.layout() == records.layout()


def test_a_journal_that_may_not_be_taken_up(path: Path) -> None:
    async def test() -> None:
        await written(path, [1])
        journal = await open_at(path, resume=False)
        assert "--no-resume is set" in (journal.set_aside or "")
        assert not journal.resumed
        tell(journal, told(5))
        await journal.close()
        assert await found_in(path) == [told(5)]

    run(test)


@pytest.mark.parametrize(
    ("now", "kept"),
    [(NOW + 3600, [0, 8, 399]), (NOW + 3601, [8, 399]), (NOW + 3700, []), (NOW - 59, [0, 8]), (NOW - 3600, [])],
)
def test_each_unit_counts_for_the_window_since_it_was_read(path: Path, now: float, kept: list[int]) -> None:
    """However long ago the journal was begun: they were read at 0, 1 and 50 s. The future is as bad as the past."""

    async def test() -> None:
        await written(path, [0, 8, 399])
        journal = await open_at(path, now=now)
        assert await everything(journal) == [told(n) for n in kept]
        assert journal.outdated == 3 - len(kept)
        await journal.close()
        assert await found_in(path) == [told(n) for n in kept], "the rest was forgotten for good"

    run(test)


@posix
def test_only_the_owner_can_read_any_of_it(path: Path) -> None:
    async def test() -> None:
        before = os.umask(0)
        try:
            await written(path, [1])
            journal = await open_at(path, resume=False)
            tell(journal, told(1))
            await journal.flush()
            names = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
            await journal.close()
        finally:
            os.umask(before)
        assert set(names) >= {path.name, f"{path.name}-wal", f"{path.name}.old"}
        assert set(names.values()) == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    run(test)


@posix
@pytest.mark.parametrize("how", ["writable", "link"])
def test_a_journal_that_others_could_have_written_is_not_trusted(path: Path, how: str) -> None:
    async def test() -> None:
        await written(path, [1])
        if how == "writable":
            path.chmod(0o666)
        else:
            path.rename(path.with_name("elsewhere"))
            path.symlink_to("elsewhere")
        journal = await open_at(path)
        assert journal.set_aside is not None
        assert not journal.resumed
        await journal.close()

    run(test)


def test_after_the_upload_nothing_is_left(path: Path) -> None:
    async def test() -> None:
        await written(path, [1])
        journal = await open_at(path, resume=False)
        tell(journal, told(1))
        await journal.discard()
        assert list(path.parent.iterdir()) == []
        assert not journal.active
        await journal.discard()

    run(test)


@posix
@pytest.mark.usefixtures("small_files")
def test_a_full_disk_costs_the_journal_not_the_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        journal = await open_at(path)
        number = 0
        while journal.active:
            assert number < 100_000
            tell(journal, told(number))
            number += 1
            await journal.ready()
            if number % 500 == 0:
                await journal.flush()
        tell(journal, told(number))
        await journal.flush()
        await journal.close()
        assert [r.levelno for r in caplog.records if r.levelno >= logging.WARNING] == [logging.WARNING]
        kept = await found_in(path)
        assert 0 < len(kept) < number
        assert kept == [told(n) for n in range(len(kept))]
        await journal.discard()
        assert list(path.parent.iterdir()) == []

    run(test)


def test_a_folder_that_can_t_be_used_costs_the_journal_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        (tmp_path / "file").write_bytes(b"")
        journal = await open_at(tmp_path / "file" / "x.journal")
        assert not journal.active
        tell(journal, told(1))
        assert await everything(journal) == []
        await journal.ready()
        await journal.flush()
        await journal.close()

    run(test)
    assert [r.levelno for r in caplog.records if r.levelno >= logging.WARNING] == [logging.WARNING]


def test_a_row_that_can_t_be_written_costs_the_journal_not_the_run(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        journal = await open_at(path)
        tell(journal, told(1))
        await journal.flush()
        tell(journal, told(2))
        journal.done(REPOSITORY, [rows.UserGrant(rows.User(1 << 80, "too big"), "REPO_READ")], NOW)
        assert not journal.active, "rows are encoded at once, so that the journal keeps none"
        tell(journal, told(3))
        await journal.close()
        assert await found_in(path) == [told(1)]

    run(test)
    assert "can't be used" in caplog.text


@pytest.mark.usefixtures("small_files")
def test_nothing_is_written_behind_a_part_that_could_not_be_written(path: Path) -> None:
    """Closing while a write is failing: the last part would follow a gap."""

    async def test() -> None:
        hold, writer = threading.Event(), ThreadPoolExecutor(1)
        journal = await open_at(path, writer=writer)
        writer.submit(hold.wait)
        too_much = [rows.User(number, os.urandom(50).hex()) for number in range(5000)]
        journal.page(LISTING, too_much)  # so many rows are written at once
        journal.done(REPOSITORY, [], NOW)
        closing = asyncio.ensure_future(journal.close())
        await asyncio.sleep(0)
        hold.set()
        await closing
        assert await found_in(path) == []

    run(test)


def test_a_journal_in_use_is_left_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        first = await open_at(path)
        tell(first, told(1))
        await first.flush()
        second = await open_at(path)
        assert not second.active
        await second.discard()
        await first.close()
        assert await found_in(path) == [told(1)]

    run(test)
    assert "locked" in caplog.text


def test_noting_never_waits_and_ready_does(path: Path) -> None:
    async def test() -> None:
        hold, writer = threading.Event(), ThreadPoolExecutor(1)
        journal = await open_at(path, writer=writer)
        writer.submit(hold.wait)  # a disk that hangs
        page = [user(n) for n in range(1000)]
        for _ in range(30):
            journal.page(LISTING, page)
        waiting = asyncio.ensure_future(journal.ready())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        hold.set()
        await waiting
        journal.done(LISTING, [], NOW)
        await journal.close()
        (kept,) = await found_in(path)
        assert sum(map(len, kept.pages)) == 30_000

    run(test)


def test_what_was_noted_reaches_the_disk_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(journal_module, "WRITE_INTERVAL", 0.01)
        journal = await open_at(path)
        tell(journal, told(1))
        async with asyncio.timeout(20):
            while not Path(f"{path}-wal").stat().st_size > before_units(path):
                await asyncio.sleep(0.005)
        await journal.close()

    def before_units(path: Path) -> int:
        return sizes.setdefault(path, Path(f"{path}-wal").stat().st_size)

    sizes: dict[Path, int] = {}
    run(test)


def test_closing_happens_even_if_whoever_waits_for_it_is_cancelled(path: Path) -> None:
    async def test() -> None:
        hold, writer = threading.Event(), ThreadPoolExecutor(1)
        journal = await open_at(path, writer=writer)
        for number in range(50):
            tell(journal, told(number))
        writer.submit(hold.wait)
        closing = asyncio.ensure_future(journal.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        hold.set()
        await asyncio.to_thread(writer.shutdown)
        assert len(await found_in(path)) == 50

    run(test)


def test_opening_that_is_cancelled_leaves_the_file_free(path: Path) -> None:
    async def test() -> None:
        await written(path, range(50))
        opening = asyncio.ensure_future(open_at(path))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
        for _ in range(1000):
            journal = await open_at(path)
            if journal.active:
                break
        assert await everything(journal) == [told(n) for n in range(50)]
        await journal.close()

    run(test)


def test_a_journal_that_notes_nothing() -> None:
    async def test() -> None:
        journal = Journal(Path("nowhere"))
        tell(journal, told(1))
        await journal.flush()
        await journal.close()
        assert await everything(journal) == []
        assert fingerprint() == FINGERPRINT

    run(test)
