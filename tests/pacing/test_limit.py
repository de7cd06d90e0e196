"""What the limit makes of servers it knows nothing about; bounds with the reasons in `scenarios`."""

import functools
import random

import pytest

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.gradient import START, GradientLimit
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from tests.examples import first
from tests.pacing.scenarios import SCENARIOS, USUAL, always
from tests.pacing.simulation import EventClock, Result, Server, crawl


def pacer_for(clock: EventClock, concurrency: int | None = None, max_concurrency: int = 256) -> Pacer:
    return Pacer(
        concurrency=concurrency,
        max_concurrency=max_concurrency,
        rate_limit=None,
        max_outage=900.0,
        clock=clock,
        rng=random.Random(1),
    )


BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@functools.cache
def crawled(name: str, seed: int = 1) -> Result:
    """A scenario's crawl. Several tests look at the same one, which takes a second."""
    return BY_NAME[name].run(seed)


@pytest.mark.parametrize(
    "name",
    first(
        *("8 slots, degrading", "40 slots, degrading", "40 slots that share", "40, then 15, then 40 slots"),
        *("twice as slow from 20 s on", "two kinds, shifting", "heavy tails"),
        of=BY_NAME,
    ),
)
def test_time_by_the_least_possible_time(name: str) -> None:
    assert crawled(name).times <= BY_NAME[name].times


@pytest.mark.parametrize("slots", [8, 40, 150])
def test_it_finds_the_servers_size_within_seconds_and_stays_there(slots: int) -> None:
    result = crawled(f"{slots} slots, degrading", seed=2)
    assert result.queue <= 1.5 + 0.1 * slots
    settled = {result.limit_at(second) for second in range(5, int(result.seconds) - 1)}
    assert min(settled) >= slots // 2 - 1, "no lower than a probe"
    assert max(settled) <= 1.4 * slots + 1
    assert result.peak <= 3.3 * slots, "one doubling too many, for one window"


def test_a_third_of_the_slots_and_back() -> None:
    result = crawled("40, then 15, then 40 slots")
    assert 33 <= result.limit_at(19) <= 52
    assert 14 <= result.limit_at(30) <= 24
    assert 33 <= result.limit_at(75) <= 52


def test_a_server_that_gets_slower_is_not_taken_for_a_fuller_one() -> None:
    assert 33 <= crawled("twice as slow from 20 s on").limit_at(40) <= 60


def test_no_growth_while_nobody_waits() -> None:
    clock = EventClock()
    pacer = pacer_for(clock)
    result = crawl(Server(clock, random.Random(1), 100), pacer, clock, 5000, always(USUAL), workers=5)
    assert pacer.limit == 8
    assert len(pacer.history) == 0
    assert result.outcomes["ok"] == 5000


def test_a_few_slow_answers_among_new_kinds_do_not_end_the_start() -> None:
    changes: list[tuple[int, int, str]] = []
    limit = GradientLimit(start=START, largest=256, now=0.0, on_change=lambda *change: changes.append(change))
    waits = 0

    def answer(kind: str, latency: float) -> None:
        nonlocal waits
        waits += 1
        uneven = (0.85, 1.0, 1.15)[waits % 3]
        limit.answered(kind, latency * uneven, 0.0, waits)

    while limit.value == START:
        answer("projects", 0.1)
    for _ in range(START):  # these began under the first limit
        answer("projects", 0.1)
    for latency in (0.1, 0.1, 0.3, 0.3, 0.3):
        answer("projects", latency)
    while len(changes) == 1:
        answer("repositories", 0.1)
    assert changes == [(8, 16, "slow start"), (16, 32, "slow start")]


def test_a_number_stays_what_it_is() -> None:
    clock = EventClock()
    pacer = pacer_for(clock, concurrency=64)
    result = crawl(Server(clock, random.Random(1), 8, degradation=0.3), pacer, clock, 3000, always(USUAL))
    assert pacer.limit == 64
    assert result.peak == 64


def test_never_above_the_largest_allowed() -> None:
    clock = EventClock()
    pacer = pacer_for(clock, max_concurrency=20)
    result = crawl(Server(clock, random.Random(1), 100), pacer, clock, 5000, always(USUAL))
    assert pacer.limit == 20
    assert result.peak == 20


def answers(pacer: Pacer, clock: EventClock, share_of_errors: float, number: int, latency: float = 0.05) -> None:
    """`number` attempts, always as many in flight as the limit allows."""
    rng = random.Random(3)
    in_flight = 0
    for _ in range(number):
        while pacer.try_enter():
            in_flight += 1
        clock.call_later(latency / max(in_flight, 1), lambda: None)
        clock.run()
        in_flight -= 1
        if rng.random() < share_of_errors:
            pacer.failed("x", FaultReason.DROPPED, None)
        else:
            pacer.succeeded("x", latency)


def test_fast_errors_never_make_it_grow() -> None:
    clock = EventClock()
    pacer = pacer_for(clock)
    while pacer.try_enter():
        pass
    for _ in range(7):
        pacer.failed("x", FaultReason.SERVER_ERROR, None)
        pacer.try_enter()
    assert pacer.limit <= 8
    assert all(change.new < change.old for change in pacer.history)


def test_a_rare_error_changes_nothing() -> None:
    clock = EventClock()
    pacer = pacer_for(clock)
    answers(pacer, clock, 0.03, 20_000)
    assert not [change for change in pacer.history if change.reason in ("errors", "retry budget empty")]
    assert pacer.limit == 256


def test_many_errors_empty_the_budget_and_few_refill_it() -> None:
    clock = EventClock()
    pacer = pacer_for(clock)
    answers(pacer, clock, 0.3, 2000, latency=2.0)
    assert pacer.limit == 2
    answers(pacer, clock, 0.0, 160)
    assert pacer.limit > 2
    assert "retry budget refilled" in [change.reason for change in pacer.history]


def test_429_cuts_at_most_once_in_two_seconds() -> None:
    clock = EventClock()
    pacer = pacer_for(clock)
    while pacer.try_enter():
        pass
    for _ in range(8):
        pacer.failed("x", FaultReason.THROTTLED, 1.0)
    assert [(change.old, change.new, change.reason) for change in pacer.history] == [(8, 6, "429")]
    assert pacer.throttled == 8
    assert pacer.pauses.count == 1
