"""What a payload holds, read back from its JSON: who there is, and who has what, as compactly as Python allows.

The lists of a payload are long and their entries many times larger than what is read of them, so they are decoded one
entry at a time. Ids and keys, which recur in every grant, become numbers: a grant takes four bytes, and none at all
where the payload that is compared with it has the same.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import msgspec

from oaa_bitbucket_async.oaa.gc_pause import gc_paused
from oaa_bitbucket_async.oaa.schema import SavedHolder, SavedIdentity, SavedPayload, SavedResource, decode_payload

ON_APPLICATION = ""
"""Stands for the application itself among the keys of resources."""
Packed: TypeAlias = bytes
"""Numbers, each once, sorted, as an array has them in memory."""
_KINDS = {"local_user": "user", "local_group": "group", "local_access_creds": "credential"}
_SHIFT = 32
_T = TypeVar("_T")


class Interner(dict[str, int]):
    """Numbers the texts that it is asked for."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


@dataclass(slots=True)
class PayloadIndex:
    """Everything that can be added or removed, in numbers that `names` has given."""

    names: Interner
    users: dict[int, str] = field(default_factory=dict)
    """By the id's number: user names."""
    groups: dict[int, str] = field(default_factory=dict)
    projects: dict[int, str] = field(default_factory=dict)
    """Project keys."""
    repositories: dict[int, str] = field(default_factory=dict)
    """Paths (`KEY/slug`), by the key of the resource: a repository in another project is another one."""
    credentials: dict[int, str] = field(default_factory=dict)
    """Keys and tokens: what they are called."""
    members: dict[int, Packed] = field(default_factory=dict)
    """By kind and id of a user or group (`pair`): the groups that it is in, sorted."""
    grants: dict[int, Packed] = field(default_factory=dict)
    """By kind and id of a holder and permission (`pair` of both): keys of what it is held on, sorted."""

    public_access: object = None
    """The application's property, whatever it is in a payload of another origin."""
    public: set[int] = field(default_factory=set)
    """Keys of projects and repositories that are called public."""
    with_default: set[int] = field(default_factory=set)
    """Keys of projects that have a default permission."""

    @property
    def member_count(self) -> int:
        """One for each user or group in a group."""
        return _count(self.members)

    @property
    def grant_count(self) -> int:
        """One for each holder, permission and thing it is held on."""
        return _count(self.grants)


def pair(high: int, low: int) -> int:
    """Two numbers in one."""
    return high << _SHIFT | low


def unpack(packed: Packed) -> "array[int]":
    """The numbers."""
    return array("I", packed)


def unpair(both: int) -> tuple[int, int]:
    """The two numbers that `pair` was given."""
    return both >> _SHIFT, both & (1 << _SHIFT) - 1


def index_payload(text: bytes, names: Interner, like: PayloadIndex | None = None) -> PayloadIndex:
    """What the payload `text` (JSON) holds. msgspec.MsgspecError if it is no OAA application payload.

    `names` is filled; give the same to payloads that will be compared, and the first one's index as `like` to the
    second. Takes a second or two for a large one: call it off the event loop.
    """
    index = PayloadIndex(names)
    with gc_paused():
        _Reader(index, like or PayloadIndex(names)).take(decode_payload(text))
    return index


class _Reader:
    """Fills `index`; what is the same in `like` is kept once."""

    def __init__(self, index: PayloadIndex, like: PayloadIndex) -> None:
        self._index = index
        self._names = index.names
        self._like = like

    def take(self, payload: SavedPayload) -> None:
        application = payload.application
        ours, like = self._index, self._like
        self._identities("user", ours.users, like.users, application.local_users)
        self._identities("group", ours.groups, like.groups, application.local_groups)
        self._identities("credential", ours.credentials, like.credentials, application.local_access_creds)
        self._resources(application.resources)
        self._grants(payload.identity_to_permissions)
        ours.public_access = application.about.public_access

    def _identities(self, kind: str, into: dict[int, str], like: dict[int, str], raw: list[msgspec.Raw]) -> None:
        decoder, names, members = msgspec.json.Decoder(SavedIdentity), self._names, self._index.members
        for entry in map(decoder.decode, raw):
            number = names[entry.id or entry.name]
            into[number] = _same(entry.name, like.get(number))
            if entry.groups:
                member = pair(names[kind], number)
                members[member] = _same(self._packed(entry.groups), self._like.members.get(member))

    def _resources(self, raw: list[msgspec.Raw]) -> None:
        decoder, names, index = msgspec.json.Decoder(SavedResource), self._names, self._index
        for project in map(decoder.decode, raw):
            key = project.id or project.name
            number = names[key]
            index.projects[number] = _same(project.project_key, self._like.projects.get(number))
            if project.about.default_permission:
                index.with_default.add(number)
            if project.about.is_public is True:
                index.public.add(number)
            for inner_key, path, repository in _below(project, key, project.project_key):
                number = names[inner_key]
                if repository.about.is_public is True:
                    index.public.add(number)
                index.repositories[number] = _same(path, self._like.repositories.get(number))

    def _grants(self, raw: list[msgspec.Raw]) -> None:
        decoder, names, grants = msgspec.json.Decoder(SavedHolder), self._names, self._index.grants
        for entry in map(decoder.decode, raw):
            holder = pair(names[_KINDS.get(entry.identity_type, entry.identity_type)], names[entry.identity])
            for grant in entry.application_permissions:
                held = pair(holder, names[grant.permission])
                on_application = (ON_APPLICATION,) if grant.apply_to_application else ()
                packed = self._packed((*on_application, *grant.resources))
                if held in grants:
                    packed = _pack({*unpack(grants[held]), *unpack(packed)})
                grants[held] = _same(packed, self._like.grants.get(held))

    def _packed(self, texts: Iterable[str]) -> Packed:
        return _pack(set(map(self._names.__getitem__, texts)))


def _below(resource: SavedResource, key: str, shown: str) -> Iterator[tuple[str, str, SavedResource]]:
    """Key and path of all that is below `resource`, with the thing itself."""
    for inner in resource.sub_resources:
        inner_key, path = f"{key}.{inner.id or inner.name}", inner.path_below(shown)
        yield inner_key, path, inner
        yield from _below(inner, inner_key, path)


def _pack(numbers: set[int]) -> Packed:
    return array("I", sorted(numbers)).tobytes()


def _same(one: _T, other: _T | None) -> _T:
    """The other one, where both are equal: then one is enough."""
    return other if other is not None and one == other else one


def _count(packed: dict[int, Packed]) -> int:
    return sum(map(len, packed.values())) // array("I").itemsize
