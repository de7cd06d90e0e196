"""Who holds what on which repositories and projects, laid out so that reach can be counted quickly.

Every repository has a number, its place; those of one project follow each other, so that a project is a range of
places, and a set of repositories is one large integer with a bit for each. The union of what fifty thousand users
reach through thousands of groups is then a matter of seconds.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain, repeat

from oaa_bitbucket_async.access.levels import Level, permissions_of
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import GrantSet, ProjectRecord, RepositoryRecord, Snapshot
from oaa_bitbucket_async.oaa.permissions import PROJECT_ADMIN, PROJECT_READ

READS, WRITES, ADMINISTERS = map(permissions_of, Level)
"""Permissions whose holder may read, change or administer what they are held on."""
Repositories = int
"""A set of repositories: the bit at a repository's place is set."""


class ReachIndex:
    """A snapshot's grants by holder, permission and place. Grants on what no listing shows are left out."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.projects: list[ProjectRecord] = sorted(snapshot.projects.values(), key=lambda p: (p.personal, p.key, p.id))
        """By key; personal ones last: few hold anything on them, so that most sets are short."""
        self.repositories: list[RepositoryRecord] = []
        """By place."""
        self.ranges: list[tuple[int, int]] = []
        """First place of each project's repositories, and the one after the last."""
        by_project: defaultdict[int, list[RepositoryRecord]] = defaultdict(list)
        for repository in snapshot.repositories.values():
            by_project[repository.project].append(repository)
        for project in self.projects:
            first = len(self.repositories)
            self.repositories += sorted(by_project.pop(project.id, ()), key=lambda r: (r.slug, r.id))
            self.ranges.append((first, len(self.repositories)))
        self._project_at = array("i")
        """The number of each repository's project, by place; -1 if no listing shows it."""
        for number, (first, end) in enumerate(self.ranges):
            self._project_at.extend(repeat(number, end - first))
        unplaced = sorted(chain.from_iterable(by_project.values()), key=lambda r: r.id)
        self.repositories += unplaced
        self._project_at.extend(repeat(-1, len(unplaced)))

        self._public_counts = snapshot.public_counts
        self._unpack = snapshot.codec.unpack
        self.on_projects = _by_code(snapshot.project_grants, [p.id for p in self.projects])
        """Numbers of projects in `projects`, by packed grant."""
        self.on_repositories = _by_code(snapshot.repository_grants, [r.id for r in self.repositories])
        """Places of repositories, by packed grant."""
        self.codes: defaultdict[Principal, list[tuple[int, str]]] = defaultdict(list)
        """What each holds on projects and repositories: packed grants, and their permissions."""
        for code in self.on_projects.keys() | self.on_repositories.keys():
            principal, permission = self._unpack(code)
            self.codes[principal].append((code, permission))
        self.owned: defaultdict[int, list[int]] = defaultdict(list)
        """Numbers of the personal projects of each user."""
        for number, project in enumerate(self.projects):
            if project.owner is not None:
                self.owned[project.owner].append(number)
        self.default_permissions = [snapshot.default_permissions.get(p.id, frozenset()) for p in self.projects]

    def of(self, principal: Principal, levels: frozenset[str] = READS) -> Repositories:
        """The repositories on which the holder's own grants, there or on the project, are among `levels`."""
        return self.of_any((principal,), levels)

    def of_any(self, principals: Iterable[Principal], levels: frozenset[str] = READS) -> Repositories:
        """The repositories of all these holders together; for many of them quicker than one after the other."""
        marks = self._marks()
        for principal in principals:
            for code, permission in self.codes.get(principal, ()):
                if permission in levels:
                    for number in self.on_projects.get(code, ()):
                        _mark(marks, *self.ranges[number])
                    for place in self.on_repositories.get(code, ()):
                        marks[place >> 3] |= 1 << (place & 7)
            if principal.kind == "user" and PROJECT_ADMIN in levels:
                for number in self.owned.get(int(principal.key), ()):
                    _mark(marks, *self.ranges[number])
        return int.from_bytes(marks, "little")

    def count_of(self, group: str) -> int:
        """How many repositories a group may read by its own grants: the bits of `of`, without a set of bits.

        Most groups hold little, and a set is as large as the instance. `group`: its folded name.
        """
        projects: set[int] = set()
        places: set[int] = set()
        for code, permission in self.codes.get(Principal("group", group), ()):
            if permission in READS:
                projects.update(self.on_projects.get(code, ()))
                places.update(self.on_repositories.get(code, ()))
        in_projects = sum(map(self.size, projects))
        if not projects:
            return len(places)
        return in_projects + sum(self._project_at[place] not in projects for place in places)

    def of_everyone(self, levels: frozenset[str] = READS) -> Repositories:
        """The repositories that everyone who may sign in has by a default permission, or because they are public.

        A public flag counts for nothing where public access is off.
        """
        marks = self._marks()
        for number, project in enumerate(self.projects):
            readable = project.public and self._public_counts
            by_default = self.default_permissions[number] | ({PROJECT_READ} if readable else set())
            if not by_default.isdisjoint(levels):
                _mark(marks, *self.ranges[number])
        if PROJECT_READ in levels and self._public_counts:
            for place, repository in enumerate(self.repositories):
                if repository.public:
                    marks[place >> 3] |= 1 << (place & 7)
        return int.from_bytes(marks, "little")

    def at_most(self, principal: Principal) -> int:
        """No fewer than the bits of `of(principal)`, and quicker."""
        count = 0
        for code, permission in self.codes.get(principal, ()):
            if permission in READS:
                count += len(self.on_repositories.get(code, ()))
                count += sum(self.size(number) for number in self.on_projects.get(code, ()))
        if principal.kind == "user":
            count += sum(self.size(number) for number in self.owned.get(int(principal.key), ()))
        return count

    def size(self, number: int) -> int:
        """How many repositories the project has."""
        first, end = self.ranges[number]
        return end - first

    def grants(self, principal: Principal) -> int:
        """How many grants on projects and repositories the holder has."""
        return sum(
            len(self.on_projects.get(code, ())) + len(self.on_repositories.get(code, ()))
            for code, _ in self.codes.get(principal, ())
        )

    def _marks(self) -> bytearray:
        return bytearray((len(self.repositories) >> 3) + 1)


def _by_code(table: Mapping[int, GrantSet], ids: Iterable[int]) -> "dict[int, array[int]]":
    by_code: dict[int, array[int]] = {}
    for number, key in enumerate(ids):
        grant_set = table.get(key)
        if grant_set is None:
            continue
        for code in grant_set.codes:
            numbers = by_code.get(code)
            if numbers is None:
                numbers = by_code[code] = array("i")
            numbers.append(number)
    return by_code


def _mark(marks: bytearray, first: int, end: int) -> None:
    """Sets the bits from `first` to before `end`, whole bytes at once."""
    if first == end:
        return
    low, high = first >> 3, end >> 3
    head, tail = 0xFF << (first & 7) & 0xFF, (1 << (end & 7)) - 1
    if low == high:
        marks[low] |= head & tail
        return
    marks[low] |= head
    marks[low + 1 : high] = b"\xff" * (high - low - 1)
    marks[high] |= tail
