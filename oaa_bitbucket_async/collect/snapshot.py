"""What was collected, addressable by scope, each scope with the time at which it was read.

Grants are the bulk (hundreds of thousands), so each is one integer in an `array`: who and what, packed by
`GrantCodec`. A scope's grants stay apart from any other's: a run that re-reads one replaces one.
Nothing here depends on the order in which answers arrive; where two rows disagree about one user or group,
the choice between them does not depend on it either.
"""

import sys
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, NamedTuple

import msgspec

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.grant_codec import GrantCodec, Principal
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.units import Subject


@dataclass(frozen=True, slots=True)
class Instance:
    """The instance itself, as it stands in the payload's application."""

    base_url: str
    host: str
    """Host name, with the port where it is not the scheme's own, and the context path: `git.example.com/scm`."""
    version: str
    authentication: Literal["basic", "token"]
    global_permissions: Literal["explicit", "effective"]


Grants = Sequence[rows.UserGrant] | Sequence[rows.GroupGrant]
"""The rows of one listing of grants."""

PublicAccess = Literal["on", "off", "unknown", "none flagged"]
"""Whether anybody may read what is called public: the instance's switch "Allow public access" (DESIGN.md rule 12).

`none flagged`: nothing is marked public, so that nobody asked. `unknown`: it could not be told.
"""


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """A user; times in milliseconds since 1970. `listed`: shown by the listing of users, not only by a grant."""

    id: int
    name: str
    slug: str
    display_name: str
    email: str | None
    active: bool
    type: str
    directory: str | None
    last_login: int | None
    created: int | None
    listed: bool


class GroupRecord(msgspec.Struct, frozen=True, gc=False):
    """A group, by the name that the listing shows (or, if none does, that a grant shows)."""

    name: str
    listed: bool


class ProjectRecord(msgspec.Struct, frozen=True, gc=False):
    """A project. `owner` is the id of a personal project's owner, None for others."""

    id: int
    key: str
    name: str
    public: bool
    description: str | None
    owner: int | None

    @property
    def personal(self) -> bool:
        """True for a user's own project (its key begins with `~`)."""
        return self.key.startswith("~")


class RepositoryRecord(msgspec.Struct, frozen=True, gc=False):
    """A repository of the project with id `project`."""

    id: int
    project: int
    slug: str
    name: str
    public: bool
    archived: bool
    fork: bool
    forkable: bool
    state: str
    description: str | None


class GrantSet(msgspec.Struct, gc=False):
    """The grants of one scope, packed (`GrantCodec.unpack`), and the earliest time (epoch seconds) they are of."""

    codes: "array[int]"
    read_at: float


def fold(name: str) -> str:
    """A group's or user's name as Bitbucket compares it: ignoring case (BITBUCKET.md section 5)."""
    return name.lower()


class Missing(NamedTuple):
    """A part that could not be collected: `kind` of scope and its id (a project's, a repository's, a group).

    `included`: some of what `--include` asked for, by its name there.
    """

    kind: Literal["global", "group", "project", "repository", "included"]
    key: int | str


@dataclass(slots=True)
class Snapshot:
    """All that a run collected. Keys: ids of users, projects and repositories; folded names of groups."""

    instance: Instance
    codec: GrantCodec = field(default_factory=GrantCodec)
    users: dict[int, UserRecord] = field(default_factory=dict)
    groups: dict[str, GroupRecord] = field(default_factory=dict)
    members: "dict[str, array[int]]" = field(default_factory=dict)
    """Ids of the users in a group."""
    global_grants: GrantSet | None = None
    projects: dict[int, ProjectRecord] = field(default_factory=dict)
    project_grants: dict[int, GrantSet] = field(default_factory=dict)
    default_permissions: dict[int, frozenset[str]] = field(default_factory=dict)
    """Project permissions that everyone who is licensed holds; more than one level can be set."""
    repositories: dict[int, RepositoryRecord] = field(default_factory=dict)
    repository_grants: dict[int, GrantSet] = field(default_factory=dict)
    public_access: PublicAccess = "unknown"
    missing: set[Missing] = field(default_factory=set)
    included: Included = field(default_factory=Included)
    """What `--include` added."""
    earlier_users: dict[int, UserRecord] = field(default_factory=dict)
    """Records from an earlier run. They are used only for users and groups that this run did not see."""
    earlier_groups: dict[str, GroupRecord] = field(default_factory=dict)
    displaced: set[Subject] = field(default_factory=set)
    """Projects and repositories whose path changed: answers under the old path do not count.

    Also those that an incremental run has to ask about again.
    """

    # --- what answers add -------------------------------------------------------------------------------

    def add_user(self, row: rows.User, *, listed: bool) -> None:
        """A user was shown; a listed row wins over one met in a grant, the fuller row over the emptier."""
        old = self.users.get(row.id)
        if old is not None and old.listed and not listed:
            return  # nearly every row of a grant, once the users are known
        new = UserRecord(
            id=row.id,
            name=row.name,
            slug=_same(row.slug, row.name),
            display_name=row.display_name,
            email=row.email_address or None,
            active=row.active,
            type=sys.intern(row.type),
            directory=None if row.directory_name is None else sys.intern(row.directory_name),
            last_login=row.last_authentication_timestamp,
            created=row.created_timestamp,
            listed=listed,
        )
        if old is None or (old != new and _fuller(new) > _fuller(old)):
            self.users[row.id] = new

    def add_group(self, name: str, *, listed: bool) -> str:
        """A group was shown; the listed spelling wins, then the first by code point. Gives the folded name."""
        key = fold(name)
        old = self.groups.get(key)
        if old is None or (not old.listed, old.name) > (not listed, name):
            self.groups[key] = GroupRecord(name=name, listed=listed)
        return key

    def add_members(self, group: str, user_ids: Iterable[int]) -> None:
        """Users who are in a group (given by name or folded name)."""
        key = fold(group)
        self.members[key] = array("q", sorted({*self.members.get(key, ()), *user_ids}))

    def add_project(self, row: rows.Project) -> None:
        """A project was listed, or is the project of a listed repository (personal projects only show there)."""
        if row.owner is not None:
            self.add_user(row.owner, listed=False)
        self.rename_project(row.id, row.key)
        self.projects[row.id] = ProjectRecord(
            id=row.id,
            key=row.key,
            name=row.name,
            public=row.public,
            description=row.description,
            owner=None if row.owner is None else row.owner.id,
        )

    def rename_project(self, project: int, key: str) -> None:
        """Sets the project's key. If the key changed, the project and all its repositories have a new path."""
        record = self.projects.get(project)
        if record is None or record.key == key:
            return
        self.projects[project] = msgspec.structs.replace(record, key=key)
        self.displaced.add(Subject("project", project))
        self.displaced.update(Subject("repository", r.id) for r in self.repositories.values() if r.project == project)

    def add_repository(self, row: rows.Repository) -> None:
        """A repository was listed."""
        old = self.repositories.get(row.id)
        if old is not None and (old.project, old.slug) != (row.project.id, row.slug):
            self.displaced.add(Subject("repository", row.id))
        self.repositories[row.id] = RepositoryRecord(
            id=row.id,
            project=row.project.id,
            slug=row.slug,
            name=_same(row.name, row.slug),
            public=row.public,
            archived=row.archived,
            fork=row.origin is not None,
            forkable=row.forkable,
            state=sys.intern(row.state),
            description=row.description,
        )

    def add_global_grants(self, grants: Grants, read_at: float) -> None:
        """Global permissions, explicit or effective."""
        self.global_grants = self._merge(self.global_grants, grants, read_at)

    def add_project_grants(self, project: int, grants: Grants, read_at: float) -> None:
        """Grants on a project; also an empty answer counts as read."""
        self.project_grants[project] = self._merge(self.project_grants.get(project), grants, read_at)

    def add_repository_grants(self, repository: int, grants: Grants, read_at: float) -> None:
        """Grants on a repository; also an empty answer counts as read."""
        self.repository_grants[repository] = self._merge(self.repository_grants.get(repository), grants, read_at)

    def add_default_permission(self, project: int, permission: str) -> None:
        """Everyone who is licensed holds `permission` on the project."""
        self.default_permissions[project] = self.default_permissions.get(project, frozenset()) | {permission}

    def path(self, subject: Subject) -> str:
        """The path for requests: `KEY`, `KEY/slug` or a user's name. Empty if it is not known."""
        if subject.kind == "project":
            project = self.projects.get(subject.id)
            return project.key if project else ""
        if subject.kind == "user":
            user = self.users.get(subject.id)
            return user.name if user else ""
        repository = self.repositories.get(subject.id)
        return f"{self.projects[repository.project].key}/{repository.slug}" if repository else ""

    def drop_answers(self, subject: Subject) -> None:
        """Drops the answers about the subject. Its record and path stay."""
        if subject.kind == "project":
            self.project_grants.pop(subject.id, None)
            self.default_permissions.pop(subject.id, None)
        elif subject.kind == "repository":
            self.repository_grants.pop(subject.id, None)
        self.included.drop(subject)

    def forget(self, projects: set[int], repositories: set[int]) -> None:
        """Removes deleted projects with their repositories, deleted repositories, and all grants on them."""
        for project in projects:
            self.projects.pop(project, None)
        for repository in [r for r in self.repositories.values() if r.project in projects or r.id in repositories]:
            del self.repositories[repository.id]
        for known, table in (
            (self.projects.keys(), self.project_grants),
            (self.projects.keys(), self.default_permissions),
            (self.repositories.keys(), self.repository_grants),
        ):
            for orphan in [key for key in table if key not in known]:
                table.pop(orphan)
        self.included.keep_only(self.projects.keys(), self.repositories.keys())

    def forget_group(self, name: str) -> None:
        """The group was deleted meanwhile; grants that still name it keep it, unlisted."""
        key = fold(name)
        self.members.pop(key, None)
        old = self.groups.pop(key, None)
        if old is not None and Principal("group", key) in self.holders():
            self.groups[key] = GroupRecord(name=old.name, listed=False)

    def set_people_aside(self) -> None:
        """Marks all users and groups known so far as an earlier run's. What this run sees overrules them."""
        self.earlier_users, self.users = self.users, {}
        self.earlier_groups, self.groups = self.groups, {}

    def prune(self) -> None:
        """Drops members, groups and users that were seen only on things that have been removed.

        Users and groups that only an earlier run's answers show come back.
        """
        users = {user for members in self.members.values() for user in members}
        users |= {project.owner for project in self.projects.values() if project.owner is not None}
        groups = set()
        for principal in self.holders():
            if isinstance(principal.key, int):
                users.add(principal.key)
            else:
                groups.add(principal.key)
        self.users = {**{key: user for key, user in self.earlier_users.items() if key in users}, **self.users}
        self.groups = {**{key: group for key, group in self.earlier_groups.items() if key in groups}, **self.groups}
        self.earlier_users, self.earlier_groups = {}, {}
        self.users = {key: user for key, user in self.users.items() if user.listed or key in users}
        self.groups = {key: group for key, group in self.groups.items() if group.listed or key in groups}

    # --- what mapping reads -----------------------------------------------------------------------------

    @property
    def public_counts(self) -> bool:
        """Whether a public flag lets everyone who may sign in read. True if this is unknown."""
        return self.public_access != "off"

    def grants(self, grant_set: GrantSet | None) -> Iterator[tuple[Principal, str]]:
        """One scope's grants, unpacked."""
        if grant_set is not None:
            yield from map(self.codec.unpack, grant_set.codes)

    def all_grants(self) -> Iterator[tuple[Principal, str]]:
        """Every grant of every scope."""
        yield from map(self.codec.unpack, self.all_codes())

    def all_codes(self) -> Iterator[int]:
        """Every grant of every scope, packed."""
        everywhere = () if self.global_grants is None else (self.global_grants,)
        sets = chain(everywhere, self.project_grants.values(), self.repository_grants.values())
        return chain.from_iterable(grants.codes for grants in sets)

    def holders(self) -> set[Principal]:
        """Who holds any grant."""
        return set(self.codec.principals(self.all_codes()).values())

    def held_by(self, principals: Collection[Principal]) -> Iterator[Subject]:
        """Projects and repositories on which one of these holds a grant."""
        numbers = {number for number, one in self.codec.principals(self.all_codes()).items() if one in principals}
        if not numbers:
            return
        for project, grants in self.project_grants.items():
            if not numbers.isdisjoint(map(self.codec.holder_of, grants.codes)):
                yield Subject("project", project)
        for repository, grants in self.repository_grants.items():
            if not numbers.isdisjoint(map(self.codec.holder_of, grants.codes)):
                yield Subject("repository", repository)

    def grant_count(self) -> int:
        """How many grants are known, default permissions included."""
        return (
            (len(self.global_grants.codes) if self.global_grants else 0)
            + sum(len(g.codes) for g in self.project_grants.values())
            + sum(len(g.codes) for g in self.repository_grants.values())
            + sum(map(len, self.default_permissions.values()))
        )

    def _merge(self, old: GrantSet | None, grants: Grants, read_at: float) -> GrantSet:
        codes = {*old.codes} if old is not None else set()
        users, groups = self.users, self.groups
        of_users, of_groups = self.codec.user, self.codec.group
        for grant in grants:
            if isinstance(grant, rows.UserGrant):
                row = grant.user
                if (user := users.get(row.id)) is None or not user.listed:
                    self.add_user(row, listed=False)
                codes.add(of_users(row.id, grant.permission))
            else:
                name = grant.group.name
                key = fold(name)
                if (group := groups.get(key)) is None or not group.listed:
                    self.add_group(name, listed=False)
                codes.add(of_groups(key, grant.permission))
        return GrantSet(array("q", sorted(codes)), min(read_at, old.read_at) if old else read_at)


def _same(text: str, other: str) -> str:
    """`text`, in the place of `other` where they are equal: there are hundreds of thousands of each."""
    return other if text == other else text


def _fuller(user: UserRecord) -> tuple[object, ...]:
    """Orders two rows of one user so that the choice does not depend on which came first."""
    return (
        user.listed,
        user.directory is not None,
        _known(user.last_login),
        _known(user.created),
        user.email or "",
        user.display_name,
        user.name,
        user.slug,
        user.type,
        user.active,
        user.directory or "",
    )


def _known(time: int | None) -> tuple[bool, int]:
    """Orders a time that is known, even if it is 0, behind one that is not."""
    return (time is not None, time or 0)
