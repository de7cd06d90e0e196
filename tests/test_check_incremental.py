"""What `--check` reckons of incremental runs."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async.collect.incremental.named import Named
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.run.check_incremental import HOUR, Costs, named_requests, tell_costs
from oaa_bitbucket_async.run.check_report import CheckReport, Rate
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Include, Login, Settings, State

LARGE = {"whole": 246_000, "always": 5_200, "named": 40.0}
"""100,000 repositories, 5,000 groups."""


def costs(max_age: float, rate: Rate, **changes: Any) -> Costs:
    return Costs(**(LARGE | {"max_age": max_age, "rate": rate} | changes))


def test_an_hour_s_share_by_age() -> None:
    day, week = costs(24, Rate(100)), costs(168, Rate(100))
    assert (day.by_age(1), week.by_age(1)) == (10_034, 1_434)
    assert (day.requests(1), week.requests(1)) == (15_274, 6_674)
    assert day.requests(24) == day.requests(1000) == day.whole, "never more than a full run"


@pytest.mark.parametrize(("max_age", "rate"), [(24, Rate(100)), (168, Rate(5)), (168, Rate(5, 60)), (24, Rate(11))])
def test_the_shortest_interval_is_twice_what_its_own_run_takes(max_age: float, rate: Rate) -> None:
    found = costs(max_age, rate)
    shortest = found.shortest
    assert shortest is not None
    twice = 2 * rate.seconds(found.requests(shortest)) / HOUR
    assert twice <= shortest + 0.01
    assert twice > shortest - 0.2, "rounded up to five minutes"
    assert math.isclose(shortest * 12, round(shortest * 12))


def test_a_server_that_is_too_slow_for_the_age_is_told() -> None:
    assert costs(24, Rate(5)).shortest is None, "2.8 requests a second by age alone leave no time"
    assert costs(24, Rate(0.1), named=0.0).shortest is None


def _told(found: Costs, capsys: pytest.CaptureFixture[str], *, known_rate: bool = True) -> tuple[str, Any]:
    tell_costs(CheckReport(str, as_json=False), found, known_rate=known_rate)
    report = CheckReport(str, as_json=True)
    text = capsys.readouterr().out
    tell_costs(report, found, known_rate=known_rate)
    report.end(0)
    return text, json.loads(capsys.readouterr().out)["incremental"]


def test_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text, told = _told(costs(168, Rate(3)), capsys)
    assert "after 1 h 20 min a run takes about" in text
    assert "5,200 for listings and groups, 1,912 by age (--max-age 168), 54 that the audit log names" in text
    assert "at 3/s; shortest sensible interval: 1 h 20 min" in text
    assert told["shortest_interval_seconds"] == told["interval_seconds"] == 4800
    assert told["requests"] == told["always"] + told["by_age"] + told["named"]
    assert told["requests_a_day"] == math.ceil(told["requests"] * 24 / (4800 / 3600))
    assert f"{told['requests_a_day']:,} requests a day, beside 246,000 for a full run every night" in text

    text, told = _told(costs(24, Rate(5)), capsys)
    assert "too long to keep up. Take a longer --max-age" in text
    assert told["shortest_interval_seconds"] is None

    text, told = _told(costs(24, Rate(400)), capsys, known_rate=False)
    assert "after an hour a run takes" in text
    assert "at the pace of this check" in text
    assert told["interval_seconds"] == 3600
    assert told["shortest_interval_seconds"] < 3600


def test_what_is_named_costs_what_it_takes_to_ask_again() -> None:
    repository, project, user = Subject("repository", 1), Subject("project", 2), Subject("user", 3)
    named = Named(permissions={repository: 1, project: 1}, things={user: 1, Subject("repository", 4): 1})
    settings = Settings(
        bitbucket_url="https://git.example.com", login=Login(secret=Secret("x")), state=State(directory=Path("state"))
    )
    assert named_requests(named, settings, 3) == 2 + 5 + 0 + 2
    assert named_requests(named, replace(settings, include=frozenset({Include.TOKENS})), 3) == 2 + 5 + 1 + 3
