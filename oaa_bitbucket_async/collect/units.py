"""Units of work: one question to Bitbucket with all its pages, asked whole, ended whole, resumed whole."""

from enum import StrEnum
from typing import NamedTuple


class UnitKind(StrEnum):
    """What a unit asks for. The value is its name in the journal, in logs and in statistics."""

    USERS = "users"
    GROUPS = "groups"
    MEMBERS = "members"
    GLOBAL_USERS = "global-users"
    GLOBAL_GROUPS = "global-groups"
    EFFECTIVE = "effective-users"
    """Users who effectively hold one global permission; in place of the two above."""
    PROJECTS = "projects"
    REPOSITORIES = "repositories"
    PROJECT_USERS = "project-users"
    PROJECT_GROUPS = "project-groups"
    PROJECT_DEFAULT = "project-default"
    REPOSITORY_USERS = "repository-users"
    REPOSITORY_GROUPS = "repository-groups"


LISTINGS = frozenset({UnitKind.USERS, UnitKind.GROUPS, UnitKind.PROJECTS, UnitKind.REPOSITORIES})
"""Without one of these there is no payload at all, not even a partial one (DESIGN.md section 4, rule 1)."""

GRANTS = frozenset(
    {
        UnitKind.GLOBAL_USERS,
        UnitKind.GLOBAL_GROUPS,
        UnitKind.EFFECTIVE,
        UnitKind.PROJECT_USERS,
        UnitKind.PROJECT_GROUPS,
        UnitKind.REPOSITORY_USERS,
        UnitKind.REPOSITORY_GROUPS,
    }
)
"""Each row is somebody's grant."""


class Unit(NamedTuple):
    """One unit. `key` is stable over runs: a group's name, a project's or repository's numeric id as text.

    For PROJECT_DEFAULT it is `ID/LEVEL`, for EFFECTIVE the permission, for listings the empty string.
    """

    kind: UnitKind
    key: str = ""
