"""How long a request that failed waits, and when it is given up."""

import random

import pytest

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.retries import RetryPlan
from oaa_bitbucket_async.settings import Pace
from tests.pacing.failing import fail_a_third
from tests.pacing.simulation import EventClock

RESET = Fault("/x", "reset", reason=FaultReason.DROPPED)
PACE = Pace(max_attempts=6, retry_wait=0.5, retry_wait_max=30.0)


@pytest.mark.parametrize(("latency", "longest"), [(0.05, 0.5), (1.2, 8.0)])
def test_waits_grow_for_a_server_in_trouble_and_not_for_a_flaky_one(latency: float, longest: float) -> None:
    clock = EventClock()
    pacer = Pacer(concurrency=20, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(1))
    fail_a_third(pacer, clock, latency=latency)
    waits = []
    for seed in range(50):
        plan = RetryPlan(PACE, random.Random(seed), pacer, "x", "/x")
        for _ in range(5):
            assert not plan.over
            plan.failed(RESET)
        waits.append(plan.wait)
        plan.failed(RESET)
        assert plan.over
    assert 0.7 * longest <= max(waits) <= longest
