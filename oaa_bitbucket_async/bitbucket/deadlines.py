"""Ends requests after a timeout, with one timer for all of them.

One timer per request would take three per cent of a request's processor time. All requests have the same timeout, so
the one that began first is due first, and the timer waits only for that one.
"""

import asyncio

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, Timer

_SOON = 1e-3
"""Seconds. A request counts as due this much early, because timers fire a rounding error early."""

_Task = asyncio.Task[object]


class Deadlines:
    """Cancels the task of a request that is due, as `asyncio.timeout` does.

    A task calls `begin`, then `is_late` when it is cancelled, and always `end`. It has one request at a time.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._due: dict[_Task, tuple[float, int]] = {}
        """When each request is due, and how often its task had been cancelled when the request began."""
        self._late: dict[_Task, int] = {}
        """Tasks that were cancelled here, with that count of cancellations."""
        self._timer: Timer | None = None

    def begin(self) -> _Task:
        """Begins a request in the current task. Returns the task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("requests are made by tasks")
        self._due[task] = self._clock.now() + self._seconds, task.cancelling()
        if self._timer is None:
            self._timer = self._clock.call_later(self._seconds, self._look)
        return task

    def is_late(self, task: _Task) -> bool:
        """Whether the task was cancelled only because its request is late."""
        before = self._late.get(task)
        return before is not None and task.cancelling() <= before + 1

    def end(self, task: _Task) -> None:
        """Ends the request, whatever its outcome."""
        self._due.pop(task, None)
        if self._late and self._late.pop(task, None) is not None:
            task.uncancel()

    def close(self) -> None:
        """Cancels the timer. No request may begin after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        soon = self._clock.now() + _SOON
        self._timer = None
        for task, (due, cancelled) in list(self._due.items()):
            if due > soon:
                self._timer = self._clock.call_later(due - soon + _SOON, self._look)
                break
            del self._due[task]
            self._late[task] = cancelled
            task.cancel()
