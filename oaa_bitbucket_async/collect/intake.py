"""How rows enter the snapshot: the same way for a new answer and for one from the journal.

Each function takes the key of the unit that was answered, its rows, and when they were read (epoch seconds).
"""

from collections.abc import Sequence

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.snapshot import Grants, Snapshot


def users(snapshot: Snapshot, _key: str, answer: Sequence[rows.User], _read_at: float) -> None:
    """All users that there are."""
    for row in answer:
        snapshot.add_user(row, listed=True)


def groups(snapshot: Snapshot, _key: str, answer: Sequence[rows.Group], _read_at: float) -> None:
    """All groups that there are."""
    for row in answer:
        snapshot.add_group(row.name, listed=True)


def members(snapshot: Snapshot, key: str, answer: Sequence[rows.User], _read_at: float) -> None:
    """Users who are in a group."""
    for row in answer:
        snapshot.add_user(row, listed=False)
    snapshot.add_members(key, (row.id for row in answer))


def global_grants(snapshot: Snapshot, _key: str, answer: Grants, read_at: float) -> None:
    """Global permissions as they were granted."""
    snapshot.add_global_grants(answer, read_at)


def effective(snapshot: Snapshot, key: str, answer: Sequence[rows.User], read_at: float) -> None:
    """Who holds the global permission `key`, directly or in another way."""
    snapshot.add_global_grants([rows.UserGrant(user=row, permission=key) for row in answer], read_at)


def projects(snapshot: Snapshot, _key: str, answer: Sequence[rows.Project], _read_at: float) -> None:
    """All projects but personal ones."""
    for row in answer:
        snapshot.add_project(row)


def repositories(snapshot: Snapshot, _key: str, answer: Sequence[rows.Repository], _read_at: float) -> None:
    """A repository brings its project: personal ones show nowhere else. The listing of projects has precedence."""
    for row in answer:
        snapshot.add_repository(row)
        if row.project.id not in snapshot.projects:
            snapshot.add_project(row.project)


def project_grants(snapshot: Snapshot, key: str, answer: Grants, read_at: float) -> None:
    """Grants on a project."""
    snapshot.add_project_grants(int(key), answer, read_at)


def project_default(snapshot: Snapshot, key: str, answer: Sequence[rows.Permitted], _read_at: float) -> None:
    """Whether everyone who is licensed holds a permission on a project; `key` names both."""
    project, _, level = key.partition("/")
    if any(row.permitted for row in answer):
        snapshot.add_default_permission(int(project), level)


def repository_grants(snapshot: Snapshot, key: str, answer: Grants, read_at: float) -> None:
    """Grants on a repository."""
    snapshot.add_repository_grants(int(key), answer, read_at)
