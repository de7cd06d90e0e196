"""Is the default branch protected? What restrictions tell, and when its name has to be asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.guardrails import Restriction
from oaa_bitbucket_async.collect.protection import is_open, protected
from oaa_bitbucket_async.demo import credential_rights
from oaa_bitbucket_async.demo.guardrails import Matcher
from oaa_bitbucket_async.demo.guardrails import Restriction as Set
from oaa_bitbucket_async.demo.model import Project, Repository

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


def test_the_name_is_asked_for_only_where_it_tells_more() -> None:
    assert not is_open(None)
    assert not is_open([])
    assert not is_open([one("ANY_REF"), one("BRANCH", MAIN)])
    assert not is_open([one("MODEL_BRANCH", "production")]), "a name alone tells nothing of the branching model"
    assert not is_open([one("BRANCH", MAIN, "no-deletes")])
    assert is_open([one("MODEL_BRANCH", "production"), one("BRANCH", MAIN)])
    assert is_open([one("PATTERN", "x")])


parts = st.text("ab.", min_size=1, max_size=3)
patterns = st.lists(st.text("ab.*?", min_size=1, max_size=3) | st.just("**"), min_size=1, max_size=4)


@given(branch=st.lists(parts, min_size=1, max_size=3).map("/".join), pattern=patterns.map("/".join), ends=st.booleans())
def test_patterns_are_understood_as_bitbucket_does(branch: str, pattern: str, ends: bool) -> None:
    """Against the rules as the embedded Bitbucket has them, which were written apart from this."""
    pattern += "/" if ends else ""
    repository = Repository(1, Project(1, "P"), "r", default_branch=f"refs/heads/{branch}")
    repository.restrictions = [Set(1, "read-only", Matcher("PATTERN", pattern))]
    expected = credential_rights.default_branch_protected(repository)
    assert protected([one("PATTERN", pattern, "read-only")], repository.default_branch) is expected


def test_a_pattern_of_many_stars_holds_nothing_up() -> None:
    """Backtracking would take longer than there is time."""
    branch = "refs/heads/" + "/".join("a" * 40)
    assert protected([one("PATTERN", "**/a/" * 20 + "b")], branch) is False
    assert protected([one("PATTERN", "*a" * 40 + "b")], "refs/heads/" + "a" * 200) is False
