"""Reading the audit log: its own row, pages by cursor, and what the log says when it can't be read."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from oaa_bitbucket_async.bitbucket.audit.log import ROWS, AuditLog
from oaa_bitbucket_async.bitbucket.audit.reading import LogSettings, Reading, Unreadable, Why
from oaa_bitbucket_async.bitbucket.audit.rows import SEARCHED
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.errors import CredentialError
from oaa_bitbucket_async.settings import OWN_ROW_WAITS
from tests.bitbucket.answers import API, HTML, Wire, answer, client_of, error, ok, page
from tests.virtual_clock import run_virtual

ME, NOW = 7, 1_700_000_000.0
SERVER = 1_699_999_000_000
"""The server's clock, which is 1000 s behind ours."""
GRANTED = "bitbucket.service.user.audit.action.repositorypermissiongranted"


def at(time: int, key: str = GRANTED, author: int = 3, repository: int | None = None) -> dict[str, Any]:
    objects = [] if repository is None else [{"type": "REPOSITORY", "id": str(repository), "name": "r"}]
    return {
        "timestamp": time, "author": {"id": str(author), "name": "x"}, "type": {"actionI18nKey": key},
        "affectedObjects": objects,
    }  # fmt: skip


class Log:
    """The log as a list of rows, newest first. Each search leaves a row, which shows up `late` searches later."""

    def __init__(
        self, *rows: dict[str, Any], late: int | None = 0, author: int = ME, per_page: int = 1000, deaf: bool = False
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        for row in sorted(rows, key=lambda row: int(row["timestamp"])):
            self._write(row)
        self.now = SERVER
        self.late = late
        self.author = author
        self.per_page = per_page
        self.deaf = deaf
        self.waiting: list[dict[str, Any]] = []
        self.searches: list[dict[str, str]] = []
        self.answers: dict[str, Answer] = {}
        self.tamper: Callable[[dict[str, Any]], dict[str, Any]] = lambda content: content

    def __call__(self, path: str) -> Answer:
        parts = urlsplit(path)
        what = parts.path.removeprefix("/rest/auditing/1.0/")
        if what in self.answers:
            return self.answers[what]
        if what.startswith("/rest/api"):
            return ok(page([{"id": ME, "name": "collector"}]))
        if what != "events":
            return error(404)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.searches.append(query)
        limit = min(int(query["limit"]), self.per_page)
        rows = [row for row in self.rows if self.deaf or row["timestamp"] >= _milliseconds(query.get("from"))]
        if "pageCursor" in query:
            time, _, number = query["pageCursor"].partition(",")
            rows = [row for row in rows if (row["timestamp"], row["number"]) < (int(time), int(number))]
        shown, more = rows[:limit], len(rows) > limit
        paging: dict[str, Any] = {"lastPage": not more, "size": len(shown), "nextPageLink": "http://elsewhere/"}
        if more:
            paging["nextPageCursor"] = f"{shown[-1]['timestamp']},{shown[-1]['number']}"
        self._leave()
        return ok(self.tamper({"entities": shown, "pagingInfo": paging}))

    def _leave(self) -> None:
        if self.late is None:
            return
        self.now += 100
        self.waiting.append(at(self.now, SEARCHED, self.author))
        while len(self.waiting) > self.late:
            self._write(self.waiting.pop(0))

    def _write(self, row: dict[str, Any]) -> None:
        self.rows.insert(0, row | {"number": len(self.rows) + 1})


def _milliseconds(instant: str | None) -> int:
    return 0 if instant is None else round(datetime.fromisoformat(instant).timestamp() * 1000)


def read(log: Log, since: int | None = 0, me: int | None = ME, **more: Any) -> tuple[Reading | Unreadable, list[float]]:
    """What came of it, and the seconds slept for the own row."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def go() -> Reading | Unreadable:
        client = client_of(Wire(log), max_attempts=2)
        client.prove_by(API.login_proof())
        return await AuditLog(client, "", me).read(since, now=lambda: NOW, sleep=sleep, **more)

    return run_virtual(go()), slept


def sound(log: Log, since: int | None = 0, **more: Any) -> Reading:
    found, _ = read(log, since, **more)
    assert isinstance(found, Reading)
    return found


def test_the_rows_of_a_window_and_our_own_among_them() -> None:
    log = Log(*[at(SERVER - number, repository=number) for number in range(1, 50)], per_page=10)
    found = sound(log, SERVER - 30)
    named = [event.repositories for event in found.events if event.key == GRANTED]
    assert named == [(number,) for number in range(1, 31)]
    assert found.own is not None
    assert found.own in found.events
    assert found.own.time == SERVER + 100, "the row of the first search, and so the server's clock"
    assert (found.oldest, found.complete, found.read_at) == (SERVER - 30, True, NOW)
    assert found.rows == len(found.events)
    assert found.bytes > 0


def test_a_next_page_is_asked_for_in_our_own_words() -> None:
    log = Log(*[at(SERVER - number) for number in range(25)], per_page=10)
    sound(log, SERVER - 500)
    window = [query for query in log.searches if "pageCursor" in query]
    assert [query["pageCursor"].partition(",")[0] for query in window] == [str(SERVER - 7), str(SERVER - 17)]
    assert all(query["from"] and query["limit"] == str(ROWS) for query in window)


def test_only_what_is_wanted_is_kept() -> None:
    log = Log(*[at(SERVER - number, GRANTED if number % 2 else "reading", repository=5) for number in range(1, 11)])
    found = sound(log, SERVER - 10, keep=lambda event: event.key == GRANTED)
    assert len(found.events) == 5
    assert found.oldest == SERVER - 10
    assert found.rows > 10


def test_without_an_earlier_reading_the_last_half_hour_is_read() -> None:
    log = Log(at(SERVER - 29 * 60_000, repository=1), at(SERVER - 31 * 60_000, repository=2))
    assert [e.repositories for e in sound(log, None).events if e.repositories] == [(1,)]


def test_a_window_of_too_many_pages_is_not_complete() -> None:
    log = Log(*[at(SERVER - number) for number in range(100)], per_page=10)
    found = sound(log, SERVER - 500, most_pages=3)
    assert (found.complete, found.pages, found.rows) == (False, 3, 30)


@pytest.mark.parametrize(("late", "slept"), [(0, OWN_ROW_WAITS[:1]), (2, OWN_ROW_WAITS[:3]), (None, OWN_ROW_WAITS)])
def test_our_own_row_is_waited_for(late: int | None, slept: tuple[float, ...]) -> None:
    found, waited = read(Log(at(SERVER - 5), at(SERVER - 5, SEARCHED, ME), late=late))
    assert isinstance(found, Reading)
    assert (found.own is None) is (late is None), "a search of an earlier run is none of ours"
    assert tuple(waited) == slept


@pytest.mark.parametrize(
    ("author", "me", "found"), [(ME, ME, True), (8, ME, False), (8, None, True), (-2, ME, True)]
)  # fmt: skip
def test_whose_search_counts_as_ours(author: int, me: int | None, found: bool) -> None:
    reading, _ = read(Log(at(SERVER - 5), author=author), me=me)
    assert isinstance(reading, Reading)
    assert (reading.own is not None) is found


def test_an_empty_log() -> None:
    found = sound(Log(late=None))
    assert (found.events, found.oldest, found.complete, found.own) == ([], None, True, None)


def test_a_server_that_does_not_heed_where_to_begin_is_read_no_further_than_needed() -> None:
    log = Log(*[at(SERVER - number) for number in range(1000)], per_page=10, deaf=True)
    found = sound(log, SERVER - 15)
    assert [e.time for e in found.events if e.key == GRANTED] == [SERVER - number for number in range(16)]
    assert (found.complete, found.pages) == (True, 3)


def test_a_log_that_leads_round_in_a_circle() -> None:
    log = Log(*[at(SERVER - number) for number in range(100)], per_page=10)

    def circle(content: dict[str, Any]) -> dict[str, Any]:
        return content | {"pagingInfo": {"lastPage": False, "nextPageCursor": f"{SERVER},1"}}

    log.tamper = circle
    found, _ = read(log)
    assert isinstance(found, Unreadable)
    assert (found.why, found.lasting) == (Why.FAULT, False)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (error(401, "You are not permitted", exception="com.atlassian.bitbucket.AuthorisationException"), Why.RIGHT),
        (error(403, "Forge and OAuth2 apps cannot access this REST resource"), Why.RIGHT),
        (error(404, "null for uri"), Why.ABSENT),
        (error(400, "no licence"), Why.REFUSED),
        (error(500, "Can't perform search as there are many other search requests in progress"), Why.FAULT),
        (answer(200, b"<html>", content_type=HTML), Why.FAULT),
        (ok({"values": []}), Why.FAULT),
    ],
)
def test_a_log_that_can_not_be_read(given: Answer, why: Why) -> None:
    log = Log()
    log.answers["events"] = given
    found, slept = read(log)
    assert isinstance(found, Unreadable)
    assert found.why is why
    assert found.lasting is (why is not Why.FAULT)
    assert "/rest/auditing/1.0/events" in found.said
    assert slept == []


def test_a_refusal_as_if_nobody_were_signed_in_is_one_of_the_log_if_the_login_still_holds() -> None:
    log = Log()
    log.answers["events"] = error(401, "Authentication required", user=None)
    found, _ = read(log)
    assert isinstance(found, Unreadable)
    assert found.why is Why.RIGHT


def test_a_login_that_is_lost_ends_the_run() -> None:
    async def go() -> None:
        client = client_of(Wire(lambda _: error(401, "Authentication required", user=None)), max_attempts=2)
        client.prove_by(API.login_proof())
        await AuditLog(client, "", ME).read(0, now=lambda: NOW, sleep=asyncio.sleep)

    with pytest.raises(CredentialError):
        run_virtual(go())


@pytest.mark.parametrize(
    ("coverage", "denied", "expected"),
    [
        (
            ok({"levelByArea": {"PERMISSIONS": "BASE", "local_config_and_administration": "off", "x": None}}),
            ok({"actions": ["b", "a"]}),
            LogSettings(coverage=(("local-config-and-administration", "off"), ("permissions", "base")),
                        denied=("a", "b")),
        ),
        (ok({"levelByArea": {}}), error(400, "no licence"), LogSettings()),
        (error(401), error(401), LogSettings(coverage=None, denied=None)),
        (error(404), error(404), LogSettings(coverage=None, denied=())),
        (ok({"other": 1}), ok([]), LogSettings(coverage=None, denied=None)),
    ],
)  # fmt: skip
def test_what_the_log_leaves_out(coverage: Answer, denied: Answer, expected: LogSettings) -> None:
    log = Log()
    log.answers |= {"configuration/coverage": coverage, "configuration/denylist": denied}
    assert sound(log).settings == expected


@pytest.mark.parametrize(
    ("retention", "words"),
    [
        (ok({"period": "P3Y"}), "P3Y"),
        (ok({"period": {"value": 3, "unit": "YEARS"}}), "3 value, YEARS unit"),
        (ok({}), None),
        (error(401), None),
    ],
)
def test_how_long_rows_are_kept(retention: Answer, words: str | None) -> None:
    log = Log()
    log.answers["configuration/retention"] = retention

    async def go() -> str | None:
        return await AuditLog(client_of(Wire(log)), "", ME).retention()

    assert run_virtual(go()) == words


@pytest.mark.parametrize(
    ("usage", "share"), [(ok({"usage": 0.42}), 0.42), (ok(0.5), 0.5), (ok({"a": {"b": 1}}), 1.0), (ok({"n": 17}), None)]
)
def test_how_full_the_log_is(usage: Answer, share: float | None) -> None:
    log = Log()
    log.answers["statistics/database/usage"] = usage

    async def go() -> float | None:
        return await AuditLog(client_of(Wire(log)), "", ME).usage()

    assert run_virtual(go()) == share
