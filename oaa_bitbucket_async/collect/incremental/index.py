"""What an incremental run has to know of its base before it takes anything over."""

from collections import Counter
from typing import NamedTuple, cast

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject

LISTINGS = (kinds.USERS, kinds.GROUPS, kinds.PROJECTS, kinds.REPOSITORIES)


class Flags(NamedTuple):
    """Properties of a project or repository in a listing. If they change, grants may have changed too."""

    public: bool
    archived: bool = False
    forkable: bool = True
    state: str = ""


class BaseIndex:
    """When each subject of the base was read, and what its listings showed. Fill it with `add`."""

    def __init__(self) -> None:
        self.read_at: dict[Subject, float] = {}
        """When the oldest answer about each subject was read, in epoch seconds."""
        self._answers: Counter[str] = Counter()
        self._subjects: Counter[str] = Counter()
        self.users: dict[int, str] = {}
        """The names of all users who were listed, by id."""
        self.groups: set[str] = set()
        """The names of all groups that were listed, folded."""
        self.project_of: dict[int, int] = {}
        """The project of each repository that was listed, by their ids."""
        self._project_flags: dict[int, Flags] = {}
        self._repository_flags: dict[int, Flags] = {}
        self._same: dict[Flags, Flags] = {}
        self._ids: dict[int, int] = {}

    @staticmethod
    def wanted(unit: Unit) -> bool:
        """Whether `add` needs the rows of this unit."""
        return unit.kind in LISTINGS

    def add(self, item: Replayed) -> None:
        """A page of a unit of the base."""
        subject = subject_of(item.unit)
        if subject is not None:
            before = self.read_at.get(subject)
            if before is None or item.read_at < before:
                self.read_at[subject] = item.read_at
            self._subjects[subject.kind] += before is None
            self._answers[subject.kind] += item.last
        elif item.unit.kind is kinds.USERS:
            self.users.update((row.id, row.name) for row in cast("list[rows.User]", item.rows))
        elif item.unit.kind is kinds.GROUPS:
            self.groups.update(fold(row.name) for row in cast("list[rows.Group]", item.rows))
        elif item.unit.kind is kinds.PROJECTS:
            for project in cast("list[rows.Project]", item.rows):
                self._project_flags[project.id] = self._shared(Flags(project.public))
        elif item.unit.kind is kinds.REPOSITORIES:
            for row in cast("list[rows.Repository]", item.rows):
                flags = Flags(row.public, row.archived, row.forkable, row.state)
                self._repository_flags[row.id] = self._shared(flags)
                self.project_of[row.id] = self._ids.setdefault(row.project.id, row.project.id)

    def answers(self, subject: Subject) -> float:
        """How many answers there are about a subject of this kind, on average."""
        return self._answers[subject.kind] / self._subjects[subject.kind]

    def _shared(self, flags: Flags) -> Flags:
        """The same object for the same flags: there are only a few."""
        return self._same.setdefault(flags, flags)

    def has_other_flags(self, subject: Subject, snapshot: Snapshot) -> bool:
        """Whether its flags differ between snapshot and base. False if the base's listings lack it."""
        if subject.kind == "project":
            before = self._project_flags.get(subject.id)
            return before is not None and before != Flags(snapshot.projects[subject.id].public)
        before = self._repository_flags.get(subject.id)
        if before is None or subject.kind != "repository":
            return False
        now = snapshot.repositories[subject.id]
        return before != Flags(now.public, now.archived, now.forkable, now.state)

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
