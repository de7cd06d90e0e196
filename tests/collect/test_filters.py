"""Filters that match nothing, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.collect.filters import Earlier, Filters
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter, matches
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.settings import Scope

SHORT = st.text("AbC~", min_size=1, max_size=3)
PATTERNS = st.lists(st.text("aBc~*?", min_size=1, max_size=3), max_size=3).map(tuple)


def judged(scope: Scope, keys: list[str], earlier: Earlier | None = None) -> list[str]:
    filters = Filters(scope)
    for key in keys:
        filters.take(key)
    return [] if filters.proven else filters.judge(earlier)


@given(
    st.builds(Scope, projects=PATTERNS, exclude_projects=PATTERNS, personal_projects=st.booleans()),
    st.lists(SHORT, max_size=5),
)
def test_what_passes_matches_and_leaves_something(scope: Scope, keys: list[str]) -> None:
    seen = [key for key in keys if scope.personal_projects or not key.startswith("~")]
    good = (
        all(any(matches(key, pattern) for key in seen) for pattern in scope.projects)
        and all(any(matches(key, pattern) for key in keys) for pattern in scope.exclude_projects)
        and (not keys or any(map(ScopeFilter(scope).key, keys)))
    )
    try:
        assert judged(scope, keys) == []
    except ConfigurationError:
        assert not good
    else:
        assert good


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("CORF", "the nearest keys are CORE"),
        ("core-", "the nearest keys are CORE"),
        ("XXXXXXX*", "there are 3 projects, such as CORE, LIBS, TOOLS"),
    ],
)
def test_the_nearest_keys_are_named(pattern: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        judged(Scope(projects=(pattern,)), ["TOOLS", "CORE", "LIBS"])
    assert f"{pattern} matches no project" in raised.value.message
    assert words in raised.value.message


def test_an_account_that_sees_nothing_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="can't see any project"):
        judged(Scope(projects=("A",)), [])


def test_what_the_last_upload_had_is_a_warning() -> None:
    known_by_flag = Earlier(Scope(projects=("GONE",), exclude_projects=("LEFT",)), frozenset())
    known_by_key = Earlier(Scope(), frozenset({"GONE"}))
    scope = Scope(projects=("A", "gone"))
    for earlier in (known_by_flag, known_by_key):
        assert len(judged(scope, ["A"], earlier)) == 1
    with pytest.raises(ConfigurationError):
        judged(scope, ["A"], Earlier(Scope(), frozenset({"A"})))
    with pytest.raises(ConfigurationError):  # the others must match
        judged(Scope(projects=("gone",)), ["A"], known_by_flag)
    assert len(judged(Scope(exclude_projects=("left",)), ["A"], known_by_flag)) == 1
    with pytest.raises(ConfigurationError):
        judged(Scope(exclude_projects=("LEFT",)), ["A"], known_by_key)
