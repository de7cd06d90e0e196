"""Ctrl-C and SIGTERM: the first asks politely, the second does not."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from oaa_bitbucket_async.events import Event, event

GRACE = 10.0
"""Seconds that requests in flight get to end after the first signal."""

_log = logging.getLogger(__name__)


class Interruption:
    """Whether, and by which signal, the run was told to stop."""

    def __init__(self, task: "asyncio.Task[int]") -> None:
        self.signal: int | None = None
        self._task = task
        self._stop: Callable[[], None] | None = None

    @contextmanager
    def gently(self, stop: Callable[[], None]) -> Iterator[None]:
        """While the block runs, a first signal calls `stop` and gives what is in flight 10 s to end.

        Outside of such a block a first signal cancels the run at once: there is nothing to keep.
        """
        self._stop = stop
        if self.signal is not None:
            stop()
        try:
            yield
        finally:
            self._stop = None

    def arrived(self, number: int) -> None:
        """A signal came in; called on the loop."""
        if self.signal is not None:
            _log.warning("second signal: the run ends at once", extra=event(Event.STOPPED))
            self._flush_and_exit(number)
        self.signal = number
        if self._stop is None:
            self._task.cancel()
            return
        _log.warning(
            "stopping: no new requests; those in flight get %.0f s (a second signal ends the run at once)",
            GRACE,
            extra=event(Event.STOPPING),
        )
        self._stop()
        asyncio.get_running_loop().call_later(GRACE, self._task.cancel)

    @staticmethod
    def _flush_and_exit(number: int) -> None:
        """Not sys.exit: a thread that is uploading would be waited for. The journal survives this by design."""
        logging.shutdown()
        os._exit(128 + number)


@contextmanager
def listen() -> Iterator[Interruption]:
    """SIGINT and SIGTERM come to the current task's Interruption while the block runs.

    Where the loop can't take signals (Windows), Python's own handlers pass them on to it.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("signals are listened for within a task")
    loop = asyncio.get_running_loop()
    interruption = Interruption(task)
    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in numbers:
            loop.add_signal_handler(number, interruption.arrived, number)
    except (NotImplementedError, RuntimeError, ValueError):
        with _plain_handlers(loop, interruption, numbers):
            yield interruption
        return
    try:
        yield interruption
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def _plain_handlers(
    loop: asyncio.AbstractEventLoop, interruption: Interruption, numbers: tuple[signal.Signals, ...]
) -> Iterator[None]:
    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interruption.arrived, number)

    try:
        before = {number: signal.signal(number, handle) for number in numbers}
    except ValueError:  # not in the main thread: whoever started us takes care of signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
