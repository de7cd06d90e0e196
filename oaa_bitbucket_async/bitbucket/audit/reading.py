"""The result of one reading of the audit log."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from oaa_bitbucket_async.bitbucket.audit.rows import AuditEvent


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the log leaves out. None: unknown, because it could not be read.

    Areas and levels are in lower case with `-` between words, as in `user-management` and `base`. Denied actions are
    texts in the instance's language.
    """

    coverage: tuple[tuple[str, str], ...] | None = ()
    """Area and level, by area. An area that is not named has the level `base`."""
    denied: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The log's rows of one window."""

    events: list[AuditEvent]
    """The rows that `keep` accepted, newest first."""
    oldest: int | None
    """The time of the oldest row that was read, kept or not; None if there was none."""
    newest: int | None
    """The same for the newest row."""
    rows: int
    """How many rows were read."""
    complete: bool
    """False: the window has more pages than may be read."""
    own: AuditEvent | None
    """The row that this reading's first search left in the log; None if it did not show up in time."""
    read_at: float
    """When the first search was answered, in seconds since 1970 by our clock. By the server's clock, the own row has
    about that time and not a later one."""
    settings: LogSettings
    pages: int = 0
    bytes: int = 0


class Why(StrEnum):
    """The reason why the log can't be read."""

    RIGHT = "right"
    """The account lacks the right, or its kind of login is refused here."""
    ABSENT = "absent"
    """This server has no audit log: it is too old, or the log's plugin is off."""
    REFUSED = "refused"
    """The server refuses, for example without a licence for it."""
    FAULT = "fault"
    """The server gave no usable answer this time."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The log can't be read. `said` is what came back, for people."""

    why: Why
    said: str

    @property
    def lasting(self) -> bool:
        """Whether the reason is permanent for this instance and login, and not a temporary failure."""
        return self.why is not Why.FAULT

    @property
    def words(self) -> str:
        """A sentence for people, with what to do."""
        return f"{_WORDS[self.why]} ({self.said})."


_WORDS = {
    Why.RIGHT: "This login may not read the audit log: the account needs the global permission Admin (System admin "
    "where an administrator has chosen so), and some versions refuse tokens here",
    Why.ABSENT: "This Bitbucket has no audit log that can be read over REST: it exists from 7.0 on",
    Why.REFUSED: "This Bitbucket refuses to show its audit log",
    Why.FAULT: "The audit log could not be read this time",
}
