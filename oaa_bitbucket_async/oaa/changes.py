"""What changed from one payload to another: for people, for the guard before an upload, for the figures.

Things are told apart by what identifies them in Veza: users and groups by id, projects by id, repositories by id within
their project, grants by holder, permission and resource. So a user who was renamed is the same, a repository in another
project is another one, and another level is a grant removed and a grant added.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from oaa_bitbucket_async.oaa.contents import ON_APPLICATION, Contents, Holder

T = TypeVar("T")
_C = TypeVar("_C")
_K = TypeVar("_K")
MOST_EXAMPLES = 1000
"""Of each kind, added and removed."""


class Thing(msgspec.Struct, frozen=True, order=True):
    """A user, group, project or repository. `name`: user name, group name, project key or path (`KEY/slug`)."""

    name: str
    id: str


class Membership(msgspec.Struct, frozen=True, order=True):
    """`member` (by name) is in `group`; `member_kind` is `user` or `group`."""

    group: str
    member: str
    member_kind: str = "user"


class Grant(msgspec.Struct, frozen=True, order=True):
    """`holder` (by name; `holder_kind` is `user` or `group`) has `permission` on `on`.

    `on` is a project key, a path (`KEY/slug`), or empty for the application itself; `on_kind` is `project`,
    `repository` or `application` (`unknown` for what the payload does not define: `on` is then its key).
    """

    holder: str
    on: str
    permission: str
    holder_kind: str = "user"
    on_kind: str = "repository"


class Difference(msgspec.Struct, Generic[T], frozen=True):
    """How many of one kind there were and are, and what came and went. The numbers are exact, the examples not all.

    Examples stand in the payload's order, at most MOST_EXAMPLES for each.
    """

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    added_examples: tuple[T, ...] = ()
    removed_examples: tuple[T, ...] = ()

    @property
    def removed_share(self) -> float:
        """Per cent of what there was; 0 if there was nothing."""
        return 100 * self.removed / self.before if self.before else 0.0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Changes(msgspec.Struct, frozen=True):
    """From an older payload to a newer one. True if anything was added or removed."""

    grants: Difference[Grant] = Difference()
    members: Difference[Membership] = Difference()
    users: Difference[Thing] = Difference()
    groups: Difference[Thing] = Difference()
    projects: Difference[Thing] = Difference()
    repositories: Difference[Thing] = Difference()
    since: datetime | None = None
    """When the older one was uploaded (UTC), where that is known."""

    def kinds(self) -> "dict[str, Difference[Grant] | Difference[Membership] | Difference[Thing]]":
        """The differences by their names, in the order in which they are told."""
        return {
            "grants": self.grants,
            "members": self.members,
            "users": self.users,
            "groups": self.groups,
            "projects": self.projects,
            "repositories": self.repositories,
        }

    def __bool__(self) -> bool:
        return any(self.kinds().values())


def compare(old: Contents, new: Contents, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """What was added and removed on the way from `old` to `new`. A second or so for a large one."""
    return Changes(
        grants=_difference(old, new, old.grant_count, new.grant_count, _grants_beyond, _grant, most_examples),
        members=_difference(old, new, old.member_count, new.member_count, _members_beyond, _membership, most_examples),
        users=_things(old.users, new.users, most_examples),
        groups=_things(old.groups, new.groups, most_examples),
        projects=_things(old.projects, new.projects, most_examples),
        repositories=_things(old.repositories, new.repositories, most_examples),
    )


def _difference(
    old: _C,
    new: _C,
    before: int,
    after: int,
    beyond: Callable[[_C, _C], Iterator[_K]],
    shown: Callable[[_C, _K], T],
    most: int,
) -> Difference[T]:
    """`beyond(a, b)` walks what only `a` has; `shown(a, …)` makes an example of it."""
    added, added_examples = _told(new, beyond(new, old), shown, most)
    removed, removed_examples = _told(old, beyond(old, new), shown, most)
    return Difference(before, after, added, removed, added_examples, removed_examples)


def _told(ours: _C, walk: Iterator[_K], shown: Callable[[_C, _K], T], most: int) -> tuple[int, tuple[T, ...]]:
    examples = tuple(shown(ours, one) for one in islice(walk, most))
    return len(examples) + sum(1 for _ in walk), examples


def _things(old: Mapping[str, str], new: Mapping[str, str], most: int) -> Difference[Thing]:
    return _difference(old, new, len(old), len(new), _keys_beyond, _thing, most)


def _keys_beyond(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    return (key for key in ours if key not in theirs)


def _thing(ours: Mapping[str, str], key: str) -> Thing:
    return Thing(ours[key], key)


def _members_beyond(ours: Contents, theirs: Contents) -> Iterator[tuple[Holder, str]]:
    for member, groups in ours.memberships.items():
        for group in _beyond(groups, theirs.memberships.get(member)):
            yield member, group


def _membership(ours: Contents, one: tuple[Holder, str]) -> Membership:
    member, group = one
    return Membership(ours.groups.get(group, group), _name_of(ours, member), member[0])


def _grants_beyond(ours: Contents, theirs: Contents) -> Iterator[tuple[Holder, str, str]]:
    for holder, held in ours.holdings.items():
        known = theirs.holdings.get(holder, {})
        for permission, keys in held.items():
            for key in _beyond(keys, known.get(permission)):
                yield holder, permission, key


def _grant(ours: Contents, one: tuple[Holder, str, str]) -> Grant:
    holder, permission, key = one
    for kind, names in (("repository", ours.repositories), ("project", ours.projects)):
        if key in names:
            return Grant(_name_of(ours, holder), names[key], permission, holder[0], kind)
    kind = "application" if key == ON_APPLICATION else "unknown"
    return Grant(_name_of(ours, holder), key, permission, holder[0], kind)


def _name_of(ours: Contents, holder: Holder) -> str:
    kind, key = holder
    names = ours.users if kind == "user" else ours.groups
    return names.get(key, key)


def _beyond(ours: Sequence[str], theirs: Sequence[str] | None) -> Iterable[str]:
    """What only `ours` has. Mostly both are the same, which costs little to see."""
    if theirs is None or ours == theirs:
        return () if theirs is not None else ours
    known = frozenset(theirs)
    return [key for key in ours if key not in known]
