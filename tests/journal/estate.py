"""Journals with made-up contents: what a crawl would note, the same for the same number."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal import AnyRow, Fingerprint, Journal
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.settings import Scope

NOW = 1_700_000_000.0
FINGERPRINT = Fingerprint.of(
    base_url="https://git.example.com/scm",
    authentication="basic",
    user="collector",
    server_version="9.4.0",
    global_permissions="explicit",
    scope=Scope(),
)


class Told(NamedTuple):
    """One unit as the journal was told it: its pages, the last one included."""

    unit: Unit
    pages: tuple[tuple[AnyRow, ...], ...]
    read_at: float
    place: str


def user(number: int) -> rows.User:
    return rows.User(number, f"user{number}", f"user{number}", f"Jörg {number}", f"u{number}@example.com")


def told(number: int) -> Told:
    """The unit with this number: mostly permissions, now and then pages, an empty answer."""
    read_at = NOW + number % 400 / 8
    if number % 11 == 3:
        pages = tuple(tuple(user(number * 7 + i) for i in range(page, page + 4)) for page in range(3))
        return Told(Unit(kinds.MEMBERS, f"group {number}"), pages, read_at, "")
    if number % 11 == 5:
        return Told(Unit(kinds.REPOSITORY_USERS, str(number)), ((),), read_at, "GONE/empty")
    if number % 2:
        groups = tuple(rows.GroupGrant(rows.Group(f"team {i}"), "REPO_WRITE") for i in range(number % 5))
        return Told(Unit(kinds.REPOSITORY_GROUPS, str(number)), (groups,), read_at, f"P{number % 3}/slug")
    users = tuple(rows.UserGrant(user(i), "REPO_READ") for i in range(number, number + number % 6))
    return Told(Unit(kinds.REPOSITORY_USERS, str(number)), (users,), read_at, f"P{number % 3}/slug")


def tell(journal: Journal, what: Told) -> None:
    for page in what.pages[:-1]:
        journal.page(what.unit, page)
    journal.done(what.unit, what.pages[-1], what.read_at, what.place)


async def open_at(path: Path, *, now: float = NOW, **changed: object) -> Journal:
    arguments = {"fingerprint": FINGERPRINT, "window": 3600.0, "resume": True, **changed}
    return await Journal.open(path, now=now, **arguments)  # type: ignore[arg-type]


async def everything(journal: Journal, *, own: bool = False) -> list[Told]:
    """What the journal replays, unit by unit; fails if a unit is not ended by its last page."""
    found: list[Told] = []
    running: dict[Unit, list[tuple[AnyRow, ...]]] = {}
    async for item in journal.replay(own=own):
        running.setdefault(item.unit, []).append(tuple(item.rows))
        if item.last:
            found.append(Told(item.unit, tuple(running.pop(item.unit)), item.read_at, item.place))
    assert not running, "pages of a unit that is not whole"
    return found


async def written(path: Path, numbers: Sequence[int], **arguments: object) -> None:
    """A run that collects these units and is stopped."""
    journal = await open_at(path, **arguments)  # type: ignore[arg-type]
    for number in numbers:
        tell(journal, told(number))
    await journal.close()


async def found_in(path: Path, **arguments: object) -> list[Told]:
    """What the next run takes up."""
    journal = await open_at(path, **arguments)  # type: ignore[arg-type]
    try:
        return await everything(journal)
    finally:
        await journal.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine function, and fail if it leaves an exception that nobody has seen."""
    unseen: list[dict[str, object]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        await test()

    asyncio.run(watched())
    assert not unseen
