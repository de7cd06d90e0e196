"""The audit log of the embedded Bitbucket, read over real sockets and judged."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.bitbucket.audit.log import AuditLog as Reader
from oaa_bitbucket_async.bitbucket.audit.reading import Reading, Unreadable, Why
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.preflight import examine
from oaa_bitbucket_async.bitbucket.protocol import Account
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.bitbucket.transport import connect
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.incremental.doubts import Reason, doubts
from oaa_bitbucket_async.collect.incremental.explained import explains
from oaa_bitbucket_async.collect.incremental.keys import is_wanted
from oaa_bitbucket_async.collect.incremental.mark import AuditMark, mark_of
from oaa_bitbucket_async.collect.incremental.named import what_is_named
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.changes import create_project, grant, move_repository, revoke, set_defaults
from oaa_bitbucket_async.demo.happening import Happening
from oaa_bitbucket_async.demo.model import Estate
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Pace, Tls
from tests.demo.asking import small_estate
from tests.servers import RiggedBitbucket, RiggedOptions

HOUR = 3600.0


class Clock:
    """The server's, which goes on while the collector waits."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Site:
    """A Bitbucket with its log, and what reads it."""

    def __init__(self, server: RiggedBitbucket, reader: Reader, clock: Clock) -> None:
        self.server = server
        self.reader = reader
        self.clock = clock

    @property
    def estate(self) -> Estate:
        return self.server.estate

    async def read(self, mark: AuditMark | None = None, **more: Any) -> Reading | Unreadable:
        self.clock.time += 1
        since = mark.window_start if mark is not None else None
        return await self.reader.read(since, now=self.clock, sleep=self.clock.sleep, keep=is_wanted, **more)

    async def sound(self, mark: AuditMark | None = None, **more: Any) -> Reading:
        found = await self.read(mark, **more)
        assert isinstance(found, Reading)
        return found


@asynccontextmanager
async def site(
    options: RiggedOptions | None = None, log: Callable[[Estate, Clock], AuditLog] = AuditLog, *, user: str | None = ""
) -> AsyncIterator[Site]:
    """Signed in with the password of the server's own account, or (None) with its token."""
    estate, clock = small_estate(), Clock()
    async with RiggedBitbucket(estate, options, audit=log(estate, clock)) as server:
        name = server.user if user == "" else user
        login = Login(user=name, secret=Secret(server.token if name is None else server.password))
        loop_clock, rng, pace, stats = LoopClock(), random.Random(1), Pace(max_attempts=2), RequestStats()
        pacer = Pacer(concurrency=4, max_concurrency=4, rate_limit=None, max_outage=60, clock=loop_clock, rng=rng)
        async with connect(server.url, login, Tls(), 10.0) as transport:
            client = Client(transport, pacer, stats, Account(kind=login.kind, given_name=name), pace, loop_clock, rng)
            found = await examine(client, Api("", 1000), server.url, 1000, _yes)
            yield Site(server, Reader(client, "", found.user_id), clock)


async def _yes() -> bool:
    return True


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        asyncio.run(test(*args, **named))

    return run


@on_a_loop
async def test_an_hour_of_changes_is_named() -> None:
    async with site() as it:
        estate = it.estate
        first, second = estate.repositories[0], estate.repositories[1]
        grant(estate, "REPO_READ", first, user="cleo")
        mark = mark_of(await it.sound())
        assert mark.anchor is not None
        assert mark.anchor.time == it.clock.time * 1000 - 1000

        it.clock.time += HOUR
        revoke(estate, "cleo", first)
        set_defaults(estate, second.project, ["PROJECT_WRITE"])
        reading = await it.sound(mark)
        named = what_is_named(reading.events, mark)

        assert doubts(mark, reading, include=(), trust=None) == ()
        assert named.subjects == {Subject("repository", first.id), Subject("project", second.project.id)}
        revoked_at = round(it.clock.time * 1000) - 2000
        assert named.newest(Unit(kinds.REPOSITORY_USERS, str(first.id))) == revoked_at

        it.clock.time += HOUR
        later = mark_of(reading)
        again = await it.sound(later)
        assert what_is_named(again.events, later).subjects == set()
        assert doubts(later, again, include=(), trust=None) == ()


@on_a_loop
async def test_pages_by_cursor_show_the_same_as_one() -> None:
    async with site() as it:
        mark = mark_of(await it.sound())
        it.clock.time += HOUR
        for number in range(400):
            grant(it.estate, "REPO_READ" if number % 2 else "REPO_WRITE", it.estate.repositories[0], user="cleo")
        it.clock.time += 1
        project = create_project(it.estate, "NEW")
        move_repository(it.estate, it.estate.repositories[1].project.key, it.estate.repositories[1].slug, to_key="NEW")
        for number in range(400):
            grant(it.estate, "PROJECT_READ" if number % 2 else "PROJECT_WRITE", project, user="cleo")
        reading = await it.sound(mark)
        assert reading.pages == 2
        assert reading.complete
        pages = [request.query for request in it.server.requests if "pageCursor" in request.query]
        assert len(pages) == 1
        assert "limit=1000" in pages[0]
        assert what_is_named(reading.events, mark).subjects == {
            Subject("repository", it.estate.repositories[0].id),
            Subject("repository", it.estate.repositories[1].id),
            Subject("project", project.id),
        }
        cut = await it.sound(mark, most_pages=1)
        assert [doubt.reason for doubt in doubts(mark, cut, include=(), trust=None)] == [Reason.TOO_MANY]


@on_a_loop
async def test_a_change_while_the_run_goes_on_has_a_row_after_the_reading() -> None:
    async with site() as it:
        reading = await it.sound()
        assert reading.own is not None
        unit = Unit(kinds.REPOSITORY_USERS, str(it.estate.repositories[0].id))
        it.clock.time += 60
        grant(it.estate, "REPO_READ", it.estate.repositories[0], user="cleo")
        later = await it.reader.since(reading.own.time, keep=is_wanted)
        assert not isinstance(later, Unreadable)
        assert not explains(reading.events, unit, reading.own.time)
        assert explains([*later, *reading.events], unit, reading.own.time)


@pytest.mark.parametrize(("days", "told"), [(0, 0), (3, 1), (40, 30), (800, 365)])
@on_a_loop
async def test_how_far_back_the_log_reaches(days: int, told: int) -> None:
    async with site() as it:
        it.clock.time -= days * 24 * HOUR
        grant(it.estate, "REPO_READ", it.estate.repositories[0], user="cleo")
        it.clock.time += days * 24 * HOUR
        assert await it.reader.reach(it.clock.time) == told


class Forgetful(AuditLog):
    """Loses the rows of the collector's searches."""

    def loses(self, happening: Happening) -> bool:
        return happening.what == "audit log searched"


class Late(AuditLog):
    """Shows a row three seconds later."""

    def delay(self, happening: Happening) -> int:
        return 3000


class German(AuditLog):
    """In another language."""

    def text(self, english: str) -> str:
        return f"Übersetzt: {english}"


@pytest.mark.parametrize(
    ("log", "seconds", "own"), [(AuditLog, 1, True), (Late, 3, True), (Forgetful, 15, False), (German, 1, True)]
)
@on_a_loop
async def test_our_own_search_tells_whether_the_log_is_alive(log: type[AuditLog], seconds: int, own: bool) -> None:
    async with site(log=log) as it:
        began = it.clock.time + 1
        reading = await it.sound()
        assert (reading.own is not None) is own
        assert it.clock.time - began == seconds
        found = doubts(mark_of(reading), reading, include=(), trust=None)
        assert (Reason.OWN_ROW in [doubt.reason for doubt in found]) is not own


@on_a_loop
async def test_rows_that_arrive_late_are_named_by_the_next_run() -> None:
    async with site(log=Late) as it:
        revoke(it.estate, "nobody", it.estate.repositories[0])
        it.clock.time += HOUR
        grant(it.estate, "REPO_READ", it.estate.repositories[0], user="cleo")
        it.clock.time -= 1.5  # the grant's row shows up after the reading, with a time before it
        reading = await it.sound()
        reading = replace(reading, events=[e for e in reading.events if not e.repositories])
        mark = mark_of(reading)
        it.clock.time += HOUR
        later = await it.sound(mark)
        assert what_is_named(later.events, mark).subjects == {Subject("repository", it.estate.repositories[0].id)}


@pytest.mark.parametrize(
    ("options", "user", "why"),
    [
        (RiggedOptions(version="6.10.0"), "", Why.ABSENT),
        (RiggedOptions(audit_by_token=False), None, Why.RIGHT),
        (RiggedOptions(missing=frozenset({"audit-events"})), "", Why.ABSENT),
    ],
)
@on_a_loop
async def test_where_the_log_can_not_be_read(options: RiggedOptions, user: str | None, why: Why) -> None:
    async with site(options, user=user) as it:
        found = await it.read()
        assert isinstance(found, Unreadable)
        assert (found.why, found.lasting) == (why, True)
        probed = await it.reader.probe()
        assert probed is not None
        assert probed.why is why


@on_a_loop
async def test_a_server_without_a_licence_for_a_deny_list_has_none() -> None:
    async with site(RiggedOptions(data_center=False), user=None) as it:
        assert await it.reader.probe() is None
        settings = (await it.sound()).settings
        assert settings.denied == ()
        assert dict(settings.coverage or ())["permissions"] == "base"
        assert await it.reader.retention() == "P3Y"
        assert await it.reader.usage() == 0.0


@on_a_loop
async def test_coverage_and_deny_list_of_a_server() -> None:
    async with site() as it:
        log = it.server.audit
        log.coverage["permissions"] = "off"
        log.denied.append("Project permission granted")
        reading = await it.sound()
        found = doubts(mark_of(reading), reading, include=(), trust=None)
        assert [doubt.reason for doubt in found] == [Reason.COVERAGE] * 2
        assert "permissions" in found[0].words
