"""Which units of the base are asked again, and why (DESIGN.md section 7).

Listings, members of groups and global permissions are always asked, so they need no reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Set
from enum import StrEnum

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.incremental.index import BaseIndex
from oaa_bitbucket_async.collect.incremental.named import Named
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject


class Reason(StrEnum):
    """Why a unit is asked again that the last upload has, or should have, an answer for."""

    NAMED = "named"
    """A row of the audit log names it."""
    CHANGED = "changed"
    """It is new, renamed or moved, or has other flags."""
    HOLDER = "holder"
    """A holder of a grant on it vanished, came back or was renamed."""
    UNANSWERED = "unanswered"
    """It was not answered last time."""
    AGE = "age"
    """Its answer has become old."""


class Plan:
    """Decides about each unit of the base."""

    def __init__(
        self,
        index: BaseIndex,
        *,
        named: Named,
        to_server: Callable[[float], int],
        due: Set[Subject],
        finished_at: float,
    ) -> None:
        """`to_server` converts our time (epoch seconds) to the log's time (`AuditMark.to_server`).

        `due` is asked again by age. `finished_at` (epoch seconds) is the end of the run that made the base.
        """
        self.counts: Counter[Reason] = Counter()
        """Units that were asked again."""
        self.renewed: set[Subject] = set()
        """Subjects that were asked again as a whole, by this run or by the interrupted run that it continues."""
        self.dropped = 0
        """Units that were asked again although they were taken over at first."""
        self.named = named
        self.unsettled: set[Principal] = set()
        """Who vanished, came back or was renamed since the base; known once the listings have been read."""
        self._index = index
        self._to_server = to_server
        self._due = due
        self._finished_at = finished_at
        self._changed: set[Subject] = set()
        self._touched: set[Subject] = set()

    def believes(self, item: Replayed) -> bool:
        """Whether the unit need not be asked again, as far as is known before the crawl.

        Also for units of an interrupted incremental run: its own answers are younger than the base.
        """
        subject = subject_of(item.unit)
        if subject is None:
            return False
        if self.named.asks_again(item.unit, self._to_server(item.read_at), self._project_of(subject)):
            return False
        if subject not in self._due:
            return True
        if self.is_of_base(item):
            return False
        self.renewed.add(subject)
        return True

    def is_of_base(self, item: Replayed) -> bool:
        """Whether the answer is as old as the base; an interrupted run has the base's answers beside its own."""
        return item.read_at <= self._finished_at

    def is_named(self, unit: Unit, subject: Subject) -> bool:
        """Whether a new row of the audit log names the unit, which is about the subject."""
        return self.named.newest(unit, self._project_of(subject)) is not None

    def has_changed(self, subject: Subject, snapshot: Snapshot) -> bool:
        """Whether its listing differs from the base, so that old answers do not count."""
        if not self._index.has_other_flags(subject, snapshot):
            return False
        self._changed.add(subject)
        return True

    def moved(self, subject: Subject) -> None:
        """The listings show another path than the one of its answers."""
        self._changed.add(subject)

    def asked(self, unit: Unit) -> None:
        """The unit was asked."""
        subject = subject_of(unit)
        if subject is None:
            return
        reason = self._reason(unit, subject)
        self.counts[reason] += 1
        if reason in (Reason.CHANGED, Reason.HOLDER, Reason.AGE) or subject in self._due:
            self.renewed.add(subject)
        if reason in (Reason.CHANGED, Reason.HOLDER) and subject in self._index.read_at and subject not in self._due:
            self.dropped += 1

    def touched(self, snapshot: Snapshot) -> set[Subject]:
        """Projects and repositories with reused grants whose holder vanished, came back or was renamed.

        Also those whose restrictions or default reviewers name such a holder. Call it when all listings have been
        read.
        """
        self.unsettled, names = self._index.other_people(snapshot)
        others = self.unsettled
        self._touched = set(snapshot.held_by(others)) - self.named.subjects
        self._touched |= set(_mentioning(snapshot, others, names)) - self.named.things.keys()
        self._touched -= self.renewed
        return self._touched

    def oldest(self, snapshot: Snapshot) -> float | None:
        """When the oldest reused answer was read (epoch seconds). None if none was reused."""
        there = {
            "project": snapshot.projects.keys(),
            "repository": snapshot.repositories.keys(),
            "user": snapshot.users.keys(),
        }
        kept = (
            at
            for subject, at in self._index.read_at.items()
            if subject not in self.renewed and subject.id in there[subject.kind]
        )
        return min(kept, default=None)

    def _reason(self, unit: Unit, subject: Subject) -> Reason:
        if self.is_named(unit, subject):
            return Reason.NAMED
        if subject in self._changed or subject not in self._index.read_at:
            return Reason.CHANGED
        if subject in self._touched:
            return Reason.HOLDER
        return Reason.AGE if subject in self._due else Reason.UNANSWERED

    def _project_of(self, subject: Subject) -> int | None:
        return self._index.project_of(subject.id) if subject.kind == "repository" else None


def _mentioning(snapshot: Snapshot, principals: Set[Principal], names: Set[str]) -> Iterator[Subject]:
    """Where restrictions exempt one of these, or conditions for default reviewers have one of these (folded) names."""
    if not principals:
        return
    included = snapshot.included
    for place, restrictions in included.each(kinds.REPOSITORY_RESTRICTIONS):
        exempt = {Principal("user", user) for one in restrictions for user in one.users}
        exempt |= {Principal("group", fold(group)) for one in restrictions for group in one.groups}
        if not exempt.isdisjoint(principals):
            yield Subject("repository", place)
    for place, conditions in included.each(kinds.PROJECT_REVIEWERS):
        if any(fold(name) in names for one in conditions for name in one.reviewers):
            yield Subject("project", place)
    for place, conditions in included.each(kinds.REPOSITORY_REVIEWERS):
        if any(fold(name) in names for one in conditions for name in one.reviewers):
            yield Subject("repository", place)
