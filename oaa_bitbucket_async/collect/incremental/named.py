"""Which projects, repositories and users does the audit log name, and since when?

DESIGN.md section 7, "What the log names". No row is ever applied to a stored answer: it only tells where to ask.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from oaa_bitbucket_async.bitbucket.audit.rows import AuditEvent
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.incremental.keys import About, about, is_known
from oaa_bitbucket_async.collect.incremental.mark import AuditMark
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit, subject_of
from oaa_bitbucket_async.collect.units import Subject

MOST_THINGS = 200
"""An unknown key that names more different things in one window is no sign of a change of rights."""
CLOCKS_DIFFER = 300_000
"""A unit has the change of a row only if it was read this many milliseconds after the row: clocks of nodes differ, and
a row has the time before its change is written."""
Times = dict[Subject, int]
"""For each thing, the time of the newest row that names it."""


@dataclass(slots=True)
class Named:
    """What the new rows of a window name, each with the time of its newest row (the server's clock, milliseconds)."""

    permissions: Times = field(default_factory=dict)
    """Projects and repositories whose grants or default permissions may have changed."""
    things: Times = field(default_factory=dict)
    """Projects, repositories and users about which anything may have changed."""
    inherited: Times = field(default_factory=dict)
    """Projects whose inherited settings and restrictions may have changed for their repositories."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Unknown keys that are no reason to ask, with the number of different things each names. For one warning."""
    rows: int = 0
    """How many rows of the window are new and name something."""

    @property
    def subjects(self) -> set[Subject]:
        """Everything that is named itself."""
        return {*self.permissions, *self.things}

    def newest(self, unit: Unit, project: int | None = None) -> int | None:
        """The time of the newest row that names this unit; None if none does. `project` is that of a repository."""
        subject = subject_of(unit)
        if subject is None:
            return None
        times = [self.things.get(subject)]
        if is_of_permissions(unit.kind):
            times.append(self.permissions.get(subject))
        elif subject.kind == "repository" and project is not None:
            times.append(self.inherited.get(Subject("project", project)))
        return max((time for time in times if time is not None), default=None)

    def asks_again(self, unit: Unit, read_at: int, project: int | None = None) -> bool:
        """Whether to ask this unit again: not if it was read after the newest row that names it. `read_at` is by the
        server's clock (`AuditMark.to_server`)."""
        newest = self.newest(unit, project)
        return newest is not None and read_at <= newest + CLOCKS_DIFFER


def is_of_permissions(kind: AnyKind) -> bool:
    """Whether rows about permissions concern it."""
    return kind.grants or kind is kinds.PROJECT_DEFAULT


def what_is_named(events: Iterable[AuditEvent], mark: AuditMark | None) -> Named:
    """What the rows of a window name, without rows that the mark has seen. Rows with `…requested` keys count too."""
    named = Named()
    new = list(new_events(events, mark))
    meaning = {key: about(key) for key in {event.key for event in new}}
    unknown: dict[str, set[Subject]] = {key: set() for key in meaning if not is_known(key)}
    for event in new:
        if event.key in unknown:
            unknown[event.key].update(subjects_of(event, meaning[event.key]))
    named.skipped = {key: len(things) for key, things in sorted(unknown.items()) if len(things) > MOST_THINGS}
    for event in new:
        if event.key not in named.skipped:
            _enter(named, event, meaning[event.key])
    return named


def new_events(events: Iterable[AuditEvent], mark: AuditMark | None) -> Iterator[AuditEvent]:
    """The events without those that the mark has seen. Of equal events, as many are left out as it has seen."""
    seen = Counter(mark.seen if mark is not None else ())
    newest = max((event.time for event in seen), default=0)
    for event in events:
        if event.time <= newest and seen[event] > 0:
            seen[event] -= 1
        else:
            yield event


def subjects_of(event: AuditEvent, what: About) -> list[Subject]:
    """The things that a row is about: its repositories, else its projects; users too, unless they only hold a grant.

    A row about a repository also has its project, to which nothing happened.
    """
    if what is About.NOTHING:
        return []
    found = [Subject("repository", number) for number in event.repositories]
    found = found or [Subject("project", number) for number in event.projects]
    if what is not About.PERMISSIONS:
        found += [Subject("user", number) for number in event.users]
    return found


def _enter(named: Named, event: AuditEvent, what: About) -> None:
    subjects = subjects_of(event, what)
    if not subjects:
        return
    named.rows += 1
    table = named.permissions if what is About.PERMISSIONS else named.things
    for subject in subjects:
        table[subject] = max(event.time, table.get(subject, 0))
        if what is About.ALL and subject.kind == "project":
            named.inherited[subject] = max(event.time, named.inherited.get(subject, 0))
