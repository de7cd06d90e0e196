"""Reads one window of the audit log, newest row first, and the settings that say what the log leaves out.

Each request goes through the client, with its gate, its attempts and its check of the login. We build the URL of the
next page from the cursor, and never follow a link from an answer. AUDIT.md section 1.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from oaa_bitbucket_async.bitbucket.api import Endpoint
from oaa_bitbucket_async.bitbucket.audit.reading import LogSettings, Reading, Unreadable, Why
from oaa_bitbucket_async.bitbucket.audit.rows import SEARCHED, AuditEvent, LogPage, LogPages
from oaa_bitbucket_async.bitbucket.client import Client, T
from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, Gone, Moved, Rejected, RequestProblem
from oaa_bitbucket_async.errors import CredentialError
from oaa_bitbucket_async.settings import OWN_ROW_WAITS
from oaa_bitbucket_async.text import quote as for_people

ROWS = 1000
"""The number of rows to ask for at a time."""
MOST_PAGES = 1000
"""The most pages of a window: a million rows."""
BEFORE = 30 * 60 * 1000
"""Without an earlier reading, the window begins this many milliseconds before now."""
KIND = "audit-log"
"""The kind under which these questions are counted and paced."""
_REACHES = (365, 90, 30, 7, 1)
_ROOT = "/rest/auditing/1.0"
_PAGES = LogPages()
_COVERAGE = "configuration/coverage"
_DENY_LIST = "configuration/denylist"
_RETENTION = "configuration/retention"
_USAGE = "statistics/database/usage"

Keep = Callable[[AuditEvent], bool]
Sleep = Callable[[float], Awaitable[None]]


class _Coverage(msgspec.Struct, frozen=True):
    level_by_area: dict[str, str | None] | None = msgspec.field(name="levelByArea", default=None)


class _DenyList(msgspec.Struct, frozen=True):
    actions: list[str | None] | None = None


_coverage = msgspec.json.Decoder(_Coverage)
_deny_list = msgspec.json.Decoder(_DenyList)
_anything: msgspec.json.Decoder[object] = msgspec.json.Decoder()


class _Window(NamedTuple):
    events: list[AuditEvent]
    oldest: int | None
    newest: int | None
    rows: int
    complete: bool
    pages: int
    bytes: int


def _everything(_: AuditEvent) -> bool:
    return True


class AuditLog:
    """The audit log of one instance. `me` is the id of our own user, None if it is not known.

    `own_row_waits` are the seconds to wait before each look for the row of our own search.
    """

    def __init__(
        self, client: Client, context_path: str, me: int | None, *, own_row_waits: Sequence[float] = OWN_ROW_WAITS
    ) -> None:
        self._client = client
        self._root = context_path + _ROOT
        self._me = me
        self._own_row_waits = own_row_waits

    async def read(
        self,
        since: int | None,
        *,
        now: Callable[[], float],
        sleep: Sleep,
        keep: Keep = _everything,
        most_pages: int = MOST_PAGES,
    ) -> Reading | Unreadable:
        """Reads the rows from `since` on (milliseconds by the server's clock; None: the last half hour).

        It makes a search first and waits for the row of that search. Once it is there, the same node has also written
        all its earlier rows. `now` is our time in seconds since 1970, `sleep` waits for a number of seconds. Rows that
        `keep` rejects are only counted.

        Raises CredentialError if the login is lost, and the errors that end a run (outages, a stop).
        """
        try:
            before = await self._first_look(ROWS)
            read_at = now()
            own = await self._own_row(before, sleep)
            settings = await self.settings()
            if since is None:
                since = (own.time if own is not None else round(read_at * 1000)) - BEFORE
            window = await self._window(since, keep, most_pages)
        except RequestProblem as problem:
            return _unreadable(problem)
        return Reading(
            events=window.events,
            oldest=window.oldest,
            newest=window.newest,
            rows=window.rows,
            complete=window.complete,
            own=own,
            read_at=read_at,
            settings=settings,
            pages=window.pages,
            bytes=window.bytes,
        )

    async def since(
        self, time: int, *, keep: Keep = _everything, most_pages: int = MOST_PAGES
    ) -> list[AuditEvent] | Unreadable:
        """The rows from `time` on as they are now, newest first, without waiting. Raises as `read` does.

        For a change that the crawl found: its row may be newer than the reading before the crawl.
        """
        try:
            return (await self._window(time, keep, most_pages)).events
        except RequestProblem as problem:
            return _unreadable(problem)

    async def reach(self, now: float) -> int | Unreadable:
        """How many days the rows go back at least: 365, 90, 30, 7, 1 or 0. `now` is in seconds since 1970."""
        try:
            for days in _REACHES:
                if (await self._page(None, None, 1, until=round((now - days * 86_400) * 1000))).events:
                    return days
        except RequestProblem as problem:
            return _unreadable(problem)
        return 0

    async def probe(self) -> Unreadable | None:
        """Tries to read one row. None if the log can be read. Raises as `read` does."""
        try:
            await self._first_look(1)
        except RequestProblem as problem:
            return _unreadable(problem)
        return None

    async def settings(self) -> LogSettings:
        """What the log leaves out, as far as the server tells. Raises as `read` does."""
        coverage: tuple[tuple[str, str], ...] | None = None
        told = await self._if_told(_COVERAGE, _coverage)
        if isinstance(told, _Coverage) and told.level_by_area is not None:
            coverage = tuple(sorted((_word(area), _word(level)) for area, level in told.level_by_area.items() if level))
        denied: tuple[str, ...] | None = None
        listed = await self._if_told(_DENY_LIST, _deny_list)
        if isinstance(listed, _DenyList):
            denied = tuple(sorted(action for action in listed.actions or () if action))
        elif isinstance(listed, (Gone, Rejected)):
            denied = ()  # this server has no deny list: it is too old, or has no licence for one
        return LogSettings(coverage=coverage, denied=denied)

    async def retention(self) -> str | None:
        """How long rows are kept, in the server's own words; None if it does not tell. For people only."""
        told = await self._if_told(_RETENTION, _anything)
        return None if isinstance(told, RequestProblem) else for_people(_in_words(told)) or None

    async def usage(self) -> float | None:
        """How full the log is, from 0 to 1; None if the server does not tell."""
        told = await self._if_told(_USAGE, _anything)
        number = None if isinstance(told, RequestProblem) else _number(told)
        return number if number is not None and 0 <= number <= 1 else None

    # --- one window -----------------------------------------------------------------------------------------

    async def _first_look(self, limit: int) -> list[AuditEvent]:
        """The newest rows. A missing right can look like a lost login, so a proof of the login decides."""
        try:
            return (await self._page(None, None, limit)).events
        except CredentialError as error:
            await self._client.prove_login()
            raise Denied(f"{self._root}/events", error.message) from None

    async def _own_row(self, before: list[AuditEvent], sleep: Sleep) -> AuditEvent | None:
        """The row of our first look: a new search that is ours, as far as we can tell.

        The clocks of nodes differ, so it may not be the newest row.
        """
        for seconds in self._own_row_waits:
            await sleep(seconds)
            there = Counter(before)
            found = None
            for event in (await self._page(None, None, ROWS)).events:
                if there[event]:
                    there[event] -= 1
                elif self._is_ours(event):
                    found = event  # the last of them is the oldest
            if found is not None:
                return found
        return None

    def _is_ours(self, event: AuditEvent) -> bool:
        return event.key == SEARCHED and (self._me is None or event.users in ((), (self._me,)))

    async def _window(self, since: int, keep: Keep, most_pages: int) -> _Window:
        kept: list[AuditEvent] = []
        oldest: int | None = None
        newest: int | None = None
        cursor: str | None = None
        rows = pages = size = 0
        known: set[str] = set()
        complete = False
        while not complete and pages < most_pages:
            page = await self._page(since, cursor, ROWS)
            pages, size = pages + 1, size + page.size
            events = [event for event in page.events if event.time >= since]
            rows += len(events)
            if events:
                times = [event.time for event in events]
                oldest = min(times) if oldest is None else min(oldest, *times)
                newest = max(times) if newest is None else max(newest, *times)
            kept += filter(keep, events)
            cursor = page.cursor
            complete = cursor is None or (bool(page.events) and not events)
            if cursor in known and not complete:
                detail = "the audit log leads from one page to a page that was there before"
                raise Fault(f"{self._root}/events", detail, reason=FaultReason.PAGING)
            known.add(cursor or "")
        return _Window(kept, oldest, newest, rows, complete, pages, size)

    async def _page(self, since: int | None, cursor: str | None, limit: int, *, until: int | None = None) -> LogPage:
        path = f"{self._root}/events?limit={limit}"
        if until is not None:
            path += f"&to={_instant(until)}"
        if since is not None:
            path += f"&from={_instant(since)}"
        if cursor is not None:
            path += f"&pageCursor={quote(cursor, safe='')}"
        return await self._client.ask(Endpoint(KIND, path, _PAGES))

    async def _if_told(self, what: str, decoder: "msgspec.json.Decoder[T]") -> T | RequestProblem:
        try:
            return await self._client.ask(Endpoint(KIND, f"{self._root}/{what}", decoder))
        except RequestProblem as problem:
            return problem


def _unreadable(problem: RequestProblem) -> Unreadable:
    why = Why.FAULT
    if isinstance(problem, Denied):
        why = Why.RIGHT
    elif isinstance(problem, Gone):
        why = Why.ABSENT
    elif isinstance(problem, (Rejected, Moved)):
        why = Why.REFUSED
    return Unreadable(why, str(problem))


def _instant(milliseconds: int) -> str:
    """A time in the log's format: UTC, with milliseconds and a Z."""
    moment = datetime.fromtimestamp(max(milliseconds, 0) // 1000, UTC)
    return quote(f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z", safe="")


def _word(name: str) -> str:
    """The name of an area or a level in one form, whatever the server's version writes."""
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def _in_words(told: object) -> str:
    """The text of an answer in an unknown form: its values, with their names if there are several."""
    if isinstance(told, dict):
        return ", ".join(
            f"{_in_words(value)} {key}" if len(told) > 1 else _in_words(value) for key, value in told.items()
        )
    return "" if isinstance(told, list) or told is None else str(told)


def _number(told: object) -> float | None:
    """The first number in an answer in an unknown form."""
    if isinstance(told, dict):
        return next((number for value in told.values() if (number := _number(value)) is not None), None)
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None
