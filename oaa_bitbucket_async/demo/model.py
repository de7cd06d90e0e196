"""What exists on an embedded Bitbucket: users, groups, projects, repositories and the grants on them.

Plain, mutable dataclasses: an Estate can be built by hand, and changed while the server runs. `demo.changes` has what
people do to one, and tells its listeners. Call `Estate.changed()` after you change a field; this tells no listener.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from oaa_bitbucket_async.demo.branch_permissions import (
    NO_CHECKS,
    ModelMergeChecks,
    ModelRestriction,
    ModelReviewCondition,
)
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.happening import Happening

Kind = Literal["users", "groups", "projects", "repositories"]
"""What is found by its name."""
NORMAL, PERSONAL = "NORMAL", "PERSONAL"


class ModelGrant(NamedTuple):
    """A permission of a user or group, by name. A user or group of that name need not exist (any more)."""

    principal: str
    permission: str


@dataclass(slots=True)
class ModelUser:
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
    ssh_keys: Sequence[ModelSshKey] = ()
    gpg_keys: Sequence[ModelGpgKey] = ()
    tokens: Sequence[ModelAccessToken] = ()

    def __post_init__(self) -> None:
        self.slug = self.slug or slug_of(self.name)
        self.display_name = self.display_name or self.name


@dataclass(slots=True)
class ModelGroup:
    """A group: the names of its own members, and of the groups in it. Members of a child are members of the parent."""

    name: str
    members: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    deletable: bool = True


@dataclass(slots=True, eq=False)
class ModelProject:
    """A project. `defaults` are the permissions that everyone licensed holds; a personal one has an `owner`.

    Its access keys, tokens and restrictions hold for all its repositories too.
    """

    id: int
    key: str
    name: str = ""
    type: str = NORMAL
    public: bool = False
    description: str | None = None
    owner: str | None = None
    user_grants: list[ModelGrant] = field(default_factory=list)
    group_grants: list[ModelGrant] = field(default_factory=list)
    defaults: tuple[str, ...] = ()
    access_keys: Sequence[ModelAccessKey] = ()
    tokens: Sequence[ModelAccessToken] = ()
    restrictions: Sequence[ModelRestriction] = ()
    review_conditions: Sequence[ModelReviewCondition] = ()

    def __post_init__(self) -> None:
        self.name = self.name or self.key

    def __repr__(self) -> str:
        return f"<Project {self.key}>"


@dataclass(slots=True, eq=False)
class ModelRepository:
    """A repository of a project; a fork has an `origin`.

    `development` and `production` are the branches of these roles (full names); the first is the default branch
    unless it is set, the second is not there unless it is set.
    """

    id: int
    project: ModelProject
    slug: str
    name: str = ""
    public: bool = False
    archived: bool = False
    forkable: bool = True
    state: str = "AVAILABLE"
    description: str | None = None
    origin: "ModelRepository | None" = None
    user_grants: list[ModelGrant] = field(default_factory=list)
    group_grants: list[ModelGrant] = field(default_factory=list)
    access_keys: Sequence[ModelAccessKey] = ()
    tokens: Sequence[ModelAccessToken] = ()
    restrictions: Sequence[ModelRestriction] = ()
    review_conditions: Sequence[ModelReviewCondition] = ()
    default_branch: str = "refs/heads/main"
    development: str | None = None
    production: str | None = None
    checks: ModelMergeChecks = NO_CHECKS

    def __post_init__(self) -> None:
        self.name = self.name or self.slug

    def __repr__(self) -> str:
        return f"<Repository {self.project.key}/{self.slug}>"


@dataclass(eq=False)
class Estate:
    """Everything on one instance. Listings show it in the order of these lists.

    `moved` and `renamed` say where an old path leads: (KEY, slug) to a repository, KEY to a project.
    `public_access` is the switch "Allow public access": while it is off, a public flag is shown and gives nothing.
    `vanished` are users and groups ("USER" or "GROUP", lower-case name) whose grants wait to be cleaned up.
    """

    users: list[ModelUser] = field(default_factory=list)
    groups: list[ModelGroup] = field(default_factory=list)
    projects: list[ModelProject] = field(default_factory=list)
    repositories: list[ModelRepository] = field(default_factory=list)
    global_users: list[ModelGrant] = field(default_factory=list)
    global_groups: list[ModelGrant] = field(default_factory=list)
    moved: dict[tuple[str, str], ModelRepository] = field(default_factory=dict)
    renamed: dict[str, ModelProject] = field(default_factory=dict)
    public_access: bool = True
    vanished: set[tuple[str, str]] = field(default_factory=set)
    listeners: list[Callable[[Happening], None]] = field(default_factory=list)
    revision: int = 0

    def __post_init__(self) -> None:
        self._index = _Index(self)

    # --- finding ----------------------------------------------------------------------------------------------

    def user(self, name: str) -> ModelUser | None:
        """By name, ignoring case; deleted ones too."""
        return self._index.users.get(name.lower())

    def user_by_slug(self, slug: str) -> ModelUser | None:
        """By slug; deleted ones not."""
        return self._index.slugs.get(slug.lower())

    def group(self, name: str) -> ModelGroup | None:
        """By name, ignoring case."""
        return self._index.groups.get(name.lower())

    def project(self, key: str) -> ModelProject | None:
        """By key, ignoring case."""
        return self._index.projects.get(key.upper())

    def repository(self, key: str, slug: str) -> ModelRepository | None:
        """By project key and slug, ignoring case."""
        return self._index.repositories.get((key.upper(), slug.lower()))

    def repositories_of(self, project: ModelProject) -> list[ModelRepository]:
        """The project's repositories, in the order of `repositories`."""
        return self._index.of_project.get(project.id, [])

    def anybody_reads(self, at: ModelProject | ModelRepository) -> bool:
        """Whether it is public, for a repository by its project too, and the instance allows that."""
        public = at.public or (isinstance(at, ModelRepository) and at.project.public)
        return public and self.public_access

    # --- changing ---------------------------------------------------------------------------------------------

    def changed(self, *kinds: Kind) -> None:
        """Forgets what was derived from the fields. Call it after changing one.

        `kinds`: only these things came, went, or have another name or place; a project's are its repositories' too.
        `unnamed()` is for what nothing is found by, such as grants. In a large estate that saves most of the time.
        """
        self.revision += 1
        self._index.forget(kinds or get_args(Kind))

    def unnamed(self) -> None:
        """Something changed by which nothing is found: a grant, a flag, a key."""
        self.revision += 1

    def add_project(self, project: ModelProject) -> None:
        """Adds one at the end, without repositories."""
        self.projects.append(project)
        self._index.add_project(project)
        self.revision += 1

    def add_repository(self, repository: ModelRepository) -> None:
        """Adds one at the end."""
        self.repositories.append(repository)
        self._index.add_repository(repository)
        self.revision += 1

    def remove_repository(self, repository: ModelRepository) -> None:
        """Removes one."""
        self.repositories.remove(repository)
        self._index.remove_repository(repository)
        self.revision += 1

    def move_repository(self, repository: ModelRepository, project: ModelProject, slug: str) -> None:
        """Gives one another place."""
        self._index.move_repository(repository, project, slug)
        repository.project, repository.slug = project, slug
        self.revision += 1

    def tell(self, happening: Happening) -> None:
        """Tells the listeners what was done."""
        for listener in self.listeners:
            listener(happening)


class _Index:
    """Lookups of an Estate, made when they are needed first."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    @cached_property
    def users(self) -> dict[str, ModelUser]:
        return {user.name.lower(): user for user in self._estate.users}

    @cached_property
    def slugs(self) -> dict[str, ModelUser]:
        return {user.slug: user for user in self._estate.users if not user.deleted}

    @cached_property
    def groups(self) -> dict[str, ModelGroup]:
        return {group.name.lower(): group for group in self._estate.groups}

    @cached_property
    def projects(self) -> dict[str, ModelProject]:
        return {project.key.upper(): project for project in self._estate.projects}

    @cached_property
    def repositories(self) -> dict[tuple[str, str], ModelRepository]:
        return {_path(repository): repository for repository in self._estate.repositories}

    @cached_property
    def of_project(self) -> dict[int, list[ModelRepository]]:
        found: dict[int, list[ModelRepository]] = {}
        for repository in self._estate.repositories:
            found.setdefault(repository.project.id, []).append(repository)
        return found

    def forget(self, kinds: Iterable[Kind]) -> None:
        for kind in kinds:
            for name in _DERIVED[kind]:
                self.__dict__.pop(name, None)

    def add_project(self, project: ModelProject) -> None:
        if "projects" in self.__dict__:
            self.projects[project.key.upper()] = project

    def add_repository(self, repository: ModelRepository) -> None:
        if "repositories" in self.__dict__:
            self.repositories[_path(repository)] = repository
        if "of_project" in self.__dict__:
            self.of_project.setdefault(repository.project.id, []).append(repository)

    def remove_repository(self, repository: ModelRepository) -> None:
        if "repositories" in self.__dict__:
            self.repositories.pop(_path(repository), None)
        if "of_project" in self.__dict__:
            self.of_project[repository.project.id].remove(repository)

    def move_repository(self, repository: ModelRepository, project: ModelProject, slug: str) -> None:
        if "repositories" in self.__dict__:
            self.repositories.pop(_path(repository), None)
            self.repositories[project.key.upper(), slug.lower()] = repository
        if project is not repository.project:
            self.__dict__.pop("of_project", None)


_DERIVED: dict[Kind, tuple[str, ...]] = {
    "users": ("users", "slugs"),
    "groups": ("groups",),
    "projects": ("projects", "repositories", "of_project"),
    "repositories": ("repositories", "of_project"),
}


def _path(repository: ModelRepository) -> tuple[str, str]:
    return repository.project.key.upper(), repository.slug.lower()


def slug_of(name: str) -> str:
    """A user's slug: lower-case, everything that a URL would have to escape replaced by `_`."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "-._" else "_" for c in name.lower())


def personal_key(user: ModelUser) -> str:
    """The key of a user's personal project, as Bitbucket shows it: `~` and the slug in capitals."""
    return "~" + user.slug.upper()
