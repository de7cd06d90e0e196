"""What there is to say about an instance: the figures and short lists of the report, and what each means."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from oaa_bitbucket_async.collect.snapshot import Instance, PublicAccess
from oaa_bitbucket_async.ops.report.reach import Reach
from oaa_bitbucket_async.settings import Identity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """The first of a list, and how long it is."""

    first: tuple[T, ...]
    total: int

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.total - len(self.first)


@dataclass(frozen=True, slots=True)
class Users:
    """Every user whom a listing, a grant or a group shows. `active` and `inactive` make `total`."""

    total: int
    active: int
    inactive: int
    without_identity: int
    """Without anything that `--identity` links to an identity provider, active or not."""
    may_sign_in: int | None
    """Active, and licensed by any global permission; None if these could not be collected."""
    unlisted: int
    """Met only in a grant, as a group's member or as a project's owner: deleted or renamed."""


@dataclass(frozen=True, slots=True)
class Things:
    """Groups, projects and repositories."""

    groups: int
    empty_groups: int
    """Listed, and without a member."""
    projects: int
    personal_projects: int
    public_projects: int
    repositories: int
    personal_repositories: int
    """In personal projects."""
    public_repositories: int
    """Public themselves, or by their project."""
    archived_repositories: int
    forks: int


@dataclass(frozen=True, slots=True)
class PermissionCount:
    """Grants of one permission: explicit ones of users and of groups, and projects that give it to everyone."""

    permission: str
    users: int
    groups: int
    everyone: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.users + self.groups + self.everyone


@dataclass(frozen=True, slots=True)
class Administrator:
    """A user who can administer everything. `through`: `own grant` and the names of groups."""

    name: str
    display_name: str
    active: bool
    system: bool
    """By SYS_ADMIN."""
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdministratorGroup:
    """A group whose members can administer everything."""

    name: str
    members: int
    active_members: int
    system: bool
    listed: bool


@dataclass(frozen=True, slots=True)
class Public:
    """A project with repositories that are called public: readable without an account if public access is on."""

    key: str
    name: str
    repositories: int
    """Those that are public, by themselves or by the project."""
    of: int
    """All that the project has."""
    whole: bool
    """The project itself is public, and with it each repository that it will ever have."""


@dataclass(frozen=True, slots=True)
class Default:
    """A project on which everyone who may sign in holds `permission`."""

    key: str
    name: str
    permission: str
    repositories: int


@dataclass(frozen=True, slots=True)
class GoneGroup:
    """A group that no listing shows, and how many grants still name it."""

    name: str
    on_projects: int
    on_repositories: int
    on_everything: int
    """Global permissions."""

    @property
    def grants(self) -> int:
        """All of them."""
        return self.on_projects + self.on_repositories + self.on_everything


@dataclass(frozen=True, slots=True)
class Dormant:
    """A user who can't sign in, and would have access again on the day of being activated, or licensed."""

    name: str
    display_name: str
    own_grants: int
    """Grants of the user's own, global ones included; a personal project counts as one."""
    groups: int
    """Groups of the user's that hold a grant."""
    why: Literal["inactive", "unlicensed"]
    last_login: str | None
    """A day, `2026-11-24`."""


@dataclass(frozen=True, slots=True)
class Orphaned:
    """A project with repositories that only those can administer who can administer everything."""

    key: str
    name: str
    repositories: int
    of: int
    """All that the project has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What there is to say about an instance's permissions. Lists are cut; `total` tells the whole."""

    instance: Instance
    identity: Identity
    """What links users to an identity provider."""
    users: Users
    things: Things
    levels: tuple[PermissionCount, ...]
    """Every permission that is known to Bitbucket or was met, in the order of their weight."""
    administrators: Shown[Administrator]
    administrator_groups: Shown[AdministratorGroup]
    public: Shown[Public]
    public_access: PublicAccess
    defaults: Shown[Default]
    """By weight of the permission, then by size."""
    defaults_by_level: dict[str, int]
    """Projects by their highest default permission."""
    gone_groups: Shown[GoneGroup]
    gone_group_grants: int
    dormant: Shown[Dormant]
    dormant_by_why: dict[str, int]
    """How many of them are inactive, how many unlicensed."""
    orphaned: Shown[Orphaned]
    orphaned_repositories: int
    by_everyone: int
    """Repositories that everyone who may sign in reaches: public, or by a default permission."""
    top_users: tuple[Reach, ...]
    top_groups: tuple[Reach, ...]

    @property
    def grants(self) -> int:
        """All grants, default permissions included."""
        return sum(level.total for level in self.levels)
