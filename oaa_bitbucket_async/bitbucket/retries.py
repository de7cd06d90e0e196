"""Decides whether and when a failed request is sent again."""

import random
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.settings import Pace

MAX_THROTTLED = 100
"""A 429 is not the fault of the request, so it uses up none of its attempts. This bounds them all the same."""
RETRY_AFTER_MAX = 300.0


class RetryPlan:
    """Follows the failed attempts of one request. After each call of `failed`, `over` and `wait` say what to do next.

    While Bitbucket answers no request of a kind, a request of that kind gets one attempt: the crawl asks it again
    later. A `stubborn` request always gets all its attempts.
    """

    def __init__(
        self, pace: Pace, rng: random.Random, pacer: Pacer, kind: str, path: str, *, stubborn: bool = False
    ) -> None:
        self._pace = pace
        self._rng = rng
        self._pacer = pacer
        self._kind = kind
        self._path = path
        self._stubborn = stubborn
        self._faults = 0
        self._throttled = 0
        self.reason = FaultReason.CONNECT
        """The reason of the last failure."""
        self.over = False
        """Whether the last attempt was the final one."""
        self.wait = 0.0
        """Seconds until the next one."""

    def failed(self, fault: Fault) -> None:
        """An attempt ended in `fault`.

        The wait is random between 0 and a step, and at least what the server asked for (300 s at most). The step
        doubles with each fault. It stays small on a flaky server, where a longer wait does not help.
        """
        self.reason = fault.reason
        if fault.reason is FaultReason.THROTTLED and not self._pacer.apart(self._kind, self._path):
            self._throttled += 1
            self.wait = 0.0  # the gate makes all requests wait, this one included
        else:
            self._faults += 1
            doublings = 0 if self._pacer.flaky else min(self._faults - 1, 30)
            step = min(self._pace.retry_wait * 2.0**doublings, self._pace.retry_wait_max)
            self.wait = max(self._rng.uniform(0.0, step), min(fault.retry_after or 0.0, RETRY_AFTER_MAX))
        self.over = (
            self._faults >= self._pace.max_attempts
            or self._throttled >= MAX_THROTTLED
            or (not self._stubborn and self._pacer.unanswered(self._kind))
        )

    def retrying(self, sleep: Callable[[float], Awaitable[None]]) -> AsyncRetrying:
        """Calls an attempt again while it raises a Fault and this plan is not over; raises the last Fault."""
        return AsyncRetrying(
            retry=retry_if_exception_type(Fault),
            after=self._after,
            stop=lambda _: self.over,
            wait=lambda _: self.wait,
            sleep=sleep,
            reraise=True,
        )

    def _after(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, Fault):
            self.failed(error)
