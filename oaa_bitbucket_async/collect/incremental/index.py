"""What an incremental run has to know of its base before it takes anything over."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, cast

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.rows_by_id import RowsById
from oaa_bitbucket_async.collect.snapshot import RepositoryRecord, Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject

_OfSubject = Literal["project", "repository", "user"]
_SUBJECTS: tuple[_OfSubject, ...] = ("project", "repository", "user")
LISTINGS = (kinds.USERS, kinds.GROUPS, kinds.PROJECTS, kinds.REPOSITORIES)


class Flags(NamedTuple):
    """Properties of a project or repository in a listing. If they change, grants may have changed too."""

    public: bool
    archived: bool = False
    forkable: bool = True
    state: str = ""


class Times(Mapping[Subject, float]):
    """When the oldest answer about each subject was read, in epoch seconds. Add all, then ask."""

    def __init__(self) -> None:
        self._times = {kind: array("d") for kind in _SUBJECTS}
        self._rows = {kind: RowsById(times) for kind, times in self._times.items()}
        self._counts: dict[_OfSubject, int] = {}

    def add(self, subject: Subject, read_at: float) -> None:
        """An answer about the subject."""
        self._rows[subject.kind].add(subject.id, read_at)

    def __getitem__(self, subject: Subject) -> float:
        times = self._times[subject.kind]
        if found := self._rows[subject.kind].places(subject.id):
            return min(times[row] for row in found)
        raise KeyError(subject)

    def __contains__(self, subject: object) -> bool:
        return isinstance(subject, Subject) and bool(self._rows[subject.kind].places(subject.id))

    def __iter__(self) -> Iterator[Subject]:
        return (Subject(kind, key) for kind in _SUBJECTS for key, _ in self._rows[kind].each())

    def __len__(self) -> int:
        return sum(map(self.count, _SUBJECTS))

    def count(self, kind: _OfSubject) -> int:
        """How many subjects of this kind there are."""
        if kind not in self._counts:
            self._counts[kind] = sum(1 for _ in self._rows[kind].each())
        return self._counts[kind]


class BaseIndex:
    """When each subject of the base was read, and what its listings showed. Fill it with `add`, then ask."""

    def __init__(self) -> None:
        self.read_at = Times()
        """When the oldest answer about each subject was read, in epoch seconds."""
        self._answers: Counter[str] = Counter()
        self.users: dict[int, str] = {}
        """The names of all users who were listed, by id."""
        self.groups: set[str] = set()
        """The names of all groups that were listed, folded."""
        self._project_flags: dict[int, Flags] = {}
        self._projects, self._flags = array("q"), array("q")
        self._repositories = RowsById(self._projects, self._flags)
        """The project of each repository that was listed, and the number of its flags."""
        self._numbers: dict[Flags, int] = {}
        """There are only a few different ones."""

    @staticmethod
    def wanted(unit: Unit) -> bool:
        """Whether `add` needs the rows of this unit."""
        return unit.kind in LISTINGS

    def add(self, item: Replayed) -> None:
        """A page of a unit of the base."""
        subject = subject_of(item.unit)
        if subject is not None:
            self.read_at.add(subject, item.read_at)
            self._answers[subject.kind] += item.last
        elif item.unit.kind is kinds.USERS:
            self.users.update((row.id, row.name) for row in cast("list[rows.User]", item.rows))
        elif item.unit.kind is kinds.GROUPS:
            self.groups.update(fold(row.name) for row in cast("list[rows.Group]", item.rows))
        elif item.unit.kind is kinds.PROJECTS:
            for project in cast("list[rows.Project]", item.rows):
                self._project_flags[project.id] = Flags(project.public)
        elif item.unit.kind is kinds.REPOSITORIES:
            for row in cast("list[rows.Repository]", item.rows):
                flags = self._numbers.setdefault(_flags_of(row), len(self._numbers))
                self._repositories.add(row.id, row.project.id, flags)

    def answers(self, subject: Subject) -> float:
        """How many answers there are about a subject of this kind, on average."""
        return self._answers[subject.kind] / self.read_at.count(subject.kind)

    def project_of(self, repository: int) -> int | None:
        """The project of a repository that was listed, by their ids."""
        row = self._row_of(repository)
        return None if row is None else self._projects[row]

    def has_other_flags(self, subject: Subject, snapshot: Snapshot) -> bool:
        """Whether its flags differ between snapshot and base. False if the base's listings lack it."""
        if subject.kind == "project":
            before = self._project_flags.get(subject.id)
            return before is not None and before != Flags(snapshot.projects[subject.id].public)
        row = self._row_of(subject.id) if subject.kind == "repository" else None
        if row is None:
            return False
        return self._flags[row] != self._numbers.get(_flags_of(snapshot.repositories[subject.id]))

    def _row_of(self, repository: int) -> int | None:
        """The row of a repository that was listed; the last one counts."""
        found = self._repositories.places(repository)
        return found[-1] if found else None

    def other_people(self, snapshot: Snapshot) -> tuple[set[Principal], set[str]]:
        """Who vanished, came back or was renamed since the base, and all (folded) names that they had or have.

        Also a user who is not listed and whose name another has now. To be called when all listings have been read.
        """
        users = {user.id: user.name for user in snapshot.users.values() if user.listed}
        groups = {name for name, group in snapshot.groups.items() if group.listed}
        different = users.items() ^ self.users.items()
        names = {fold(name) for _, name in different}
        others = {Principal("user", key) for key, _ in different}
        for unlisted in (*snapshot.earlier_users.values(), *snapshot.users.values()):
            if not unlisted.listed and fold(unlisted.name) in names:
                others.add(Principal("user", unlisted.id))
        others |= {Principal("group", name) for name in groups ^ self.groups}
        return others, names


def _flags_of(repository: rows.Repository | RepositoryRecord) -> Flags:
    return Flags(repository.public, repository.archived, repository.forkable, repository.state)
