"""The simulated week counts the requests that a run would make."""

import itertools

import pytest

from benchmarks.week import HOUR, Run, Size, even_hour, full_runs, incremental_runs, shown_after, week_of

SMALL = Size(12_000)


def test_a_full_run_asks_everything_once() -> None:
    projects, groups = 800, 600
    assert SMALL.full == SMALL.always + 6 * projects + 2 * SMALL.repositories
    assert SMALL.always == groups + 12 + 2 * (1 + 12) + 1 + 6


def test_a_day_of_hourly_runs_renews_everything_once() -> None:
    runs = list(incremental_runs(SMALL, 24, 0.0, rate_limited=False, until=49 * HOUR))
    second_day = [run.requests - SMALL.always for run in runs if 24 * HOUR < run.began <= 48 * HOUR]
    assert sum(second_day) == pytest.approx(SMALL.full - SMALL.always, rel=0.05)
    assert max(second_day) < 2 * min(second_day), "evenly"


def test_what_changed_is_asked_besides() -> None:
    assert even_hour(SMALL, 24, 500) - even_hour(SMALL, 24, 0) == 1000


def test_a_run_that_takes_longer_than_an_hour_costs_the_next_ones() -> None:
    runs = list(incremental_runs(Size(100_000), 24, 0.0, rate_limited=True, until=40 * HOUR))
    assert all(later.began >= run.began + run.seconds for run, later in itertools.pairwise(runs))


def test_when_a_change_shows() -> None:
    ages = shown_after([Run(0.0, 60.0, 1), Run(HOUR, 360.0, 1)])
    assert min(ages) == pytest.approx(0.1, abs=0.03)
    assert max(ages) == pytest.approx(1.1, abs=0.03)


def test_hourly_runs_show_a_change_sooner_for_fewer_requests() -> None:
    hourly, nightly = (week_of(SMALL, 0.01, age, rate_limited=False) for age in (168, None))
    assert hourly.requests < nightly.requests
    assert hourly.shown_after < 1 < nightly.shown_after
    assert len(list(full_runs(SMALL, rate_limited=False, until=7 * 24 * HOUR))) == 7
