"""What the answers to `who-can` and `what-can` are made of; as JSON they look the same (DESIGN.md section 8)."""

from typing import Literal

import msgspec

WayKind = Literal["own", "group", "default", "public", "global", "owner"]


class Way(msgspec.Struct, frozen=True, gc=False):
    """How a right comes: by which permission, held on what, through which group."""

    kind: WayKind
    through: str | None
    """The group's name; None for what the holder has without a group."""
    permission: str
    on: str
    """A project key, `KEY/slug`, or `*` for the instance."""


class KeyOrToken(msgspec.Struct, frozen=True, gc=False):
    """A key or token of a person, who can use it for whatever the person may do, or less."""

    name: str
    kind: str
    active: bool
    permission_levels: tuple[str, ...] | None = None
    """What a token is limited to; None for keys."""


class Person(msgspec.Struct, frozen=True, gc=False):
    """Somebody who reaches a place."""

    name: str
    id: int | str
    highest: str | None
    """`read`, `write` or `admin`; None if only permissions with unknown names lead here."""
    active: bool
    licensed: bool | None
    """None where it is not known."""
    ways: list[Way]
    credentials: list[KeyOrToken] = []

    @property
    def may_sign_in(self) -> bool:
        """Whether the rights count: grants of inactive and unlicensed people are dormant."""
        return self.active and self.licensed is not False


class Opener(msgspec.Struct, frozen=True, gc=False):
    """A key or token of a project or repository, which opens a place for whoever has it."""

    name: str
    id: str
    kind: str
    highest: str | None
    active: bool
    ways: list[Way]


class WhoCan(msgspec.Struct, frozen=True, gc=False):
    """The answer for one place."""

    place: str
    level: str
    people: list[Person]
    """Sorted by name; inactive and unlicensed people included."""
    credentials: list[Opener] = []
    unknown: list[Person] = []
    """Those who reach the place only by permissions with unknown names."""
    reach_repositories: int | None = None
    """Of a project: how many more people reach single repositories of it at that level. None for a repository."""
    collected: bool = True

    @property
    def anybody(self) -> int:
        """How many people can, without those who can't sign in."""
        return sum(person.may_sign_in for person in self.people)


class Reached(msgspec.Struct, frozen=True, gc=False):
    """A place that somebody reaches."""

    place: str
    highest: str | None
    ways: list[Way]


class WhatCan(msgspec.Struct, frozen=True, gc=False):
    """The answer for one user or group. What a project gives is told once, not for each of its repositories."""

    name: str
    is_group: bool
    active: bool
    licensed: bool | None
    global_permissions: list[str]
    places: list[Reached]
    credentials: list[KeyOrToken] = []
