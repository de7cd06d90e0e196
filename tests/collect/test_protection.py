"""Is the default branch protected? What restrictions tell, and when its name has to be asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.branch_permissions import BranchModel, DefaultBranch, Restriction
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.kinds import AnyKind
from oaa_bitbucket_async.collect.protection import protected, wanting
from oaa_bitbucket_async.demo.branch_permissions import ModelMatcher, ModelRestriction
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository
from tests.servers import credential_rights

MAIN = "refs/heads/main"


def one(matcher: str, matched: str = "", kind: str = "pull-request-only", *, active: bool = True) -> Restriction:
    return Restriction(kind, matcher, matched, active, (), (), ())


@pytest.mark.parametrize(
    ("restrictions", "without", "with_name"),
    [
        ([], False, False),
        ([one("ANY_REF")], True, True),
        ([one("PATTERN", "*")], True, True),
        ([one("PATTERN", "**")], True, True),
        ([one("BRANCH", MAIN)], None, True),
        ([one("BRANCH", "refs/heads/master")], None, False),
        ([one("PATTERN", "ma*")], None, True),
        ([one("PATTERN", "release/*")], None, False),
        ([one("BRANCH", MAIN, "read-only")], None, True),
        ([one("BRANCH", MAIN, "no-deletes")], False, False),
        ([one("ANY_REF", kind="fast-forward-only")], False, False),
        ([one("ANY_REF", kind="something-new")], False, False),
        ([one("ANY_REF", active=False)], False, False),
        ([one("MODEL_BRANCH", "development")], None, None),
        ([one("MODEL_CATEGORY", "RELEASE")], None, None),
        ([one("SOMETHING_NEW", "x")], None, None),
        ([one("MODEL_BRANCH", "production"), one("BRANCH", MAIN)], None, True),
        ([one("MODEL_BRANCH", "production"), one("PATTERN", "x")], None, None),
        ([one("MODEL_BRANCH", "production"), one("ANY_REF")], True, True),
    ],
)
def test_with_and_without_the_name(
    restrictions: list[Restriction], without: bool | None, with_name: bool | None
) -> None:
    assert protected(restrictions, None) is without
    assert protected(restrictions, MAIN) is with_name


MODEL = BranchModel((("development", None), ("production", "refs/heads/prod")), (("RELEASE", "release/"),))


@pytest.mark.parametrize(
    ("matched", "branch", "expected"),
    [
        (("MODEL_BRANCH", "development"), None, True),
        (("MODEL_BRANCH", "development"), MAIN, True),
        (("MODEL_BRANCH", "production"), None, None),
        (("MODEL_BRANCH", "production"), MAIN, False),
        (("MODEL_BRANCH", "production"), "refs/heads/prod", True),
        (("MODEL_BRANCH", "something-new"), MAIN, False),
        (("MODEL_CATEGORY", "RELEASE"), None, None),
        (("MODEL_CATEGORY", "RELEASE"), MAIN, False),
        (("MODEL_CATEGORY", "RELEASE"), "refs/heads/release/1", True),
        (("MODEL_CATEGORY", "HOTFIX"), "refs/heads/hotfix/1", False),
    ],
)
def test_by_the_branching_model(matched: tuple[str, str], branch: str | None, expected: bool | None) -> None:
    assert protected([one(*matched)], branch, MODEL) is expected


def test_a_model_that_is_none_tells_nothing() -> None:
    for matched in (("MODEL_BRANCH", "development"), ("MODEL_CATEGORY", "RELEASE")):
        assert protected([one(*matched)], MAIN, BranchModel((), ())) is None


NAME, ROLES = kinds.REPOSITORY_DEFAULT_BRANCH, kinds.REPOSITORY_BRANCH_MODEL
PRODUCTION, DEVELOPMENT = one("MODEL_BRANCH", "production"), one("MODEL_BRANCH", "development")


@pytest.mark.parametrize(
    ("restrictions", "told", "expected"),
    [
        ([], True, []),
        ([one("ANY_REF"), one("BRANCH", MAIN), PRODUCTION], True, []),
        ([one("BRANCH", MAIN, "no-deletes")], True, []),
        ([one("SOMETHING_NEW")], True, []),
        ([one("PATTERN", "x")], True, [NAME]),
        ([one("PATTERN", "x")], False, [NAME]),
        ([PRODUCTION, one("BRANCH", MAIN)], True, [NAME]),
        ([PRODUCTION, one("PATTERN", "x")], True, [NAME, ROLES]),
        ([DEVELOPMENT], True, [ROLES]),
        ([PRODUCTION], True, [ROLES, NAME]),
        ([PRODUCTION], False, [ROLES]),
        ([PRODUCTION, one("PATTERN", "x")], False, [NAME, ROLES]),
    ],
)
def test_only_what_tells_more_is_asked_for(
    restrictions: list[Restriction], told: bool, expected: list[AnyKind]
) -> None:
    included, asked = Included(), []
    assert wanting(included, 1, ()) is None, "the restrictions themselves are not known"
    included.add(kinds.REPOSITORY_RESTRICTIONS, 1, restrictions)
    while kind := wanting(included, 1, asked):
        asked.append(kind)
        if told:
            included.add(kind, 1, [DefaultBranch(id=MAIN) if kind is NAME else MODEL])
    assert asked == expected


parts = st.text("ab.", min_size=1, max_size=3)
patterns = st.lists(st.text("ab.*?", min_size=1, max_size=3) | st.just("**"), min_size=1, max_size=4)


@given(branch=st.lists(parts, min_size=1, max_size=3).map("/".join), pattern=patterns.map("/".join), ends=st.booleans())
def test_patterns_are_understood_as_bitbucket_does(branch: str, pattern: str, ends: bool) -> None:
    """Against the rules as the embedded Bitbucket has them, which were written apart from this."""
    pattern += "/" if ends else ""
    repository = ModelRepository(1, ModelProject(1, "P"), "r", default_branch=f"refs/heads/{branch}")
    repository.restrictions = [ModelRestriction(1, "read-only", ModelMatcher("PATTERN", pattern))]
    expected = credential_rights.default_branch_protected(repository)
    assert protected([one("PATTERN", pattern, "read-only")], repository.default_branch) is expected


def test_a_pattern_of_many_stars_holds_nothing_up() -> None:
    """Backtracking would take longer than there is time."""
    branch = "refs/heads/" + "/".join("a" * 40)
    assert protected([one("PATTERN", "**/a/" * 20 + "b")], branch) is False
    assert protected([one("PATTERN", "*a" * 40 + "b")], "refs/heads/" + "a" * 200) is False
