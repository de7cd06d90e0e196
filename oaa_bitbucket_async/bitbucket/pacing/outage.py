"""Handles an outage: the crawl stops, sends a probe at intervals, and gives up in the end."""

import asyncio
from collections.abc import Awaitable, Callable

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.errors import TemporaryError

CLOSES_AFTER = 8
PROBE_DELAYS = (1.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before each probe; the last one repeats."""
NO_OUTAGE_YET = 60.0
"""While too few requests have failed to close the gate, the crawl goes on for at least this many seconds without a
success, even if `--max-outage` is shorter."""


class Outage:
    """Counts failures in a row. It is `closed` from the eighth on (`closes_after`) until something succeeds.

    `max_outage` is the most seconds without a success. The time runs from the first failure after a success, so a
    crawl that had nothing to ask for an hour does not give up at its first failure. The crawl sends at least one probe
    before it gives up.
    """

    __slots__ = (
        "_changed", "_clock", "_max_outage", "_on_change", "_since", "_streak",
        "closed", "closes_after", "count", "failed_probes", "seconds",
    )  # fmt: skip

    def __init__(self, clock: Clock, max_outage: float, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._max_outage = max_outage
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._streak = 0
        self._since: float | None = None
        self.closed = False
        self.closes_after = CLOSES_AFTER
        """How many failures in a row are not chance."""
        self.failed_probes = 0
        """Failed probes of the current or the last outage."""
        self.count = 0
        """The number of outages."""
        self.seconds = 0.0
        """The length of all outages that ended."""

    def failed(self, *, counts: bool = True) -> None:
        """An attempt failed. With `counts` False (a 429: the server is up) only the time runs."""
        if self._since is None:
            self._since = self._clock.now()
            self._changed.set()
        if counts:
            self._streak += 1
            if self._streak >= self.closes_after and not self.closed:
                self.closed = True
                self.failed_probes = 0
                self.count += 1
                self._changed.set()
                self._on_change()

    def succeeded(self) -> None:
        """Something succeeded, so the outage is over."""
        if self._since is None:
            return
        if self.closed:
            self.seconds += self._clock.now() - self._since
        self._streak = 0
        self._since = None
        if self.closed:
            self.closed = False
            self._on_change()

    async def watch(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Runs until cancelled. Raises TemporaryError when nothing has succeeded for `max_outage`.

        `probe` sends one request past the gate and tells whether it was answered; it has its own timeout.
        """
        while True:
            self._changed.clear()
            if self.closed:
                await self._probe(probe)
                continue
            timer = None
            if self._since is not None:
                left = self._left(max(self._max_outage, NO_OUTAGE_YET))
                timer = self._clock.call_later(left, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def _probe(self, probe: Callable[[], Awaitable[bool]]) -> None:
        probes = 0
        while self.closed:
            wait = PROBE_DELAYS[min(probes, len(PROBE_DELAYS) - 1)]
            await self._clock.sleep(min(wait, self._left(self._max_outage)) if probes else wait)
            probes += 1
            if not self.closed:
                return
            if await probe():
                self.succeeded()
            else:
                self.failed_probes += 1

    def _left(self, patience: float) -> float:
        """Seconds left until `patience` seconds without a success are over. Raises TemporaryError at 0."""
        if self._since is None:
            return patience
        gone = self._clock.now() - self._since
        left = patience - gone
        if left <= 1e-6:
            raise TemporaryError(
                f"Bitbucket has answered no request for {gone:.0f} seconds.",
                "Check that the server is up and reachable from here, then run again. --max-outage sets how long a run "
                "waits.",
            )
        return left
