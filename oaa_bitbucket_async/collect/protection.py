"""Is a repository's default branch protected? What its restrictions tell of that, with or without the branch's name.

Protected means that pushing to it is not open to everybody who may write: a restriction of the kind `pull-request-only`
or `read-only` covers it. Patterns are those of Bitbucket's branch permissions: they match the end of a full ref name,
from one of its segments on.
"""

from collections.abc import Callable, Sequence

from oaa_bitbucket_async.bitbucket.guardrails import Restriction

PROTECTING = frozenset({"read-only", "pull-request-only"})
_EVERYTHING = frozenset({"*", "**"})
_MODEL = frozenset({"MODEL_BRANCH", "MODEL_CATEGORY"})


def is_open(restrictions: Sequence[object] | None) -> bool:
    """True if the name of the default branch would tell more than the restrictions alone."""
    if restrictions is None:
        return False
    return protected(restrictions, None) is None and any(row.matcher not in _MODEL for row in _protecting(restrictions))


def protected(restrictions: Sequence[object], default_branch: str | None) -> bool | None:
    """Whether the default branch (a full ref name, None: not known) is protected; None: it can't be told.

    What a branching model calls its development or production branch, or puts into a category, is not known here.
    """
    found = [_covers(row, default_branch) for row in _protecting(restrictions)]
    if True in found:
        return True
    return None if None in found else False


def _protecting(restrictions: Sequence[object]) -> list[Restriction]:
    return [row for row in restrictions if isinstance(row, Restriction) and row.active and row.kind in PROTECTING]


def _covers(row: Restriction, branch: str | None) -> bool | None:
    if row.matcher == "ANY_REF" or (row.matcher == "PATTERN" and row.matched in _EVERYTHING):
        return True
    if branch is None or row.matcher not in ("BRANCH", "PATTERN"):
        return None
    if row.matcher == "BRANCH":
        return row.matched == branch or f"refs/heads/{row.matched}" == branch
    return _matches(row.matched, branch)


def _matches(pattern: str, branch: str) -> bool:
    """`x/` is the same as `x/**`. Without regular expressions: a pattern of many stars must not hold up a run."""
    wanted = f"{pattern}**" if pattern.endswith("/") else pattern
    return _fits(["**", *wanted.lstrip("/").split("/")], branch.split("/"), "**", _segment)


def _segment(wanted: str, segment: str) -> bool:
    return _fits(wanted, segment, "*", lambda letter, found: letter in ("?", found))


def _fits(pattern: Sequence[str], parts: Sequence[str], any_number: str, fits: Callable[[str, str], bool]) -> bool:
    """Whether all of `parts` are used up by `pattern`, of which `any_number` takes any number of them."""
    reached = {0}
    for wanted in pattern:
        if wanted == any_number:
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fits(wanted, parts[at])}
        if not reached:
            return False
    return len(parts) in reached
