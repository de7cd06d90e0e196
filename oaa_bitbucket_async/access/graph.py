"""An instance as one payload tells it: people, groups, places, and who holds what on them.

Built for questions about some places or some holders: only the grants that a question needs are kept. The payload is
read piece by piece, since its text is larger than what is kept of it. That of 100,000 repositories takes a second or
two; call it off the event loop.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.oaa.gc_pause import gc_paused
from oaa_bitbucket_async.oaa.names import APPLICATION_TYPE
from oaa_bitbucket_async.oaa.payload_stream import PayloadStream, Section
from oaa_bitbucket_async.oaa.schema import (
    SavedApplication,
    SavedCredential,
    SavedGrant,
    SavedHolder,
    SavedIdentity,
    SavedPayload,
    SavedResource,
    SavedUser,
    decode_payload,
)
from oaa_bitbucket_async.oaa.side_by_side import Source

_USER = msgspec.json.Decoder(SavedUser)
_GROUP = msgspec.json.Decoder(SavedIdentity)
_CREDENTIAL = msgspec.json.Decoder(SavedCredential)
_PROJECT = msgspec.json.Decoder(SavedResource)
_HOLDER = msgspec.json.Decoder(SavedHolder)
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


class Grants:
    """Those that a question asked for. Holders hold the same permission on many things: each grant is a number."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names`: what the places are called that the question is about, by their keys."""
        self.everywhere: list[HeldPermission] = []
        """On the instance itself."""
        self._names = names
        self._held: list[tuple[str, str]] = []
        """Holder and permission, by number."""
        self._on: dict[str, array[int]] = {}

    def add(self, holder: str, grant: SavedGrant) -> None:
        """Take in what somebody holds, as far as the question is about it."""
        if grant.apply_to_application:
            self.everywhere.append(HeldPermission(holder, grant.permission, ON_EVERYTHING))
        on, names, number = self._on, self._names, len(self._held)
        found = False
        for key in grant.resources:
            if key in names:
                found = True
                if (here := on.get(key)) is None:
                    on[key] = array("I", (number,))
                else:
                    here.append(number)
        if found:
            self._held.append((holder, grant.permission))

    def on(self, key: str) -> Iterator[HeldPermission]:
        """What is held on the place with this key, in the payload's order."""
        for number in self._on.get(key, ()):
            yield HeldPermission(*self._held[number], self._names[key])

    def holders(self) -> set[str]:
        """The holders of all of them."""
        return {held.holder for held in self.everywhere} | {holder for holder, _ in self._held}


class AccessGraph:
    """People, groups, credentials and places of a payload; `grants` reads who holds what.

    Raises the errors of reading `source`, and AnotherPayloadError if it is none of ours.
    """

    def __init__(self, source: Source) -> None:
        self.users: list[SavedUser] = []
        self.groups: dict[str, SavedIdentity] = {}
        self.credentials: dict[str, SavedCredential] = {}
        self.projects: dict[str, SavedResource] = {}
        self._source = source
        self._group_ids: dict[str, str] = {}
        payload = self._read()
        self.application: SavedApplication = payload.application
        self.reaches_below = frozenset(p.name for p in payload.permissions if p.apply_to_sub_resources)
        """Permissions whose holder has the same on everything below."""
        self.number_of = {user.id: number for number, user in enumerate(self.users)}
        """The place of a user in `users`, by id."""
        self._above = {group: tuple(self._with_all_above(group)) for group in self.groups}

    def _read(self) -> SavedPayload:
        """Reads everything but the grants. Gives the rest."""
        stream = PayloadStream(self._source.pieces())
        wrong: Exception | None = None
        with gc_paused(), self._source.told():
            for section in stream.sections():
                try:
                    self._add(section)
                except (ValueError, RecursionError) as error:
                    wrong = wrong or error  # unless the application, which is known at the end, is not ours at all
            payload = decode_payload(stream.outline)
            if payload.application.application_type != APPLICATION_TYPE:
                raise AnotherPayloadError(
                    f"it describes {payload.application.name!r}, an application of the type "
                    f"{payload.application.application_type!r}"
                )
            if wrong is not None:
                raise wrong
        return payload

    def _add(self, section: Section) -> None:
        if section.name == "users":
            self.users += map(self._with_shared_groups, map(_USER.decode, section.entries))
        elif section.name == "groups":
            self.groups |= {group.id: group for group in map(_GROUP.decode, section.entries)}
        elif section.name == "credentials":
            self.credentials |= {one.id: one for one in map(_CREDENTIAL.decode, section.entries)}
        elif section.name == "resources":
            self.projects |= {project.id: project for project in map(_PROJECT.decode, section.entries)}

    def _with_shared_groups(self, user: SavedUser) -> SavedUser:
        """The same user, with one text for each group's id: there are many members and few groups."""
        shared = self._group_ids
        groups = tuple(shared.setdefault(group, group) for group in user.groups or ())
        return msgspec.structs.replace(user, groups=groups) if groups else user

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

    def grants(self, places: Mapping[str, str] | None, holders: Collection[str] | None = None) -> Grants:
        """What is held on the instance and on `places` (names by key), by `holders`; None means all of them.

        Reads the payload once more. Raises as the constructor does.
        """
        found = Grants(places if places is not None else {place.key: place.name for place in self.places()})
        with gc_paused(), self._source.told():
            for section in PayloadStream(self._source.pieces()).sections():
                if section.name == "grants":
                    for entry in map(_HOLDER.decode, section.entries):
                        if holders is None or entry.identity in holders:
                            for grant in entry.application_permissions:
                                found.add(entry.identity, grant)
        return found

    def _with_all_above(self, group: str) -> list[str]:
        found, waiting = [group], list(self.groups[group].groups or ())
        while waiting:
            above = waiting.pop()
            if above not in found:
                found.append(above)
                waiting.extend(self.groups[above].groups or () if above in self.groups else ())
        return found
