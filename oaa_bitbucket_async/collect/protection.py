"""Is a repository's default branch protected? Decides by its restrictions, with or without the branch's name.

Protected means that pushing to it is not open to everybody who may write: a restriction of the kind `pull-request-only`
or `read-only` covers it. Patterns are those of Bitbucket's branch permissions: they match the end of a full ref name,
from one of its segments on.
"""

from collections.abc import Callable, Collection, Sequence

from oaa_bitbucket_async.bitbucket.branch_permissions import BranchModel, Restriction
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.kinds import AnyKind

PROTECTING = frozenset({"read-only", "pull-request-only"})
_EVERYTHING = frozenset({"*", "**"})
_BY_NAME = frozenset({"BRANCH", "PATTERN"})
_BY_MODEL = frozenset({"MODEL_BRANCH", "MODEL_CATEGORY"})


def branch_of(included: Included, repository: int) -> tuple[str | None, BranchModel | None]:
    """The default branch (a full ref name) and the branching model of a repository. None for what is not known."""
    names = included.rows(kinds.REPOSITORY_DEFAULT_BRANCH, repository) or ()
    models = included.rows(kinds.REPOSITORY_BRANCH_MODEL, repository) or ()
    return next((row.id for row in names), None), next(iter(models), None)


def wanting(included: Included, repository: int, asked: Collection[AnyKind]) -> AnyKind | None:
    """What to ask next, not having been `asked`, to tell whether the default branch is protected; None: nothing."""
    restrictions = included.rows(kinds.REPOSITORY_RESTRICTIONS, repository)
    if restrictions is None or protected(restrictions, *branch_of(included, repository)) is not None:
        return None
    matchers = {row.matcher for row in _protecting(restrictions)}
    by_name = kinds.REPOSITORY_DEFAULT_BRANCH not in asked
    if by_name and matchers & _BY_NAME:
        return kinds.REPOSITORY_DEFAULT_BRANCH
    if matchers & _BY_MODEL:
        if kinds.REPOSITORY_BRANCH_MODEL not in asked:
            return kinds.REPOSITORY_BRANCH_MODEL
        if by_name and branch_of(included, repository)[1] is not None:
            return kinds.REPOSITORY_DEFAULT_BRANCH
    return None


def protected(
    restrictions: Sequence[Restriction], default_branch: str | None, model: BranchModel | None = None
) -> bool | None:
    """Whether the default branch is protected; None: it can't be told. `default_branch` is a full ref name; None for it
    and for the model: not known."""
    found = [_covers(row, default_branch, model) for row in _protecting(restrictions)]
    if True in found:
        return True
    return None if None in found else False


def _protecting(restrictions: Sequence[Restriction]) -> list[Restriction]:
    return [row for row in restrictions if row.active and row.kind in PROTECTING]


def _covers(row: Restriction, branch: str | None, model: BranchModel | None) -> bool | None:
    if row.matcher == "ANY_REF" or (row.matcher == "PATTERN" and row.matched in _EVERYTHING):
        return True
    if row.matcher in _BY_MODEL:
        return None if model is None else _covers_by_model(row, branch, model)
    if branch is None or row.matcher not in _BY_NAME:
        return None
    if row.matcher == "BRANCH":
        return row.matched == branch or f"refs/heads/{row.matched}" == branch
    return _matches(row.matched, branch)


def _covers_by_model(row: Restriction, branch: str | None, model: BranchModel) -> bool | None:
    roles, prefixes = dict(model.roles), dict(model.prefixes)
    if "development" not in roles:  # every model has one: this is none that we understand
        return None
    if row.matcher == "MODEL_BRANCH":
        if row.matched not in roles:
            return False
        ref = roles[row.matched]
        return True if ref is None else None if branch is None else ref == branch
    if row.matched not in prefixes:
        return False
    return None if branch is None else branch.removeprefix("refs/heads/").startswith(prefixes[row.matched])


def _matches(pattern: str, branch: str) -> bool:
    """`x/` is the same as `x/**`. Without regular expressions: a pattern of many stars must not hold up a run."""
    wanted = f"{pattern}**" if pattern.endswith("/") else pattern
    return _fits(["**", *wanted.lstrip("/").split("/")], branch.split("/"), "**", _segment)


def _segment(wanted: str, segment: str) -> bool:
    return _fits(wanted, segment, "*", lambda letter, found: letter in ("?", found))


def _fits(pattern: Sequence[str], parts: Sequence[str], any_number: str, fits: Callable[[str, str], bool]) -> bool:
    """Whether `pattern` matches all of `parts`. In it, `any_number` matches any number of parts."""
    reached = {0}
    for wanted in pattern:
        if wanted == any_number:
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fits(wanted, parts[at])}
        if not reached:
            return False
    return len(parts) in reached
