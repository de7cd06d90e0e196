"""Requests end after so many seconds, with one timer for all of them.

A timer for each would be set and taken back for each, and cost a request three per cent of its processor time. All
have the same number of seconds, so the one that began first is due first, and the timer waits for that one alone.
"""

import asyncio

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, Timer

_SOON = 1e-3
"""Seconds before its time at which a request is due: timers fire a rounding error early."""

_Task = asyncio.Task[object]


class Deadlines:
    """Cancels the task of a request that is due, as `asyncio.timeout` does.

    A task calls `begin`, then `is_late` when it is cancelled, and always `end`. It has one request at a time.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._due: dict[_Task, tuple[float, int]] = {}
        """When each is due, and how often its task had been cancelled when it began."""
        self._late: dict[_Task, int] = {}
        """Tasks that were cancelled here, with the latter."""
        self._timer: Timer | None = None

    def begin(self) -> _Task:
        """A request begins in the task that is running. Gives the task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("requests are made by tasks")
        self._due[task] = self._clock.now() + self._seconds, task.cancelling()
        if self._timer is None:
            self._timer = self._clock.call_later(self._seconds, self._look)
        return task

    def is_late(self, task: _Task) -> bool:
        """Whether it was cancelled because it is late, and not by someone else."""
        before = self._late.get(task)
        return before is not None and task.cancelling() <= before + 1

    def end(self, task: _Task) -> None:
        """The request has ended, however."""
        self._due.pop(task, None)
        if self._late and self._late.pop(task, None) is not None:
            task.uncancel()

    def close(self) -> None:
        """No request begins any more."""
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
