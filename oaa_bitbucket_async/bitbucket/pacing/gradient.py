"""The limit that follows the server: latency is kept in a band just above the server's own, unloaded latency.

By Little's law, a server whose latency is 1.1 times its unloaded one holds about a tenth of our requests in its
queue: enough that no slot idles, and so little that nobody else has to wait behind us.

`GradientLimit` is a state machine of five phases. Each phase is a class below that holds what only it needs:

    Recall ──as the last run left it──> Steady
      └──else──> SlowStart

    SlowStart ──full──> Steady ──too many cuts, or time──> Probe ──> Steady, with a trial due ──> Trial ──> Steady
        ^                                                    │                                      └─gain─> Trial
        └────────── the server itself got slower ────────────┘

Recall tries what the last run found: first its latencies at the smallest limit, then its limit. SlowStart doubles the
limit until latency rises by more than what chance explains. Where it meets new kinds of request,
it goes back to a limit at which nothing queued and learns there what they take. Steady corrects the limit window by
window. Probe halves it for a second, to measure the latency without a queue. Trial raises it, to see whether more in
flight buys more throughput.
"""

import math
from dataclasses import dataclass, field

from oaa_bitbucket_async.bitbucket.pacing.baseline import Baseline, Ratio, Samples
from oaa_bitbucket_async.bitbucket.pacing.limit import SMALLEST, Found, OnChange

LOW = 1.05
"""Below this ratio of latency to its baseline there is room."""
HIGH = 1.17
"""Above it the server queues."""
TARGET = 1.10
"""What a correction aims at."""
_EXACT = 0.01
"""A ratio with a smaller error than this is known well enough for a band of `_NARROW` times the width: where all
requests take the same time they also end at the same time, and whoever comes between waits for all of them."""
_NARROW = 0.5
_FULL = 1.5
"""The ratio from which on a trial, or a slow start that is done again, has nothing to find."""
_OTHER = 1.3
"""A probe whose ratio is this far from 1, either way, says that the baseline is wrong and not just inexact."""
_RISEN = 1.25
"""The ratio that ends slow start: after a doubling, a server that is full shows about 2."""
_UNLOADED = 1.12
"""Up to this ratio, and its error, slow start takes a window for one without a queue."""
_DOUBT = 1.5
"""Standard errors by which a ratio has to be beyond `_RISEN`, either way."""
_CLEAR = 0.02
"""A doubt below this is none: all latencies are alike, and those that end first tell what the others will."""
_PATIENCE = 3
"""A window of slow start has at most so many samples for each request in flight."""
_FREE = Ratio(1.0, 1.4, 0.1)
"""What is assumed where nothing is known yet."""
_LARGE = 96
"""From here on a doubling would put too many in the queue if it is one too many."""
_STRANGE = 100
"""Samples after which kinds that the last run knew should have come."""
_KNOWN = 0.3
"""The share of samples of known kinds without which a window of slow start says nothing."""
_ROOM = 0.4
"""What was not full at half the limit is not cut below this share of it."""
_TRIAL = 1.15
"""The factor of a trial."""
_GAINED = 1.03
"""The ratio that a limit stands for which has bought throughput."""
_WORTH = 0.6
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
"""A steady window has at least this many, and lasts at least `_WINDOW` seconds."""
_WINDOW = 0.5
_SHORTEST = 1e-6
"""A latency is never taken for less: ratios are made of it."""
_ERROR_SHARE = 0.1
"""A window with more errors than this share cuts the limit, once."""
_ERROR_CUT = 0.7
_REFUSED_EVERY = 2.0
"""Seconds in which 429 answers cut the limit once at most."""
_WAITED_SHARE = 0.25
"""The limit grows only if at least this share of answers came while somebody waited for a place."""
_CUTS_BEFORE_PROBE = 3


@dataclass(slots=True)
class Recall:
    """Trying what the last run found. `limit` is its limit, `tried` whether it is in force by now."""

    limit: int
    tried: bool = False

    def window(self, limit: int, now: float) -> "Window":
        """A look is enough: in the worst case a server that has got smaller is overrun meanwhile."""
        return Window(needed=max(_FIRST_SAMPLES, limit), until=now)


@dataclass(slots=True)
class SlowStart:
    """Doubling until the latency has clearly risen. Nothing queued at `free`, and at less than that.

    `proven`: a doubling has left the latency as it was, so that the server was not full before it. `returned`: the
    limit from which it went back to `free`, to learn there what requests take.
    """

    free: int
    proven: bool = False
    returned: int = 0

    def window(self, limit: int, now: float) -> "Window":
        """As short as can be: each doubling waits for it."""
        return Window(needed=max(_FIRST_SAMPLES, limit), until=now)


@dataclass(slots=True)
class Steady:
    """Correcting. `step` is the next growth, `cuts` counts cuts since the last sign of room.

    `loaded` is the window that ended slow start on an uncertain baseline: the next probe judges it again.
    """

    step: int = 1
    cuts: int = 0
    trial_due: bool = False
    loaded: Samples = field(default_factory=dict)

    def window(self, limit: int, now: float) -> "Window":
        """Long enough for a stable median."""
        return Window(needed=max(_SAMPLES, 2 * limit), until=now + _WINDOW)


@dataclass(slots=True)
class Trial:
    """At a higher limit, to see whether it buys throughput. `limit` and `ratio` are those from before."""

    limit: int
    ratio: float
    steady: Steady

    def window(self, limit: int, now: float) -> "Window":
        """Twice a steady one: the difference that it looks for is small."""
        return Window(needed=2 * max(_SAMPLES, 2 * limit), until=now + _WINDOW)


@dataclass(slots=True)
class Probe:
    """At half the limit, where little queues. `limit` is the one to return to."""

    limit: int
    steady: Steady

    def window(self, limit: int, now: float) -> "Window":
        """A second at most: the crawl is slower meanwhile."""
        return Window(needed=_SURE, until=now, latest=now + _PROBE_LASTS)


Phase = Recall | SlowStart | Steady | Trial | Probe


@dataclass(slots=True)
class Window:
    """Answers that are judged together: `needed` of them, not before `until` and hardly after `latest` (seconds)."""

    needed: int
    until: float
    latest: float = math.inf
    samples: Samples = field(default_factory=dict)
    count: int = 0
    errors: int = 0
    blocked: int = 0
    """How often the limit had made a request wait when the window opened."""

    def add(self, kind: str, latency: float) -> None:
        """One more answer."""
        samples = self.samples.get(kind)
        if samples is None:
            samples = self.samples[kind] = []
        samples.append(latency)
        self.count += 1

    def is_over(self, now: float) -> bool:
        """Whether it can be judged."""
        return (self.count >= self.needed and now >= self.until) or (
            now >= self.latest and self.count >= _FIRST_SAMPLES
        )

    def waited(self, blocked: int) -> bool:
        """Whether requests waited for a place while it was open: without that, the limit limited nothing."""
        return blocked - self.blocked >= _WAITED_SHARE * self.count


class GradientLimit:
    """Follows the gradient of latency over the number in flight; see the top of this file."""

    def __init__(
        self, *, start: int, largest: int, now: float, on_change: OnChange, found: Found | None = None
    ) -> None:
        self.value = min(start, largest)
        self._start = self.value
        self._largest = largest
        self._on_change = on_change
        self._baseline = Baseline(found.latencies if found else None)
        self._phase: Phase = Recall(min(found.limit, largest)) if found else SlowStart(self.value)
        self._skip = self.value // 2
        """Answers that still belong to an earlier limit: they are not counted."""
        self._last = _FREE
        self._last_limit = self.value
        """The last window's ratio, and the limit it was taken at."""
        self._probe_at = math.inf
        self._trial_at = -math.inf
        """Not before this another trial: others feel it."""
        self._refused_at = -math.inf
        self._open(now, 0)

    def found(self) -> Found | None:
        """See `Limit`."""
        phase = self._phase
        if isinstance(phase, Recall):
            return None
        if isinstance(phase, SlowStart):
            return Found(phase.free, self._baseline.known) if phase.proven else None
        return Found(phase.limit if isinstance(phase, Probe | Trial) else self.value, self._baseline.known)

    # --- what the pacer tells -----------------------------------------------------------------------------------

    def answered(self, kind: str, latency: float, now: float, blocked: int) -> None:
        """See `Limit`."""
        if self._skip:
            self._skip -= 1
            if not self._skip:
                self._open(now, blocked)
            return
        window = self._window
        window.add(kind, max(latency, _SHORTEST))
        if window.is_over(now):
            self._judge(window, now, waited=window.waited(blocked))
            if not self._skip and window.is_over(now):  # not one that was told to wait for more answers
                self._open(now, blocked)

    def failed(self, now: float) -> bool:
        """See `Limit`. A rare error changes nothing; a window with more than a tenth of them cuts once."""
        window = self._window
        window.errors += 1
        if self._skip or window.errors < 5 or window.errors <= _ERROR_SHARE * (window.errors + window.needed):
            return False
        self._cut_for_trouble("errors")
        if isinstance(self._phase, Recall | SlowStart):
            self._settle(now)
        self._open(now, window.blocked)
        return True

    def refused(self, now: float) -> None:
        """See `Limit`."""
        if now >= self._refused_at + _REFUSED_EVERY:
            self._refused_at = now
            self._cut_for_trouble("429")

    def restart(self, now: float, reason: str) -> None:
        """See `Limit`."""
        if not isinstance(self._phase, SlowStart):
            self._phase = Steady()  # while moving: what is in flight began under the larger of both limits
        self._move(min(self.value, self._start), reason)
        self._phase = SlowStart(self.value)
        self._open(now, self._window.blocked)

    def slower(self, samples: Samples) -> float | None:
        """See `Limit`."""
        ratio = self._baseline.ratio(samples)
        return ratio.middle if ratio is not None else None

    # --- windows ------------------------------------------------------------------------------------------------

    def _open(self, now: float, blocked: int) -> None:
        """A new window; what it measures begins under the limit of now."""
        self._window = self._phase.window(self.value, now)
        self._window.blocked = blocked

    def _judge(self, window: Window, now: float, *, waited: bool) -> None:
        """A window is over: what it means for the limit, according to the phase."""
        phase, baseline = self._phase, self._baseline
        if isinstance(phase, Recall):
            self._recall(phase, window, now, waited=waited)
            return
        if isinstance(phase, SlowStart):
            if waited:
                self._rise(phase, window, now)
            else:
                baseline.adopt(window.samples, 1.0, _FIRST_SAMPLES)
            return
        ratio = baseline.ratio(window.samples)
        if ratio is not None and ratio.known < _KNOWN:
            ratio = None
        firm = baseline.adopt(window.samples, (ratio or self._last).middle, _SURE)
        if isinstance(phase, Probe):
            self._end_probe(phase, window.samples, ratio, now)
        elif ratio is None:  # none but new kinds: wait until they are known, then check what was assumed of them
            if firm:
                self._probe(now)
        else:
            self._last, self._last_limit = ratio, self.value
            if isinstance(phase, Trial):
                self._end_trial(phase, ratio, gained=waited)
            elif waited:
                self._steer(phase, ratio, now)

    # --- recall -------------------------------------------------------------------------------------------------

    def _recall(self, recall: Recall, window: Window, now: float, *, waited: bool) -> None:
        """Go on from what the last run found, if the server answers as it did then; else find out anew."""
        ratio, count = self._baseline.typical(window.samples)
        if count < _FIRST_SAMPLES // 2 and window.count < _STRANGE:
            window.needed += _FIRST_SAMPLES // 2
        elif count < _FIRST_SAMPLES // 2 or ratio > (_RISEN if recall.tried else _FULL):
            self._baseline = Baseline()
            self._phase = SlowStart(min(self.value, self._start))
            self._move(self._phase.free, "not as last time")
        elif not recall.tried:
            recall.tried = True
            self._move(recall.limit, "as last time")
        elif waited:
            self._settle(now)

    # --- slow start ---------------------------------------------------------------------------------------------

    def _rise(self, phase: SlowStart, window: Window, now: float) -> None:
        """Double until the latency has clearly risen; a window with too few samples to tell stays open."""
        baseline, samples = self._baseline, window.samples
        ratio = baseline.ratio(samples)
        if ratio is None or ratio.known < _KNOWN:
            if self.value > max(phase.free, phase.returned) and not baseline.as_quick(samples):
                phase.returned = self.value
                self._move(phase.free, "new kinds")  # whether they wait in a queue can't be told here, but there
                return
            ratio = ratio or _FREE
        self._last, self._last_limit = ratio, self.value
        doubt = _DOUBT * ratio.error
        if window.count < 2 * self.value and doubt > _CLEAR and ratio.middle < _RISEN + doubt:
            window.needed = 2 * self.value  # the first to end are the quick ones
        elif abs(ratio.middle - _RISEN) < doubt and window.count < _PATIENCE * max(self.value, _FIRST_SAMPLES):
            window.needed = window.count * 3 // 2
        elif _RISEN + doubt < ratio.middle < _FULL and doubt > _CLEAR and self.value > max(phase.free, phase.returned):
            phase.returned = self.value
            baseline.forget()  # it is of the first few, and those are the quick ones
            self._move(phase.free, "look again")
        elif ratio.middle > _RISEN + doubt:
            self._move(max(self.value * _ROOM, ratio.limit(self.value, TARGET)), "full")
            self._settle(now, samples)
            if not phase.proven:
                self._probe(now)
        else:
            if self.value > phase.free:
                phase.proven = True
                phase.free = self.value
            baseline.adopt(samples, 1.0, _FIRST_SAMPLES // 2)
            if ratio.middle <= _UNLOADED + ratio.error:
                baseline.learn(samples)
            self._move(self.value * (2.0 if self.value < _LARGE else 1.5), "slow start")

    def _settle(self, now: float, loaded: Samples | None = None) -> None:
        """The end of slow start."""
        self._phase = Steady(loaded=loaded or {}, trial_due=True)
        self._probe_at = now + PROBE_SOON

    # --- steady -------------------------------------------------------------------------------------------------

    def _steer(self, steady: Steady, ratio: Ratio, now: float) -> None:
        if steady.trial_due and ratio.middle < _FULL and self.value < self._largest:
            steady.trial_due = False
            self._trial_at = now + PROBE_SOON
            self._try(steady, ratio.middle, "trial")
            return
        width = _NARROW if ratio.error < _EXACT else 1.0
        low, target, high = (1.0 + (edge - 1.0) * width for edge in (LOW, TARGET, HIGH))
        if ratio.middle > high:
            steady.cuts += 1
            steady.step = 1
            self._move(max(0.6 * self.value, ratio.limit(self.value, target)), "queue")
            if steady.cuts >= _CUTS_BEFORE_PROBE:
                self._probe(now)
        elif ratio.middle < low:
            steady.cuts = 0
            self._move(max(self.value + steady.step, ratio.limit(self.value, target)), "room")
            steady.step = min(steady.step * 2, self._largest)
        else:
            steady.step = 1
        if now >= self._probe_at:
            self._probe(now)

    # --- trial --------------------------------------------------------------------------------------------------

    def _try(self, steady: Steady, ratio: float, reason: str) -> None:
        self._phase = Trial(self.value, ratio, steady)
        self._move(self.value * _TRIAL, reason, smallest=self.value + 1)

    def _end_trial(self, trial: Trial, ratio: Ratio, *, gained: bool) -> None:
        """By Little's law throughput is limit by latency: where latency stayed, the limit bought throughput.

        Then the baseline, taken at a lower limit, was too low for this one: slots share processors and a database.
        """
        self._phase = trial.steady
        grown = self.value / trial.limit - 1.0
        if not gained or ratio.middle > trial.ratio * (1.0 + _WORTH * grown):
            self._move(trial.limit, "no gain")
            return
        trial.steady.cuts = 0
        self._baseline.raise_by(ratio.middle / _GAINED)
        if self.value < self._largest:
            self._try(trial.steady, min(ratio.middle, _GAINED), "gain")

    # --- probe --------------------------------------------------------------------------------------------------

    def _probe(self, now: float) -> None:
        """Look at half the limit."""
        steady = self._phase.steady if isinstance(self._phase, Trial | Probe) else self._phase
        steady = steady if isinstance(steady, Steady) else Steady()
        steady.cuts = 0
        self._probe_at = now + (PROBE_EVERY if now >= self._probe_at else PROBE_SOON)
        self._phase = Probe(self.value, steady)
        self._move(self.value // 2, "probe", smallest=1)

    def _end_probe(self, probe: Probe, samples: Samples, ratio: Ratio | None, now: float) -> None:
        steady = probe.steady
        self._phase = steady
        rising = False
        if ratio is not None and ratio.middle > _OTHER:
            if self._last.middle > 0.7 * ratio.middle * self._last_limit / self.value:
                self._move(ratio.limit(self.value, TARGET), "still full")  # latency goes with the limit
                return
            # Half the limit, the same latency: not our queue, the server itself is slower than it was.
            self._baseline.forget()
            rising = True
        elif ratio is not None and ratio.middle < 1 / _OTHER:  # what we took for unloaded was a queue
            self._baseline.forget()
        self._baseline.learn(samples)
        corrected = self._baseline.ratio(steady.loaded)
        if corrected is not None and corrected.middle < _FULL:
            rising = True  # it had not been full, only the first baseline too low
        steady.loaded = {}
        if rising:
            self._phase = SlowStart(self.value)
        else:
            steady.trial_due = now >= self._trial_at
        self._move(probe.limit, "probed")

    # --- the limit itself ---------------------------------------------------------------------------------------

    def _cut_for_trouble(self, reason: str) -> None:
        """Errors or a 429: less, whatever was under way; a probe and a trial are called off."""
        phase = self._phase
        value = phase.limit if isinstance(phase, Probe | Trial) else self.value
        if isinstance(phase, Probe | Trial):
            self._phase = phase.steady
        if isinstance(self._phase, Steady):
            self._phase.trial_due = False
        self._move(value * _ERROR_CUT, reason)

    def _move(self, wanted: float, reason: str, smallest: int = SMALLEST) -> None:
        new = max(min(smallest, self._largest), min(self._largest, round(wanted)))
        old, self.value = self.value, new
        if new != old:
            rising = isinstance(self._phase, Recall | SlowStart)
            self._skip = max(old if rising else max(old, new), self._skip)
            self._on_change(old, new, reason)
