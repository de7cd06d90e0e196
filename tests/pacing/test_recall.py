"""A run begins with what the last one found, if the server answers as it did then."""

import math
import random

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.limit import Found
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from tests.pacing.scenarios import TAME, always
from tests.pacing.simulation import EventClock, Kind, Result, Server, crawl

SLOTS = 48


def run(
    found: Found | None = None,
    *,
    slots: int = SLOTS,
    slower: float = 1.0,
    kind: Kind = TAME,
    seed: int = 1,
    concurrency: int | None = None,
    max_concurrency: int = 256,
    workers: int = 512,
) -> tuple[Result, Pacer]:
    """A short crawl: 2,500 requests."""
    clock = EventClock()
    pacer = Pacer(
        concurrency=concurrency,
        max_concurrency=max_concurrency,
        rate_limit=None,
        max_outage=900.0,
        clock=clock,
        rng=random.Random(seed),
        found=found,
    )
    server = Server(clock, random.Random(seed), slots, degradation=0.3, slower=((0.0, slower),))
    return crawl(server, pacer, clock, 2_500, always(kind), workers=workers), pacer


def found_by(pacer: Pacer) -> Found:
    found = pacer.found()
    assert found is not None
    # as the next run reads it
    return msgspec.json.decode(msgspec.json.encode(found), type=Found)


def test_the_second_run_begins_near_the_limit() -> None:
    found = found_by(run()[1])
    first, _ = run(seed=2)
    assert 40 <= found.limit <= 65
    second, _ = run(found, seed=2)
    assert [why for _, _, why in second.limits[:2]] == ["start", "as last time"]
    assert second.limit_at(0.3) == found.limit
    assert second.seconds < first.seconds - 0.1
    assert second.peak < first.peak, "nothing is overrun to find out what is known"


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_server_that_has_got_smaller_is_overrun_for_one_look_at_most(seed: int) -> None:
    found = found_by(run()[1])
    result, _ = run(found, slots=8, seed=seed)
    at, new, _ = next(change for change in result.limits if change[2] == "not as last time")
    assert new == 8
    assert at <= 2.0
    assert max(result.limit_at(second / 10) for second in range(int(at * 10) + 1, int(result.seconds * 10))) <= 18
    assert result.peak <= found.limit + 1


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_where_requests_take_longer_than_then_the_old_limit_is_not_even_tried(seed: int) -> None:
    found = found_by(run()[1])
    result, _ = run(found, slots=8, slower=3.0, seed=seed)
    assert "as last time" not in [why for _, _, why in result.limits]
    assert result.peak <= 35


def test_latencies_of_other_kinds_say_nothing() -> None:
    found = found_by(run()[1])
    result, _ = run(found, kind=Kind("group-members", TAME.medians, 0.2))
    assert "as last time" not in [why for _, _, why in result.limits]
    assert "not as last time" in [why for _, _, why in result.limits] or result.limits[1][2] == "slow start"


def test_never_above_the_largest_allowed() -> None:
    found = found_by(run()[1])
    result, pacer = run(found, max_concurrency=20)
    assert result.peak == 20
    assert found_by(pacer).limit <= 20


def test_what_was_found_while_few_waited_is_nothing() -> None:
    assert run(workers=4)[1].found() is None
    found = found_by(run()[1])
    assert run(found, workers=4)[1].found() is None, "nobody has checked it"
    assert run(concurrency=64)[1].found() is None


def test_errors_end_the_trying() -> None:
    found = found_by(run()[1])
    clock = EventClock()
    pacer = Pacer(
        concurrency=None, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1), found=found
    )  # fmt: skip
    while pacer.try_enter():
        pass
    for _ in range(8):
        pacer.failed("repository-users", FaultReason.DROPPED, None)
        pacer.try_enter()
    assert pacer.limit <= 8


def test_what_no_run_can_have_found() -> None:
    found = found_by(run()[1])
    assert found.plausible
    assert not msgspec.structs.replace(found, limit=1).plausible
    [(kind, latency)] = found.latencies.items()
    for wrong in ({"median": 0.0}, {"mean": -1.0}, {"mean": math.inf}, {"median_error": math.nan}, {"weight": 0}):
        spoiled = msgspec.structs.replace(latency, **wrong)
        assert not msgspec.structs.replace(found, latencies={kind: spoiled}).plausible
