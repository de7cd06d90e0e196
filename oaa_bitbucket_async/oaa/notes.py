"""What a reader should know about a payload, told once for each kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

_EXAMPLES = 3


class Code(StrEnum):
    """The names of warnings in JSON. Alerts are based on them, so they don't change. docs/monitoring.md lists them."""

    PROJECTS_UNKNOWN = "projects-unknown"
    PROJECTS_UNLISTED = "projects-unlisted"
    REPOSITORIES_UNLISTED = "repositories-unlisted"
    USERS_UNKNOWN = "users-unknown"
    GROUPS_UNKNOWN = "groups-unknown"
    USER_TYPE_UNKNOWN = "user-type-unknown"
    USERS_UNLISTED = "users-unlisted"
    GROUPS_UNLISTED = "groups-unlisted"
    TIMES_OUT_OF_RANGE = "times-out-of-range"
    NAMES_ALIKE = "names-alike"
    KEYS_OF_SEVERAL = "keys-of-several-users"
    PERMISSIONS_UNKNOWN = "permissions-unknown"
    NOT_VISIBLE = "not-visible"
    PUBLIC_ACCESS_KEPT = "public-access-kept"
    PUBLIC_ACCESS_ASSUMED = "public-access-assumed"
    VEZA_QUERY_LEFT_OUT = "veza-query-left-out"
    VEZA_REPORT_FAILED = "veza-report-failed"
    VEZA = "veza"


_PHRASES: Mapping[Code, str] = MappingProxyType(
    {
        Code.PROJECTS_UNKNOWN: "projects known only by their id",
        Code.PROJECTS_UNLISTED: "projects with grants that no listing shows, left out",
        Code.REPOSITORIES_UNLISTED: "repositories with grants that no listing shows, left out",
        Code.USERS_UNKNOWN: "users known only by their id",
        Code.GROUPS_UNKNOWN: "groups that no listing and no grant shows",
        Code.USER_TYPE_UNKNOWN: "users of a type that this version does not know, uploaded without a type",
        Code.USERS_UNLISTED: "users that hold a grant and are not listed (deleted or renamed?)",
        Code.GROUPS_UNLISTED: "groups that hold a grant and are not listed (deleted or renamed?)",
        Code.TIMES_OUT_OF_RANGE: "times that are out of range, left out",
        Code.NAMES_ALIKE: "users whose names differ only in case, kept apart by their ids",
        Code.KEYS_OF_SEVERAL: "keys that the server shows for several users, left out",
        Code.PERMISSIONS_UNKNOWN: "permissions that this version does not know, uploaded as Uncategorized",
    }
)


@dataclass(frozen=True, slots=True)
class Note:
    """A warning: how many things it is about, the first few of them, and all of it in words."""

    code: Code
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()


class Notes:
    """Warnings, counted by kind, with the first few examples of each. The order of adding decides which those are."""

    def __init__(self) -> None:
        self._counts: dict[Code, int] = {}
        self._examples: dict[Code, list[str]] = {}
        self._said: list[Note] = []

    def add(self, code: Code, example: str) -> None:
        """One more of a kind that is counted; `example` names it."""
        self._counts[code] = self._counts.get(code, 0) + 1
        examples = self._examples.setdefault(code, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def say(self, code: Code, line: str) -> None:
        """A line of its own, after those that are counted."""
        self._said.append(Note(code, line))

    def all(self) -> list[Note]:
        """One for each kind, sorted by their words: `2 permissions that …: FOO, BAR`, then what was said."""
        return [self._note(code) for code in sorted(self._counts, key=lambda code: _PHRASES[code])] + self._said

    def _note(self, code: Code) -> Note:
        count, examples = self._counts[code], tuple(self._examples[code])
        more = f" and {count - _EXAMPLES} more" if count > _EXAMPLES else ""
        return Note(code, f"{count} {_PHRASES[code]}: {', '.join(examples)}{more}", count, examples)
