"""When a request that failed is sent again, and when no more."""

import random
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.settings import Pace

MAX_THROTTLED = 100
"""A 429 is no fault of the request, so it takes none of its attempts; but nothing goes on for ever."""
RETRY_AFTER_MAX = 300.0


class RetryPlan:
    """Follows the failed attempts of one request. After each call of `failed`, `over` and `wait` say what is next.

    A request of which nothing of its kind is answered gets one attempt: whoever asks many of a kind asks again later.
    With `stubborn` it gets all its attempts even so.
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
        """Of the last failure."""
        self.over = False
        """Whether that was the last attempt."""
        self.wait = 0.0
        """Seconds until the next one."""

    def failed(self, fault: Fault) -> None:
        """An attempt ended in `fault`.

        The wait is full jitter over a step, and never less than the server asked for (300 s at most). The step doubles
        with each fault, but stays small where requests fail whatever the load: waiting longer helps nobody.
        """
        self.reason = fault.reason
        if fault.reason is FaultReason.THROTTLED and not self._pacer.apart(self._kind, self._path):
            self._throttled += 1
            self.wait = 0.0  # the gate makes everyone wait, this request in its turn
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
