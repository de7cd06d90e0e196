"""The one gate that every request passes: a limit of requests in flight, a pause, a rate; two queues, each in order."""

import asyncio
import math
from collections import deque

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, Timer
from oaa_bitbucket_async.bitbucket.pacing.rate import Bucket

_SOON = 1e-6
"""Seconds of a pause that are none: timers fire a rounding error early."""
_TICK = 1e-3
"""The shortest timer. Loops count milliseconds, and a shorter one would only spin until the token is whole."""


class Stopped(Exception):  # noqa: N818  # not an error: the run is ending on purpose
    """No more requests are sent. Those in flight can finish."""


class Gate:
    """Admits while there is a place, no pause, and a token in the bucket. Not for use from several threads.

    A place is taken by `try_enter` or `enter` and given back by `leave`. Those who wait are futures in two queues:
    who has `priority` goes before everybody who has not. However many they are, one timer at most is set.
    """

    __slots__ = (
        "_clock",
        "_closed",
        "_plain",
        "_priority",
        "_stopped",
        "_timer",
        "_waiters",
        "blocked",
        "bucket",
        "in_flight",
        "limit",
        "paused_until",
        "sent",
    )  # fmt: skip

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._priority: deque[asyncio.Future[None]] = deque()
        self._timer: Timer | None = None
        self._closed = False
        self._stopped = False
        self._plain = True
        self.limit = limit
        self.in_flight = 0
        self.sent = 0
        self.blocked = 0
        """How often the limit, and nothing else, held somebody up: once for each who comes and finds no place, and once
        more each time that a place could be given away and there is none. A measure of how busy the gate is, no number
        of requests: the limit compares it with the answers of a window."""
        self.paused_until = -math.inf
        self.bucket: Bucket | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait to be admitted."""
        return len(self._priority) + len(self._waiters)

    def try_enter(self) -> bool:
        """Take a place if there is one right now and nobody waits for it."""
        if self._waiters or self._priority:
            return False
        if self.in_flight >= self.limit:
            self.blocked += 1
            return False
        if not self._plain and self._take() > 0.0:
            return False
        self.in_flight += 1
        self.sent += 1
        return True

    async def enter(self, *, priority: bool = False) -> None:
        """Wait for a place in the order of asking; raises Stopped. A caller that is cancelled leaves no trace."""
        if self._stopped:
            raise Stopped
        place = asyncio.get_running_loop().create_future()
        queue = self._priority if priority else self._waiters
        queue.append(place)
        self._release()
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                if place in queue:
                    queue.remove(place)
            elif place.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back."""
        self.in_flight -= 1
        if self._waiters or self._priority:
            self._release()

    def set_limit(self, limit: int) -> None:
        """Applies from now on. Requests in flight beyond a smaller limit finish normally."""
        self.limit = limit
        self._release()

    def set_bucket(self, bucket: Bucket | None) -> None:
        """Exchange the bucket, or tell that its rate has changed."""
        self.bucket = bucket
        self._changed()

    def pause(self, until: float) -> None:
        """Admit nobody before `until` (clock seconds); a pause is never made shorter."""
        self.paused_until = max(self.paused_until, until)
        self._changed()

    def close(self) -> None:
        """Admit nobody until `reopen`."""
        self._closed = True
        self._changed()

    def reopen(self) -> None:
        """End of `close`."""
        self._closed = False
        self._changed()

    def stop(self) -> None:
        """Admit nobody any more: who waits, or comes to wait, gets Stopped."""
        self._stopped = True
        self._plain = False
        while waiters := self._priority or self._waiters:
            place = waiters.popleft()
            if not place.done():
                place.set_exception(Stopped())
        self._changed()

    def _changed(self) -> None:
        self._plain = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._release()

    def _take(self) -> float:
        """0 if a request may leave now as far as pause and rate go (a token is gone then), else seconds to wait."""
        if self._closed or self._stopped:
            return math.inf
        now = self._clock.now()
        pause = self.paused_until - now
        if pause > _SOON:
            return pause
        if self.bucket is not None:
            return self.bucket.take(now)
        self._plain = True
        return 0.0

    def _release(self) -> None:
        while waiters := self._priority or self._waiters:
            if waiters[0].done():  # cancelled, and not yet awake to take itself out
                waiters.popleft()
                continue
            if self.in_flight >= self.limit:
                self.blocked += 1
                return
            if not self._plain and (wait := self._take()) > 0.0:
                if self._timer is None and wait < math.inf:
                    self._timer = self._clock.call_later(max(wait, _TICK), self._tick)
                return
            self.in_flight += 1
            self.sent += 1
            waiters.popleft().set_result(None)

    def _tick(self) -> None:
        self._timer = None
        self._release()
