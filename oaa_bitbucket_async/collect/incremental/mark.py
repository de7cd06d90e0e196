"""What a base keeps about the audit log, so that the next run knows where to continue and what was seen."""

import hashlib

import msgspec

from oaa_bitbucket_async.bitbucket.audit.reading import LogSettings, Reading
from oaa_bitbucket_async.bitbucket.audit.rows import AuditEvent
from oaa_bitbucket_async.collect.incremental.keys import is_reason

OVERLAP = 30 * 60 * 1000
"""Milliseconds by which a window begins before the last reading: rows may arrive late."""
_MOST_SEEN = 100_000
"""How many rows of the overlap are kept. A row that is not kept counts again and costs its requests."""


class AuditMark(msgspec.Struct, frozen=True, kw_only=True):
    """What was known of the log when the base was made; it is stored with the base.

    The log was read before any unit was asked, because a unit may be asked before a later row names it. A run that
    continues an earlier run keeps that run's mark, or a later mark if its rows were applied to the earlier units.
    """

    read_at: float
    """When the log was read: seconds since 1970 by our clock."""
    server_time: int
    """The server's clock then, in milliseconds since 1970."""
    anchor: AuditEvent | None
    """The row that our own search left then. It has to be found again."""
    seen: tuple[AuditEvent, ...] = ()
    """Rows of the last 30 minutes before and of the time since, as far as they may be reasons to ask or to
    doubt."""
    settings: str = ""
    """Stands for the log's coverage and deny list."""

    @property
    def window_start(self) -> int:
        """The time of the oldest row that the next reading needs, by the server's clock."""
        return self.server_time - OVERLAP

    def moved_back(self, ours: float) -> "AuditMark":
        """A mark for answers older than the reading, the oldest from `ours` (seconds by our clock). Its rows were not
        applied to these answers, so the next reading begins at the time of the oldest answer."""
        time = self.to_server(ours)
        seen = tuple(event for event in self.seen if event.time < time)
        return msgspec.structs.replace(self, read_at=ours, server_time=time, seen=seen)

    def to_server(self, ours: float) -> int:
        """Converts a time of our clock (seconds) to the server's clock (milliseconds), as well as the mark can."""
        return self.server_time + round((ours - self.read_at) * 1000)


def mark_of(reading: Reading) -> AuditMark:
    """The mark of a base whose units were asked after this reading, or judged by its rows."""
    server_time = server_time_of(reading)
    recent = [event for event in reading.events if event.time >= server_time - OVERLAP and is_reason(event)]
    return AuditMark(
        read_at=reading.read_at,
        server_time=server_time,
        anchor=reading.own,
        seen=tuple(recent[:_MOST_SEEN]),
        settings=fingerprint(reading.settings),
    )


def server_time_of(reading: Reading) -> int:
    """The server's clock when the log was read: that of our own row, or else of the newest row, or else ours.

    If it is too early, the next window is longer and units seem older than they are. That only costs requests.
    """
    if reading.own is not None:
        return reading.own.time
    return reading.newest if reading.newest is not None else round(reading.read_at * 1000)


def fingerprint(settings: LogSettings) -> str:
    """If it differs from the last one, the log covers other events than before."""
    return hashlib.blake2b(msgspec.json.encode(settings), digest_size=12).hexdigest()
