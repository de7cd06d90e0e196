"""The limit that follows the server: latency is kept in a band just above the server's own, unloaded latency.

By Little's law a server whose latency is 1.25 times its unloaded one holds a fifth of our requests in its queue: enough
that no slot idles, little enough that nobody else has to wait behind us.
"""

import math

from oaa_bitbucket_async.bitbucket.pacing.baseline import Baseline, Samples
from oaa_bitbucket_async.bitbucket.pacing.limit import SMALLEST, OnChange

LOW = 1.12
HIGH = 1.32
TARGET = 1.2
START = 8
PROBE_EVERY = 60.0
_FIRST_SAMPLES = 30
_SAMPLES = 100
_WINDOW = 0.5
_ERROR_SHARE = 0.1
_ERROR_CUT = 0.7
_REFUSED_EVERY = 2.0
_WAITED_SHARE = 0.25
"""The limit grows only if at least this share of answers came while somebody waited for a place."""


class BandLimit:
    """Slow start from 8, then a band of latency, with probes at half the limit to keep the baseline honest."""

    def __init__(self, *, start: int, largest: int, now: float, on_change: OnChange) -> None:
        self.value = min(start, largest)
        self._start = self.value
        self._largest = largest
        self._smallest = min(SMALLEST, largest)
        self._on_change = on_change
        self._baseline = Baseline()
        self._rising = True
        self._step = 1
        self._pending: Samples = {}
        self._before_probe: int | None = None
        self._ratio = 1.0
        self._cuts = 0
        self._probe_at = math.inf
        self._refused_at = -math.inf
        self._skip = 0
        self._blocked = 0
        self._open(now, 0)

    def answered(self, kind: str, latency: float, now: float, blocked: int) -> None:
        """See `Limit`."""
        if self._skip:
            self._skip -= 1
            if not self._skip:
                self._open(now, blocked)
            return
        samples = self._samples.get(kind)
        if samples is None:
            samples = self._samples[kind] = []
        samples.append(latency)
        self._count += 1
        if self._count >= self._needed and now >= self._until:
            self._close(now, blocked)

    def failed(self, now: float) -> None:
        """See `Limit`. A rare error changes nothing; a window with more than a tenth of them cuts once."""
        self._errors += 1
        if self._skip or self._errors < 5 or self._errors <= _ERROR_SHARE * (self._errors + self._needed):
            return
        self._move(self.value * _ERROR_CUT, now, "errors")
        self._open(now, self._blocked)

    def refused(self, now: float) -> None:
        """See `Limit`."""
        if now >= self._refused_at + _REFUSED_EVERY:
            self._refused_at = now
            self._move(self.value * _ERROR_CUT, now, "429")

    def restart(self, now: float) -> None:
        """See `Limit`."""
        self._move(min(self.value, self._start), now, "restart")
        self._rising = True
        self._open(now, self._blocked)

    def _open(self, now: float, blocked: int) -> None:
        """A new window; what it measures began under the limit of now."""
        self._samples: Samples = {}
        self._count = 0
        self._errors = 0
        self._blocked = blocked
        if self._rising:
            self._needed = max(_FIRST_SAMPLES, 2 * self.value)
            self._until = now
        else:
            self._needed = max(_SAMPLES, 2 * self.value)
            self._until = now + _WINDOW

    def _close(self, now: float, blocked: int) -> None:
        samples = self._samples
        waited = blocked - self._blocked >= _WAITED_SHARE * self._count
        ratio = self._baseline.ratio(samples)
        if self._before_probe is not None:
            self._end_probe(samples, ratio, now)
        else:
            if ratio is not None:
                self._ratio = ratio
            self._baseline.adopt(samples, self._ratio)
            if waited:
                self._steer(samples, self._ratio, now)
            elif ratio is not None and ratio > HIGH:
                self._cut(ratio, now)
        if not self._skip:
            self._open(now, blocked)

    def _steer(self, samples: Samples, ratio: float, now: float) -> None:
        if ratio > HIGH:
            self._cut(ratio, now)
        elif ratio < LOW:
            self._cuts = 0
            if self._rising:
                self._baseline.learn(self._pending)
                self._pending = samples
                self._move(self.value * 2, now, "slow start")
            else:
                self._move(self.value + max(1, 0.05 * self._step * self.value), now, "room")
                self._step = min(self._step * 2, 8)
        else:
            self._cuts = 0
            self._step = 1
            if self._rising:
                self._settle(now)
        if not self._rising and now >= self._probe_at:
            self._probe(now)

    def _cut(self, ratio: float, now: float) -> None:
        self._cuts += 1
        self._step = 1
        lowest = 0.0 if self._rising else 0.6
        self._move(self.value * max(lowest, TARGET / ratio), now, "queue")
        if self._rising:
            self._settle(now)
        if self._cuts >= 3:
            self._probe(now)

    def _settle(self, now: float) -> None:
        """End of slow start."""
        self._rising = False
        self._pending = {}
        self._probe_at = now + PROBE_EVERY

    def _probe(self, now: float) -> None:
        """One window at half the limit, where little queues."""
        self._before_probe = self.value
        self._probe_at = now + PROBE_EVERY
        self._cuts = 0
        self._move(max(1, self.value // 2), now, "probe")

    def _end_probe(self, samples: Samples, ratio: float | None, now: float) -> None:
        before = self._before_probe or self.value
        self._before_probe = None
        if ratio is not None and ratio > HIGH and self._ratio > 1.5 * ratio:
            before = int(self.value * TARGET)  # still a queue: halving the limit nearly halved the latency
        else:
            self._baseline.learn(samples)
        self._move(before, now, "probed")

    def _move(self, wanted: float, now: float, reason: str) -> None:
        new = max(self._smallest, min(self._largest, round(wanted)))
        old, self.value = self.value, new
        if new != old:
            self._skip = old
            self._on_change(old, new, reason)
