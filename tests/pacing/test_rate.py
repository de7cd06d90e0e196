"""The server's rate limit: told, learned, shared with others, and the user's own ceiling."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.pacing.pause import Pauses
from oaa_bitbucket_async.bitbucket.pacing.rate import Bucket, Rate
from tests.pacing.scenarios import USUAL, always
from tests.pacing.simulation import EventClock, Result, Server, ServerBucket, crawl_async
from tests.virtual_clock import run_virtual


@given(
    capacity=st.floats(1, 100),
    steps=st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 500)), min_size=1, max_size=60),
)
def test_a_bucket_never_gives_more_than_it_holds_and_gains(capacity: float, steps: list[tuple[float, float]]) -> None:
    now = 50.0
    bucket = Bucket(capacity, 1.0, now)
    gained, taken, rate = capacity, 0, 1.0
    for seconds, next_rate in steps:
        now += seconds
        gained += seconds * rate
        while bucket.take(now) == 0.0:
            taken += 1
        assert taken <= gained + 1e-3
        bucket.set_rate(next_rate, now)
        rate = next_rate


def test_the_wait_that_a_bucket_names_is_enough_and_not_too_long() -> None:
    bucket = Bucket(1.0, 4.0, 0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == pytest.approx(0.25)
    assert bucket.take(0.2) > 0
    assert bucket.take(0.25) == 0.0


def test_a_drained_bucket_gains_nothing_before_the_pause_ends() -> None:
    bucket = Bucket(10.0, 10.0, 0.0)
    bucket.drain(0.0, until=5.0)
    assert bucket.take(2.0) == pytest.approx(3.1)
    assert bucket.take(5.1) == 0.0
    assert bucket.take(5.1) > 0


@pytest.mark.parametrize(("asked", "length"), [(7.0, 7.0), (0.0, 0.5), (86400.0, 300.0)])
def test_a_pause_is_as_long_as_the_server_asks_within_reason(asked: float, length: float) -> None:
    pauses = Pauses(random.Random(1), 0.0)
    assert pauses.refused(10.0, asked)
    assert pauses.until == 10.0 + length


def test_pauses_double_while_nothing_succeeds_and_begin_anew_then() -> None:
    pauses = Pauses(random.Random(1), 0.0)
    now, lengths = 10.0, []
    for _ in range(12):
        assert pauses.refused(now, None)
        assert not pauses.refused(now + 0.01, None), "the same pause"
        lengths.append(pauses.until - now)
        now = pauses.until
    assert all(0.7 * 2**step <= length <= 1.3 * 2**step for step, length in enumerate(lengths[:8]))
    assert max(lengths) <= 300.0
    pauses.succeeded(now)
    pauses.refused(now, None)
    assert pauses.until - now < 2


def crawl_limited(
    bucket: ServerBucket,
    requests: int,
    *,
    told: bool = False,
    rate_limit: float | None = None,
    retry_after: float | None = 1.0,
) -> tuple[Result, Pacer]:
    pacers: list[Pacer] = []

    def make(clock: LoopClock) -> tuple[Server, Pacer]:
        rng = random.Random(1)
        pacer = Pacer(concurrency=None, rate_limit=rate_limit, max_outage=900.0, clock=clock, rng=rng)
        if told:
            pacer.set_server_rate(bucket.capacity, bucket.fill_rate)
        pacers.append(pacer)
        return Server(clock, random.Random(1), 40, bucket=bucket, retry_after=retry_after), pacer

    return run_virtual(crawl_async(make, requests, always(USUAL))), pacers[0]


@pytest.mark.parametrize("whole_seconds", [False, True])
def test_a_bucket_that_we_are_told_about_is_never_overdrawn(whole_seconds: bool) -> None:
    result, pacer = crawl_limited(ServerBucket(60, 5, whole_seconds=whole_seconds), 1500, told=True)
    assert result.throttled == 0
    assert result.seconds <= 1.02 * (1500 - 60) / 5
    assert not pacer.rate.learned


@pytest.mark.parametrize("retry_after", [1.0, None])
def test_a_bucket_that_nobody_told_us_about_is_learned(retry_after: float | None) -> None:
    result, pacer = crawl_limited(ServerBucket(60, 5), 1500, retry_after=retry_after)
    assert result.throttled <= 0.01 * 1500
    assert result.seconds <= 1.05 * (1500 - 60) / 5
    assert pacer.rate.learned
    assert pacer.rate.rate == pytest.approx(5, rel=0.1)


def test_a_fast_bucket_is_learned_as_well() -> None:
    result, _ = crawl_limited(ServerBucket(200, 200), 6000)
    assert result.throttled <= 0.02 * 6000
    assert result.seconds <= 1.15 * (6000 - 200) / 200


def test_a_bucket_that_others_draw_from_is_given_way_to() -> None:
    result, pacer = crawl_limited(ServerBucket(60, 5, other=2), 1000, told=True)
    assert result.throttled <= 0.02 * 1000
    assert result.seconds <= 1.05 * (1000 - 60) / 3
    assert pacer.rate.rate == pytest.approx(3, rel=0.15)


def test_the_users_ceiling_holds_whatever_the_server_allows() -> None:
    result, pacer = crawl_limited(ServerBucket(600, 50), 300, told=True, rate_limit=10.0)
    assert result.seconds >= (300 - 10) / 10 - 1
    assert result.seconds <= 1.05 * 300 / 10
    assert pacer.rate.rate == 10.0


def test_after_a_pause_requests_leave_one_by_one() -> None:
    clock = EventClock()
    pacer = Pacer(concurrency=50, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    for _ in range(20):
        assert pacer.try_enter()
    clock.call_later(1.0, lambda: None)
    clock.run()
    for _ in range(20):
        pacer.failed("x", FaultReason.THROTTLED, 5.0)
    assert pacer.pause_left == 5.0
    assert not pacer.try_enter()
    clock.call_later(5.05, lambda: None)
    clock.run()
    assert not pacer.try_enter(), "the pause is over, but it has earned no token"
    clock.call_later(0.1, lambda: None)
    clock.run()
    assert pacer.try_enter()
    assert not pacer.try_enter()


def test_a_503_that_names_a_time_pauses_too() -> None:
    clock = EventClock()
    pacer = Pacer(concurrency=5, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    assert pacer.try_enter()
    pacer.failed("x", FaultReason.UNAVAILABLE, 30.0)
    assert pacer.pause_left == 30.0
    assert pacer.throttled == 0
    assert pacer.rate.rate is None


def test_rate_headers_are_heeded() -> None:
    clock = EventClock()
    pacer = Pacer(concurrency=99, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    pacer.note_rate_headers(limit=60, remaining=3, fill_rate=10, interval=2)
    assert pacer.rate.rate == 5.0
    assert [pacer.try_enter() for _ in range(4)] == [True, True, True, False]
    pacer.note_rate_headers(remaining=math.inf)
    assert not pacer.try_enter()


@pytest.mark.parametrize(("limit", "fill_rate", "interval"), [(60, 1e-9, 1), (60, 1, 1e8), (0.001, 5, 1)])
def test_a_rate_header_that_would_stop_the_run_for_ever_is_not_believed(
    limit: float, fill_rate: float, interval: float
) -> None:
    pacer = Pacer(concurrency=99, rate_limit=None, max_outage=900.0, clock=EventClock(), rng=random.Random(1))
    pacer.note_rate_headers(limit=limit, remaining=0, fill_rate=fill_rate, interval=interval)
    assert pacer.rate.rate is None
    assert all(pacer.try_enter() for _ in range(99))


def test_one_refusal_alone_leaves_no_token_for_the_end_of_the_pause() -> None:
    rate = Rate(None, 0.0)
    rate.refused(10.0, sent=20, until=15.0)
    assert rate.bucket is not None
    assert rate.bucket.take(15.0) > 0


@pytest.mark.parametrize("told", [False, True])
def test_a_learned_rate_grows_back_slowly_and_never_above_the_ceiling(told: bool) -> None:
    rate = Rate(None if told else 10.0, 0.0)
    if told:
        rate.server(60, 10.0, 0.0, 0)
    before = 0.0
    rate.refused(2.0, sent=8, until=3.0)
    assert rate.rate is not None
    assert 2.9 <= rate.rate < 10.0
    for step in range(6000):
        rate.sending(3.0 + step / 10, sent=8 + step)
        assert before <= rate.rate <= 10.0
        before = rate.rate
    assert rate.rate == 10.0


def test_a_429_before_anything_can_be_told_is_only_a_pause() -> None:
    """Another client of the same user has drained the bucket: that says nothing of what the server bears."""
    clock = EventClock()
    pacer = Pacer(concurrency=50, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    for _ in range(2):
        assert pacer.try_enter()
        pacer.failed("x", FaultReason.THROTTLED, 1.0)
        clock.call_later(1.1, lambda: None)
        clock.run()
    assert pacer.rate.rate is None
    assert all(pacer.try_enter() for _ in range(50))


def test_a_rate_too_slow_for_a_pause_is_told_over_several() -> None:
    """One answer between two refusals is no measure; six of them, over the time they took, are."""
    clock = EventClock()
    pacer = Pacer(concurrency=50, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    for _ in range(8):
        for kind in ("answered", "refused"):
            assert pacer.try_enter(), kind
        pacer.succeeded("x", 0.01)
        pacer.failed("x", FaultReason.THROTTLED, 1.0)
        clock.call_later(2.0, lambda: None)
        clock.run()
        if pacer.rate.rate is not None:
            break
    assert pacer.rate.rate is not None
    assert 0.3 < pacer.rate.rate < 0.7, "one answer every two seconds"
