"""Whether `--project` and `--exclude-project` mean anything here: a filter that matches nothing is a mistake.

Checked before anything else is asked: an empty part, caused by a typing error, would replace what Veza knows
(DESIGN.md section 4, rule 9). A run without a filter asks nothing for this.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from difflib import get_close_matches

from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Fault, RequestProblem
from oaa_bitbucket_async.bitbucket.rows import by_id
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter, matches
from oaa_bitbucket_async.errors import ConfigurationError, IncompleteError, TemporaryError
from oaa_bitbucket_async.settings import Scope

_NEAREST = 3
_PROJECT = "--project (OAA_PROJECTS)"
_EXCLUDE = "--exclude-project (OAA_EXCLUDE_PROJECTS)"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of the last upload: its scope, and the keys of its projects in capitals."""

    scope: Scope
    project_keys: frozenset[str]


async def prove_filters(client: Client, api: Api, scope: Scope, earlier: Earlier | None) -> list[str]:
    """Reads keys until every pattern has matched one and something is left to collect. Gives warnings.

    Projects are read first; personal projects are found through the listing of all repositories only, which is read
    if something still matches nothing.

    Raises:
        ConfigurationError: a pattern matches nothing, or nothing is left to collect.
        IncompleteError, TemporaryError: the projects can't be listed.
    """
    if not (scope.projects or scope.exclude_projects) and scope.personal_projects:
        return []
    filters = Filters(scope)
    try:
        async with aclosing(_keys(client, api)) as keys:
            async for key in keys:
                filters.take(key)
                if filters.proven:
                    return []
    except RequestProblem as problem:
        what = f"The projects can't be listed, so what the filters match is unknown: {problem}."
        if isinstance(problem, Fault):
            raise TemporaryError(what, "Run again when the server answers.") from None
        raise IncompleteError(what, "The account needs the right to read the projects.") from None
    return filters.judge(earlier)


async def _keys(client: Client, api: Api) -> AsyncGenerator[str, None]:
    async for projects in client.pages(api.projects(), by_id):
        for project in projects:
            yield project.key
    async for repositories in client.pages(api.repositories(), by_id):
        for repository in repositories:
            yield repository.project.key


class Filters:
    """Takes keys as they are listed and checks the patterns against them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._scope_filter = ScopeFilter(scope)
        self._chosen = list(dict.fromkeys(scope.projects))
        self._excluded = list(dict.fromkeys(scope.exclude_projects))
        self._keys: set[str] = set()
        self._left = False

    def take(self, key: str) -> None:
        """Takes the key of one project."""
        if key in self._keys:
            return
        self._keys.add(key)
        self._left = self._left or self._scope_filter.key(key)
        if self._scope.personal_projects or not key.startswith("~"):
            self._chosen = [pattern for pattern in self._chosen if not matches(key, pattern)]
        self._excluded = [pattern for pattern in self._excluded if not matches(key, pattern)]

    @property
    def proven(self) -> bool:
        """Whether every pattern has matched, and something is left to collect."""
        return self._left and not self._chosen and not self._excluded

    def judge(self, earlier: Earlier | None) -> list[str]:
        """Warnings, once all keys were taken. ConfigurationError as in `prove_filters`."""
        problems, warnings = [], []
        for flag, pattern, known in (*self._of_chosen(earlier), *self._of_excluded(earlier)):
            if known:
                warnings.append(
                    f"{flag}: {pattern} matches no project any more, but the last upload had it. Remove it if the "
                    "project was deleted."
                )
            else:
                what = "project with a repository" if pattern.startswith("~") else "project"  # how those are found
                problems.append(f"{flag}: {pattern} matches no {what}{self._nearest(pattern)}.")
        if problems:
            raise ConfigurationError(
                " ".join(problems), "Nothing was collected. Correct the key or pattern, or remove it."
            )
        if self._keys and not self._left:
            raise ConfigurationError(
                f"The filters leave none of the {len(self._keys):,} projects to collect; an upload would remove them "
                "all from Veza.",
                f"Check {_PROJECT}, {_EXCLUDE} and --no-personal-projects (OAA_PERSONAL_PROJECTS).",
            )
        return warnings

    def _of_chosen(self, earlier: Earlier | None) -> Iterator[tuple[str, str, bool]]:
        """The flag, the pattern that matches nothing, and whether the last upload had it while others match."""
        for pattern in self._chosen:
            had = earlier is not None and (
                _has(earlier.scope.projects, pattern) or any(matches(key, pattern) for key in earlier.project_keys)
            )
            yield _PROJECT, pattern, had and self._left

    def _of_excluded(self, earlier: Earlier | None) -> Iterator[tuple[str, str, bool]]:
        for pattern in self._excluded:
            yield _EXCLUDE, pattern, earlier is not None and _has(earlier.scope.exclude_projects, pattern)

    def _nearest(self, pattern: str) -> str:
        """The most similar keys, or a few of all keys if none is similar."""
        if not self._keys:
            return "; this account can't see any project"
        known = {key.upper(): key for key in sorted(self._keys)}
        close = get_close_matches(re.sub(r"[^\w~.-]", "", pattern.upper()), known, n=_NEAREST, cutoff=0.5)
        if close:
            return f"; the nearest keys are {', '.join(known[key] for key in close)}"
        few = ", ".join(list(known.values())[:_NEAREST])
        return f"; there are {len(known):,} projects, such as {few}"


def _has(patterns: Iterable[str], pattern: str) -> bool:
    return pattern.upper() in {one.upper() for one in patterns}
