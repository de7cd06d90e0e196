"""Effective access: who reaches a place, and what somebody reaches. All effective access is computed here.

A right on the instance (ADMIN, SYS_ADMIN) or on a project reaches what is below where the permission's definition
says so. A group's right is that of its members; `Licensed users` stands for everyone who may sign in and holds what
default permissions and public flags give (DESIGN.md section 3).
"""

from collections.abc import Collection, Iterable, Iterator

from oaa_bitbucket_async.access.answers import KeyOrToken, Opener, Person, Reached, Way, WayKind, WhatCan, WhoCan
from oaa_bitbucket_async.access.graph import ON_EVERYTHING, AccessGraph, Grants, HeldPermission, Place
from oaa_bitbucket_async.access.levels import GLOBAL_ADMINS, NO_ACCESS, Level, level_of
from oaa_bitbucket_async.oaa.principals import LICENSED_USERS_ID
from oaa_bitbucket_async.oaa.schema import ResourceProperties, SavedResource, SavedUser


def who_can(graph: AccessGraph, level: Level, places: Iterable[Place]) -> Iterator[WhoCan]:
    """The answer for each of `places`, one after the other."""
    wanted = list(places)
    names = {place.key: place.name for place in wanted} | {
        project.id: project.project_key for project in (graph.project_of(place) for place in wanted)
    }
    for place in wanted:
        if place.is_project:  # those who reach single repositories of it are counted
            key = place.name
            names |= {f"{place.key}.{r.id}": r.path_below(key) for r in graph.project_of(place).sub_resources}
    yield from map(_Asker(graph, level, graph.grants(names)).answer, wanted)


class _Asker:
    """Answers about places, from grants that are read already."""

    def __init__(self, graph: AccessGraph, level: Level, grants: Grants) -> None:
        self._graph = graph
        self._level = level
        self._grants = grants
        groups = [holder for holder in grants.holders() if holder in graph.groups]
        self._everywhere = [
            held
            for held in grants.everywhere
            if held.permission in graph.reaches_below and held.permission not in NO_ACCESS
        ]
        """Of thousands of global permissions those few that reach every place."""
        self._members = {group: frozenset(members) for group, members in graph.members(groups).items()}

    def answer(self, place: Place) -> WhoCan:
        graph = self._graph
        project = graph.project_of(place)
        held = list(self._reaching(place))
        able = self._holders(h for h in held if (level_of(h.permission) or 0) >= self._level)
        unsure = self._holders(h for h in held if level_of(h.permission) is None) - able
        return WhoCan(
            place=place.name,
            level=self._level.word,
            people=self._people(able, held, project),
            credentials=self._openers(held),
            unknown=self._people(unsure, [h for h in held if level_of(h.permission) is None], project),
            reach_repositories=self._more_below(place, able) if place.is_project else None,
            collected=place.collected and graph.application.about.collected is not False,
        )

    def _reaching(self, place: Place) -> Iterator[HeldPermission]:
        """Everything that is held on the place, or above it and reaches it."""
        yield from self._everywhere
        if not place.is_project:
            above = self._grants.on(place.key.partition(".")[0])
            yield from (h for h in above if h.permission in self._graph.reaches_below)
        yield from self._grants.on(place.key)

    def _holders(self, held: Iterable[HeldPermission]) -> set[int]:
        """The users who hold it, themselves or through a group, as numbers in `users`."""
        found: set[int] = set()
        for holder in {h.holder for h in held}:
            if holder in self._members:
                found |= self._members[holder]
            elif (number := self._graph.number_of.get(holder)) is not None:
                found.add(number)
        return found

    def _people(self, numbers: set[int], held: Iterable[HeldPermission], project: SavedResource) -> list[Person]:
        ways: dict[int, list[Way]] = {number: [] for number in numbers}
        for one in held:
            members = self._members.get(one.holder)
            if members is None:
                number = self._graph.number_of.get(one.holder)
                if number in ways:
                    ways[number].append(_way(self._graph, one, project, self._graph.users[number]))
                continue
            way = _way(self._graph, one, project)
            few, many = (numbers, members) if len(numbers) < len(members) else (members, numbers)
            for number in few:
                if number in many:
                    ways[number].append(way)
        people = [_person(self._graph, self._graph.users[n], _sorted(found)) for n, found in ways.items()]
        return sorted(people, key=lambda person: (person.name.casefold(), person.name, str(person.id)))

    def _openers(self, held: Iterable[HeldPermission]) -> list[Opener]:
        ways: dict[str, list[Way]] = {}
        for one in held:
            if one.holder in self._graph.credentials:
                ways.setdefault(one.holder, []).append(Way("own", None, one.permission, one.on))
        found = []
        for key, all_ways in ways.items():
            highest = _highest(all_ways)
            if highest is None or highest >= self._level:
                credential = self._graph.credentials[key]
                found.append(
                    Opener(
                        name=credential.name,
                        id=key,
                        kind=credential.custom_properties.kind,
                        highest=highest.word if highest else None,
                        active=credential.is_active,
                        ways=_sorted(all_ways),
                    )
                )
        return sorted(found, key=lambda opener: (opener.name.casefold(), opener.id))

    def _more_below(self, project: Place, able: Collection[int]) -> int:
        found: set[int] = set()
        for repository in self._graph.project_of(project).sub_resources:
            held = self._grants.on(f"{project.key}.{repository.id}")
            found |= self._holders(h for h in held if (level_of(h.permission) or 0) >= self._level)
        users = self._graph.users
        return sum(1 for n in found.difference(able) if users[n].is_active and _licensed(users[n]) is not False)


def what_can(graph: AccessGraph, user: SavedUser) -> WhatCan:
    """Everything that a user reaches."""
    everywhere, places = _reached(graph, {user.id, *graph.groups_of(user)}, user)
    return WhatCan(
        name=user.name,
        is_group=False,
        active=user.is_active,
        licensed=_licensed(user),
        global_permissions=everywhere,
        places=places,
        credentials=credentials_of(graph, user),
    )


def what_group_can(graph: AccessGraph, group: str) -> WhatCan:
    """Everything that the members of a group (by its id) reach through it."""
    everywhere, places = _reached(graph, graph.groups_above(group))
    return WhatCan(
        name=graph.groups[group].name,
        is_group=True,
        active=True,
        licensed=None,
        global_permissions=everywhere,
        places=places,
    )


def _reached(
    graph: AccessGraph, holders: Collection[str], user: SavedUser | None = None
) -> tuple[list[str], list[Reached]]:
    """Global permissions, and places. A place is left out if the level above already gives the same."""
    grants = graph.grants(None, holders)
    everywhere = [_way(graph, held) for held in grants.everywhere]
    found = []
    on_top = _highest(everywhere)
    if on_top is not None:
        found.append(Reached(ON_EVERYTHING, on_top.word, _sorted(w for w in everywhere if level_of(w.permission))))
    on_project: dict[str, Level | None] = {}
    for place in graph.places():
        project = graph.project_of(place)
        ways = [_way(graph, held, project, user) for held in grants.on(place.key)]
        highest = _highest(ways)
        if place.is_project:
            on_project[project.id] = highest
        if not ways:
            continue
        above = max(on_top or 0, 0 if place.is_project else on_project[project.id] or 0)
        if highest is None or highest > above:
            found.append(Reached(place.name, highest.word if highest else None, _sorted(ways)))
    return sorted({way.permission for way in everywhere}), found


def _way(
    graph: AccessGraph, held: HeldPermission, project: SavedResource | None = None, user: SavedUser | None = None
) -> Way:
    """How the grants reach `user`, as their holder or through a group."""
    about = project.about if project is not None else None
    group = graph.groups.get(held.holder)
    kind: WayKind = "own" if group is None else "group"
    if held.on == ON_EVERYTHING and held.permission in GLOBAL_ADMINS:
        kind = "global"
    elif held.holder == LICENSED_USERS_ID:
        kind = "public" if _by_flag(held, about) else "default"
    elif (
        group is None
        and user is not None
        and about is not None
        and about.is_personal is True
        and about.owner == user.name
        and held.permission == "PROJECT_ADMIN"
    ):
        kind = "owner"
    return Way(kind, group.name if group is not None else None, held.permission, held.on)


def credentials_of(graph: AccessGraph, user: SavedUser, level: Level | None = None) -> list[KeyOrToken]:
    """A user's keys and tokens. With `level`, only those that give at least this level."""
    found = []
    for key in user.access_creds or ():
        credential = graph.credentials.get(key)
        if credential is None:
            continue
        about = credential.custom_properties
        limits = about.permission_levels
        if level is not None and (about.kind == "gpg-key" or (limits is not None and _best(limits) < level)):
            continue
        found.append(KeyOrToken(credential.name, about.kind, credential.is_active, limits))
    return found


def _by_flag(held: HeldPermission, project: ResourceProperties | None) -> bool:
    """Whether `Licensed users` holds this because of a public flag, and not by a default permission."""
    if held.permission == "REPO_READ":
        return True
    by_default = project is not None and project.default_permission == held.permission
    return held.permission == "PROJECT_READ" and project is not None and project.is_public is True and not by_default


def _person(graph: AccessGraph, user: SavedUser, ways: list[Way]) -> Person:
    highest = _highest(ways)
    return Person(
        name=user.name,
        id=int(user.id) if user.id.isdecimal() else user.id,
        highest=highest.word if highest else None,
        active=user.is_active,
        licensed=_licensed(user),
        ways=ways,
        credentials=credentials_of(graph, user, highest),
    )


def _licensed(user: SavedUser) -> bool | None:
    return user.custom_properties.licensed


def _highest(ways: Iterable[Way]) -> Level | None:
    return max((level for way in ways if (level := level_of(way.permission)) is not None), default=None)


def _best(permissions: Iterable[str]) -> int:
    return max((level_of(permission) or 0 for permission in permissions), default=0)


def _sorted(ways: Iterable[Way]) -> list[Way]:
    """The strongest first, then as people would look them up."""
    return sorted(
        set(ways),
        key=lambda way: (-(level_of(way.permission) or 0), way.kind, way.through or "", way.on, way.permission),
    )
