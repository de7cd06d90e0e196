"""How much of what `--include` asked for the login could see: for the payload, and in words."""

from collections.abc import Collection
from typing import Literal

from oaa_bitbucket_async.collect.kinds import AnyKind, kinds_of
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.settings import Include

State = Literal["collected", "partly visible", "not visible", "incomplete"]

_EXAMPLES = 3
_MANY = {"project": "projects", "user": "users", "repository": "repositories"}
_OF_ADMINISTRATOR = (
    "those of other users need the global permission Admin, which no token has: sign in with BITBUCKET_USER and "
    "the password of an administrator"
)
_OF_PLACE = "the account needs Admin on them, and the server must support them in a known form"


def property_name(include: Include) -> str:
    """The application's property of that kind."""
    return include.replace("-", "_")


def states(snapshot: Snapshot, of_several: Collection[AnyKind] = ()) -> dict[Include, State]:
    """What the application says of each kind that was asked for. `incomplete`: some of it failed, and is missing."""
    return {include: _state(snapshot, include, of_several) for include in sorted(snapshot.included.asked_for)}


def lines(snapshot: Snapshot) -> list[str]:
    """One line for each kind that was not seen in full: what, of what, and what would show it."""
    return [
        _line(snapshot, include, state)
        for include, state in states(snapshot).items()
        if any(snapshot.included.hidden.get(kind) for kind in _kinds(include))
    ]


def _kinds(include: Include) -> list[AnyKind]:
    return [kind for kind in kinds_of(include) if not kind.helps]


def _words(include: Include) -> str:
    """`access keys`."""
    return _kinds(include)[0].what.partition(" of ")[0]


def _state(snapshot: Snapshot, include: Include, of_several: Collection[AnyKind]) -> State:
    asked = _kinds(include)
    if Missing("included", include) in snapshot.missing:
        return "incomplete"
    hidden = any(snapshot.included.hidden.get(kind) for kind in asked)
    if hidden and not any(snapshot.included.count(kind) for kind in asked):
        return "not visible"
    return "partly visible" if hidden or not set(asked).isdisjoint(of_several) else "collected"


def _line(snapshot: Snapshot, include: Include, state: State) -> str:
    parts, advice = [], []
    for kind in _kinds(include):
        hidden = sorted(snapshot.included.hidden.get(kind, ()))
        if not hidden:
            continue
        whole = not snapshot.included.count(kind)
        parts.append(f"of {_those(snapshot, kind, hidden)}" if not whole else f"of {_MANY[kind.of]}")
        advice.append(_OF_ADMINISTRATOR if kind.of == "user" else _OF_PLACE)
    shown = "not visible to this login" if state == "not visible" else "not all visible to this login"
    return f"{_words(include)} are {shown}: not those {' and '.join(parts)}; {'; '.join(dict.fromkeys(advice))}"


def _those(snapshot: Snapshot, kind: AnyKind, hidden: list[int]) -> str:
    examples = ", ".join(_name(snapshot, kind, place) for place in hidden[:_EXAMPLES])
    more = f" and {len(hidden) - _EXAMPLES:,} more" if len(hidden) > _EXAMPLES else ""
    places = _MANY[kind.of] if len(hidden) > 1 else kind.of
    return f"{len(hidden):,} {places} ({examples}{more})"


def _name(snapshot: Snapshot, kind: AnyKind, place: int) -> str:
    if kind.of == "user":
        user = snapshot.users.get(place)
        return user.name if user else str(place)
    if kind.of == "project":
        project = snapshot.projects.get(place)
        return project.key if project else str(place)
    repository = snapshot.repositories.get(place)
    if repository is None:
        return str(place)
    project = snapshot.projects.get(repository.project)
    return f"{project.key if project else repository.project}/{repository.slug}"
