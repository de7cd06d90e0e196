"""An instance as one payload tells it: people, groups, places, and who holds what on them.

Built for questions about some places or some holders: only the grants that a question needs are kept. Reading the
payload of 100,000 repositories takes a second or two; call it off the event loop.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec

from oaa_bitbucket_async.oaa.gc_pause import gc_paused
from oaa_bitbucket_async.oaa.names import APPLICATION_TYPE
from oaa_bitbucket_async.oaa.schema import (
    SavedApplication,
    SavedCredential,
    SavedHolder,
    SavedIdentity,
    SavedResource,
    SavedUser,
    decode_payload,
)

T = TypeVar("T")
ON_EVERYTHING = "*"
"""Stands for the instance itself where a place is named."""


class AnotherPayloadError(Exception):
    """The payload is from another collector; the text says what it is."""


class Place(NamedTuple):
    """A project or a repository."""

    name: str
    """The project key, or `KEY/slug`."""
    key: str
    """What grants call it: the project's id, or that and the repository's id with a dot between."""
    project: str
    """The key of the project that it is or belongs to."""
    is_project: bool
    collected: bool
    """False if its grants could not be read in full."""


class HeldPermission(NamedTuple):
    """One permission of one holder on one place. `on` is the place's name, or `*` for the instance."""

    holder: str
    permission: str
    on: str


@dataclass(slots=True)
class Grants:
    """Those that a question asked for."""

    everywhere: list[HeldPermission] = field(default_factory=list)
    """On the instance itself."""
    on: dict[str, list[HeldPermission]] = field(default_factory=dict)
    """By the key of the place."""


class AccessGraph:
    """People, groups, credentials and places of a payload; `grants` reads who holds what.

    Raises as `decode_payload` if `text` is no OAA application payload, AnotherPayloadError if it is none of ours.
    """

    def __init__(self, text: bytes) -> None:
        with gc_paused():
            payload = decode_payload(text)
            application = payload.application
            if application.application_type != APPLICATION_TYPE:
                raise AnotherPayloadError(
                    f"it describes {application.name!r}, an application of the type {application.application_type!r}"
                )
            self.application: SavedApplication = application
            self.users = _decoded(application.local_users, SavedUser)
            self.groups = {group.id: group for group in _decoded(application.local_groups, SavedIdentity)}
            self.credentials = {c.id: c for c in _decoded(application.local_access_creds, SavedCredential)}
            self.projects = {p.id: p for p in _decoded(application.resources, SavedResource)}
        application.local_users = application.local_groups = application.resources = []
        self.reaches_below = frozenset(p.name for p in payload.permissions if p.apply_to_sub_resources)
        """Permissions whose holder has the same on everything below."""
        self.number_of = {user.id: number for number, user in enumerate(self.users)}
        """The place of a user in `users`, by id."""
        self._holders = payload.identity_to_permissions
        self._above = {group: tuple(self._with_all_above(group)) for group in self.groups}

    def places(self) -> Iterator[Place]:
        """Every project, each followed by its repositories."""
        for project in self.projects.values():
            key = project.project_key
            yield Place(key, project.id, key, True, project.about.collected is not False)
            for repository in project.sub_resources:
                collected = repository.about.collected is not False
                yield Place(repository.path_below(key), f"{project.id}.{repository.id}", key, False, collected)

    def project_of(self, place: Place) -> SavedResource:
        """The project that a place is or belongs to."""
        return self.projects[place.key.partition(".")[0]]

    def groups_of(self, user: SavedUser) -> set[str]:
        """Ids of all groups that the user is in, directly or through another group."""
        return {above for group in user.groups or () for above in self._above.get(group, (group,))}

    def groups_above(self, group: str) -> set[str]:
        """The group's id, and those of all groups that it is in."""
        return set(self._above.get(group, (group,)))

    def members(self, groups: Collection[str]) -> dict[str, list[int]]:
        """The members of each group, direct and indirect, as numbers in `users`."""
        found: dict[str, list[int]] = {group: [] for group in groups}
        relevant = {
            group: [found[above] for above in self._above[group] if above in found]
            for group in self.groups
            if not found.keys().isdisjoint(self._above[group])
        }
        for number, user in enumerate(self.users):
            for group in user.groups or ():
                for members in relevant.get(group, ()):
                    if not members or members[-1] != number:
                        members.append(number)
        return found

    def grants(self, places: dict[str, str] | None, holders: Collection[str] | None = None) -> Grants:
        """What is held on the instance and on `places` (names by key), by `holders`; None means all of them."""
        found = Grants()
        decoder = msgspec.json.Decoder(SavedHolder)
        names = places if places is not None else {place.key: place.name for place in self.places()}
        with gc_paused():
            for entry in map(decoder.decode, self._holders):
                if holders is not None and entry.identity not in holders:
                    continue
                for grant in entry.application_permissions:
                    if grant.apply_to_application:
                        found.everywhere.append(HeldPermission(entry.identity, grant.permission, ON_EVERYTHING))
                    for key in grant.resources:
                        name = names.get(key)
                        if name is not None:
                            held = HeldPermission(entry.identity, grant.permission, name)
                            here = found.on.get(key)
                            if here is None:
                                found.on[key] = [held]
                            else:
                                here.append(held)
        return found

    def _with_all_above(self, group: str) -> list[str]:
        found, waiting = [group], list(self.groups[group].groups or ())
        while waiting:
            above = waiting.pop()
            if above not in found:
                found.append(above)
                waiting.extend(self.groups[above].groups or () if above in self.groups else ())
        return found


def _decoded(raw: list[msgspec.Raw], kind: type[T]) -> list[T]:
    return list(map(msgspec.json.Decoder(kind).decode, raw))
