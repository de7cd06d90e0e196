"""The gate that every request passes. It applies the limit of requests in flight, the pause and the rate."""

import asyncio
import math
from collections import deque

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, Timer
from oaa_bitbucket_async.bitbucket.pacing.rate import Bucket

_SOON = 1e-6
"""A pause with less than this many seconds left is over: timers fire a rounding error early."""
_TICK = 1e-3
"""The shortest timer, in seconds. Loops count milliseconds, so a shorter one would spin until the token is there."""


class Stopped(Exception):  # noqa: N818  # not an error: the run is ending on purpose
    """No more requests are sent. Those in flight can finish."""


class Gate:
    """Admits a request if a place is free, no pause is on, and the bucket has a token. Not thread-safe.

    `try_enter` and `enter` take a place, `leave` gives it back. Requests wait as futures in two queues, and those with
    `priority` go first. There is at most one timer, however many requests wait.
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
        """How often the limit alone held up a request: once when it finds no place, and once more at each later try to
        admit it. It measures how busy the gate is and is not a number of requests: the limit compares it with the
        answers of a window."""
        self.paused_until = -math.inf
        self.bucket: Bucket | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait to be admitted."""
        return len(self._priority) + len(self._waiters)

    def try_enter(self) -> bool:
        """Takes a place if one is free and no other request waits."""
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
        """Waits in line for a place. Raises Stopped. A cancelled caller gives its place back."""
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
        """Gives a place back."""
        self.in_flight -= 1
        if self._waiters or self._priority:
            self._release()

    def set_limit(self, limit: int) -> None:
        """Applies from now on. Requests in flight beyond a smaller limit finish normally."""
        self.limit = limit
        self._release()

    def set_bucket(self, bucket: Bucket | None) -> None:
        """Replaces the bucket, or notices that its rate has changed."""
        self.bucket = bucket
        self._changed()

    def pause(self, until: float) -> None:
        """Admits no request before `until` (clock seconds). Never shortens a pause."""
        self.paused_until = max(self.paused_until, until)
        self._changed()

    def close(self) -> None:
        """Admits no request until `reopen`."""
        self._closed = True
        self._changed()

    def reopen(self) -> None:
        """Ends `close`."""
        self._closed = False
        self._changed()

    def stop(self) -> None:
        """Admits no more requests: those that wait, or come later, get Stopped."""
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
        """Takes a token and returns 0 if pause and rate allow a request now; else returns the seconds to wait."""
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
            if waiters[0].done():  # cancelled, but its task has not removed it yet
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
