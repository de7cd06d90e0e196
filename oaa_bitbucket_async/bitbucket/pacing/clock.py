"""Time as an argument, so that an hour of pacing can be tested in milliseconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What `call_later` hands out."""

    def cancel(self) -> None:
        """Cancels the callback. Has no effect if it was called already."""


class Clock(Protocol):
    """Monotonic seconds, and two ways to wait for some of them to pass."""

    def now(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    def epoch(self) -> float:
        """Seconds since 1970, for what outlives a run; may be set forwards and back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` after `delay` seconds, unless the timer is cancelled before."""
        ...


class LoopClock:
    """The running event loop's timers. Made inside a coroutine, and of use in that loop only.

    `now` None: the loop's own time. A loop may keep that in whole milliseconds (uvloop does), in which quick answers
    take no time at all; whoever measures latencies gives a finer one that runs at the same speed. `epoch`: the date.
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
