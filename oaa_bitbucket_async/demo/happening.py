"""A change of an estate as listeners receive it, such as the audit log of an embedded Bitbucket."""

from collections.abc import Sequence
from typing import NamedTuple


class Thing(NamedTuple):
    """A project, repository, user or group as it was at that time.

    `kind` is PROJECT, REPOSITORY, USER, GROUP or MISC. `name` is a key, a slug or a name. `id` is None where Bitbucket
    tells none. A group's is its name.
    """

    kind: str
    name: str
    id: str | None = None


class Told(NamedTuple):
    """An attribute of a change: `about` is a name in `audit.actions.ATTRIBUTES`."""

    about: str
    value: str


class Replaced(NamedTuple):
    """A value that was replaced by another."""

    about: str
    old: str | None
    new: str | None


class Happening(NamedTuple):
    """One thing that was done: `what` is a name in `audit.actions.ACTIONS`. `by` is None for an administrator."""

    what: str
    things: Sequence[Thing] = ()
    told: Sequence[Told] = ()
    replaced: Sequence[Replaced] = ()
    by: Thing | None = None
