"""How many grants a payload has to hold, counted from the snapshot alone.

The mapping puts grants into the payload on a way with many steps. What is lost on it reads as revoked in Veza, so the
number is counted a second time, by a way that shares none of those steps: `build_payload` compares the two.
"""

from oaa_bitbucket_async.collect.snapshot import GrantSet, ProjectRecord, Snapshot
from oaa_bitbucket_async.collect.vocabulary import Principal
from oaa_bitbucket_async.oaa.permissions import PROJECT_ADMIN, PROJECT_READ


def grants_of(snapshot: Snapshot) -> int:
    """The number of distinct (holder, permission, place) of users and groups, `Licensed users` among them.

    Places are the instance, projects and repositories (DESIGN.md section 3). A grant counts once, however many rows
    showed it: an owner's PROJECT_ADMIN that was also granted, a public project whose default permission is
    PROJECT_READ. Grants on what no listing shows can't be uploaded and don't count. Keys and tokens are not in it.
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
