"""The HTTP client asks the pacer before each attempt, and reports to it after each attempt."""

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.pacing.flaky import Flakiness, in_a_row
from oaa_bitbucket_async.bitbucket.pacing.gate import Gate, Stopped
from oaa_bitbucket_async.bitbucket.pacing.gradient import START, GradientLimit
from oaa_bitbucket_async.bitbucket.pacing.limit import SMALLEST, FixedLimit, Found, Limit
from oaa_bitbucket_async.bitbucket.pacing.outage import CLOSES_AFTER, Outage
from oaa_bitbucket_async.bitbucket.pacing.pause import Pauses, PauseTrouble
from oaa_bitbucket_async.bitbucket.pacing.rate import Rate
from oaa_bitbucket_async.bitbucket.pacing.trouble import UNANSWERED_AFTER, KindTrouble, RetryBudget

__all__ = ["LimitChange", "Pacer", "Stopped"]

_log = logging.getLogger(__name__)
_HISTORY = 500
_SLOWEST = 0.1
"""Requests a second. A header with a lower rate is not believed."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One change of the limit: when (in clock seconds), from what, to what, and why."""

    at: float
    old: int
    new: int
    reason: str


class Pacer:
    """Decides when a request may be sent. There is one per server, and every attempt passes it.

    Each attempt takes a place with `try_enter` or `enter` and gives it back with exactly one of `succeeded`, `failed`
    and `abandoned`. A retry that waits holds no place. A number in `concurrency` fixes the limit; with None, the pacer
    finds it, between 2 and `max_concurrency`. `rate_limit` is the most requests a second. `watch` raises TemporaryError
    after `max_outage` seconds without a success. `found` is what an earlier run found out; the pacer tries it first.
    """

    def __init__(
        self,
        *,
        concurrency: int | None,
        max_concurrency: int = 256,
        rate_limit: float | None,
        max_outage: float,
        clock: Clock,
        rng: random.Random,
        start: int = START,
        found: Found | None = None,
    ) -> None:
        now = clock.now()
        self._clock = clock
        self._now = clock.now
        self._limit: Limit
        if concurrency is None:
            self._limit = GradientLimit(
                start=start, largest=max_concurrency, now=now, on_change=self._changed, found=found
            )
        else:
            self._limit = FixedLimit(concurrency)
        self._gate = Gate(clock, self._limit.value)
        self.rate = Rate(rate_limit, now)
        if self.rate.bucket is not None:
            self._gate.set_bucket(self.rate.bucket)
        self._budget = RetryBudget()
        self._flaky = Flakiness()
        self._cut = False
        """Whether errors have cut the limit."""
        self.pauses = Pauses(rng, now)
        self.outage = Outage(clock, max_outage, self._outage_changed)
        self._kinds = KindTrouble()
        self._held: set[str] = set()
        self._pause_trouble = PauseTrouble()
        self.throttled = 0
        """The number of 429 answers."""
        self._when_stopped: list[Callable[[], None]] = []
        self.stopped = False
        self._noted: tuple[float, float, float] | None = None
        self.history: deque[LimitChange] = deque(maxlen=_HISTORY)
        """The last changes of the limit."""

    # Before an attempt

    def try_enter(self) -> bool:
        """Takes a place if one is free. Never waits."""
        return self._gate.try_enter()

    def enter(self, *, priority: bool = False) -> Coroutine[None, None, None]:
        """Waits for a place, first come, first served. `priority` goes first. Raises Stopped after `stop`."""
        return self._gate.enter(priority=priority)

    # After it: exactly one of these

    def succeeded(self, kind: str, latency: float) -> None:
        """Bitbucket answered (a 404 or 403 counts too), `latency` seconds after the request was admitted."""
        now = self._now()
        gate = self._gate
        self.rate.answered()
        self.rate.sending(now, gate.sent)
        self._kinds.answered(kind)
        if self._kinds.to_refund:
            self._refund()
        if self._pause_trouble.answered(kind):
            self._unlearn()
        self.outage.succeeded()
        self.pauses.succeeded(now)
        refilled = self._budget.succeeded()
        if refilled:
            self._limit.restart(now, "retry budget refilled")
            self._apply("retry budget refilled")
        if self._flaky.look is not None:
            self._flaky.look.answered(kind, latency)
            self._end_look(now)
        elif not (refilled or self._budget.spent):
            self._limit.answered(kind, latency, now, gate.blocked)
        gate.leave()

    def failed(self, kind: str, reason: FaultReason, retry_after: float | None, path: str = "") -> None:
        """The attempt got no usable answer and can be retried. `retry_after`: the server's wait, in seconds.

        A failure that is `apart` slows down no other request: no pause, no smaller limit, no outage.
        """
        now = self._now()
        throttled = reason is FaultReason.THROTTLED
        if throttled:
            self.throttled += 1
        else:
            self.rate.answered()
        if not self.apart(kind, path):
            if throttled or retry_after is not None:
                self._pause(now, kind, path, retry_after, throttled=throttled)
            if not throttled:
                self._count(now, heavy=reason is FaultReason.TIMEOUT or retry_after is not None)
                if self._kinds.failed(kind):
                    self._refund()
                    if not self.outage.closed:
                        self.outage.succeeded()  # it was this kind alone
            if not self._kinds.unanswered(kind):
                self.outage.failed(counts=not throttled)
        elif self._pause_trouble.kind_alone(kind):
            self._kinds.failed(kind)
        self._gate.leave()

    def abandoned(self) -> None:
        """The attempt was cancelled. That says nothing about the server."""
        self._gate.leave()

    # What the server says about itself

    def set_server_rate(self, capacity: float, fill_rate: float) -> None:
        """Keeps to the server's token bucket for this user from now on. `fill_rate` is in requests a second."""
        self.rate.server(capacity, fill_rate, self._now(), self._gate.sent)
        self._gate.set_bucket(self.rate.bucket)
        _log.debug("the server's rate limit: %g requests, refilled with %g a second", capacity, fill_rate)

    def note_rate_headers(
        self,
        *,
        limit: float | None = None,
        remaining: float | None = None,
        fill_rate: float | None = None,
        interval: float | None = None,
    ) -> None:
        """Reads X-RateLimit-Limit, -Remaining, -FillRate and -Interval-Seconds, as far as an answer has them.

        `limit` is the bucket's capacity, `fill_rate` the tokens it gains in `interval` seconds. A bucket that is too
        slow for any run to finish is not believed. If it is real, 429 answers will show it.
        """
        if limit and fill_rate and interval and self._noted != (limit, fill_rate, interval):
            self._noted = (limit, fill_rate, interval)
            if limit >= 1.0 and fill_rate / interval >= _SLOWEST:
                self.set_server_rate(limit, fill_rate / interval)
        if remaining is not None:
            self.rate.remaining(remaining, self._now())

    # What is not answered while the server lives

    def unanswered(self, kind: str) -> bool:
        """Whether the server answers other kinds but not this one any more, so an immediate retry is pointless."""
        return self._kinds.unanswered(kind)

    def apart(self, kind: str, path: str) -> bool:
        """Whether only this kind or path fails. Then it waits alone, and other requests go on."""
        return self._kinds.unanswered(kind) or self._pause_trouble.alone(kind, path)

    def hold(self, kind: str) -> None:
        """Sets this kind aside: requests of this kind that wait are not sent (`held`)."""
        self._held.add(kind)

    def release(self, kind: str) -> None:
        """Ends `hold`."""
        self._held.discard(kind)

    def held(self, kind: str) -> bool:
        """Whether this kind is set aside at present."""
        return kind in self._held

    def in_doubt(self, kind: str, path: str) -> bool:
        """Whether this kind or path may be the only cause of the pauses. Asking something else shows it."""
        return self._pause_trouble.in_doubt(kind, path)

    # For the run

    async def watch(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Runs until cancelled; see `Outage.watch`."""
        await self.outage.watch(probe)

    def stop(self) -> None:
        """Sends no new requests. Every request that waits or asks for a place gets Stopped."""
        self.stopped = True
        self._gate.stop()
        for callback in self._when_stopped:
            callback()

    def when_stopped(self, callback: Callable[[], None]) -> None:
        """Registers a callback for `stop`, for code that waits for something other than a place."""
        self._when_stopped.append(callback)

    # For the next run

    def found(self) -> Found | None:
        """What this run found out about the server; None if nothing."""
        return self._limit.found()

    # For progress and summary

    @property
    def flaky(self) -> bool:
        """Whether many requests fail at any load while the others are answered quickly."""
        return self._flaky.share > 0.0

    @property
    def limit(self) -> int:
        """The limit of requests in flight."""
        return self._gate.limit

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return self._gate.in_flight

    @property
    def waiting(self) -> int:
        """Requests that wait to be admitted."""
        return self._gate.waiting

    @property
    def pause_left(self) -> float:
        """Seconds until the pause that the server asked for ends; 0.0 without one."""
        return max(0.0, self.pauses.until - self._now())

    @property
    def in_outage(self) -> bool:
        """True while nothing succeeds, a probe has failed too, and only probes are sent."""
        return self.outage.closed and self.outage.failed_probes > 0

    # Inside

    def _pause(self, now: float, kind: str, path: str, retry_after: float | None, *, throttled: bool) -> None:
        fresh = self.pauses.refused(now, retry_after)
        self._pause_trouble.refused(kind, path, fresh=fresh)
        self._gate.pause(self.pauses.until)
        if throttled:
            self._limit.refused(now)
            if fresh:
                self.rate.refused(now, self._gate.sent, self.pauses.until)
            elif self.rate.bucket is not None:
                self.rate.bucket.drain(0.0, self.pauses.until)
            self._gate.set_bucket(self.rate.bucket)
        if self._pause_trouble.alone(kind, path):
            self._unlearn()
        if fresh:
            _log.debug("pause of %.1f s, then %s requests a second", self.pauses.until - now, self.rate.rate)

    def _count(self, now: float, *, heavy: bool) -> None:
        """Counts one failure. `heavy`: this failure alone shows that the server is in trouble."""
        budget, flaky = self._budget, self._flaky
        emptied = budget.failed()
        if flaky.look is not None:
            flaky.look.failed(heavy=heavy)
            self._end_look(now)
            return
        if flaky.failed(self._gate.sent, restrained=budget.spent and not emptied):
            self._allow(0.0)
        if emptied:
            self._apply("retry budget empty")
        cut = not (budget.spent or flaky.share) and self._limit.failed(now)
        self._cut |= cut
        if flaky.begin(now, self._gate.in_flight - 1, short=budget.short or cut):
            self._apply("many failures")

    def _end_look(self, now: float) -> None:
        """Ends the look if it has seen enough. From then on, the share that fails at any load is accepted."""
        flaky = self._flaky
        if flaky.look is None or not flaky.look.over(now):
            return
        known = flaky.share
        flaky.end(now, self._limit.slower(flaky.look.samples))
        self._allow(flaky.share)
        if not flaky.share:
            if self._budget.short:
                self._budget.empty()
            self._apply("failures come of the load")
            return
        self._budget.fill()
        reason = "failures do not come of the load"
        if not known:
            self._limit.restart(now, reason)
        self._apply(reason)

    def _allow(self, share: float) -> None:
        """Accepts this share of failures: it costs no budget. An outage then takes more failures in a row."""
        self._budget.allow(share)
        self.outage.closes_after = in_a_row(share, CLOSES_AFTER)
        self._kinds.after = in_a_row(share, UNANSWERED_AFTER)

    def _refund(self) -> None:
        """Gives back the budget that a single kind's trouble has cost."""
        failures, self._kinds.to_refund = self._kinds.to_refund, 0
        if not failures:
            return
        reason = "it was one kind alone"
        if self._cut:
            self._cut = False
            self._limit.restart(self._now(), reason)
        if self._budget.refund(failures) | self._flaky.refund(failures):
            self._apply(reason)

    def _unlearn(self) -> None:
        """The server refused only one kind or path. That says nothing about its rate."""
        self.rate.unlearn()
        self._gate.set_bucket(self.rate.bucket)

    def _outage_changed(self) -> None:
        if self.outage.closed:
            _log.debug("nothing succeeds any more: no requests but a probe now and then")
            self._gate.close()
        else:
            _log.debug("the server answers again")
            if self.outage.failed_probes:
                self._kinds.forget()
            else:
                self._kinds.server_lives()
                self._refund()
            self._limit.restart(self._now(), "the server answers again")
            self._gate.reopen()

    def _changed(self, old: int, new: int, reason: str) -> None:
        """Applies a change of the limit, unless the budget is empty or a look is under way."""
        if not self._restrained:
            self._set(new, reason)

    def _apply(self, reason: str) -> None:
        """Applies the limit after the budget was emptied or refilled, or a look began or ended."""
        self._set(min(self._limit.value, SMALLEST) if self._restrained else self._limit.value, reason)

    @property
    def _restrained(self) -> bool:
        return self._budget.spent or self._flaky.look is not None

    def _set(self, new: int, reason: str) -> None:
        old = self._gate.limit
        if new != old:
            self.history.append(LimitChange(self._now(), old, new, reason))
            _log.debug("limit %d -> %d: %s", old, new, reason)
            self._gate.set_limit(new)
