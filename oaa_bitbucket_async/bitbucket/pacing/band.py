"""The limit that follows the server: latency is kept in a band just above the server's own, unloaded latency.

By Little's law a server whose latency is 1.1 times its unloaded one holds about a tenth of our requests in its queue:
enough that no slot idles, little enough that nobody else has to wait behind us.
"""

import math

from oaa_bitbucket_async.bitbucket.pacing.baseline import Baseline, Ratio, Samples
from oaa_bitbucket_async.bitbucket.pacing.limit import SMALLEST, OnChange

LOW = 1.05
"""Below this ratio of latency to its baseline there is room."""
HIGH = 1.17
"""Above it the server queues."""
TARGET = 1.10
"""What a correction aims at."""
_FULL = 1.5
"""The ratio that ends slow start at once: after a doubling a server that is full shows about 2."""
_OTHER = 1.3
"""A probe whose ratio is so far from 1 either way says that the baseline is wrong, not just inexact."""
_ROOM = 0.4
"""What was not full at half the limit is not cut below this share of it."""
_TRIAL = 1.25
"""After a probe below, a look above: the limit grows by this factor, and keeps it if the server gives more for it."""
_WORTH = 0.5
"""Latency that grows by less than this share of the limit's growth means more throughput: not our queue."""
_SURE = 150
"""Samples on which a baseline can be relied."""
START = 8
PROBE_SOON = 20.0
"""Seconds from the end of slow start to the first regular probe; then every `PROBE_EVERY`."""
PROBE_EVERY = 60.0
_PROBE_LASTS = 1.0
"""Seconds, unless it has too few samples by then."""
_FIRST_SAMPLES = 20
_SAMPLES = 200
"""A window in the band has at least so many, and lasts at least `_WINDOW` seconds."""
_WINDOW = 0.5
_SHORTEST = 1e-6
"""A latency is never taken for less: ratios are made of it."""
_FEW_BUT_FAIR = 100
"""The first to end after the limit grew are the quick ones: a short window says too little about the median."""
_ERROR_SHARE = 0.1
"""A window with more of them cuts the limit, once."""
_ERROR_CUT = 0.7
_REFUSED_EVERY = 2.0
"""Seconds in which 429 answers cut the limit once at most."""
_WAITED_SHARE = 0.25
"""The limit grows only if at least this share of answers came while somebody waited for a place."""


class BandLimit:
    """Slow start from 8, then a band of latency, with probes at half the limit to keep the baseline honest."""

    def __init__(self, *, start: int, largest: int, now: float, on_change: OnChange) -> None:
        self.value = min(start, largest)
        self._start = self.value
        self._largest = largest
        self._on_change = on_change
        self._baseline = Baseline()
        self._rising = True
        self._step = 1
        self._loaded: Samples = {}
        self._before_probe: int | None = None
        self._ratio = Ratio(1.0, 1.4)
        self._ratio_limit = self.value
        self._cuts = 0
        self._to_try = False
        self._tried_from: tuple[int, float] | None = None
        """Limit and ratio before the trial that is under way."""
        self._probe_at = math.inf
        self._refused_at = -math.inf
        self._skip = self.value // 2
        self._blocked = 0
        self._open(now, 0)

    def answered(self, kind: str, latency: float, now: float, blocked: int) -> None:
        """See `Limit`."""
        latency = max(latency, _SHORTEST)
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
        if (self._count >= self._needed and now >= self._until) or (
            now >= self._latest and self._count >= _FIRST_SAMPLES
        ):
            self._close(now, blocked)

    def failed(self, now: float) -> None:
        """See `Limit`. A rare error changes nothing; a window with more than a tenth of them cuts once."""
        self._errors += 1
        if self._skip or self._errors < 5 or self._errors <= _ERROR_SHARE * (self._errors + self._needed):
            return
        self._cut_for_trouble(now, "errors")
        self._open(now, self._blocked)

    def refused(self, now: float) -> None:
        """See `Limit`."""
        if now >= self._refused_at + _REFUSED_EVERY:
            self._refused_at = now
            self._cut_for_trouble(now, "429")

    def restart(self, now: float, reason: str) -> None:
        """See `Limit`."""
        self._before_probe = self._tried_from = None
        self._move(min(self.value, self._start), reason)
        self._rising = True
        self._open(now, self._blocked)

    def _cut_for_trouble(self, now: float, reason: str) -> None:
        value = self._before_probe or (self._tried_from[0] if self._tried_from else self.value)
        self._before_probe = self._tried_from = None
        self._to_try = False
        self._move(value * _ERROR_CUT, reason)
        if self._rising and reason == "errors":
            self._settle(now)

    def _open(self, now: float, blocked: int) -> None:
        """A new window; what it measures began under the limit of now."""
        self._samples: Samples = {}
        self._count = 0
        self._errors = 0
        self._blocked = blocked
        self._latest = math.inf
        if self._rising and self._before_probe is None:
            self._needed = max(_FIRST_SAMPLES, self.value)
            self._until = now
        elif self._before_probe is not None:
            self._needed = 2 * _SURE
            self._until = now
            self._latest = now + _PROBE_LASTS
        else:
            self._needed = max(_SAMPLES, 2 * self.value) * (2 if self._tried_from else 1)
            self._until = now + _WINDOW

    def _close(self, now: float, blocked: int) -> None:
        samples = self._samples
        waited = blocked - self._blocked >= _WAITED_SHARE * self._count
        first = not self._baseline
        ratio = self._baseline.ratio(samples)
        firm = self._baseline.adopt(samples, self._ratio.median, _FIRST_SAMPLES if self._rising else _SURE)
        if first:
            self._baseline.forget()
            ratio = self._ratio
        if self._before_probe is not None:
            self._end_probe(samples, ratio, now)
        elif ratio is None:  # none but new kinds: wait until they are known, then check what was assumed of them
            if firm and not self._rising:
                self._probe(now)
        else:
            self._ratio = ratio
            self._ratio_limit = self.value
            if waited and self._rising:
                if not self._rise(samples, ratio, now):
                    return
            elif self._tried_from is not None:
                self._end_trial(self._tried_from, ratio, gained=waited)
            elif waited:
                self._steer(ratio, now)
        if not self._skip:
            self._open(now, blocked)

    def _rise(self, samples: Samples, ratio: Ratio, now: float) -> bool:
        """Slow start: double until the latency has clearly risen. False: too few samples to tell."""
        sure = self._baseline.weight >= _SURE
        patience = self.value * min(4, self.value // 40)  # the higher the limit, the cheaper a longer look
        if ratio.median > _FULL or (ratio.median > HIGH and sure and self._count >= _SURE):
            self._loaded = samples
            self._move(max(self.value * _ROOM, ratio.limit(self.value, TARGET)), "full")
            self._settle(now)
            if not sure:
                self._probe(now)
        elif self._count < patience:
            self._needed = patience
            return False
        elif ratio.median > LOW and sure and self._count >= _SURE:
            self._settle(now)
        else:
            if self._count >= _FEW_BUT_FAIR:
                self._baseline.learn(samples)
            self._move(self.value * (2.0 if self.value < 96 else 1.5), "slow start")
        return True

    def _steer(self, ratio: Ratio, now: float) -> None:
        if self._to_try and ratio.median < _FULL and self.value < self._largest:
            self._to_try = False
            self._tried_from = self.value, ratio.median
            self._move(self.value * _TRIAL, "trial", smallest=self.value + 1)
            return
        if ratio.median > HIGH:
            self._cut(ratio, now)
        else:
            if ratio.median < LOW:
                self._cuts = 0
                self._move(max(self.value + self._step, ratio.limit(self.value, TARGET)), "room")
                self._step = min(self._step * 2, self._largest)
            else:
                self._step = 1
        if now >= self._probe_at:
            self._probe(now)

    def _cut(self, ratio: Ratio, now: float) -> None:
        self._cuts += 1
        self._step = 1
        self._move(max(0.6 * self.value, ratio.limit(self.value, TARGET)), "queue")
        if self._cuts >= 3:
            self._probe(now)

    def _end_trial(self, before: tuple[int, float], ratio: Ratio, *, gained: bool) -> None:
        """By Little's law throughput is limit by latency: where latency stayed, the limit bought throughput.

        Then the baseline, taken at a lower limit, was too low for this one: slots share processors and a database.
        """
        limit, was = before
        self._tried_from = None
        grown = self.value / limit - 1.0
        if not gained or ratio.median > was * (1.0 + _WORTH * grown):
            self._move(limit, "no gain")
            return
        self._cuts = 0
        self._baseline.raise_by(ratio.median / TARGET)
        if self.value < self._largest:
            self._tried_from = self.value, min(ratio.median, TARGET)
            self._move(self.value * _TRIAL, "gain", smallest=self.value + 1)

    def _settle(self, now: float) -> None:
        """End of slow start."""
        self._rising = False
        self._step = 1
        self._probe_at = now + PROBE_SOON

    def _probe(self, now: float) -> None:
        """A look at half the limit, where little queues."""
        self._before_probe = self.value
        self._probe_at = now + (PROBE_EVERY if now >= self._probe_at else PROBE_SOON)
        self._cuts = 0
        self._move(self.value // 2, "probe", smallest=1)

    def _end_probe(self, samples: Samples, ratio: Ratio | None, now: float) -> None:
        before = self._before_probe or self.value
        self._before_probe = None
        if ratio is not None and ratio.median > _OTHER:
            if self._ratio.median > 0.7 * ratio.median * self._ratio_limit / self.value:
                self._move(ratio.limit(self.value, TARGET), "still full")  # latency goes with the limit
                return
            # Half the limit, the same latency: not our queue, the server itself is slower than it was.
            self._baseline.forget()
            self._rising = True
        elif ratio is not None and ratio.median < 1 / _OTHER:  # what we took for unloaded was a queue
            self._baseline.forget()
        self._baseline.learn(samples)
        corrected = self._baseline.ratio(self._loaded)
        if corrected is not None and corrected.median < _FULL:
            self._rising = True  # it had not been full, only the first baseline too low
        self._loaded = {}
        self._to_try = not self._rising
        self._move(before, "probed")

    def _move(self, wanted: float, reason: str, smallest: int = SMALLEST) -> None:
        new = max(min(smallest, self._largest), min(self._largest, round(wanted)))
        old, self.value = self.value, new
        if new != old:
            self._skip = max(old if self._rising else max(old, new), self._skip)
            self._on_change(old, new, reason)
