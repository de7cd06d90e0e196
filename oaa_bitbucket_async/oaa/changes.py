"""What changed from one payload to another: for people, for the guard before an upload, for the figures.

Things are compared by their identity in Veza: users, groups and projects by id, repositories by id within their
project, grants by holder, permission and resource. So a renamed user is the same user, a repository that moved to
another project is a new one, and a new level is one grant removed and one added.
"""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
MOST_EXAMPLES = 1000
"""Of each kind, added and removed."""
FEW = 20
"""Below this number a percentage means little, so only the loss of all of them counts."""


class Thing(msgspec.Struct, frozen=True, order=True):
    """A user, group, project, repository or credential.

    `name`: user name, group name, project key, path (`KEY/slug`) or what a key or token is called.
    """

    name: str
    id: str


class Membership(msgspec.Struct, frozen=True, order=True):
    """`member` (by name) is in `group`; `member_kind` is `user` or `group`."""

    group: str
    member: str
    member_kind: str = "user"


class NamedGrant(msgspec.Struct, frozen=True, order=True):
    """`holder` (by name; `holder_kind` is `user`, `group` or `credential`) has `permission` on `on`.

    `on` is a project key, a path (`KEY/slug`), or empty for the application itself; `on_kind` is `project`,
    `repository` or `application` (`unknown` for what the payload does not define: `on` is then its key).
    """

    holder: str
    on: str
    permission: str
    holder_kind: str = "user"
    on_kind: str = "repository"


class Difference(msgspec.Struct, Generic[T], frozen=True):
    """How many of one kind there were and are, and what was added and removed. The numbers are exact.

    Examples are the first in the payload's order, at most MOST_EXAMPLES for each.
    """

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    added_examples: tuple[T, ...] = ()
    removed_examples: tuple[T, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Changes(msgspec.Struct, frozen=True):
    """From an older payload to a newer one. True if anything was added or removed."""

    grants: Difference[NamedGrant] = Difference()
    members: Difference[Membership] = Difference()
    users: Difference[Thing] = Difference()
    groups: Difference[Thing] = Difference()
    projects: Difference[Thing] = Difference()
    repositories: Difference[Thing] = Difference()
    credentials: Difference[Thing] = Difference()
    """Keys and tokens, in payloads that have them."""
    grants_lost: int = 0
    """The removed grants whose holder has nothing left on that thing. A change of level is not counted as a loss, and
    a repository that moved to another project counts as the same one."""
    grants_closed: int = 0
    """The removed read rights that ended because public access is off. They are not among the lost grants."""
    since: datetime | None = None
    """When the older one was uploaded (UTC), where that is known."""

    def kinds(self) -> "dict[str, Difference[NamedGrant] | Difference[Membership] | Difference[Thing]]":
        """The differences by their names, in the order in which they are told."""
        return {
            "grants": self.grants,
            "members": self.members,
            "users": self.users,
            "groups": self.groups,
            "projects": self.projects,
            "repositories": self.repositories,
            "credentials": self.credentials,
        }

    def counts(self) -> dict[str, dict[str, int]]:
        """For each kind, how many were added and removed."""
        return {name: {"added": kind.added, "removed": kind.removed} for name, kind in self.kinds().items()}

    def removed_shares(self) -> dict[str, float]:
        """Per cent of the older one's grants, and of its memberships, that are gone: what --max-removed limits.

        A grant has gone if its holder has nothing left on that thing (`grants_lost`). Read rights that public flags no
        longer give, since public access is off, don't count. Of a few things only the loss of all counts.
        """
        return {
            "grants": _gone(self.grants.before - self.grants_closed, self.grants_lost, self.grants.after),
            "members": _gone(self.members.before, self.members.removed, self.members.after),
        }

    def at(self, since: datetime) -> "Changes":
        """The same, with the time of the older one."""
        return msgspec.structs.replace(self, since=since)

    def __bool__(self) -> bool:
        return any(self.kinds().values())


def _gone(before: int, lost: int, after: int) -> float:
    if before < FEW:
        return 100.0 * (before > 0 and not after)
    return 100 * lost / before
