"""A loop on which time costs nothing: when no callback is ready, the clock jumps to the next timer.

`asyncio.sleep`, `asyncio.timeout` and `loop.call_later` all follow it, so an hour of waiting is tested in milliseconds
and with the same outcome every time. Not for sockets: while one is waited for, the clock jumps on.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 5.0
"""Real seconds that a loop without any timer waits for a thread before it is called a deadlock."""


class _JumpingSelector(selectors.SelectSelector):
    """Moves the loop's time on instead of waiting."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            ready = super().select(_PATIENCE)
            if not ready:
                raise RuntimeError(f"deadlock at {self.loop.time():.3f} s: everyone waits, and no timer is set")
            return ready
        ready = super().select(0)
        if not ready and timeout > 0:
            self.loop.jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 1000 s and moves only by jumps."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncio's own
        """Waits for threads in real time: newer loops would give them some seconds, which pass here at once."""
        await super().shutdown_default_executor()

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._now += seconds


def run_virtual(coroutine: Coroutine[Any, Any, T], *, debug: bool = False) -> T:
    """Like `asyncio.run`, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop, debug=debug) as runner:
        return runner.run(coroutine)
