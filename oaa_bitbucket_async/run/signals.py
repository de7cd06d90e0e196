"""Ctrl-C, SIGTERM and --max-duration. The first signal stops the run, the second ends it at once."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType

from oaa_bitbucket_async.errors import CollectorError, InterruptedRunError, TemporaryError
from oaa_bitbucket_async.events import Event, event

GRACE = 10.0
"""Seconds that requests in flight have to finish after the first signal."""

_log = logging.getLogger(__name__)


class Interruption:
    """Whether the run was told to stop: by which signal, or because it has lasted too long."""

    def __init__(self, task: "asyncio.Task[int]", max_duration: float | None = None) -> None:
        self.signal: int | None = None
        self.overdue = False
        self.advice = "Run again with the same settings."
        """What to do after an interrupted run. Callers that know more replace it."""
        self._max_duration = max_duration
        self._task = task
        self._stop: Callable[[], None] | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._ended = False

    @property
    def stopped(self) -> bool:
        """True once a signal or --max-duration has stopped the run."""
        return self.signal is not None or self.overdue

    def error(self, result: str, advice: str) -> CollectorError:
        """What to raise in a run that was stopped; `result` (`; nothing was uploaded`) ends its first sentence."""
        if self.signal is not None:
            return InterruptedRunError(self.signal, f"The run was interrupted{result}.", advice)
        return TemporaryError(
            f"The run was stopped{result}: it took longer than --max-duration (OAA_MAX_DURATION) allows, "
            f"{self._max_duration or 0:g} s.",
            advice,
        )

    @contextmanager
    def gently(self, stop: Callable[[], None]) -> Iterator[None]:
        """While the block runs, a first signal calls `stop` and gives what is in flight 10 s to end.

        Outside of such a block a first signal cancels the run at once: there is nothing to keep.
        """
        self._stop = stop
        if self.stopped:
            stop()
        try:
            yield
        finally:
            self._stop = None
            if self._grace is not None:
                self._grace.cancel()

    async def end(self, last: Coroutine[object, object, None]) -> None:
        """The run has its result, so a first signal no longer changes anything. `last` always runs to its end."""
        self._ended = True
        work = asyncio.ensure_future(last)
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:  # by a signal that came just before
                continue
        work.result()

    def arrived(self, number: int) -> None:
        """A signal came in; called on the loop."""
        if self.stopped:
            which = "second signal" if self.signal is not None else "a signal while the run is stopping"
            _log.warning("%s: the run ends at once", which, extra=event(Event.STOPPED))
            self._flush_and_exit(number)
        self.signal = number
        self._end_soon()

    def late(self) -> None:
        """The run has lasted as long as it may; called on the loop."""
        if not self.stopped and not self._ended:
            self.overdue = True
            self._end_soon()

    def _end_soon(self) -> None:
        if self._ended:
            return
        if self._stop is None:
            self._task.cancel()
            return
        _log.warning(
            "stopping%s: no new requests; those in flight get %.0f s (a %s signal ends the run at once)",
            " after --max-duration" if self.overdue else "",
            GRACE,
            "first" if self.overdue else "second",
            extra=event(Event.STOPPING),
        )
        self._stop()
        self._grace = asyncio.get_running_loop().call_later(GRACE, self._task.cancel)

    @staticmethod
    def _flush_and_exit(number: int) -> None:
        """Exits without sys.exit, which would wait for a thread that is uploading. The journal survives this."""
        logging.shutdown()
        os._exit(128 + number)


@contextmanager
def listen(max_duration: float | None = None) -> Iterator[Interruption]:
    """SIGINT and SIGTERM come to the current task's Interruption while the block runs.

    After `max_duration` seconds it is stopped as after a signal. Where the loop can't take signals (Windows),
    Python's own handlers pass them on to it.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("signals are listened for within a task")
    loop = asyncio.get_running_loop()
    interruption = Interruption(task, max_duration)
    timer = None if max_duration is None else loop.call_later(max_duration, interruption.late)
    try:
        with _signals(loop, interruption):
            yield interruption
    finally:
        if timer is not None:
            timer.cancel()


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, interruption: Interruption) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            loop.add_signal_handler(number, interruption.arrived, number)
    except (NotImplementedError, RuntimeError, ValueError):
        with _plain_handlers(loop, interruption, numbers):
            yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


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
