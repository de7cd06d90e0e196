"""Time as an argument, so that an hour of pacing can be tested in milliseconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Cancels the callback. No effect if it ran already."""


class Clock(Protocol):
    """Monotonic time in seconds, and two ways to wait."""

    def now(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    def epoch(self) -> float:
        """Seconds since 1970, for times that outlive a run. It can jump forwards and back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` after `delay` seconds, unless the timer is cancelled before."""
        ...


class LoopClock:
    """Uses the timers of the running event loop. Create it inside a coroutine, and use it in that loop only.

    `now` None: the loop's own time. uvloop counts whole milliseconds, so quick answers would take no time: pass a finer
    clock of the same speed to measure latencies. `epoch`: seconds since 1970.
    """

    __slots__ = ("_loop", "epoch", "now")

    def __init__(self, now: Callable[[], float] | None = None, epoch: Callable[[], float] = time.time) -> None:
        self._loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = now or self._loop.time
        self.epoch = epoch

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(seconds)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        return self._loop.call_later(delay, callback)
