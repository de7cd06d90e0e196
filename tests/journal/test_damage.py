"""Whatever happened to the file: a journal gives back what was written, up to some unit, or nothing. Never an error."""

# ruff: noqa: ASYNC240  (the loop of a test has nobody else to wait for)

import logging
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from oaa_bitbucket_async.errors import TemporaryError
from tests.examples import rounds
from tests.journal.estate import everything, open_at, run, tell, told, written

UNITS = 120
WHOLE = [told(n) for n in range(UNITS)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j"


async def written_in_batches(path: Path, copy_to: Path | None = None) -> None:
    """Forty batches; the copy is of a run that was killed: most of it still stands in the write-ahead log."""
    journal = await open_at(path)
    for number in range(UNITS):
        tell(journal, told(number))
        if number % 3 == 2:
            await journal.flush()
    if copy_to is not None:
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy_to}{suffix}")
    await journal.close()


async def must_be_a_prefix(path: Path) -> int:
    """Open what is there; gives how many units came back. What follows has to work as if nothing had happened."""
    journal = await open_at(path)
    assert journal.active
    found = await everything(journal)
    assert found == WHOLE[: len(found)]
    assert journal.resumed is bool(found)
    assert not (journal.set_aside and found)
    tell(journal, told(10_001))
    await journal.close()
    journal = await open_at(path)
    assert await everything(journal) == [*found, told(10_001)]
    await journal.discard()
    return len(found)


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 1, 5, 50])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    length = min(rng.choice([16, 512, 4096, 9000]), len(data) - start)
    data[start : start + length] = rng.randbytes(length) if rng.random() < 0.5 else bytes(length)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def swap_pages(data: bytearray, rng: random.Random) -> None:
    pages = len(data) // 4096
    if pages > 1:
        a, b = (4096 * n for n in rng.sample(range(pages), 2))
        data[a : a + 4096], data[b : b + 4096] = data[b : b + 4096], data[a : a + 4096]


@pytest.mark.parametrize("how", [flip, overwrite, truncate, swap_pages])
@pytest.mark.parametrize("where", ["closed", "killed", "log"])
def test_any_damage(
    tmp_path: Path, how: Callable[[bytearray, random.Random], None], where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    async def test() -> None:
        rng = random.Random(f"{how.__name__} {where}")
        source, killed = tmp_path / "source", tmp_path / "killed"
        await written_in_batches(source, killed)
        original = source if where == "closed" else killed
        came_back = set()
        for attempt in range(rounds(25, least=8)):
            path = tmp_path / f"j{attempt}"
            for suffix in ("", "-wal"):
                if Path(f"{original}{suffix}").exists():
                    shutil.copy(f"{original}{suffix}", f"{path}{suffix}")
            victim = Path(f"{path}-wal") if where == "log" else path
            data = bytearray(victim.read_bytes())
            how(data, rng)
            victim.write_bytes(data)
            came_back.add(await must_be_a_prefix(path))
        assert came_back - {UNITS} or where == "killed", "nothing was damaged"

    run(test)


def test_a_killed_run_s_files_are_whole(tmp_path: Path) -> None:
    async def test() -> None:
        await written_in_batches(tmp_path / "source", tmp_path / "killed")
        assert await must_be_a_prefix(tmp_path / "killed") == UNITS

    run(test)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM batch WHERE number = 7",
        "DELETE FROM batch WHERE number = 0",
        "UPDATE batch SET body = (SELECT body FROM batch WHERE number = 3) WHERE number = 4",
        "UPDATE batch SET number = 10000 WHERE number = 5",
        "DELETE FROM header",
        "UPDATE header SET body = CAST(replace(body, '17', '18') AS BLOB)",
        "DROP TABLE batch",
        "CREATE TRIGGER t AFTER INSERT ON batch BEGIN DELETE FROM header; END",
        "PRAGMA application_id = 7",
    ],
)
def test_a_file_that_someone_has_worked_on_is_set_aside(path: Path, statement: str) -> None:
    async def test() -> None:
        await written_in_batches(path)
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()
        assert await must_be_a_prefix(path) == 0

    run(test)


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0", bytes(8192)])
def test_another_file_is_set_aside(path: Path, content: bytes) -> None:
    async def test() -> None:
        path.write_bytes(content)
        path.chmod(0o600)
        assert await must_be_a_prefix(path) == 0

    run(test)


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_a_log_without_its_database_is_not_played_into_a_new_one(tmp_path: Path, suffix: str) -> None:
    async def test() -> None:
        await written_in_batches(tmp_path / "source", tmp_path / "killed")
        path = tmp_path / "j"
        shutil.copy(tmp_path / "killed-wal", f"{path}{suffix}")
        journal = await open_at(path)
        assert not journal.resumed
        tell(journal, told(1))
        await journal.close()
        journal = await open_at(path)
        assert await everything(journal) == [told(1)]
        await journal.close()

    run(test)


def test_only_the_last_one_set_aside_is_kept(path: Path) -> None:
    async def test() -> None:
        for content in (b"first", b"second"):
            path.write_bytes(content)
            path.chmod(0o600)
            journal = await open_at(path)
            await journal.close()
        assert path.with_name("j.old").read_bytes() == b"second"
        assert sorted(p.name for p in path.parent.iterdir()) == ["j", "j.old"]

    run(test)


@pytest.mark.skipif(os.name != "posix", reason="an open file can't be written to by others on Windows")
def test_damage_that_comes_while_it_is_read_ends_the_run_and_the_next_begins_anew(path: Path) -> None:
    async def test() -> None:
        await written(path, range(60))
        journal = await open_at(path)
        store = journal._store
        assert store is not None
        store._header += b"x"  # as if each digest had changed since it was verified
        with pytest.raises(TemporaryError, match="is damaged"):
            await everything(journal)
        assert not journal.active
        assert not path.exists()
        assert path.with_name("j.old").exists()
        assert await must_be_fresh(path)

    async def must_be_fresh(path: Path) -> bool:
        journal = await open_at(path)
        fresh = not journal.resumed and journal.active
        await journal.discard()
        return fresh

    run(test)
