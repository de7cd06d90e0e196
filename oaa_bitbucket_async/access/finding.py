"""From what a person types to places, users and groups of a payload."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import translate

from oaa_bitbucket_async.access.graph import AccessGraph, Place
from oaa_bitbucket_async.oaa.principals import LICENSED_USERS_ID
from oaa_bitbucket_async.oaa.schema import SavedUser

_PATTERN = frozenset("*?[")
_EVERYTHING = "*"
_PERSONAL = "personal:"
_GROUP = "group:"
_NEAREST = 3
_COMPARED = 20_000
"""Names that are compared in full to find the nearest one: more would take longer than a person waits."""


class NotFoundError(LookupError):
    """There is no such place, user or group; `nearest` are the names that come closest."""

    def __init__(self, what: str, nearest: list[str]) -> None:
        super().__init__(what)
        self.nearest = nearest


def find_places(graph: AccessGraph, text: str) -> list[Place]:
    """The places that `text` names: a project key, `KEY/slug`, or a shell pattern of either. Case does not count.

    `*` means every project and every repository, `CORE/*` the repositories of a project, `TEAM*` projects.
    `personal:ANN` is another way to write `~ANN`. Raises NotFoundError.
    """
    wanted = _without_prefix(text)
    if wanted == _EVERYTHING:
        return list(graph.places())
    on_projects = "/" not in wanted
    if not _PATTERN.isdisjoint(wanted):
        matches = re.compile(translate(wanted.casefold())).match
        found = [p for p in graph.places() if p.is_project is on_projects and matches(p.name.casefold())]
    else:
        folded = wanted.casefold()
        found = [p for p in graph.places() if p.is_project is on_projects and p.name.casefold() == folded]
    if not found:
        raise NotFoundError(f"There is no {'project' if on_projects else 'repository'} {text}", _near(graph, wanted))
    return found


def find_holder(graph: AccessGraph, text: str) -> SavedUser | str:
    """The user of that name, or the id of the group in `group:NAME`. Case does not count. Raises NotFoundError."""
    folded = text.casefold()
    if folded == LICENSED_USERS_ID:
        return LICENSED_USERS_ID
    if folded.startswith(_GROUP):
        for key in graph.groups:
            if key.casefold() == folded:
                return key
        names = [group.name for key, group in graph.groups.items() if key != LICENSED_USERS_ID]
        nearest = [f"{_GROUP}{name}" for name in nearest_to(text[len(_GROUP) :], names)]
        raise NotFoundError(f"There is no group {text[len(_GROUP) :]}", nearest)
    same = [user for user in graph.users if user.name.casefold() == folded]
    for user in same:
        if user.name == text or len(same) == 1:
            return user
    if same:
        return same[0]
    raise NotFoundError(f"There is no user {text}", nearest_to(text, (user.name for user in graph.users)))


def nearest_to(text: str, names: Iterable[str]) -> list[str]:
    """The names that look most like `text`, the best first."""
    by_folded = {name.casefold(): name for name in names}
    candidates: Iterable[str] = by_folded
    if len(by_folded) > _COMPARED:
        start = text.casefold()[:1]
        candidates = [name for name in by_folded if name.startswith(start)][:_COMPARED]
    return [by_folded[name] for name in get_close_matches(text.casefold(), list(candidates), _NEAREST)]


def _near(graph: AccessGraph, wanted: str) -> list[str]:
    """Of a repository: those of its project, where there is one, else any; of a project: keys."""
    if "/" not in wanted:
        return nearest_to(wanted, (place.name for place in graph.places() if place.is_project))
    key = wanted.partition("/")[0].casefold()
    repositories = [place for place in graph.places() if not place.is_project]
    within = [place.name for place in repositories if place.project.casefold() == key]
    return nearest_to(wanted, within or (place.name for place in repositories))


def _without_prefix(text: str) -> str:
    if text.casefold().startswith(_PERSONAL):
        return f"~{text[len(_PERSONAL) :]}"
    return text
