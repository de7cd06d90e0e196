"""Where a payload goes, and which part of the instance it covers: a small record within the payload.

The record is three properties of the application (`provider_name`, `data_source_name`, `scope`). So it is not lost when
the file is copied, renamed or unpacked, and readers in Veza see it too. The last upload, a payload kept after a failure
and a file of `--save-json` all have it.
"""

from collections.abc import Iterable

import msgspec

from oaa_bitbucket_async.oaa.values import PropertyValue
from oaa_bitbucket_async.settings import Scope

_PROJECT, _EXCLUDE = "--project ", "--exclude-project "
_NO_PERSONAL, _NO_ARCHIVED = "--no-personal-projects", "--no-archived"


class Target(msgspec.Struct, frozen=True):
    """Provider and data source in Veza, and the scope that was collected for them (keys in capitals, sorted)."""

    provider: str
    data_source: str
    scope: Scope = Scope()

    def properties(self) -> dict[str, PropertyValue | None]:
        """As the application's properties; no `scope` means all of the instance."""
        return {
            "provider_name": self.provider,
            "data_source_name": self.data_source,
            "scope": scope_words(self.scope) or None,
        }


def scope_words(scope: Scope) -> list[str]:
    """The flags that say this scope, such as `--project CORE`; none for all of the instance.

    Bitbucket compares keys ignoring case, so they are told in capitals: the same scope gives the same words.
    """
    return [
        *(f"{_PROJECT}{key}" for key in _keys(scope.projects)),
        *(f"{_EXCLUDE}{key}" for key in _keys(scope.exclude_projects)),
        *([] if scope.personal_projects else [_NO_PERSONAL]),
        *([] if scope.archived else [_NO_ARCHIVED]),
    ]


def scope_of(words: Iterable[str]) -> Scope:
    """The scope that the words say. ValueError for a word that is none of `scope_words`."""
    left = list(words)
    projects = tuple(word.removeprefix(_PROJECT) for word in left if word.startswith(_PROJECT))
    excluded = tuple(word.removeprefix(_EXCLUDE) for word in left if word.startswith(_EXCLUDE))
    scope = Scope(
        projects=projects,
        exclude_projects=excluded,
        personal_projects=_NO_PERSONAL not in left,
        archived=_NO_ARCHIVED not in left,
    )
    if sorted(scope_words(scope)) != sorted(left):
        raise ValueError(f"its scope is {' '.join(left)}, which this version does not know")
    return scope


def left_out(scope: Scope, before: Scope) -> list[str]:
    """The part of `before` that the new `scope` may lack, as flags. Empty if the new scope covers all of `before`.

    Patterns are compared as they are written: whether `TEAM*` covers `TEAM-A` is not asked.
    """
    chosen, chosen_before = set(_keys(scope.projects)), set(_keys(before.projects))
    less = [] if not chosen or (chosen_before and chosen_before <= chosen) else sorted(chosen)
    more_excluded = sorted(set(_keys(scope.exclude_projects)) - set(_keys(before.exclude_projects)))
    return [
        *(f"{_PROJECT}{key}" for key in less),
        *(f"{_EXCLUDE}{key}" for key in more_excluded),
        *([_NO_PERSONAL] if before.personal_projects and not scope.personal_projects else []),
        *([_NO_ARCHIVED] if before.archived and not scope.archived else []),
    ]


def _keys(keys: Iterable[str]) -> list[str]:
    return sorted({key.upper() for key in keys})
