"""The rows of findings about people, groups and grants."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from oaa_bitbucket_async.access.levels import GLOBAL_ADMINS
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import GrantSet, Missing, Snapshot
from oaa_bitbucket_async.oaa.permissions import PERMISSIONS, PROJECT_READ, highest
from oaa_bitbucket_async.oaa.principals import identities_of
from oaa_bitbucket_async.ops.report.evidence import Evidence, day, rank
from oaa_bitbucket_async.ops.report.reach_index import ADMINISTERS

Cell = str | int | None
Row = tuple[Cell, ...]

_INCLUDING = frozenset(
    (more, less)
    for more, meaning in PERMISSIONS.items()
    for less, other in PERMISSIONS.items()
    if set(other.canonical) <= set(meaning.canonical)
)


def administrators(evidence: Evidence) -> Iterator[Row]:
    """User, name, permission, groups that it comes through, whether the user may sign in, last login."""
    snapshot = evidence.snapshot
    effective = snapshot.instance.global_permissions == "effective"  # then it is not known how anybody comes by them
    through: dict[int, list[str]] = {}
    permissions: dict[int, set[str]] = {}
    for principal, held in evidence.global_holders.items():
        if held.isdisjoint(GLOBAL_ADMINS):
            continue
        if principal.kind == "user":
            members: Iterable[int] = (int(principal.key),)
            how = "" if effective else "own grant"
        else:
            members = snapshot.members.get(str(principal.key), ())
            how = snapshot.groups[str(principal.key)].name
        for member in members:
            through.setdefault(member, []).append(how)
            permissions.setdefault(member, set()).update(held & GLOBAL_ADMINS)
    for user in sorted(
        (user for user in evidence.users() if user.id in through),
        key=lambda user: (not user.active, rank(highest(permissions[user.id]) or "")),
    ):
        yield (
            user.name,
            user.display_name,
            highest(permissions[user.id]),
            ", ".join(sorted(through[user.id])),
            "yes" if evidence.may_sign_in(user) else "no",
            day(user.last_login),
        )


def public_repositories(evidence: Evidence) -> Iterator[Row]:
    """Repositories that anybody may read: marked public, where that may give something. Path and what is marked."""
    if evidence.snapshot.public_counts:
        yield from _marked_public(evidence)


def public_if_switched_on(evidence: Evidence) -> Iterator[Row]:
    """The same repositories, where public access is off."""
    if not evidence.snapshot.public_counts:
        yield from _marked_public(evidence)


def _marked_public(evidence: Evidence) -> Iterator[Row]:
    for project, repository in evidence.repositories():
        if project.public or repository.public:
            yield evidence.path(repository), "the project" if project.public else "the repository"


def open_for_writing(evidence: Evidence) -> Iterator[Row]:
    """Projects with a default permission above reading: key, name, permission, number of repositories."""
    return (row for row in _open(evidence) if row[2] != PROJECT_READ)


def open_for_reading(evidence: Evidence) -> Iterator[Row]:
    """Projects whose default permission is to read, alike."""
    return (row for row in _open(evidence) if row[2] == PROJECT_READ)


def _open(evidence: Evidence) -> list[Row]:
    index, found = evidence.index, []
    for number, project in enumerate(index.projects):
        if (permission := highest(index.default_permissions[number])) is not None:
            found.append((rank(permission), -index.size(number), project.key, project.name, permission))
    return [(key, name, permission, -size) for _, size, key, name, permission in sorted(found)]


def grants_to_gone_groups(evidence: Evidence) -> Iterator[Row]:
    """Group, permission and place of each grant that names a group which no listing shows."""
    gone = (key for key, group in evidence.snapshot.groups.items() if not group.listed)
    for key in _by_grants(evidence, gone):
        for permission, place in evidence.places_of(Principal("group", key)):
            yield evidence.snapshot.groups[key].name, permission, place


def empty_groups(evidence: Evidence) -> Iterator[Row]:
    """Listed groups without a member that hold something: name, highest permission, number of grants, first place."""
    snapshot = evidence.snapshot
    empty = (
        key
        for key, group in snapshot.groups.items()
        if group.listed and not snapshot.members.get(key) and Missing("group", key) not in snapshot.missing
    )
    for key in _by_grants(evidence, empty):
        held = list(evidence.places_of(Principal("group", key)))
        weightiest, _ = min(held, key=lambda one: rank(one[0]))
        places = [place for _, place in held]
        more = f" and {len(places) - 3:,} more" if len(places) > 3 else ""
        yield snapshot.groups[key].name, weightiest, len(held), ", ".join(places[:3]) + more


def _by_grants(evidence: Evidence, groups: Iterable[str]) -> list[str]:
    """Those of `groups` that hold something, the ones with the most grants first."""
    counted = ((key, evidence.grants_of(Principal("group", key))) for key in groups)
    return [key for key, count in sorted(counted, key=lambda one: (-one[1], one[0])) if count]


def dormant_people(evidence: Evidence) -> Iterator[Row]:
    """User, name, why the user can't sign in, own grants, groups that hold something, last login.

    Leaves out users whose license is unknown. A personal project counts as a grant.
    """
    snapshot, index = evidence.snapshot, evidence.index
    groups: Counter[int] = Counter()
    for key, members in snapshot.members.items():
        principal = Principal("group", key)
        if principal in index.codes or principal in evidence.global_holders:
            groups.update(members)
    found = []
    for user in evidence.users():
        if not evidence.may_sign_in(user):
            own = evidence.grants_of(Principal("user", user.id)) + len(index.owned.get(user.id, ()))
            if own or groups[user.id]:
                found.append((user, own))
    for user, own in sorted(found, key=lambda one: (-one[1], -groups[one[0].id])):
        why = "unlicensed" if user.active else "inactive"
        yield user.name, user.display_name, why, own, groups[user.id], day(user.last_login)


def people_without_identity(evidence: Evidence) -> Iterator[Row]:
    """User, name, directory, last login of everyone who may sign in and has no link to an identity provider."""
    for user in evidence.users():
        if evidence.may_sign_in(user) and not identities_of(user, evidence.identity):
            yield user.name, user.display_name, user.directory, day(user.last_login)


def orphaned_repositories(evidence: Evidence) -> Iterator[Row]:
    """Path and project of repositories without an administrator who may sign in.

    Administrators are owners, and holders of a grant on the repository or its project. A group counts if one of its
    members may sign in, or if its members could not be collected. A default permission counts if it is high enough.
    Leaves out what could not be collected.
    """
    snapshot, index = evidence.snapshot, evidence.index
    holders = (one for one, codes in index.codes.items() if any(what in ADMINISTERS for _, what in codes))
    owners = (Principal("user", owner) for owner in index.owned)
    somebody = (one for one in chain(holders, owners) if _anybody(evidence, one))
    administered = index.of_everyone(ADMINISTERS) | index.of_any(somebody, ADMINISTERS)
    flags = administered.to_bytes((len(index.repositories) >> 3) + 1, "little")
    for number, project in enumerate(index.projects):
        if Missing("project", project.id) in snapshot.missing:
            continue
        for place in range(*index.ranges[number]):
            repository = index.repositories[place]
            if (
                not flags[place >> 3] >> (place & 7) & 1
                and Missing("repository", repository.id) not in snapshot.missing
            ):
                yield evidence.path(repository), project.name, "yes" if repository.archived else "no"


def _anybody(evidence: Evidence, principal: Principal) -> bool:
    """Whether the holder is somebody who may sign in, or a group with such a member."""
    snapshot = evidence.snapshot
    if Missing("group", principal.key) in snapshot.missing:
        return True
    members = (principal.key,) if principal.kind == "user" else snapshot.members.get(str(principal.key), ())
    users = (snapshot.users.get(int(member)) for member in members)
    return any(user is not None and evidence.may_sign_in(user) for user in users)


def redundant_grants(evidence: Evidence) -> Iterator[Row]:
    """User, permission and place of grants that a group of the user's gives anyway, and that group's name.

    The group holds as much, or more, on the same place or on its project.
    """
    snapshot = evidence.snapshot
    for number, project in enumerate(evidence.index.projects):
        of_groups, own = _by_kind(snapshot, snapshot.project_grants.get(project.id))
        yield from _redundant(snapshot, own, of_groups, project.key)
        for place in range(*evidence.index.ranges[number]):
            repository = evidence.index.repositories[place]
            here, own = _by_kind(snapshot, snapshot.repository_grants.get(repository.id))
            if own:
                yield from _redundant(snapshot, own, [*of_groups, *here], evidence.path(repository))


def _by_kind(snapshot: Snapshot, grant_set: GrantSet | None) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
    of_groups, own = [], []
    for principal, permission in snapshot.grants(grant_set):
        if principal.kind == "user":
            own.append((int(principal.key), permission))
        else:
            of_groups.append((str(principal.key), permission))
    return of_groups, own


def _redundant(
    snapshot: Snapshot, own: Iterable[tuple[int, str]], of_groups: Sequence[tuple[str, str]], place: str
) -> Iterator[Row]:
    for user, permission in own:
        for group, theirs in of_groups:
            if _includes(theirs, permission) and _is_in(snapshot.members.get(group, ()), user):
                record = snapshot.users.get(user)
                name = record.name if record is not None else f"user {user}"
                yield name, permission, place, snapshot.groups[group].name, theirs
                break


def _includes(more: str, less: str) -> bool:
    """Whether `more` includes `less`. An unknown permission includes only itself."""
    return more == less or (more, less) in _INCLUDING


def _is_in(members: Sequence[int], user: int) -> bool:
    """Members are sorted."""
    at = bisect_left(members, user)
    return at < len(members) and members[at] == user
