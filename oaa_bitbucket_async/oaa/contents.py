"""What a payload holds, read back from its JSON: who there is, and who has what, as compactly as Python allows.

The lists of a payload are long and their entries many times larger than what is read of them, so they are decoded one
entry at a time. Ids and keys, which recur in every grant, become numbers: a grant takes four bytes.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, TypeAlias

import msgspec

from oaa_bitbucket_async.oaa.gc_pause import gc_paused

ON_APPLICATION = ""
"""Stands for the application itself among the keys of resources."""
Numbers: TypeAlias = "array[int]"
_KINDS = {"local_user": "user", "local_group": "group", "local_access_creds": "credential"}
_SHIFT = 32


class Names(dict[str, int]):
    """Numbers the texts that it is asked for, and keeps those that are only to be shown once."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, str] = {}

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number

    def shown(self, text: str) -> str:
        """The same text, and for equal ones the same object."""
        return self._shown.setdefault(text, text)


@dataclass(slots=True)
class Contents:
    """Everything that can be added or removed, in numbers that `names` has given."""

    names: Names
    users: dict[int, str] = field(default_factory=dict)
    """By the id's number: user names."""
    groups: dict[int, str] = field(default_factory=dict)
    projects: dict[int, str] = field(default_factory=dict)
    """Project keys."""
    repositories: dict[int, str] = field(default_factory=dict)
    """Paths (`KEY/slug`), by the key of the resource: a repository in another project is another one."""
    credentials: dict[int, str] = field(default_factory=dict)
    """Keys and tokens: what they are called."""
    members: dict[int, Numbers] = field(default_factory=dict)
    """By kind and id of a user or group (`pair`): the groups that it is in, sorted."""
    grants: dict[int, Numbers] = field(default_factory=dict)
    """By kind and id of a holder and permission (`pair` of both): keys of what it is held on, sorted."""

    @property
    def member_count(self) -> int:
        """One for each user or group in a group."""
        return sum(map(len, self.members.values()))

    @property
    def grant_count(self) -> int:
        """One for each holder, permission and thing it is held on."""
        return sum(map(len, self.grants.values()))


def pair(high: int, low: int) -> int:
    """Two numbers in one."""
    return high << _SHIFT | low


def unpair(both: int) -> tuple[int, int]:
    """The two numbers that `pair` was given."""
    return both >> _SHIFT, both & (1 << _SHIFT) - 1


class _Identity(msgspec.Struct, gc=False):
    name: str
    id: str = ""
    groups: tuple[str, ...] | None = None


class _Properties(msgspec.Struct, gc=False):
    key: str | None = None
    path: str | None = None


class _Resource(msgspec.Struct, gc=False):
    name: str
    id: str = ""
    custom_properties: _Properties | None = None
    sub_resources: "tuple[_Resource, ...]" = ()


class _Permission(msgspec.Struct, gc=False):
    permission: str
    resources: tuple[str, ...] = ()
    apply_to_application: bool = False


class _Holder(msgspec.Struct, gc=False):
    identity: str
    identity_type: str = "local_user"
    application_permissions: tuple[_Permission, ...] = ()


class _Application(msgspec.Struct):
    local_users: list[msgspec.Raw]
    local_groups: list[msgspec.Raw]
    resources: list[msgspec.Raw]
    local_access_creds: list[msgspec.Raw] = []


class _Payload(msgspec.Struct):
    applications: Annotated[list[_Application], msgspec.Meta(min_length=1, max_length=1)]
    identity_to_permissions: list[msgspec.Raw]


def read_contents(text: bytes, names: Names) -> Contents:
    """What the payload `text` (JSON) holds. msgspec.MsgspecError if it is no OAA application payload.

    `names` is filled; give the same to payloads that will be compared. Takes a second or two for a large one: call it
    off the event loop.
    """
    contents = Contents(names)
    with gc_paused():
        payload = msgspec.json.decode(text, type=_Payload)
        (application,) = payload.applications
        _take_identities(contents, "user", contents.users, application.local_users)
        _take_identities(contents, "group", contents.groups, application.local_groups)
        _take_identities(contents, "credential", contents.credentials, application.local_access_creds)
        _take_resources(contents, application.resources)
        _take_grants(contents, payload.identity_to_permissions)
    return contents


def _take_identities(contents: Contents, kind: str, into: dict[int, str], raw: list[msgspec.Raw]) -> None:
    decoder, names = msgspec.json.Decoder(_Identity), contents.names
    for entry in map(decoder.decode, raw):
        number = names[entry.id or entry.name]
        into[number] = names.shown(entry.name)
        if entry.groups:
            contents.members[pair(names[kind], number)] = _numbers(entry.groups, names)


def _take_resources(contents: Contents, raw: list[msgspec.Raw]) -> None:
    decoder, names = msgspec.json.Decoder(_Resource), contents.names
    for project in map(decoder.decode, raw):
        key = project.id or project.name
        about = project.custom_properties
        shown = (about and about.key) or project.name
        contents.projects[names[key]] = names.shown(shown)
        for inner_key, path in _below(project, key, shown):
            contents.repositories[names[inner_key]] = names.shown(path)


def _below(resource: _Resource, key: str, shown: str) -> Iterator[tuple[str, str]]:
    """Key and path of all that is below `resource`."""
    for inner in resource.sub_resources:
        about = inner.custom_properties
        inner_key = f"{key}.{inner.id or inner.name}"
        path = (about and about.path) or f"{shown}/{inner.name}"
        yield inner_key, path
        yield from _below(inner, inner_key, path)


def _take_grants(contents: Contents, raw: list[msgspec.Raw]) -> None:
    decoder, names, grants = msgspec.json.Decoder(_Holder), contents.names, contents.grants
    for entry in map(decoder.decode, raw):
        holder = pair(names[_KINDS.get(entry.identity_type, entry.identity_type)], names[entry.identity])
        for grant in entry.application_permissions:
            held = pair(holder, names[grant.permission])
            on_application = (ON_APPLICATION,) if grant.apply_to_application else ()
            found = _numbers(chain(on_application, grant.resources), names)
            if held in grants:
                found = array("I", sorted({*grants[held], *found}))
            grants[held] = found


def _numbers(texts: Iterable[str], names: Names) -> Numbers:
    """Their numbers, each once, sorted."""
    return array("I", sorted(set(map(names.__getitem__, texts))))
