"""Servers that fail: what does not come of our load is borne, and a server in trouble is left in peace."""

import random

import pytest

from oaa_bitbucket_async.bitbucket.pacing.flaky import QUICK, SLOWER, Look, in_a_row
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from tests.pacing.failing import TROUBLES, MakeServer, Trouble, fail_a_third, run, slowdown
from tests.pacing.simulation import EventClock, Server


@pytest.mark.parametrize("concurrency", [None, 32])
@pytest.mark.parametrize(("share", "times"), [(0.05, 1.2), (0.1, 3.0), (0.2, 3.0), (0.3, 3.0), (0.5, 5.0)])
def test_a_flaky_server_costs_little_more_than_its_failures(
    share: float, times: float, concurrency: int | None
) -> None:
    assert slowdown(share, 5000, 1, concurrency) <= times


@pytest.mark.parametrize("trouble", TROUBLES, ids=[trouble.name for trouble in TROUBLES])
def test_a_server_in_trouble_is_sent_no_more_than_it_can_bear(trouble: Trouble) -> None:
    result = trouble.run(1)
    assert result.sent / trouble.requests <= trouble.sent
    assert result.sent / result.seconds <= trouble.rate


def changing(at: float, before: float, after: MakeServer) -> MakeServer:
    """A share of failures up to a second, from then on those of another server."""

    def make(clock: EventClock, rng: random.Random) -> Server:  # type: ignore[override]
        other = after(clock, rng)
        failing = other.failing

        def now(server: Server) -> float:
            if server.seconds < at:
                return before
            return failing(server) if callable(failing) else failing

        other.failing = now
        return other

    return make  # type: ignore[return-value]


def test_a_flaky_server_that_falls_into_trouble_is_spared() -> None:
    make = changing(10.0, 0.2, lambda c, r: Server(c, r, 40, failing=lambda s: min(0.9, s.load / 30)))
    result, pacer = run(make, 8000, 1)
    assert next(at for at, _, reason in result.limits if reason == "failures do not come of the load") < 10.0
    assert {result.limit_at(second) for second in range(12, 18)} == {2}
    assert not pacer.flaky


def test_a_server_that_is_mended_is_flaky_no_more() -> None:
    _, pacer = run(changing(10.0, 0.2, lambda c, r: Server(c, r, 40, failing=0.01)), 8000, 1)
    assert not pacer.flaky
    assert (pacer.outage.closes_after, pacer.limit > 2) == (8, True)


@pytest.mark.parametrize("concurrency", [None, 20])
@pytest.mark.parametrize(("heavy", "latency", "flaky"), [(False, 0.05, True), (True, 0.05, False), (False, 1.2, False)])
def test_timeouts_and_slow_answers_are_trouble(
    heavy: bool, latency: float, flaky: bool, concurrency: int | None
) -> None:
    clock = EventClock()
    pacer = Pacer(concurrency=concurrency, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    fail_a_third(pacer, clock, heavy=heavy, latency=latency)
    assert pacer.flaky is flaky
    assert (pacer.limit > 2) is flaky


def look(share: float, failing: int, *, of: int = 200, latency: float = 0.05, heavy: bool = False) -> Look:
    """A look at a server of whose last `of` attempts every `failing`-th failed."""
    found = Look(share, 0, now=0.0, until=1.0)
    for number in range(of):
        if failing and number % failing == 0:
            found.failed(heavy=heavy)
        else:
            found.answered("x", latency)
    return found


def test_a_look_compares_with_the_share_from_before() -> None:
    assert look(0.2, 5).finds_flaky(1.0)
    assert not look(0.6, 5).finds_flaky(1.0)
    assert not look(0.2, 20).finds_flaky(1.0)
    assert not look(0.2, 0).finds_flaky(1.0)


def test_a_look_wants_quick_answers() -> None:
    assert not look(0.2, 5, latency=QUICK + 0.1).finds_flaky(1.0)
    assert not look(0.2, 5).finds_flaky(SLOWER + 0.1)
    assert look(0.2, 5).finds_flaky(None)


def test_a_look_does_not_end_well_before_its_time_but_ends_badly_at_once() -> None:
    assert not look(0.2, 5).over(0.9)
    assert look(0.2, 5).over(1.0)
    assert look(0.2, 0).over(0.1)
    assert look(0.2, 5, of=1, heavy=True).over(0.1)


def test_what_began_earlier_is_no_part_of_a_look() -> None:
    found = Look(0.2, 3, now=0.0, until=0.0)
    found.failed(heavy=True)
    found.failed(heavy=True)
    found.answered("x", 9.0)
    assert found.attempts == 0
    found.answered("x", 0.1)
    assert (found.attempts, found.samples) == (1, {"x": [0.1]})


@pytest.mark.parametrize(("share", "failures"), [(0.0, 8), (0.05, 8), (0.2, 9), (0.5, 20), (0.8, 62), (0.99, 62)])
def test_so_many_failures_in_a_row_are_no_chance(share: float, failures: int) -> None:
    assert in_a_row(share, 8) == failures
