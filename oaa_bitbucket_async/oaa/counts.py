"""Counts what a payload holds, and how many grants it must hold, from the snapshot alone.

The mapping takes many steps to put grants into the payload. A grant lost on the way looks revoked in Veza. So this
module counts the grants a second time without any of those steps, and `build_payload` compares the two numbers.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.included import Token
from oaa_bitbucket_async.collect.snapshot import GrantSet, ProjectRecord, Snapshot
from oaa_bitbucket_async.collect.units import Kind
from oaa_bitbucket_async.oaa.permissions import PROJECT_ADMIN, PROJECT_READ


@dataclass(frozen=True, slots=True)
class Counts:
    """What the payload holds. `grants`: one for each holder, permission and thing it is held on."""

    users: int
    groups: int
    projects: int
    repositories: int
    grants: int
    credentials: int | None = None
    """Keys and tokens; None if they were not asked for."""


def grants_of(snapshot: Snapshot) -> int:
    """The number of distinct (holder, permission, place) of users and groups, `Licensed users` among them.

    Places are the instance, projects and repositories (DESIGN.md section 3). A grant counts once, however many rows
    showed it: an owner's PROJECT_ADMIN that was also granted, a public project whose default permission is
    PROJECT_READ. Grants on what no listing shows can't be uploaded and don't count. Keys and tokens
    are counted apart.
    """
    repositories = snapshot.repositories
    projects = snapshot.projects.keys() | {repository.project for repository in repositories.values()}
    return (
        (0 if snapshot.global_grants is None else _distinct(snapshot.global_grants))
        + sum(_distinct(grants) for place, grants in snapshot.project_grants.items() if place in projects)
        + sum(
            _distinct(grants) for place, grants in snapshot.repository_grants.items() if place in snapshot.repositories
        )
        + sum(_owns_only(snapshot, project) for project in snapshot.projects.values() if project.owner is not None)
        + sum(len(levels) for place, levels in snapshot.default_permissions.items() if place in projects)
        + (_public(snapshot) if snapshot.public_counts else 0)
    )


def counts_of(snapshot: Snapshot) -> Counts:
    """What a payload of the snapshot holds, but for keys and tokens: for runs that make none."""
    projects = snapshot.projects.keys() | {repository.project for repository in snapshot.repositories.values()}
    return Counts(
        users=len(snapshot.users),
        groups=len(snapshot.groups) + 1,  # the group of everyone who may sign in
        projects=len(projects),
        repositories=len(snapshot.repositories),
        grants=grants_of(snapshot),
    )


def _distinct(grants: GrantSet) -> int:
    return len(set(grants.codes))


def _owns_only(snapshot: Snapshot, project: ProjectRecord) -> bool:
    """True if the owner's PROJECT_ADMIN is not among the project's grants as well."""
    owned = Principal("user", project.owner or 0), PROJECT_ADMIN
    return owned not in snapshot.grants(snapshot.project_grants.get(project.id))


def _public(snapshot: Snapshot) -> int:
    """Places that `Licensed users` may read because they are public, and for no other reason."""
    nothing: frozenset[str] = frozenset()
    projects = sum(
        project.public and PROJECT_READ not in snapshot.default_permissions.get(project.id, nothing)
        for project in snapshot.projects.values()
    )
    return projects + sum(repository.public for repository in snapshot.repositories.values())


_ON_PROJECT = {"PROJECT_READ": 0, "PROJECT_WRITE": 1, "REPO_CREATE": 1, "PROJECT_ADMIN": 2}
_ON_REPOSITORY = {"REPO_READ": 0, "REPO_WRITE": 1, "REPO_ADMIN": 2}
"""Levels of the rights that a token can have: those on a project reach its repositories."""


def credential_grants_of(snapshot: Snapshot) -> int:
    """The number of distinct (key or token, permission, place), at least: rights of unknown names reach nothing below.

    A key holds what it opens. A token of a project holds its right there, and on each repository one that is higher.
    """
    projects, repositories = snapshot.projects, snapshot.repositories
    access_keys = (
        (kinds.PROJECT_ACCESS_KEYS, projects.keys()),
        (kinds.REPOSITORY_ACCESS_KEYS, repositories.keys()),
    )
    keys = sum(
        len({(row.id, row.permission) for row in rows})
        for kind, known in access_keys
        for place, rows in snapshot.included.each(kind)
        if place in known
    )
    of_repositories = sum(
        any(_is_on_repository(name) or name in _ON_PROJECT for name in token.permissions)
        for _, token in _tokens(snapshot, kinds.REPOSITORY_TOKENS, repositories.keys())
    )
    below = Counter(repository.project for repository in repositories.values())
    of_projects = sum(
        _held_by_token(frozenset(token.permissions), below[place])
        for place, token in _tokens(snapshot, kinds.PROJECT_TOKENS, projects.keys())
    )
    return keys + of_repositories + of_projects


def _tokens(snapshot: Snapshot, kind: Kind[Token], known: Collection[int]) -> Iterator[tuple[int, Token]]:
    for place, rows in snapshot.included.each(kind):
        if place in known:
            yield from ((place, row) for row in rows)


def _is_on_repository(name: str) -> bool:
    return name.startswith("REPO_") and name not in _ON_PROJECT


def _held_by_token(names: frozenset[str], repositories: int) -> int:
    on_project = any(name.startswith("PROJECT_") or name in _ON_PROJECT for name in names)
    if names - _ON_PROJECT.keys() - _ON_REPOSITORY.keys():
        return on_project
    there = max((level for name, level in _ON_PROJECT.items() if name in names), default=-1)
    below = max((level for name, level in _ON_REPOSITORY.items() if name in names), default=-1)
    return on_project + (repositories if below > there else 0)
