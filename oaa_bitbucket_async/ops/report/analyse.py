"""What a snapshot tells a person, as figures and short lists. Linear in the number of grants; takes seconds."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, TypeVar

from oaa_bitbucket_async.access.levels import GLOBAL_ADMINS
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot, UserRecord, fold
from oaa_bitbucket_async.oaa.permissions import PERMISSIONS, highest
from oaa_bitbucket_async.oaa.principals import Licensed, identities_of, is_licensed, licensed
from oaa_bitbucket_async.oaa.values import timestamp
from oaa_bitbucket_async.ops.report.analysis import (
    Administrator,
    AdministratorGroup,
    Analysis,
    Default,
    Dormant,
    GoneGroup,
    Orphaned,
    PermissionCount,
    Public,
    Shown,
    Things,
    Users,
)
from oaa_bitbucket_async.ops.report.reach import MOST, groups_that_reach_most, users_that_reach_most
from oaa_bitbucket_async.ops.report.reach_index import ADMINISTERS, ReachIndex
from oaa_bitbucket_async.settings import Identity

T = TypeVar("T")
_MOST_LISTED = 10


def analyse(snapshot: Snapshot, *, identity: Identity) -> Analysis:
    """Computes everything. Seconds for a large instance: call it off the event loop."""
    index = ReachIndex(snapshot)
    sign_in = licensed(snapshot)
    global_holders: dict[Principal, set[str]] = {}
    for principal, permission in snapshot.grants(snapshot.global_grants):
        global_holders.setdefault(principal, set()).add(permission)
    gone = _gone_groups(snapshot, index, global_holders)
    orphaned = _orphaned(snapshot, index, sign_in)
    defaults = _defaults(index)
    dormant = _dormant(snapshot, index, sign_in, global_holders)
    able = (user for user in snapshot.users.values() if is_licensed(user, sign_in) is not False)
    return Analysis(
        instance=snapshot.instance,
        identity=identity,
        users=_users(snapshot, sign_in, identity),
        things=_things(snapshot),
        levels=_levels(snapshot, index),
        administrators=_first(_administrators(snapshot, global_holders), MOST),
        administrator_groups=_first(_administrator_groups(snapshot, global_holders)),
        public=_first(_public(index)),
        public_access=snapshot.public_access,
        defaults=_first(defaults),
        defaults_by_level=dict(Counter(default.permission for default in defaults)),
        gone_groups=_first(gone),
        gone_group_grants=sum(group.grants for group in gone),
        dormant=_first(dormant),
        dormant_by_why=dict(Counter(user.why for user in dormant)),
        orphaned=_first(orphaned),
        orphaned_repositories=sum(project.repositories for project in orphaned),
        by_everyone=index.of_everyone().bit_count(),
        top_users=tuple(users_that_reach_most(snapshot, index, able)),
        top_groups=tuple(groups_that_reach_most(snapshot, index)),
    )


def _first(everything: list[T], most: int = _MOST_LISTED) -> Shown[T]:
    return Shown(tuple(everything[:most]), len(everything))


def _users(snapshot: Snapshot, sign_in: Licensed, identity: Identity) -> Users:
    users = snapshot.users.values()
    active = sum(user.active for user in users)
    return Users(
        total=len(users),
        active=active,
        inactive=len(users) - active,
        without_identity=sum(not identities_of(user, identity) for user in users),
        may_sign_in=sum(bool(is_licensed(user, sign_in)) for user in users) if sign_in.all_known else None,
        unlisted=sum(not user.listed for user in users),
    )


def _things(snapshot: Snapshot) -> Things:
    projects, repositories = snapshot.projects, snapshot.repositories.values()
    return Things(
        groups=len(snapshot.groups),
        empty_groups=sum(
            group.listed and Missing("group", key) not in snapshot.missing and not snapshot.members.get(key)
            for key, group in snapshot.groups.items()
        ),
        projects=len(projects),
        personal_projects=sum(project.personal for project in projects.values()),
        public_projects=sum(project.public for project in projects.values()),
        repositories=len(repositories),
        personal_repositories=sum(
            (project := projects.get(r.project)) is not None and project.personal for r in repositories
        ),
        public_repositories=sum(
            r.public or ((project := projects.get(r.project)) is not None and project.public) for r in repositories
        ),
        archived_repositories=sum(repository.archived for repository in repositories),
        forks=sum(repository.fork for repository in repositories),
    )


def _levels(snapshot: Snapshot, index: ReachIndex) -> tuple[PermissionCount, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for principal, permission in snapshot.grants(snapshot.global_grants):
        counts[permission, principal.kind] += 1
    for principal, codes in index.codes.items():
        for code, permission in codes:
            counts[permission, principal.kind] += len(index.on_projects.get(code, ()))
            counts[permission, principal.kind] += len(index.on_repositories.get(code, ()))
    for permissions in index.default_permissions:
        for permission in permissions:
            counts[permission, "everyone"] += 1
    unknown = sorted({permission for permission, _ in counts} - PERMISSIONS.keys())
    return tuple(
        PermissionCount(name, counts[name, "user"], counts[name, "group"], counts[name, "everyone"])
        for name in (*PERMISSIONS, *unknown)
    )


def _administrators(snapshot: Snapshot, global_holders: dict[Principal, set[str]]) -> list[Administrator]:
    through: dict[int, list[str]] = {}
    system: set[int] = set()
    for principal, permissions in global_holders.items():
        if permissions.isdisjoint(GLOBAL_ADMINS):
            continue
        if principal.kind == "user":
            members: Iterable[int] = (int(principal.key),)
            how = "own grant"
        else:
            members = snapshot.members.get(str(principal.key), ())
            how = snapshot.groups[str(principal.key)].name
        for member in members:
            through.setdefault(member, []).append(how)
            if "SYS_ADMIN" in permissions:
                system.add(member)
    found = [
        Administrator(user.name, user.display_name, user.active, user.id in system, tuple(sorted(through[user.id])))
        for user in snapshot.users.values()
        if user.id in through
    ]
    return sorted(found, key=lambda a: (not a.active, not a.system, fold(a.name)))


def _administrator_groups(snapshot: Snapshot, global_holders: dict[Principal, set[str]]) -> list[AdministratorGroup]:
    found = []
    for principal, permissions in global_holders.items():
        if principal.kind == "group" and not permissions.isdisjoint(GLOBAL_ADMINS):
            group, members = snapshot.groups[str(principal.key)], snapshot.members.get(str(principal.key), ())
            active = sum(snapshot.users[member].active for member in members if member in snapshot.users)
            found.append(AdministratorGroup(group.name, len(members), active, "SYS_ADMIN" in permissions, group.listed))
    return sorted(found, key=lambda g: (-g.active_members, fold(g.name)))


def _public(index: ReachIndex) -> list[Public]:
    found = []
    for number, project in enumerate(index.projects):
        repositories = [index.repositories[place] for place in range(*index.ranges[number])]
        count = len(repositories) if project.public else sum(repository.public for repository in repositories)
        if count or project.public:
            found.append(Public(project.key, project.name, count, len(repositories), project.public))
    return sorted(found, key=lambda p: (not p.whole, -p.repositories, p.key))


def _defaults(index: ReachIndex) -> list[Default]:
    weight = {name: n for n, name in enumerate(PERMISSIONS)}
    found = [
        Default(project.key, project.name, permission, index.size(number))
        for number, project in enumerate(index.projects)
        if (permission := highest(index.default_permissions[number])) is not None
    ]
    return sorted(found, key=lambda d: (-weight.get(d.permission, -1), -d.repositories, d.key))


def _gone_groups(snapshot: Snapshot, index: ReachIndex, global_holders: dict[Principal, set[str]]) -> list[GoneGroup]:
    found = []
    for key, group in snapshot.groups.items():
        if not group.listed:
            principal = Principal("group", key)
            codes = [code for code, _ in index.codes.get(principal, ())]
            counted = GoneGroup(
                group.name,
                sum(len(index.on_projects.get(code, ())) for code in codes),
                sum(len(index.on_repositories.get(code, ())) for code in codes),
                len(global_holders.get(principal, ())),
            )
            if counted.grants:
                found.append(counted)
    return sorted(found, key=lambda g: (-g.grants, fold(g.name)))


def _dormant(
    snapshot: Snapshot, index: ReachIndex, sign_in: Licensed, global_holders: dict[Principal, set[str]]
) -> list[Dormant]:
    """Of whom it is not known whether they are licensed, nothing is said."""
    groups: Counter[int] = Counter()
    for key, members in snapshot.members.items():
        principal = Principal("group", key)
        if principal in index.codes or principal in global_holders:
            groups.update(members)
    found = []
    for user in snapshot.users.values():
        if is_licensed(user, sign_in) is False:
            principal = Principal("user", user.id)
            own = index.grants(principal) + len(global_holders.get(principal, ())) + len(index.owned.get(user.id, ()))
            if own or groups[user.id]:
                why: Literal["inactive", "unlicensed"] = "unlicensed" if user.active else "inactive"
                found.append(Dormant(user.name, user.display_name, own, groups[user.id], why, _day(user)))
    return sorted(found, key=lambda i: (-i.own_grants, -i.groups, fold(i.name)))


def _orphaned(snapshot: Snapshot, index: ReachIndex, sign_in: Licensed) -> list[Orphaned]:
    """Nobody who may sign in administers them by a grant there or on the project, or owns the project.

    A group counts if somebody in it may sign in, or if its members could not be collected; so do everyone's default
    permissions, if they are that high. Of what could not be collected nothing is said.
    """

    def alive(principal: Principal) -> bool:
        if principal.kind == "user":
            user = snapshot.users.get(int(principal.key))
            return user is not None and is_licensed(user, sign_in) is not False
        if Missing("group", principal.key) in snapshot.missing:
            return True
        members = (snapshot.users.get(member) for member in snapshot.members.get(str(principal.key), ()))
        return any(member is not None and is_licensed(member, sign_in) is not False for member in members)

    administered = index.of_everyone(ADMINISTERS)
    for principal, codes in index.codes.items():
        if any(permission in ADMINISTERS for _, permission in codes) and alive(principal):
            administered |= index.of(principal, ADMINISTERS)
    for owner in index.owned:
        if alive(Principal("user", owner)):
            administered |= index.of(Principal("user", owner), ADMINISTERS)
    flags = administered.to_bytes((len(index.repositories) >> 3) + 1, "little")
    found = []
    for number, project in enumerate(index.projects):
        if Missing("project", project.id) in snapshot.missing:
            continue
        count = sum(
            not flags[place >> 3] >> (place & 7) & 1
            and Missing("repository", index.repositories[place].id) not in snapshot.missing
            for place in range(*index.ranges[number])
        )
        if count:
            found.append(Orphaned(project.key, project.name, count, index.size(number)))
    return sorted(found, key=lambda o: (-o.repositories, o.key))


def _day(user: UserRecord) -> str | None:
    time = None if user.last_login is None else timestamp(user.last_login)
    return None if time is None else time[:10]
