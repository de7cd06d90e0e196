"""Rows of the audit log without their texts: a time, a key and numeric ids.

The log's rows contain names, IP addresses and public keys. The decoder drops them.
"""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.bitbucket.rows import Row

SEARCHED = "atlassian.audit.event.action.audit.search"
"""The key of the row that each reading of the log writes."""
LOG_CHANGED = "atlassian.audit.event.action.audit.config.updated"
"""The key of a change to the log's own settings: coverage, deny list, retention."""
PLUGIN_ENABLED = "bitbucket.service.plugin.audit.action.pluginenabled"
"""The key of about 150 rows that a node writes when it starts."""
MOST_ROWS = 10_000
"""The most rows of an answer: ten times what we ask for."""
_LONGEST_CURSOR = 200
_WRITER = "com.atlassian.audit."
"""The names of the plugins that write the log begin with this."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_HIGHEST = 2**45
"""A larger number is not an id, as in `rows.Id`."""
_zone_name = re.compile(r"\[[^]]*\]$")


class AuditEvent(msgspec.Struct, frozen=True, gc=False, array_like=True, order=True):
    """The kept part of a row. `time` is in milliseconds since 1970, by the clock of the node that wrote it.

    The ids are those of the objects that the row names, sorted and without duplicates. An id of 0 stands for an object
    that does not exist yet and is left out. If a row names no project, repository or user, `users` has its author: the
    action then concerns the author (a key, a token, a search in the log).
    """

    time: int
    key: str
    projects: tuple[int, ...] = ()
    repositories: tuple[int, ...] = ()
    users: tuple[int, ...] = ()
    node_start: bool = False
    """The plugin that writes the log was enabled: a node started."""


class LogPage(NamedTuple):
    """One answer, newest row first. `cursor` leads to the next one; None at the end. `size` in bytes."""

    events: list[AuditEvent]
    cursor: str | None
    size: int


class _Author(Row, frozen=True):
    id: str | int | None = None


class _Type(Row, frozen=True):
    action_i18n_key: str | None = msgspec.field(name="actionI18nKey", default=None)


class _Object(Row, frozen=True):
    type: str | None = None
    id: str | int | None = None
    name: str | int | None = None


class _Instant(Row, frozen=True):
    """A time as the log's files have it."""

    epoch_second: int
    nano: int = 0


class _Event(Row, frozen=True):
    timestamp: str | int | _Instant
    author: _Author | None = None
    type: _Type | None = None
    affected_objects: list[_Object] | None = None


class _Cursor(Row, frozen=True):
    """A form of the cursor in Atlassian's documents."""

    cursor: str


class _Paging(Row, frozen=True):
    last_page: bool
    next_page_cursor: str | _Cursor | None = None


class _Answer(Row, frozen=True):
    entities: list[_Event]
    paging_info: _Paging


class LogPages:
    """Decodes answers. Raises what msgspec raises."""

    def __init__(self) -> None:
        self._wire = msgspec.json.Decoder(_Answer)

    def decode(self, body: bytes, /) -> LogPage:
        """Raises msgspec.ValidationError also if a page has no way on, too many rows, or a row without a time."""
        answer = self._wire.decode(body)
        if len(answer.entities) > MOST_ROWS:
            raise msgspec.ValidationError(f"the page has {len(answer.entities):,} rows, more than were asked for")
        return LogPage([_reduced(event) for event in answer.entities], _following(answer.paging_info), len(body))


def _following(paging: _Paging) -> str | None:
    if paging.last_page:
        return None
    cursor = paging.next_page_cursor
    if isinstance(cursor, _Cursor):
        cursor = cursor.cursor
    if not cursor or len(cursor) > _LONGEST_CURSOR:
        raise msgspec.ValidationError("the page is not the last one, and has no cursor that leads to the next")
    return cursor


def _reduced(event: _Event) -> AuditEvent:
    key = (event.type.action_i18n_key if event.type else None) or ""
    found: dict[str, list[int]] = {"PROJECT": [], "REPOSITORY": [], "USER": []}
    named = node_start = False
    for thing in event.affected_objects or ():
        kind = (thing.type or "").upper()
        if kind in found:
            named = True
            found[kind] += _ids(thing.id)
        elif key == PLUGIN_ENABLED and (str(thing.name).startswith(_WRITER) or str(thing.id).startswith(_WRITER)):
            node_start = True
    if not named and event.author is not None:
        found["USER"] += _ids(event.author.id)
    projects, repositories, users = (tuple(sorted(set(ids))) for ids in found.values())
    return AuditEvent(_milliseconds(event.timestamp), sys.intern(key), projects, repositories, users, node_start)


def _ids(given: str | int | None) -> list[int]:
    """The id, if it is one. Not an id: 0 (does not exist yet), -1 (the system) and -2 (nobody)."""
    text = str(given)
    if text.isascii() and text.isdecimal() and len(text) < 16 and 0 < int(text) <= _HIGHEST:
        return [int(text)]
    return []


def _milliseconds(stamp: str | int | _Instant) -> int:
    """Milliseconds since 1970. Raises msgspec.ValidationError for a text that is not a point in time."""
    if isinstance(stamp, int):
        return stamp
    if isinstance(stamp, _Instant):
        return stamp.epoch_second * 1000 + stamp.nano // 1_000_000
    try:
        moment = datetime.fromisoformat(_zone_name.sub("", stamp))
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, TypeError, OverflowError):  # TypeError: without an offset it is not a point in time
        raise msgspec.ValidationError("a row's timestamp is no point in time") from None
