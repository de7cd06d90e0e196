"""Is a change that was found without being named one that the audit log, or a known cascade, explains?

DESIGN.md section 7, "Trust"; the cascades are in AUDIT.md section 2.
"""

from collections.abc import Collection, Iterable

from oaa_bitbucket_async.bitbucket.audit.rows import AuditEvent
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.incremental.comparison import EVERYONE
from oaa_bitbucket_async.collect.incremental.keys import is_reading
from oaa_bitbucket_async.collect.incremental.named import CLOCKS_DIFFER
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import Subject


class Explanations:
    """By thing, the newest row that could explain a change of it: any that does not only tell of reading.

    `events` are the rows of the window and, where a change is left that they do not explain, those written since
    (`AuditLog.since`): a run asks for a while, and what changes meanwhile has its row after the reading.

    That is more than what is a reason to ask: rows of keys that were skipped, and the project of a row about a
    repository.
    """

    def __init__(self, events: Iterable[AuditEvent]) -> None:
        self._newest: dict[Subject, int] = {}
        for event in events:
            if is_reading(event.key):
                continue
            for subject in (
                *(Subject("project", number) for number in event.projects),
                *(Subject("repository", number) for number in event.repositories),
                *(Subject("user", number) for number in event.users),
            ):
                self._newest[subject] = max(event.time, self._newest.get(subject, 0))

    def explains(self, unit: Unit, since: int) -> bool:
        """Whether a row names what the unit is about, and is not older than the unit's last reading: `since`, by the
        server's clock (`AuditMark.to_server`)."""
        subject = subject_of(unit)
        newest = self._newest.get(subject) if subject is not None else None
        return newest is not None and newest >= since - CLOCKS_DIFFER


def explains(events: Iterable[AuditEvent], unit: Unit, since: int) -> bool:
    """The same for one unit alone."""
    return Explanations(events).explains(unit, since)


def is_cascade(changed: Iterable[Principal], unsettled: Collection[Principal], snapshot: Snapshot) -> bool:
    """Whether all of the holders whose grants differ are among those that vanished, came back or were renamed.

    Bitbucket removes the grants of a deleted user or group seven days later, without a row, and one that is created
    again before that keeps them. By then the base may have been made without them, so whoever is not listed counts too.
    """
    return all(holder in unsettled or not _is_listed(holder, snapshot) for holder in changed)


def _is_listed(holder: Principal, snapshot: Snapshot) -> bool:
    if isinstance(holder.key, int):
        return (user := snapshot.users.get(holder.key)) is not None and user.listed
    return holder == EVERYONE or ((group := snapshot.groups.get(holder.key)) is not None and group.listed)
