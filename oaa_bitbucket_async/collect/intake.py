"""Puts a unit's rows into the snapshot: the same way for an answer just come and for one taken from the journal."""

from collections.abc import Callable, Hashable, Sequence
from typing import cast

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.branch_permissions import (
    UNREADABLE,
    BranchModel,
    DefaultBranch,
    MergeChecks,
    Restriction,
)
from oaa_bitbucket_async.collect.included import AnyIncluded
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import INCLUDED, Unit, UnitKind

AnyRow = (
    rows.User
    | rows.Group
    | rows.Project
    | rows.Repository
    | rows.UserGrant
    | rows.GroupGrant
    | rows.Permitted
    | AnyIncluded
)


def apply(snapshot: Snapshot, unit: Unit, answer: Sequence[AnyRow], read_at: float) -> None:
    """What `unit` was answered, read at `read_at` (epoch seconds), goes where it belongs.

    Applying the pages of one unit in any order, or twice, gives the same snapshot.
    """
    if unit.kind is UnitKind.REPOSITORY_RESTRICTIONS and UNREADABLE in answer:
        snapshot.included.hide(unit.kind, int(unit.key))
    elif unit.kind in INCLUDED:
        snapshot.included.add(unit.kind, int(unit.key), cast("Sequence[AnyIncluded]", answer))
    else:
        _INTAKE[unit.kind](snapshot, unit.key, answer, read_at)


def row_key(row: AnyRow) -> Hashable:
    """What makes two rows of one listing the same row."""
    match row:
        case rows.User() | rows.Repository():  # first, for there are most of them
            return row.id
        case rows.UserGrant():
            return (row.user.id, row.permission)
        case rows.GroupGrant():
            return (row.group.name, row.permission)
        case rows.Group():
            return row.name
        case rows.Permitted():
            return row.permitted
        case Restriction() | MergeChecks() | DefaultBranch() | BranchModel():
            return row
        case _:
            return row.id


def _users(snapshot: Snapshot, _key: str, answer: Sequence[AnyRow], _read_at: float) -> None:
    for row in answer:
        if isinstance(row, rows.User):
            snapshot.add_user(row, listed=True)


def _groups(snapshot: Snapshot, _key: str, answer: Sequence[AnyRow], _read_at: float) -> None:
    for row in answer:
        if isinstance(row, rows.Group):
            snapshot.add_group(row.name, listed=True)


def _members(snapshot: Snapshot, key: str, answer: Sequence[AnyRow], _read_at: float) -> None:
    members = [row for row in answer if isinstance(row, rows.User)]
    for row in members:
        snapshot.add_user(row, listed=False)
    snapshot.add_members(key, (row.id for row in members))


def _global_grants(snapshot: Snapshot, _key: str, answer: Sequence[AnyRow], read_at: float) -> None:
    snapshot.add_global_grants(_grants(answer), read_at)


def _effective(snapshot: Snapshot, key: str, answer: Sequence[AnyRow], read_at: float) -> None:
    holders = [rows.UserGrant(user=row, permission=key) for row in answer if isinstance(row, rows.User)]
    snapshot.add_global_grants(holders, read_at)


def _projects(snapshot: Snapshot, _key: str, answer: Sequence[AnyRow], _read_at: float) -> None:
    for row in answer:
        if isinstance(row, rows.Project):
            snapshot.add_project(row)


def _repositories(snapshot: Snapshot, _key: str, answer: Sequence[AnyRow], _read_at: float) -> None:
    """A repository brings its project: personal ones show nowhere else. The listing of projects has precedence."""
    for row in answer:
        if isinstance(row, rows.Repository):
            snapshot.add_repository(row)
            if row.project.id not in snapshot.projects:
                snapshot.add_project(row.project)


def _project_grants(snapshot: Snapshot, key: str, answer: Sequence[AnyRow], read_at: float) -> None:
    snapshot.add_project_grants(int(key), _grants(answer), read_at)


def _project_default(snapshot: Snapshot, key: str, answer: Sequence[AnyRow], _read_at: float) -> None:
    project, _, level = key.partition("/")
    if any(isinstance(row, rows.Permitted) and row.permitted for row in answer):
        snapshot.add_default_permission(int(project), level)


def _repository_grants(snapshot: Snapshot, key: str, answer: Sequence[AnyRow], read_at: float) -> None:
    snapshot.add_repository_grants(int(key), _grants(answer), read_at)


def _grants(answer: Sequence[AnyRow]) -> Sequence[rows.UserGrant | rows.GroupGrant]:
    """The unit's kind decided what they were decoded to."""
    return cast("Sequence[rows.UserGrant | rows.GroupGrant]", answer)


_INTAKE: dict[UnitKind, Callable[[Snapshot, str, Sequence[AnyRow], float], None]] = {
    UnitKind.USERS: _users,
    UnitKind.GROUPS: _groups,
    UnitKind.MEMBERS: _members,
    UnitKind.GLOBAL_USERS: _global_grants,
    UnitKind.GLOBAL_GROUPS: _global_grants,
    UnitKind.EFFECTIVE: _effective,
    UnitKind.PROJECTS: _projects,
    UnitKind.REPOSITORIES: _repositories,
    UnitKind.PROJECT_USERS: _project_grants,
    UnitKind.PROJECT_GROUPS: _project_grants,
    UnitKind.PROJECT_DEFAULT: _project_default,
    UnitKind.REPOSITORY_USERS: _repository_grants,
    UnitKind.REPOSITORY_GROUPS: _repository_grants,
}
