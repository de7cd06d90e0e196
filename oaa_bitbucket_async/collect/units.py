"""Units of work: one question to Bitbucket with all its pages, asked whole, ended whole, resumed whole."""

from array import array
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Literal, NamedTuple

from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, REPO_CREATE
from oaa_bitbucket_async.settings import Include


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
    PROJECT_ACCESS_KEYS = "project-access-keys"
    PROJECT_TOKENS = "project-tokens"
    REPOSITORY_ACCESS_KEYS = "repository-access-keys"
    REPOSITORY_TOKENS = "repository-tokens"
    REPOSITORY_RESTRICTIONS = "repository-restrictions"
    REPOSITORY_DEFAULT_BRANCH = "repository-default-branch"
    """Asked only where a restriction leaves open whether it covers the default branch."""
    REPOSITORY_BRANCH_MODEL = "repository-branch-model"
    """Likewise, where a restriction names a role or a category of branches."""
    REPOSITORY_SETTINGS = "repository-settings"
    USER_TOKENS = "user-tokens"
    USER_SSH_KEYS = "user-ssh-keys"
    USER_GPG_KEYS = "user-gpg-keys"


_LONGEST_ID = 18

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


INCLUDED: dict[UnitKind, Include] = {
    UnitKind.PROJECT_ACCESS_KEYS: Include.ACCESS_KEYS,
    UnitKind.REPOSITORY_ACCESS_KEYS: Include.ACCESS_KEYS,
    UnitKind.PROJECT_TOKENS: Include.TOKENS,
    UnitKind.REPOSITORY_TOKENS: Include.TOKENS,
    UnitKind.USER_TOKENS: Include.TOKENS,
    UnitKind.USER_SSH_KEYS: Include.SSH_KEYS,
    UnitKind.USER_GPG_KEYS: Include.GPG_KEYS,
    UnitKind.REPOSITORY_RESTRICTIONS: Include.BRANCH_RESTRICTIONS,
    UnitKind.REPOSITORY_DEFAULT_BRANCH: Include.BRANCH_RESTRICTIONS,
    UnitKind.REPOSITORY_BRANCH_MODEL: Include.BRANCH_RESTRICTIONS,
    UnitKind.REPOSITORY_SETTINGS: Include.SETTINGS,
}
"""What `--include` adds. A login that may not see one of these lacks nothing that a payload has to have."""

OF_PROJECT = frozenset(
    {
        UnitKind.PROJECT_USERS,
        UnitKind.PROJECT_GROUPS,
        UnitKind.PROJECT_DEFAULT,
        UnitKind.PROJECT_ACCESS_KEYS,
        UnitKind.PROJECT_TOKENS,
    }
)
OF_REPOSITORY = frozenset(
    {
        UnitKind.REPOSITORY_USERS,
        UnitKind.REPOSITORY_GROUPS,
        UnitKind.REPOSITORY_ACCESS_KEYS,
        UnitKind.REPOSITORY_TOKENS,
        UnitKind.REPOSITORY_RESTRICTIONS,
        UnitKind.REPOSITORY_DEFAULT_BRANCH,
        UnitKind.REPOSITORY_BRANCH_MODEL,
        UnitKind.REPOSITORY_SETTINGS,
    }
)
HELPERS = frozenset({UnitKind.REPOSITORY_DEFAULT_BRANCH, UnitKind.REPOSITORY_BRANCH_MODEL})
"""They only help to understand restrictions: where they are not visible, one property is absent."""
OF_USER = frozenset({UnitKind.USER_TOKENS, UnitKind.USER_SSH_KEYS, UnitKind.USER_GPG_KEYS})


class Unit(NamedTuple):
    """One unit. `key` is stable over runs: a group's name, a project's, repository's or user's numeric id as text.

    For PROJECT_DEFAULT it is `ID/LEVEL`, for EFFECTIVE the permission, for listings the empty string.
    """

    kind: UnitKind
    key: str = ""


class Subject(NamedTuple):
    """What units are about that has an id, and a path or name under which it is asked for."""

    kind: Literal["project", "repository", "user"]
    id: int


def subject_of(unit: Unit) -> Subject | None:
    """What the unit asks about; None for groups and the whole instance."""
    if unit.kind in OF_REPOSITORY:
        return Subject("repository", int(unit.key))
    if unit.kind in OF_PROJECT:
        return Subject("project", int(unit.key.partition("/")[0]))
    if unit.kind in OF_USER:
        return Subject("user", int(unit.key))
    return None


def units_of(subject: Subject) -> Iterator[Unit]:
    """Every unit that can be about the subject."""
    kinds = {"project": OF_PROJECT, "repository": OF_REPOSITORY, "user": OF_USER}[subject.kind]
    for kind in sorted(kinds):
        if kind is UnitKind.PROJECT_DEFAULT:
            for level in (*DEFAULT_LEVELS, REPO_CREATE):
                yield Unit(kind, f"{subject.id}/{level}")
        else:
            yield Unit(kind, str(subject.id))


def first_unit_of(subject: Subject) -> Unit:
    """The unit that stands for a project or repository as a whole, where a person is told about it."""
    kind = UnitKind.PROJECT_USERS if subject.kind == "project" else UnitKind.REPOSITORY_USERS
    return Unit(kind, str(subject.id))


class Keys:
    """Keys of units. Ids take eight bytes each."""

    __slots__ = ("_ids", "_names")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._ids = array("q")
        self._names: list[str] = []
        for key in keys:
            self.add(key)

    def __len__(self) -> int:
        return len(self._ids) + len(self._names)

    def __iter__(self) -> Iterator[str]:
        yield from map(str, self._ids)
        yield from self._names

    def add(self, key: str) -> None:
        """At the end."""
        if key.isascii() and key.isdecimal() and key[0] != "0" and len(key) <= _LONGEST_ID:
            self._ids.append(int(key))
        else:
            self._names.append(key)

    def discard(self, key: str) -> None:
        """Out of the list, if it is there."""
        if key in self._names:
            self._names.remove(key)
        elif key.isdecimal() and len(key) <= _LONGEST_ID and int(key) in self._ids:
            self._ids.remove(int(key))

    def take(self, share: float) -> str:
        """Out of the list, from where this share of it lies before."""
        keys: array[int] | list[str] = self._ids or self._names
        at = int(share * len(keys))
        keys[at], keys[-1] = keys[-1], keys[at]  # type: ignore[assignment]
        return str(keys.pop())
