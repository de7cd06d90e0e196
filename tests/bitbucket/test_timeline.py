"""A run over time stays small, and loses nothing but detail."""

import asyncio
import random

import pytest

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.stats import Latencies, RequestStats
from oaa_bitbucket_async.bitbucket.timeline import FIRST_STEP, MOST_SAMPLES, Timeline
from tests.virtual_clock import run_virtual


def _pacer(clock: LoopClock, limit: int = 8) -> Pacer:
    return Pacer(concurrency=limit, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))


def _answered(stats: RequestStats, count: int, latency: float) -> None:
    stats.sent["users"] += count
    latencies = stats.latencies.setdefault("users", Latencies())
    for _ in range(count):
        latencies.add(latency)


@pytest.mark.parametrize("hours", [0.001, 0.1, 10])
def test_however_long_the_run_some_hundred_points_tell_it(hours: float) -> None:
    async def play() -> tuple[list[float], int, float]:
        clock = LoopClock()
        stats = RequestStats()
        timeline = Timeline(stats, _pacer(clock), clock)
        follow = asyncio.create_task(timeline.follow())
        began = clock.now()
        while clock.now() - began < hours * 3600:
            _answered(stats, 7, 0.25)
            await clock.sleep(hours * 36)
        follow.cancel()
        samples = timeline.samples()
        assert clock.now() - began == pytest.approx(sum(s.seconds for s in samples))
        assert all(s.latency in (None, pytest.approx(0.25)) and s.limit == pytest.approx(8) for s in samples)
        return [s.seconds for s in samples], sum(s.sent for s in samples), stats.total

    lengths, sent, total = run_virtual(play())
    assert sent == total
    assert MOST_SAMPLES / 2 <= len(lengths) <= MOST_SAMPLES or len(lengths) * FIRST_STEP < hours * 3600 + 1
    assert len(lengths) >= 50
    assert max(lengths[:-1]) < 2 * min(lengths[:-1]) + 2.0, "about equal, within one look"


def test_what_a_sample_tells() -> None:
    async def play() -> Timeline:
        clock = LoopClock()
        stats, pacer = RequestStats(), _pacer(clock, limit=20)
        timeline = Timeline(stats, pacer, clock)
        for _ in range(3):
            assert pacer.try_enter()
        _answered(stats, 4, 0.5)
        stats.faults[FaultReason.TIMEOUT] += 2
        await clock.sleep(2.0)
        timeline.look()
        pacer.failed("users", FaultReason.THROTTLED, 10.0)
        stats.faults[FaultReason.THROTTLED] += 1
        await clock.sleep(1.0)
        return timeline

    first, second = run_virtual(_samples(play))
    assert (first.seconds, first.throughput, first.latency) == (pytest.approx(2.0), pytest.approx(2.0), 0.5)
    assert (first.limit, first.in_flight, first.failures) == (20, 3, pytest.approx(1.0))
    assert (second.throughput, second.latency, second.failed) == (0.0, None, 1)
    assert second.in_flight == 2


async def _samples(play):  # type: ignore[no-untyped-def]
    return (await play()).samples()
