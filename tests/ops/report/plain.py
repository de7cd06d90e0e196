"""The report's figures once more, by asking every question of every grant: slow, and plain to see through."""

from collections.abc import Iterator

from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot, UserRecord, fold

GRANTED = {
    "PROJECT_READ": "read", "PROJECT_WRITE": "write", "REPO_CREATE": "write", "PROJECT_ADMIN": "admin",
    "REPO_READ": "read", "REPO_WRITE": "write", "REPO_ADMIN": "admin",
}  # fmt: skip
LEVELS = ["read", "write", "admin"]


def groups_of(snapshot: Snapshot, user: int) -> set[str]:
    return {group for group, members in snapshot.members.items() if user in members}


def may_sign_in(snapshot: Snapshot, user: UserRecord) -> bool:
    """Or may be able to, for all that is known."""
    holders = {p for p, _ in snapshot.grants(snapshot.global_grants)}
    licensed = any(
        p.key == user.id if p.kind == "user" else user.id in snapshot.members.get(p.key, ()) for p in holders
    )
    unknown = any(m.kind == "global" for m in snapshot.missing) or any(
        p.kind == "group" and Missing("group", p.key) in snapshot.missing for p in holders
    )
    return user.active and (licensed or unknown)


def on_repository(snapshot: Snapshot, repository: int) -> Iterator[tuple[str, int | str, str]]:
    """(kind of holder, holder, level) of everything that is held on it: there, on its project, by everyone."""
    record = snapshot.repositories[repository]
    project = snapshot.projects.get(record.project)
    for principal, permission in snapshot.grants(snapshot.repository_grants.get(repository)):
        if permission in GRANTED:
            yield principal.kind, principal.key, GRANTED[permission]
    if snapshot.public_access != "off" and (record.public or (project and project.public)):
        yield "everyone", "", "read"
    if project is None:
        return
    for principal, permission in snapshot.grants(snapshot.project_grants.get(project.id)):
        if permission in GRANTED:
            yield principal.kind, principal.key, GRANTED[permission]
    for permission in snapshot.default_permissions.get(project.id, ()):
        yield "everyone", "", GRANTED[permission]
    if project.owner is not None:
        yield "user", project.owner, "admin"


def reach_of_user(snapshot: Snapshot, user: int, level: str) -> int:
    groups = groups_of(snapshot, user)
    return sum(
        any(
            LEVELS.index(held) >= LEVELS.index(level)
            and (kind == "everyone" or (kind == "user" and key == user) or (kind == "group" and key in groups))
            for kind, key, held in on_repository(snapshot, repository)
        )
        for repository in snapshot.repositories
    )


def reach_of_group(snapshot: Snapshot, group: str, level: str) -> int:
    return sum(
        any(
            kind == "group" and key == group and LEVELS.index(held) >= LEVELS.index(level)
            for kind, key, held in on_repository(snapshot, repository)
        )
        for repository in snapshot.repositories
    )


def top_users(snapshot: Snapshot) -> list[tuple[str, int, int, int]]:
    ranking = []
    for user in snapshot.users.values():
        reach = [reach_of_user(snapshot, user.id, level) for level in LEVELS]
        if may_sign_in(snapshot, user) and reach[0]:
            ranking.append((-reach[0], fold(user.name), user.id, user.name, reach))
    return [(name, *reach) for _, _, _, name, reach in sorted(ranking)]


def top_groups(snapshot: Snapshot) -> list[tuple[str, int, int, int]]:
    ranking = []
    for key, group in snapshot.groups.items():
        reach = [reach_of_group(snapshot, key, level) for level in LEVELS]
        if group.listed and reach[0]:
            ranking.append((-reach[0], key, group.name, reach))
    return [(name, *reach) for _, _, name, reach in sorted(ranking)]


def orphaned(snapshot: Snapshot) -> dict[str, int]:
    """Repositories that nobody of their own administers, by project key."""
    found: dict[str, int] = {}
    for repository in snapshot.repositories.values():
        project = snapshot.projects.get(repository.project)
        if project is None or {Missing("project", project.id), Missing("repository", repository.id)} & snapshot.missing:
            continue
        able = {user.id for user in snapshot.users.values() if may_sign_in(snapshot, user)}
        administered = any(
            held == "admin"
            and (
                kind == "everyone"
                or (kind == "user" and key in able)
                or (
                    kind == "group"
                    and (Missing("group", key) in snapshot.missing or able & set(snapshot.members.get(str(key), ())))
                )
            )
            for kind, key, held in on_repository(snapshot, repository.id)
        )
        if not administered:
            found[project.key] = found.get(project.key, 0) + 1
    return found


def every_grant(snapshot: Snapshot) -> Iterator[tuple[str, str, int | str, str]]:
    """(scope, kind of holder, holder, permission) of every grant on what is listed."""
    for principal, permission in snapshot.grants(snapshot.global_grants):
        yield "global", principal.kind, principal.key, permission
    for scope, known, table in (
        ("project", snapshot.projects, snapshot.project_grants),
        ("repository", snapshot.repositories, snapshot.repository_grants),
    ):
        for key, grant_set in table.items():
            if key in known:
                for principal, permission in snapshot.grants(grant_set):
                    yield scope, principal.kind, principal.key, permission


def dormant(snapshot: Snapshot) -> list[tuple[str, int, int, str]]:
    """Who can't sign in and has either: own grants, the number of groups that hold something, and why; sorted."""
    grants = list(every_grant(snapshot))
    holding = {key for _, kind, key, _ in grants if kind == "group"}
    found = []
    for user in snapshot.users.values():
        own = sum(kind == "user" and key == user.id for _, kind, key, _ in grants)
        own += sum(project.owner == user.id for project in snapshot.projects.values())
        groups = len(groups_of(snapshot, user.id) & holding)
        if not may_sign_in(snapshot, user) and (own or groups):
            found.append((user.name, own, groups, "unlicensed" if user.active else "inactive"))
    return sorted(found)


def administrators(snapshot: Snapshot) -> list[str]:
    found = set()
    for principal, permission in snapshot.grants(snapshot.global_grants):
        if permission in ("ADMIN", "SYS_ADMIN"):
            keys = [principal.key] if principal.kind == "user" else list(snapshot.members.get(str(principal.key), ()))
            found |= {int(key) for key in keys}
    return sorted(snapshot.users[key].name for key in found)


def grants_to_gone_groups(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Group, permission and place; sorted."""
    return sorted(
        (snapshot.groups[str(key)].name, permission, place)
        for kind, key, permission, place in every_grant_with_place(snapshot)
        if kind == "group" and not snapshot.groups[str(key)].listed
    )


def empty_groups(snapshot: Snapshot) -> list[str]:
    """Names of listed groups without members that hold something; sorted."""
    holding = {key for kind, key, _, _ in every_grant_with_place(snapshot) if kind == "group"}
    return sorted(
        group.name
        for key, group in snapshot.groups.items()
        if group.listed
        and key in holding
        and not snapshot.members.get(key)
        and Missing("group", key) not in snapshot.missing
    )


def redundant_grants(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """User, permission and place of own grants that a grant of a group makes superfluous; sorted."""
    found = []
    for own_on, place, grants in places(snapshot):
        for principal, permission in grants:
            if principal.kind == "user" and any(
                other.kind == "group"
                and principal.key in snapshot.members.get(str(other.key), ())
                and weight(theirs) >= weight(permission)
                and (permission in WEIGHT or permission == theirs)
                for there, _, others in places(snapshot)
                if there in (own_on, own_on[:1])
                for other, theirs in others
            ):
                found.append((snapshot.users[int(principal.key)].name, permission, place))
    return sorted(found)


def places(snapshot: Snapshot) -> Iterator[tuple[tuple[int, ...], str, list[tuple[Principal, str]]]]:
    """Ids, name and grants of every project, and of every repository of one."""
    for project in snapshot.projects.values():
        yield (project.id,), project.key, list(snapshot.grants(snapshot.project_grants.get(project.id)))
        for repository in snapshot.repositories.values():
            if repository.project == project.id:
                grants = list(snapshot.grants(snapshot.repository_grants.get(repository.id)))
                yield (project.id, repository.id), f"{project.key}/{repository.slug}", grants


def marked_public(snapshot: Snapshot) -> set[str]:
    """Paths of repositories that are marked public, or whose project is."""
    return {
        f"{project.key}/{repository.slug}"
        for repository in snapshot.repositories.values()
        if (project := snapshot.projects.get(repository.project)) and (repository.public or project.public)
    }


WEIGHT = {
    "REPO_READ": 1, "PROJECT_READ": 1, "REPO_WRITE": 2, "PROJECT_WRITE": 2, "REPO_CREATE": 3, "REPO_ADMIN": 4,
    "PROJECT_ADMIN": 4,
}  # fmt: skip


def weight(permission: str) -> int:
    return WEIGHT.get(permission, 0)


def every_grant_with_place(snapshot: Snapshot) -> Iterator[tuple[str, int | str, str, str]]:
    """(kind of holder, holder, permission, place) of every grant on what is listed."""
    for principal, permission in snapshot.grants(snapshot.global_grants):
        yield principal.kind, principal.key, permission, "the whole instance"
    for project in snapshot.projects.values():
        for principal, permission in snapshot.grants(snapshot.project_grants.get(project.id)):
            yield principal.kind, principal.key, permission, project.key
    for repository in snapshot.repositories.values():
        key = snapshot.projects[repository.project].key if repository.project in snapshot.projects else "?"
        for principal, permission in snapshot.grants(snapshot.repository_grants.get(repository.id)):
            yield principal.kind, principal.key, permission, f"{key}/{repository.slug}"
