"""What a payload holds, read back from its JSON: who there is, and who has what, as compactly as Python allows.

The lists of a payload are long and their entries many times larger than what is read of them, so they are decoded one
entry at a time. Names of groups and keys of resources, which recur in every grant, are kept once: for two payloads
that share their names (`Names`) a grant takes the eight bytes of a reference in each.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import msgspec

from oaa_bitbucket_async.oaa.gc_pause import gc_paused

Names: TypeAlias = dict[str, str]
"""Texts that were met, each by itself."""
Holder: TypeAlias = tuple[str, str]
"""Kind (`user`, `group`) and id."""
ON_APPLICATION = ""
"""Stands for the application itself among the keys of resources."""
_KINDS = {"local_user": "user", "local_group": "group"}


@dataclass(slots=True)
class Contents:
    """Everything that can be added or removed. Keys are the payload's ids, values what a reader calls them."""

    users: dict[str, str] = field(default_factory=dict)
    """User names."""
    groups: dict[str, str] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)
    """Project keys."""
    repositories: dict[str, str] = field(default_factory=dict)
    """Paths (`KEY/slug`), by the key of the resource: a repository in another project is another one."""
    memberships: dict[Holder, list[str]] = field(default_factory=dict)
    """Ids of the groups that a user or group is in."""
    holdings: dict[Holder, dict[str, list[str]]] = field(default_factory=dict)
    """For each permission of a holder the keys of what it is held on."""

    @property
    def grant_count(self) -> int:
        """One for each holder, permission and thing it is held on."""
        return sum(len(keys) for held in self.holdings.values() for keys in held.values())

    @property
    def member_count(self) -> int:
        """One for each user or group in a group."""
        return sum(map(len, self.memberships.values()))


class _User(msgspec.Struct, gc=False):
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


class _Identity(msgspec.Struct, gc=False):
    identity: str
    identity_type: str = "local_user"
    application_permissions: tuple[_Permission, ...] = ()


class _Application(msgspec.Struct):
    local_users: list[msgspec.Raw]
    local_groups: list[msgspec.Raw]
    resources: list[msgspec.Raw]


class _Payload(msgspec.Struct):
    applications: Annotated[list[_Application], msgspec.Meta(min_length=1, max_length=1)]
    identity_to_permissions: list[msgspec.Raw]


def read_contents(text: bytes, names: Names) -> Contents:
    """What the payload `text` (JSON) holds. msgspec.MsgspecError if it is no OAA application payload.

    `names` is filled; give the same to payloads that will be compared. Takes a second or two for a large one: call it
    off the event loop.
    """
    with gc_paused():
        payload = msgspec.json.decode(text, type=_Payload)
        (application,) = payload.applications
        contents = Contents()
        _take_identities(contents.users, contents, "user", application.local_users, names)
        _take_identities(contents.groups, contents, "group", application.local_groups, names)
        _take_resources(contents, application.resources, names)
        _take_grants(contents, payload.identity_to_permissions, names)
        return contents


def _take_identities(into: dict[str, str], contents: Contents, kind: str, raw: list[msgspec.Raw], names: Names) -> None:
    decoder = msgspec.json.Decoder(_User)
    for entry in map(decoder.decode, raw):
        key = _once(entry.id or entry.name, names)
        into[key] = entry.name
        if entry.groups:
            contents.memberships[kind, key] = _all_once(entry.groups, names)


def _take_resources(contents: Contents, raw: list[msgspec.Raw], names: Names) -> None:
    decoder = msgspec.json.Decoder(_Resource)
    for project in map(decoder.decode, raw):
        key = _once(project.id or project.name, names)
        about = project.custom_properties
        contents.projects[key] = shown = (about and about.key) or project.name
        for repository_key, path in _below(project, key, shown):
            contents.repositories[_once(repository_key, names)] = path


def _below(resource: _Resource, key: str, shown: str) -> Iterator[tuple[str, str]]:
    """Key and path of all that is below `resource`."""
    for inner in resource.sub_resources:
        about = inner.custom_properties
        inner_key = f"{key}.{inner.id or inner.name}"
        path = (about and about.path) or f"{shown}/{inner.name}"
        yield inner_key, path
        yield from _below(inner, inner_key, path)


def _take_grants(contents: Contents, raw: list[msgspec.Raw], names: Names) -> None:
    decoder = msgspec.json.Decoder(_Identity)
    for entry in map(decoder.decode, raw):
        holder = (_KINDS.get(entry.identity_type, entry.identity_type), _once(entry.identity, names))
        held = contents.holdings.setdefault(holder, {})
        for grant in entry.application_permissions:
            on_application = (ON_APPLICATION,) if grant.apply_to_application else ()
            before = held.get(grant.permission, ())
            held[_once(grant.permission, names)] = _all_once((*before, *on_application, *grant.resources), names)


def _once(text: str, names: Names) -> str:
    return names.setdefault(text, text)


def _all_once(texts: Iterable[str], names: Names) -> list[str]:
    """Each text once in the list, and always the same object for it."""
    distinct = dict.fromkeys(texts)
    return list(map(names.setdefault, distinct, distinct))
