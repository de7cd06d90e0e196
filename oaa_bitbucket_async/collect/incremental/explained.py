"""Does the audit log, or a known cascade, explain a change that the log did not name?

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
    """For each thing, the newest row that could explain a change of it: any row that is not only about reading.

    `events` are the rows of the window. If they do not explain every change, they also include later rows
    (`AuditLog.since`): a change during the crawl has its row after the reading.

    This accepts more rows than are a reason to ask: also rows of skipped keys, and the project of a row about a
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
        """Whether a row names the unit's subject and is not older than `since`: the unit's last reading, by the
        server's clock (`AuditMark.to_server`)."""
        subject = subject_of(unit)
        newest = self._newest.get(subject) if subject is not None else None
        return newest is not None and newest >= since - CLOCKS_DIFFER


def explains(events: Iterable[AuditEvent], unit: Unit, since: int) -> bool:
    """The same for one unit alone."""
    return Explanations(events).explains(unit, since)


def is_cascade(changed: Iterable[Principal], unsettled: Collection[Principal], snapshot: Snapshot) -> bool:
    """Whether all holders with changed grants have vanished, come back or been renamed.

    Bitbucket removes the grants of a deleted user or group seven days later, without a row. A user or group that is
    created again before that keeps them. The base may already lack such a holder, so holders that are not listed
    count too.
    """
    return all(holder in unsettled or not _is_listed(holder, snapshot) for holder in changed)


def _is_listed(holder: Principal, snapshot: Snapshot) -> bool:
    if isinstance(holder.key, int):
        return (user := snapshot.users.get(holder.key)) is not None and user.listed
    return holder == EVERYONE or ((group := snapshot.groups.get(holder.key)) is not None and group.listed)
