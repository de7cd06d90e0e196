"""What the last upload was made from: kept as a whole or not at all, and believed only if it is sound."""

import sqlite3
import tracemalloc
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal import Base, NoBaseError
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.errors import TemporaryError
from tests.journal.estate import FINGERPRINT, NOW, Told, everything, found_in, open_at, run, tell, told, written

FACTS = b"what the run remembers"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "git.example.com-1.journal"


async def keep(path: Path, numbers: Sequence[int], *, go_on: bool = False) -> Path:
    """A run that collects these units and uploads. Gives where the base is."""
    base = path.with_suffix(".base")
    journal = await open_at(path)
    for number in numbers:
        tell(journal, told(number))
    await journal.keep(base, FACTS, go_on=go_on)
    assert not journal.active
    return base


async def proven(path: Path) -> Base:
    base = await Base.open(path, FINGERPRINT)
    try:
        await base.prove()
    except NoBaseError:
        await base.close()
        raise
    return base


async def held(path: Path) -> list[Told]:
    """Every unit of the base, and its facts have to be those that were given."""
    base = await proven(path)
    assert base.facts == FACTS
    found: list[Told] = []
    pages: dict[Unit, list[Sequence[object]]] = {}
    async for item in base.replay():
        pages.setdefault(item.unit, []).append(tuple(item.rows))
        if item.last:
            found.append(Told(item.unit, tuple(pages.pop(item.unit)), item.read_at, item.place))  # type: ignore[arg-type]
    await base.close()
    return found


def names(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def test_a_finished_journal_becomes_the_base(path: Path) -> None:
    async def test() -> None:
        base = await keep(path, range(300))
        assert names(path) == {base.name}, "the journal is gone, with its log"
        assert await held(base) == [told(n) for n in range(300)]
        assert await found_in(path) == []

    run(test)


def test_the_next_base_takes_the_place_of_the_last(path: Path) -> None:
    async def test() -> None:
        await keep(path, range(300))
        base = await keep(path, range(7))
        assert await held(base) == [told(n) for n in range(7)]
        assert names(path) == {base.name}

    run(test)


def test_after_a_partial_upload_there_are_both(path: Path) -> None:
    async def test() -> None:
        base = await keep(path, range(9), go_on=True)
        assert names(path) == {base.name, path.name}
        assert await held(base) == await found_in(path) == [told(n) for n in range(9)]

    run(test)


def test_only_what_is_wanted_comes_with_its_rows(path: Path) -> None:
    async def test() -> None:
        base = await proven(await keep(path, range(40)))
        async for item in base.replay(lambda unit: unit.kind is kinds.MEMBERS):
            assert bool(item.rows) is (item.unit.kind is kinds.MEMBERS)
            assert item.read_at >= NOW
        assert len([item async for item in base.replay(lambda _: False)]) > 40, "with pages that go on"
        await base.close()

    run(test)


def test_what_is_hidden_comes_back_as_hidden(path: Path) -> None:
    async def test() -> None:
        unit = Unit(kinds.REPOSITORY_TOKENS, "7")
        journal = await open_at(path)
        journal.hidden(unit, NOW, "P/slug")
        await journal.close()
        journal = await open_at(path)
        assert [(i.unit, i.hidden, i.last, i.place) async for i in journal.replay()] == [(unit, True, True, "P/slug")]
        await journal.close()

    run(test)


def test_a_run_without_a_journal_leaves_the_old_base(path: Path) -> None:
    async def test() -> None:
        base = await keep(path, range(5))
        first = await open_at(path)
        tell(first, told(8))
        await first.flush()
        second = await open_at(path)
        assert not second.active, "another has it"
        await second.keep(base, b"other facts")
        assert await held(base) == [told(n) for n in range(5)]
        await first.close()

    run(test)


def test_a_base_that_can_t_be_written_costs_the_base_not_the_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        journal = await open_at(path)
        tell(journal, told(1))
        await journal.keep(path.parent / "no folder" / "x.base", FACTS)
        assert not list(path.parent.iterdir()), "and the journal does not pass for an unfinished one"

    run(test)
    assert "can't be kept" in caplog.text


@pytest.mark.parametrize("go_on", [False, True])
def test_a_kill_before_the_base_is_replaced_leaves_the_old_one_and_a_whole_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch, go_on: bool
) -> None:
    """What is there then is what is on the disk at that moment."""
    moment = path.parent.parent / "moment"

    def stop(new: Path, base: Path) -> None:
        moment.mkdir()
        for file in path.parent.iterdir():
            (moment / file.name).write_bytes(file.read_bytes())
            (moment / file.name).chmod(0o600)
        new.replace(base)

    async def test() -> None:
        await keep(path, range(3))
        monkeypatch.setattr("oaa_bitbucket_async.collect.journal.store.replace_durably", stop)
        base = await keep(path, range(5), go_on=go_on)
        assert await held(moment / base.name) == [told(n) for n in range(3)]
        assert await found_in(moment / path.name) == [told(n) for n in range(5)]

    run(test)


async def refused(path: Path) -> str:
    with pytest.raises(NoBaseError) as caught:
        await proven(path)
    return str(caught.value)


def test_no_base(path: Path) -> None:
    async def test() -> None:
        assert "no upload" in await refused(path.with_suffix(".base"))

    run(test)


def test_an_unfinished_journal_is_no_base(path: Path) -> None:
    async def test() -> None:
        await written(path, range(5))
        assert "not finished" in await refused(path)

    run(test)


def test_a_base_of_another_version_of_bitbucket_is_none(path: Path) -> None:
    async def test() -> None:
        base = await keep(path, range(5))
        with pytest.raises(NoBaseError, match="server_version"):
            await Base.open(base, msgspec.structs.replace(FINGERPRINT, server_version="9.5.0"))

    run(test)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM batch WHERE number = (SELECT max(number) FROM batch)",
        "UPDATE closing SET batches = batches - 1",
        "UPDATE closing SET body = CAST('other facts' AS BLOB)",
        "UPDATE batch SET body = x'00' WHERE number = 0",
    ],
)
def test_a_base_that_was_damaged_is_none(path: Path, damage: str) -> None:
    async def test() -> None:
        journal = await open_at(path)
        for number in range(20):
            tell(journal, told(number))
            await journal.flush()
        base = path.with_suffix(".base")
        await journal.keep(base, FACTS)
        with closing(sqlite3.connect(base)) as connection, connection:
            connection.execute(damage)
        assert "damaged" in await refused(base)

    run(test)


def test_a_base_that_others_could_have_written_is_none(path: Path) -> None:
    async def test() -> None:
        base = await keep(path, range(5))
        base.chmod(0o666)
        assert "can't be used" in await refused(base)

    run(test)


def test_a_base_that_breaks_while_it_is_read_ends_the_run(path: Path) -> None:
    async def test() -> None:
        base = await keep(path, range(5))
        opened = await proven(base)
        with closing(sqlite3.connect(base)) as connection, connection:
            connection.execute("UPDATE batch SET body = x'00'")
        with pytest.raises(TemporaryError, match="is damaged"):
            await anext(opened.replay())
        await opened.close()

    run(test)


def test_the_base_is_resumed_like_a_journal_by_who_finds_it_under_its_name(path: Path) -> None:
    """A kill between closing the journal off and giving it the base's name."""

    async def test() -> None:
        base = await keep(path, range(5))
        base.rename(path)
        journal = await open_at(path)
        assert len(await everything(journal)) == 5
        tell(journal, told(7))
        await journal.close()
        assert len(await found_in(path)) == 6

    run(test)


def test_a_base_that_is_not_read_at_the_moment_holds_no_users(path: Path) -> None:
    async def test() -> None:
        journal = await open_at(path)
        for number in range(3_000):
            grant = rows.UserGrant(rows.User(number, f"user{number}", display_name="x" * 100), "REPO_READ")
            journal.done(Unit(kinds.REPOSITORY_USERS, str(number)), [grant], NOW)
        file = path.with_suffix(".base")
        await journal.keep(file, FACTS)
        base = await Base.open(file, FINGERPRINT)
        tracemalloc.start()
        await base.prove()
        async for _ in base.replay(lambda _: False):
            pass
        left, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await base.close()
        assert left < 3_000 * 150  # with the last batch; a user takes 240

    run(test)
