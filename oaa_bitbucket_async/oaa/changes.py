"""What changed from one payload to another: for people, for the guard before an upload, for the figures.

Things are told apart by what identifies them in Veza: users and groups by id, projects by id, repositories by id within
their project, grants by holder, permission and resource. So a user who was renamed is the same, a repository in another
project is another one, and another level is a grant removed and a grant added.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Generic, TypeVar

import msgspec

from oaa_bitbucket_async.oaa.payload_index import ON_APPLICATION, Packed, PayloadIndex, pair, unpack, unpair
from oaa_bitbucket_async.oaa.permissions import PROJECT_READ, REPO_READ
from oaa_bitbucket_async.oaa.principals import LICENSED_USERS_ID

T = TypeVar("T")
_C = TypeVar("_C")
_K = TypeVar("_K")
MOST_EXAMPLES = 1000
"""Of each kind, added and removed."""
FEW = 20
"""Below so many, a share says nothing, and only the loss of all of them is looked for."""


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
    """How many of one kind there were and are, and what came and went. The numbers are exact, the examples not all.

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
    """Of the grants that were removed, those whose holder has nothing left on that thing. For this number another
    level is no loss, and a repository that moved to another project is the same one."""
    grants_closed: int = 0
    """Of the grants that were removed, the read rights that went because public access is off: not among the lost."""
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


def compare(old: PayloadIndex, new: PayloadIndex, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """What was added and removed on the way from `old` to `new`, which share their `names`."""
    differ = _Differ(list(old.names), most_examples)
    lost, closed = _count_lost(old, new)
    return Changes(
        grants=differ.difference(old, new, old.grant_count, new.grant_count, _grants_beyond, differ.grant),
        members=differ.difference(old, new, old.member_count, new.member_count, _members_beyond, differ.membership),
        users=differ.things(old.users, new.users),
        groups=differ.things(old.groups, new.groups),
        projects=differ.things(old.projects, new.projects),
        repositories=differ.things(old.repositories, new.repositories),
        credentials=differ.things(old.credentials, new.credentials),
        grants_lost=lost,
        grants_closed=closed,
    )


def _count_lost(old: PayloadIndex, new: PayloadIndex) -> tuple[int, int]:
    """Grants of `old` whose holder has nothing in `new` on the same project, repository or application.

    Apart from them: those that public flags gave, and give no longer since public access is off.
    """
    by_flags = _by_flags(old, new)
    moved = _moved(old, new)
    by_holder: defaultdict[int, list[Packed]] = defaultdict(list)
    for held, things in new.grants.items():
        by_holder[unpair(held)[0]].append(things)
    lost, closed, of, left = 0, 0, -1, frozenset[int]()
    for held, thing in _grants_beyond(old, new):
        if held in by_flags and moved.get(thing, thing) in new.public and thing not in old.with_default:
            closed += 1
            continue
        holder = unpair(held)[0]
        if holder != of:  # grants of one holder mostly come one after the other
            of, left = holder, frozenset(chain.from_iterable(map(unpack, by_holder.get(holder, ()))))
        lost += moved.get(thing, thing) not in left
    return lost, closed


def _by_flags(old: PayloadIndex, new: PayloadIndex) -> frozenset[int]:
    """Holder and permissions (as in `PayloadIndex.grants`) that a public flag gave, if public access is off now."""
    if old.public_access == "off" or new.public_access != "off":
        return frozenset()
    names = old.names
    everyone = pair(names["group"], names[LICENSED_USERS_ID])
    return frozenset(pair(everyone, names[permission]) for permission in (PROJECT_READ, REPO_READ))


def _moved(old: PayloadIndex, new: PayloadIndex) -> dict[int, int]:
    """The keys of repositories that are in another project now: from the old one to the new one.

    A key is `project.repository`, of ids: what is behind the last dot tells a repository apart on its instance.
    """
    texts = list(old.names)
    came = {_repository_id(texts[key]): key for key in new.repositories if key not in old.repositories}
    went = ((key, came.get(_repository_id(texts[key]))) for key in old.repositories if key not in new.repositories)
    return {key: there for key, there in went if there is not None}


def _repository_id(key: str) -> str:
    return key.rpartition(".")[2]


class _Differ:
    """Counts what came and went, and makes examples of the first of it. `texts`: names by their numbers."""

    def __init__(self, texts: Sequence[str], most: int) -> None:
        self._texts = texts
        self._most = most

    def difference(
        self,
        old: _C,
        new: _C,
        before: int,
        after: int,
        beyond: Callable[[_C, _C], Iterator[_K]],
        shown: Callable[[_C, _K], T],
    ) -> Difference[T]:
        """`beyond(a, b)` walks what only `a` has; `shown(a, …)` makes an example of it."""
        added, added_examples = self._count(new, beyond(new, old), shown)
        removed, removed_examples = self._count(old, beyond(old, new), shown)
        return Difference(before, after, added, removed, added_examples, removed_examples)

    def things(self, old: Mapping[int, str], new: Mapping[int, str]) -> Difference[Thing]:
        """Users, groups, projects, repositories or credentials."""
        return self.difference(old, new, len(old), len(new), _keys_beyond, self.thing)

    def _count(self, ours: _C, walk: Iterator[_K], shown: Callable[[_C, _K], T]) -> tuple[int, tuple[T, ...]]:
        examples = tuple(shown(ours, one) for one in islice(walk, self._most))
        return len(examples) + sum(1 for _ in walk), examples

    def thing(self, ours: Mapping[int, str], number: int) -> Thing:
        """Its name, or what stands for it, and its id."""
        return Thing(ours[number], self._texts[number])

    def membership(self, ours: PayloadIndex, one: tuple[int, int]) -> Membership:
        """A member (`pair` of kind and id) and a group."""
        member, group = one
        kind, name = self._identity(ours, member)
        return Membership(ours.groups.get(group, self._texts[group]), name, kind)

    def grant(self, ours: PayloadIndex, one: tuple[int, int]) -> NamedGrant:
        """A holder's permission and what it is held on."""
        held, on = one
        holder, permission = unpair(held)
        holder_kind, name = self._identity(ours, holder)
        on_name, on_kind = self._resource(ours, on)
        return NamedGrant(name, on_name, self._texts[permission], holder_kind, on_kind)

    def _identity(self, ours: PayloadIndex, identity: int) -> tuple[str, str]:
        kind_number, number = unpair(identity)
        kind = self._texts[kind_number]
        names = {"user": ours.users, "group": ours.groups, "credential": ours.credentials}.get(kind, {})
        return kind, names.get(number, self._texts[number])

    def _resource(self, ours: PayloadIndex, number: int) -> tuple[str, str]:
        if number in ours.repositories:
            return ours.repositories[number], "repository"
        if number in ours.projects:
            return ours.projects[number], "project"
        key = self._texts[number]
        return key, "application" if key == ON_APPLICATION else "unknown"


def _keys_beyond(ours: Mapping[int, str], theirs: Mapping[int, str]) -> Iterator[int]:
    return (key for key in ours if key not in theirs)


def _members_beyond(ours: PayloadIndex, theirs: PayloadIndex) -> Iterator[tuple[int, int]]:
    return _pairs_beyond(ours.members, theirs.members)


def _grants_beyond(ours: PayloadIndex, theirs: PayloadIndex) -> Iterator[tuple[int, int]]:
    return _pairs_beyond(ours.grants, theirs.grants)


def _pairs_beyond(ours: Mapping[int, Packed], theirs: Mapping[int, Packed]) -> Iterator[tuple[int, int]]:
    """What only `ours` has. Mostly both are the same, which costs little to see."""
    for left, rights in ours.items():
        known = theirs.get(left, b"")
        if rights != known:
            apart = frozenset(unpack(known))
            yield from ((left, right) for right in unpack(rights) if right not in apart)
