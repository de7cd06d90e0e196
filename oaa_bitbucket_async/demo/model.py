"""What exists on an embedded Bitbucket: users, groups, projects, repositories and the grants on them.

Plain, mutable dataclasses: a test builds an Estate by hand, or changes one while the server runs. Whoever
changes a field directly calls `Estate.changed()` after it; the methods here do so themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from oaa_bitbucket_async.demo.credentials import AccessKey, AccessToken, GpgKey, SshKey
from oaa_bitbucket_async.demo.guardrails import NO_CHECKS, MergeChecks, Restriction

NORMAL, PERSONAL = "NORMAL", "PERSONAL"

T = TypeVar("T")


class Grant(NamedTuple):
    """A permission held by a user or a group, by name: there need not be one of that name (any more)."""

    principal: str
    permission: str


@dataclass(slots=True)
class User:
    """A user. `slug` is the lower-case, URL-safe form of `name`. Times are milliseconds since 1970.

    A `deleted` user is listed nowhere, but its grants still show it for some days.
    """

    id: int
    name: str
    slug: str = ""
    display_name: str = ""
    email: str | None = None
    active: bool = True
    type: str = "NORMAL"
    directory: str = "Bitbucket Internal Directory"
    last_login: int | None = None
    created: int = 1_500_000_000_000
    deleted: bool = False
    ssh_keys: Sequence[SshKey] = ()
    gpg_keys: Sequence[GpgKey] = ()
    tokens: Sequence[AccessToken] = ()

    def __post_init__(self) -> None:
        self.slug = self.slug or slug_of(self.name)
        self.display_name = self.display_name or self.name


@dataclass(slots=True)
class Group:
    """A group: the names of its own members, and of the groups in it (a child's members are the parent's too)."""

    name: str
    members: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    deletable: bool = True


@dataclass(slots=True, eq=False)
class Project:
    """A project. `defaults` are the permissions that everyone licensed holds; a personal one has an `owner`.

    Its access keys, tokens and restrictions are those of all its repositories too.
    """

    id: int
    key: str
    name: str = ""
    type: str = NORMAL
    public: bool = False
    description: str | None = None
    owner: str | None = None
    user_grants: list[Grant] = field(default_factory=list)
    group_grants: list[Grant] = field(default_factory=list)
    defaults: tuple[str, ...] = ()
    access_keys: Sequence[AccessKey] = ()
    tokens: Sequence[AccessToken] = ()
    restrictions: Sequence[Restriction] = ()

    def __post_init__(self) -> None:
        self.name = self.name or self.key

    def __repr__(self) -> str:
        return f"<Project {self.key}>"


@dataclass(slots=True, eq=False)
class Repository:
    """A repository of a project; a fork has an `origin`.

    `development` and `production` are the branches of these roles (full names); the first is the default branch
    unless it is set, the second is not there unless it is set.
    """

    id: int
    project: Project
    slug: str
    name: str = ""
    public: bool = False
    archived: bool = False
    forkable: bool = True
    state: str = "AVAILABLE"
    description: str | None = None
    origin: "Repository | None" = None
    user_grants: list[Grant] = field(default_factory=list)
    group_grants: list[Grant] = field(default_factory=list)
    access_keys: Sequence[AccessKey] = ()
    tokens: Sequence[AccessToken] = ()
    restrictions: Sequence[Restriction] = ()
    default_branch: str = "refs/heads/main"
    development: str | None = None
    production: str | None = None
    checks: MergeChecks = NO_CHECKS

    def __post_init__(self) -> None:
        self.name = self.name or self.slug

    def __repr__(self) -> str:
        return f"<Repository {self.project.key}/{self.slug}>"


@dataclass(slots=True, eq=False)
class Estate:
    """Everything on one instance. Listings show it in the order of these lists.

    `moved` and `renamed` say where an old path leads: (KEY, slug) to a repository, KEY to a project.
    `public_access` is the switch "Allow public access": while it is off, a public flag is shown and gives nothing.
    """

    users: list[User] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    repositories: list[Repository] = field(default_factory=list)
    global_users: list[Grant] = field(default_factory=list)
    global_groups: list[Grant] = field(default_factory=list)
    moved: dict[tuple[str, str], Repository] = field(default_factory=dict)
    renamed: dict[str, Project] = field(default_factory=dict)
    public_access: bool = True
    revision: int = 0
    _last_ids: dict[str, int] = field(default_factory=dict)
    _index: "_Index | None" = None

    # --- finding ----------------------------------------------------------------------------------------------

    def user(self, name: str) -> User | None:
        """By name, ignoring case; deleted ones too."""
        return self._indexed().users.get(name.lower())

    def user_by_slug(self, slug: str) -> User | None:
        """By slug; deleted ones not."""
        return self._indexed().slugs.get(slug.lower())

    def group(self, name: str) -> Group | None:
        """By name, ignoring case."""
        return self._indexed().groups.get(name.lower())

    def project(self, key: str) -> Project | None:
        """By key, ignoring case."""
        return self._indexed().projects.get(key.upper())

    def repository(self, key: str, slug: str) -> Repository | None:
        """By project key and slug, ignoring case."""
        return self._indexed().repositories.get((key.upper(), slug.lower()))

    def repositories_of(self, project: Project) -> list[Repository]:
        """The project's repositories, in the order of `repositories`."""
        return self._indexed().of_project.get(project.id, [])

    def anybody_reads(self, at: Project | Repository) -> bool:
        """Whether it is public, for a repository by its project too, and the instance allows that."""
        public = at.public or (isinstance(at, Repository) and at.project.public)
        return public and self.public_access

    def grants(self) -> int:
        """How many grants there are, global and default ones included."""
        return (
            len(self.global_users)
            + len(self.global_groups)
            + sum(len(p.user_grants) + len(p.group_grants) + len(p.defaults) for p in self.projects)
            + sum(len(r.user_grants) + len(r.group_grants) for r in self.repositories)
        )

    # --- changing ---------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Forgets what was derived from the fields; to be called after changing one directly."""
        self.revision += 1
        self._index = None

    def delete_user(self, name: str) -> None:
        """The user is no longer listed; its grants show it still."""
        user = _found(self.user(name), name)
        user.deleted, user.active = True, False
        self.changed()

    def delete_group(self, name: str) -> None:
        """The group is gone; its grants stay."""
        self.groups.remove(_found(self.group(name), name))
        self.changed()

    def delete_project(self, key: str) -> None:
        """The project and its repositories are gone."""
        project = _found(self.project(key), key)
        self._retire("repository", self.repositories_of(project))
        self._retire("project", [project])
        self.projects.remove(project)
        self.repositories = [r for r in self.repositories if r.project is not project]
        self.renamed = {old: new for old, new in self.renamed.items() if new is not project}
        self.changed()

    def delete_repository(self, key: str, slug: str) -> None:
        """The repository is gone; forks of it stay, without an origin."""
        repository = _found(self.repository(key, slug), f"{key}/{slug}")
        self._retire("repository", [repository])
        self.repositories.remove(repository)
        self.moved = {old: new for old, new in self.moved.items() if new is not repository}
        for other in self.repositories:
            if other.origin is repository:
                other.origin = None
        self.changed()

    def move_repository(
        self, key: str, slug: str, *, to_key: str | None = None, to_slug: str | None = None, redirect: bool = True
    ) -> None:
        """Renames a repository, moves it into another project, or both; the old path redirects, or is 404."""
        repository = _found(self.repository(key, slug), f"{key}/{slug}")
        if redirect:
            self.moved[repository.project.key.upper(), repository.slug.lower()] = repository
        if to_key is not None:
            repository.project = _found(self.project(to_key), to_key)
        if to_slug is not None:
            repository.slug = to_slug
        self.moved.pop((repository.project.key.upper(), repository.slug.lower()), None)
        self.changed()

    def rename_project(self, key: str, new_key: str, *, redirect: bool = True) -> None:
        """Gives the project another key; the old one redirects, for it and all below it, or is 404."""
        project = _found(self.project(key), key)
        if redirect:
            self.renamed[project.key.upper()] = project
        project.key = new_key
        self.renamed.pop(new_key.upper(), None)
        self.changed()

    def swap_projects(self, key: str, other_key: str) -> None:
        """Two projects take each other's key: under both paths there is something at all times."""
        one, other = _found(self.project(key), key), _found(self.project(other_key), other_key)
        one.key, other.key = other.key, one.key
        self.changed()

    def swap_repositories(self, path: tuple[str, str], other_path: tuple[str, str]) -> None:
        """Two repositories, (KEY, slug) each, take each other's path."""
        one = _found(self.repository(*path), "/".join(path))
        other = _found(self.repository(*other_path), "/".join(other_path))
        one.project, other.project = other.project, one.project
        one.slug, other.slug = other.slug, one.slug
        self.changed()

    def create_project(self, key: str, **fields: Any) -> Project:
        """A new project, with an id that no other has had."""
        project = Project(self._next_id("project", self.projects), key, **fields)
        self.renamed.pop(key.upper(), None)
        self.projects.append(project)
        self.changed()
        return project

    def create_repository(self, key: str, slug: str, **fields: Any) -> Repository:
        """A new repository in the project `key`, with an id that no other has had."""
        project = _found(self.project(key), key)
        repository = Repository(self._next_id("repository", self.repositories), project, slug, **fields)
        self.moved.pop((project.key.upper(), slug.lower()), None)
        self.repositories.append(repository)
        self.changed()
        return repository

    def revoke(self, principal: str, at: "Project | Repository | None" = None) -> None:
        """Takes all grants of that user or group name from a project or repository, or the global ones (None)."""
        name = principal.lower()
        if at is None:
            self.global_users = [g for g in self.global_users if g.principal.lower() != name]
            self.global_groups = [g for g in self.global_groups if g.principal.lower() != name]
        else:
            at.user_grants = [g for g in at.user_grants if g.principal.lower() != name]
            at.group_grants = [g for g in at.group_grants if g.principal.lower() != name]
        self.changed()

    def create_personal_project(self, user: User) -> Project:
        """What Bitbucket does when somebody asks for `/projects/~user` and there is none."""
        grants = [Grant(user.name, "PROJECT_ADMIN")]
        return self.create_project(
            personal_key(user), name=user.display_name, type=PERSONAL, owner=user.name, user_grants=grants
        )

    def _next_id(self, kind: str, things: Sequence[Project | Repository]) -> int:
        """One more than any id so far: that of what was deleted is never given again."""
        self._retire(kind, things)
        self._last_ids[kind] += 1
        return self._last_ids[kind]

    def _retire(self, kind: str, things: Sequence[Project | Repository]) -> None:
        """None of these ids is given again."""
        self._last_ids[kind] = max(self._last_ids.get(kind, 0), *(thing.id for thing in things), 0)

    def _indexed(self) -> "_Index":
        if self._index is None:
            self._index = _Index(self)
        return self._index


class _Index:
    """Lookups of one revision of an Estate."""

    __slots__ = ("groups", "of_project", "projects", "repositories", "slugs", "users")

    def __init__(self, estate: Estate) -> None:
        self.users = {user.name.lower(): user for user in estate.users}
        self.slugs = {user.slug: user for user in estate.users if not user.deleted}
        self.groups = {group.name.lower(): group for group in estate.groups}
        self.projects = {project.key.upper(): project for project in estate.projects}
        self.repositories = {(r.project.key.upper(), r.slug.lower()): r for r in estate.repositories}
        self.of_project: dict[int, list[Repository]] = {}
        for repository in estate.repositories:
            self.of_project.setdefault(repository.project.id, []).append(repository)


def slug_of(name: str) -> str:
    """A user's slug: lower-case, everything that a URL would have to escape replaced by `_`."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "-._" else "_" for c in name.lower())


def personal_key(user: User) -> str:
    """The key of a user's personal project, as Bitbucket shows it: `~` and the slug in capitals."""
    return "~" + user.slug.upper()


def _found(thing: T | None, name: str) -> T:
    if thing is None:
        raise KeyError(f"there is no {name} in this estate")
    return thing
