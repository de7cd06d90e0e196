"""The one object that the HTTP client asks before and tells after each attempt."""

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
"""Requests a second below which a rate in a header is taken for nonsense."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """The limit's way: at which clock second it went from where to where, and why."""

    at: float
    old: int
    new: int
    reason: str


class Pacer:
    """Decides when a request may leave. One for a server; every attempt passes it.

    Each attempt takes a place with `try_enter` or `enter` and gives it back with exactly one of `succeeded`, `failed`
    and `abandoned`. No place is held while a retry waits for its turn. `concurrency` None: the limit is found, between
    2 and `max_concurrency`; a number fixes it. `rate_limit` is requests a second, never exceeded. `max_outage` seconds
    without any success end `watch` with TemporaryError. `found` is what an earlier run found out: it is tried first.
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
        """429 answers."""
        self._when_stopped: list[Callable[[], None]] = []
        self.stopped = False
        self._noted: tuple[float, float, float] | None = None
        self.history: deque[LimitChange] = deque(maxlen=_HISTORY)
        """The last changes of the limit."""

    # Before an attempt

    def try_enter(self) -> bool:
        """Take a place if there is one now; never waits."""
        return self._gate.try_enter()

    def enter(self, *, priority: bool = False) -> Coroutine[None, None, None]:
        """Wait for a place, first come, first served, before all who have no `priority`; Stopped after `stop`."""
        return self._gate.enter(priority=priority)

    # After it: exactly one of these

    def succeeded(self, kind: str, latency: float) -> None:
        """A real answer (also: no such thing, not allowed), `latency` seconds after it was admitted."""
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
        """No answer: it can be retried. `retry_after` in seconds, where the server said so.

        What is `apart` slows nobody down but itself: no pause, no smaller limit, no outage.
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
        """The attempt was cancelled, which says nothing about the server."""
        self._gate.leave()

    # What the server says about itself

    def set_server_rate(self, capacity: float, fill_rate: float) -> None:
        """The server's token bucket for this user, `fill_rate` in requests a second: kept from now on."""
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
        """X-RateLimit-Limit, -Remaining, -FillRate and -Interval-Seconds of an answer, as far as it has them.

        `limit` is the bucket's capacity, `fill_rate` the tokens it gains in `interval` seconds. A bucket that would let
        no run come to an end is not believed; if it is real, its refusals tell.
        """
        if limit and fill_rate and interval and self._noted != (limit, fill_rate, interval):
            self._noted = (limit, fill_rate, interval)
            if limit >= 1.0 and fill_rate / interval >= _SLOWEST:
                self.set_server_rate(limit, fill_rate / interval)
        if remaining is not None:
            self.rate.remaining(remaining, self._now())

    # What is not answered while the server lives

    def unanswered(self, kind: str) -> bool:
        """Whether nothing of this kind is answered any more, while others are: trying again at once is idle."""
        return self._kinds.unanswered(kind)

    def apart(self, kind: str, path: str) -> bool:
        """Whether a failure is this kind's or path's own: nobody else waits for it, and it waits for itself."""
        return self._kinds.unanswered(kind) or self._pause_trouble.alone(kind, path)

    def hold(self, kind: str) -> None:
        """Who waits to ask a question of this kind shall not ask it (`held`)."""
        self._held.add(kind)

    def release(self, kind: str) -> None:
        """End of `hold`."""
        self._held.discard(kind)

    def held(self, kind: str) -> bool:
        """Whether questions of this kind are not to be asked at present."""
        return kind in self._held

    def in_doubt(self, kind: str, path: str) -> bool:
        """Whether an answer to something else would tell if the server's pauses are this kind's or path's own."""
        return self._pause_trouble.in_doubt(kind, path)

    # For the run

    async def watch(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Runs until cancelled; see `Outage.watch`."""
        await self.outage.watch(probe)

    def stop(self) -> None:
        """No new requests: who waits for a place, or asks for one, gets Stopped."""
        self.stopped = True
        self._gate.stop()
        for callback in self._when_stopped:
            callback()

    def when_stopped(self, callback: Callable[[], None]) -> None:
        """Called by `stop`: for who waits for something else than a place."""
        self._when_stopped.append(callback)

    # For the next run

    def found(self) -> Found | None:
        """What was found out about the server; None if nothing was."""
        return self._limit.found()

    # For progress and summary

    @property
    def flaky(self) -> bool:
        """Whether many requests fail whatever the load, and the others are answered quickly."""
        return self._flaky.share > 0.0

    @property
    def limit(self) -> int:
        """Requests that may be in flight."""
        return self._gate.limit

    @property
    def in_flight(self) -> int:
        """Requests that are in flight."""
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
        """True while nothing succeeds, a probe least of all, and only another one is sent now and then."""
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
        """One more failure; `heavy` if it is by itself a sign that the server is in trouble."""
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
        """If the look has seen enough: what fails whatever the load is allowed for from now on."""
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
        """What fails whatever the load costs no budget, and is no outage until it is more in a row than by chance."""
        self._budget.allow(share)
        self.outage.closes_after = in_a_row(share, CLOSES_AFTER)
        self._kinds.after = in_a_row(share, UNANSWERED_AFTER)

    def _refund(self) -> None:
        """What was one kind's own trouble costs the others nothing."""
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
        """One kind or path alone was refused: that says nothing about the server's rate."""
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
        """The limit has moved itself; while the budget is empty, or a look is on, that has to wait."""
        if not self._restrained:
            self._set(new, reason)

    def _apply(self, reason: str) -> None:
        """The budget was emptied or refilled, or a look has begun or ended."""
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
