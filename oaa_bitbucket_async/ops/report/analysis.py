"""The analysis of an instance: the figures, findings and rankings of the report, and what each means."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from oaa_bitbucket_async.collect.snapshot import Instance, PublicAccess, Snapshot
from oaa_bitbucket_async.ops.report.evidence import Evidence
from oaa_bitbucket_async.ops.report.found import Found
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
    """Users whom `--identity` can't link to an identity provider, active or not."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What there is to say about an instance's permissions."""

    instance: Instance
    """What was collected from."""
    snapshot: Snapshot | None
    """What was analysed; None if it is not needed any more, since only the page is wanted."""
    identity: Identity
    """What links users to an identity provider."""
    now: float
    """Seconds since 1970."""
    users: Users
    things: Things
    levels: tuple[PermissionCount, ...]
    """Every permission that is known to Bitbucket or was met, in the order of their weight."""
    public_access: PublicAccess
    findings: tuple[Found, ...]
    """Every one that there is, the serious ones first."""
    by_everyone: int
    """Repositories that everyone who may sign in reaches: public, or by a default permission."""
    top_users: tuple[Reach, ...]
    top_groups: tuple[Reach, ...]

    def evidence(self) -> Evidence | None:
        """What the findings are computed from. It is computed again each time, since it is too large to keep."""
        if self.snapshot is None:
            return None
        return Evidence(self.snapshot, identity=self.identity, now=self.now)

    @property
    def grants(self) -> int:
        """All grants, default permissions included."""
        return sum(level.total for level in self.levels)
