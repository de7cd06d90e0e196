"""Finds what only one of two payloads has, in one pass through both (`side_by_side`)."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Generic, TypeVar

import msgspec

from oaa_bitbucket_async.oaa.changes import MOST_EXAMPLES, Changes, Difference, Membership, NamedGrant, Thing
from oaa_bitbucket_async.oaa.payload_stream import PayloadStream
from oaa_bitbucket_async.oaa.permissions import PROJECT_READ, REPO_READ
from oaa_bitbucket_async.oaa.principals import LICENSED_USERS_ID
from oaa_bitbucket_async.oaa.schema import (
    SavedHolder,
    SavedIdentity,
    SavedResource,
    below,
)
from oaa_bitbucket_async.oaa.side_by_side import (
    AT_THE_END,
    HELD,
    NEW,
    OLD,
    Key,
    PairedList,
    RepeatedError,
    Side,
    Source,
)

T = TypeVar("T")
_E = TypeVar("_E", bound=SavedIdentity | SavedResource | SavedHolder)
_KINDS = {"local_user": "user", "local_group": "group", "local_access_creds": "credential"}
ON_APPLICATION = ""
"""Stands for the application itself among the keys of resources."""
_PLACES = 32
"""Bits for the place of an entry in its list."""


def compare_payloads(old: Source, new: Source, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """What was added and removed on the way from `old` to `new`.

    Raises the errors of reading them, and ValueError or RecursionError (through `told`) if one is not a payload. A
    holder may have several entries. A user, group or project that is there twice counts twice. Veza refuses it.
    """
    comparison = _Comparison(old, new, most_examples)
    try:
        comparison.run()
    except RepeatedError:
        comparison = _Comparison(old, new, most_examples, gather=True)
        comparison.run()
    return comparison.changes()


class _Tally(Generic[T]):
    """Of one kind of thing on both sides: how many there are, how many only there, and the first of these."""

    def __init__(self, most: int) -> None:
        self.total = [0, 0]
        self._only = [0, 0]
        self._most = most
        self._examples: tuple[list[tuple[int, T]], list[tuple[int, T]]] = ([], [])

    def only(self, side: int, place: int, what: T) -> None:
        """Only this side has it, at this place."""
        self._only[side] += 1
        kept = self._examples[side]
        kept.append((place, what))
        if len(kept) - 1000 >= 2 * self._most:
            self._cut(kept)

    def examples(self, side: int) -> list[T]:
        """The first, in the order of the payload."""
        kept = self._examples[side]
        self._cut(kept)
        return [what for _, what in kept]

    def _cut(self, kept: list[tuple[int, T]]) -> None:
        kept.sort(key=itemgetter(0))
        del kept[self._most :]

    def difference(self, shown: "Callable[[int, T], _S]") -> "Difference[_S]":
        """`shown` makes an example for people of what one side has."""
        removed, added = (tuple(shown(side, what) for what in self.examples(side)) for side in (OLD, NEW))
        return Difference(self.total[OLD], self.total[NEW], self._only[NEW], self._only[OLD], added, removed)


_S = TypeVar("_S")
_Member = tuple[Key, str]
"""Who, and in which group."""
_Grant = tuple[Key, str, str]
"""Who, which permission, and on what."""


class _Comparison:
    """The work; `run`, then `changes`."""

    def __init__(self, old: Source, new: Source, most: int, *, gather: bool = False) -> None:
        """`gather`: a holder may have several entries. RepeatedError if that shows and was not said."""
        self._sides = (Side(old), Side(new))
        self._things = {kind: _Tally[Thing](most) for kind in ("user", "group", "credential", "project", "repository")}
        self._members = _Tally[_Member](most)
        self._grants = _Tally[_Grant](most)
        self._lost = self._closed = 0
        self._public: set[str] = set()
        """Keys of projects and repositories that the new one calls public."""
        self._with_default: set[str] = set()
        """Keys of projects that have a default permission in the old one."""
        self._went: dict[str, str] = {}
        """Keys of repositories that only the old one has: their own ids."""
        self._came: dict[str, str] = {}
        """By their own id: keys of repositories that only the new one has."""
        self._moved: dict[str, str] = {}
        """The keys of repositories that are in another project now: from the old one to the new one.

        A key is `project.repository`, of ids: what is behind the last dot tells a repository apart on its instance.
        """
        self._by_flags: frozenset[str] = frozenset()
        """Permissions of everyone that a public flag gave, if public access is off now."""
        identities = msgspec.json.Decoder(SavedIdentity)
        self._lists: tuple[PairedList[SavedIdentity] | PairedList[SavedResource] | PairedList[SavedHolder], ...] = (
            PairedList(identities, partial(_key_of_identity, "user"), partial(self._identity, "user", 0)),
            PairedList(identities, partial(_key_of_identity, "group"), partial(self._identity, "group", 1)),
            PairedList(identities, partial(_key_of_identity, "credential"), partial(self._identity, "credential", 2)),
            PairedList(msgspec.json.Decoder(SavedResource), _key_of_resource, self._resource),
            PairedList(
                msgspec.json.Decoder(SavedHolder),
                _key_of_holder,
                self._holder,
                gather=_all_of_one if gather else None,
                once=not gather,
            ),
        )

    def run(self) -> None:
        """Reads both to their ends."""
        old, new = self._sides
        old.advance()
        new.advance()
        held = False
        while (rank := min(old.rank, new.rank)) < AT_THE_END:
            if rank == HELD and not held:
                held = True
                self._know_resources()
            if old.rank == new.rank:
                self._lists[rank].take(old, new)
            elif old.rank < new.rank:
                self._lists[rank].take_alone(OLD, old)
            else:
                self._lists[rank].take_alone(NEW, new)
        if not held:
            self._know_resources()
        self._lists[HELD].settle()

    def _know_resources(self) -> None:
        """What is held comes now, and all else has been read."""
        old, new = self._sides
        for one in self._lists[:HELD]:
            one.settle()
        moves = ((key, self._came.get(identifier)) for key, identifier in self._went.items())
        self._moved = {key: there for key, there in moves if there is not None}
        if old.public_access != "off" and new.public_access == "off":
            self._by_flags = frozenset((PROJECT_READ, REPO_READ))

    # --- two entries, or one without its counterpart ------------------------------------------------------------

    def _identity(
        self, kind: str, rank: int, old: SavedIdentity | None, new: SavedIdentity | None, places: tuple[int, int]
    ) -> None:
        both = (old, new)
        groups = [dict.fromkeys(entry.groups or ()) if entry is not None else {} for entry in both]
        for side, entry in enumerate(both):
            if entry is None:
                continue
            key = entry.id or entry.name
            self._things[kind].total[side] += 1
            self._members.total[side] += len(groups[side])
            if both[1 - side] is None:
                self._things[kind].only(side, places[side], Thing(entry.name, key))
            if old is not new:
                for group in groups[side]:
                    if group not in groups[1 - side]:
                        self._members.only(side, rank << _PLACES | places[side], ((kind, key), group))

    def _resource(self, old: SavedResource | None, new: SavedResource | None, places: tuple[int, int]) -> None:
        both = (old, new)
        inside = [{} if entry is None else {key: r for key, _, r in below(entry)} for entry in both[: 2 - (old is new)]]
        if old is new:
            inside.append(inside[OLD])
        for side, entry in enumerate(both):
            if entry is None:
                continue
            key = entry.id or entry.name
            self._things["project"].total[side] += 1
            self._things["repository"].total[side] += len(inside[side])
            if both[1 - side] is None:
                self._things["project"].only(side, places[side], Thing(entry.project_key, key))
            if old is new:
                continue
            for inner, path, _ in below(entry):
                if inner not in inside[1 - side]:
                    self._things["repository"].only(side, places[side], Thing(path, inner))
                    identifier = inner.rpartition(".")[2]
                    if side == OLD:
                        self._went[inner] = identifier
                    else:
                        self._came[identifier] = inner
        if old is not None and old.about.default_permission:
            self._with_default.add(old.id or old.name)
        if new is not None:
            if new.about.is_public is True:
                self._public.add(new.id or new.name)
            self._public.update(key for key, inner in inside[NEW].items() if inner.about.is_public is True)

    def _holder(self, old: SavedHolder | None, new: SavedHolder | None, places: tuple[int, int]) -> None:
        if old is new and old is not None:
            count = sum(map(len, _held(old).values()))
            self._grants.total[OLD] += count
            self._grants.total[NEW] += count
            return
        held = (_held(old), _held(new))
        left = {thing for things in held[NEW].values() for thing in things}
        for side, entry in ((OLD, old), (NEW, new)):
            if entry is None:
                continue
            who = _key_of_holder(entry)
            for permission, things in held[side].items():
                self._grants.total[side] += len(things)
                others = held[1 - side].get(permission, {})
                if things.keys() <= others.keys():
                    continue
                flagged = side == OLD and who == _EVERYONE and permission in self._by_flags
                for thing in things:
                    if thing in others:
                        continue
                    self._grants.only(side, places[side], (who, permission, thing))
                    if side == NEW:
                        continue
                    there = self._moved.get(thing, thing)
                    if flagged and there in self._public and thing not in self._with_default:
                        self._closed += 1
                    else:
                        self._lost += there not in left

    # --- the result ---------------------------------------------------------------------------------------------

    def changes(self) -> Changes:
        """What was found. Reads the payloads again for the names in the examples, if there are any."""
        names = [self._names(side) for side in (OLD, NEW)]

        def membership(side: int, one: _Member) -> Membership:
            (kind, member), group = one
            found = names[side]
            return Membership(found.group(group), found.identity(kind, member), kind)

        def grant(side: int, one: _Grant) -> NamedGrant:
            (kind, holder), permission, thing = one
            on, on_kind = names[side].resource(thing)
            return NamedGrant(names[side].identity(kind, holder), on, permission, kind, on_kind)

        def thing(_: int, one: Thing) -> Thing:
            return one

        things = {kind: tally.difference(thing) for kind, tally in self._things.items()}
        return Changes(
            grants=self._grants.difference(grant),
            members=self._members.difference(membership),
            users=things["user"],
            groups=things["group"],
            projects=things["project"],
            repositories=things["repository"],
            credentials=things["credential"],
            grants_lost=self._lost,
            grants_closed=self._closed,
        )

    def _names(self, side: int) -> "_Names":
        wanted = _Names()
        for who, group in self._members.examples(side):
            wanted.identities.add(who)
            wanted.identities.add(("group", group))
        for who, _, on in self._grants.examples(side):
            wanted.identities.add(who)
            wanted.resources.add(on)
        wanted.find(self._sides[side].source)
        return wanted


_EVERYONE = ("group", LICENSED_USERS_ID)


def _key_of_identity(kind: str, entry: SavedIdentity) -> Key:
    return kind, entry.id or entry.name


def _key_of_resource(entry: SavedResource) -> Key:
    return "", entry.id or entry.name


def _key_of_holder(entry: SavedHolder) -> Key:
    return _KINDS.get(entry.identity_type, entry.identity_type), entry.identity


def _all_of_one(entries: list[SavedHolder]) -> SavedHolder:
    """One holder's entries as one."""
    permissions = (permission for entry in entries for permission in entry.application_permissions)
    return SavedHolder(entries[0].identity, entries[0].identity_type, tuple(permissions))


def _held(entry: SavedHolder | None) -> dict[str, dict[str, None]]:
    """What is held, each once and in the payload's order, by permission."""
    held: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for grant in entry.application_permissions if entry is not None else ():
        things = held[grant.permission]
        if grant.apply_to_application:
            things[ON_APPLICATION] = None
        things.update(dict.fromkeys(grant.resources))
    return held


@dataclass(slots=True)
class _Names:
    """What identities and resources are called in one payload: those that are asked for."""

    identities: set[Key] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)
    _found: dict[Key, str] = field(default_factory=dict)
    _projects: dict[str, str] = field(default_factory=dict)
    _repositories: dict[str, str] = field(default_factory=dict)

    def find(self, source: Source) -> None:
        """Reads the payload once more, if there is anything to find."""
        if not self.identities and not self.resources:
            return
        identities, resources = msgspec.json.Decoder(SavedIdentity), msgspec.json.Decoder(SavedResource)
        with source.told():
            for section in PayloadStream(source.pieces()).sections():
                if section.name == "resources":
                    self._take_resources(map(resources.decode, section.entries))
                elif section.name != "grants":
                    kind = section.name.removesuffix("s")
                    self._take_identities(kind, map(identities.decode, section.entries))

    def _take_identities(self, kind: str, entries: Iterable[SavedIdentity]) -> None:
        for entry in entries:
            key = _key_of_identity(kind, entry)
            if key in self.identities:
                self._found[key] = entry.name

    def _take_resources(self, entries: Iterable[SavedResource]) -> None:
        for entry in entries:
            key = entry.id or entry.name
            if key in self.resources:
                self._projects[key] = entry.project_key
            for inner, path, _ in below(entry):
                if inner in self.resources:
                    self._repositories[inner] = path

    def identity(self, kind: str, identifier: str) -> str:
        """Its name, or what stands for it."""
        return self._found.get((kind, identifier), identifier)

    def group(self, identifier: str) -> str:
        """Its name, or what stands for it."""
        return self.identity("group", identifier)

    def resource(self, key: str) -> tuple[str, str]:
        """Path or project key, and the kind."""
        if key in self._repositories:
            return self._repositories[key], "repository"
        if key in self._projects:
            return self._projects[key], "project"
        return key, "application" if key == ON_APPLICATION else "unknown"
