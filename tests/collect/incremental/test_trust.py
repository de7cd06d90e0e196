"""When the audit log is no longer relied on, and when it is again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.collect.incremental.trust import Trust, updated
from tests.examples import examples

DAY = 86_400.0


def after(*runs: tuple[float, int, int], trust: Trust | None = None) -> Trust:
    """Runs that ended so many days after the beginning, with so many unexplained and named changes."""
    for days, unexplained, named in runs:
        trust = updated(trust, now=days * DAY, max_age=DAY, unexplained=unexplained, named=named)
    assert trust is not None
    return trust


@pytest.mark.parametrize(
    ("unexplained", "named", "lost"),
    [(3, 0, False), (4, 0, True), (4, 399, True), (4, 400, False), (5, 400, True), (100, 10_000, False)],
)
def test_more_than_three_and_more_than_one_in_a_hundred(unexplained: int, named: int, lost: bool) -> None:
    assert after((0, unexplained, named)).lost is lost


def test_the_changes_of_one_round_count_together() -> None:
    assert not after((0, 2, 10), (0.5, 1, 10)).lost
    assert after((0, 2, 10), (0.5, 2, 10)).lost
    assert after((0, 2, 10), (1.0, 2, 10)).lost, "what is found at its end is of the round"
    assert not after((0, 2, 10), (1.0, 0, 10), (1.1, 2, 10)).lost


def test_trust_comes_back_after_a_whole_round_without_an_unexplained_change() -> None:
    lost = after((0, 4, 0))
    assert after((0.5, 0, 9), trust=lost).lost
    assert after((0.5, 0, 9), (1.0, 0, 9), trust=lost) == Trust(round_began=DAY)
    assert after((0.5, 1, 9), (1.0, 0, 9), trust=lost).lost, "the round begins anew with each"
    assert not after((0.5, 1, 9), (1.5, 0, 9), trust=lost).lost


def test_a_clock_that_was_set_back_begins_a_round() -> None:
    ahead = after((1000, 1, 0))
    assert after((0, 0, 0), trust=ahead).round_began == 0.0
    assert not after((0, 0, 0), (1, 0, 0), trust=after((1000, 4, 0))).lost


RUNS = st.lists(st.tuples(st.floats(0.01, 0.5), st.integers(0, 3), st.integers(0, 300)), max_size=30)


@examples(200)
@given(RUNS)
def test_trust_that_is_lost_is_lost_for_a_round_and_never_without_cause(runs: list[tuple[float, int, int]]) -> None:
    trust, now, found, last_found = None, 0.0, 0, 0.0
    for days, unexplained, named in runs:
        now += days
        before = trust.lost if trust is not None else False
        trust = after((now, unexplained, named), trust=trust)
        found += unexplained
        last_found = now if unexplained else last_found
        if before and not trust.lost:
            assert now - last_found >= 1.0
        if trust.lost:
            assert found > 3
