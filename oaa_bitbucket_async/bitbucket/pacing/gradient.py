"""Finds the limit of requests in flight: it keeps latency in a band just above the server's unloaded latency.

By Little's law, a server at 1.1 times its unloaded latency has about a tenth of our requests in its queue. That is
enough to keep all its slots busy, and so little that other users do not wait behind us.

`GradientLimit` is a state machine of five phases. Each phase is a class below with its own state:

    Recall ──as the last run left it──> Steady
      └──else──> SlowStart

    SlowStart ──full──> Steady ──too many cuts, or time──> Probe ──> Steady, with a trial due ──> Trial ──> Steady
        ^                                                    │                                      └─gain─> Trial
        └────────── the server itself got slower ────────────┘

Recall tries what the last run found: first its latencies at a low limit, then its limit. SlowStart doubles the limit
until latency rises by more than chance. When new kinds of request come, it goes back to a limit at which nothing
queued and measures them there. Steady corrects the limit window by window. Probe halves the limit for a second, to
measure the latency without a queue. Trial raises it, to see whether throughput grows with it.
"""

import math
from dataclasses import dataclass, field

from oaa_bitbucket_async.bitbucket.pacing.baseline import Baseline, Ratio, Samples
from oaa_bitbucket_async.bitbucket.pacing.limit import SMALLEST, Found, OnChange

LOW = 1.05
"""Below this ratio of latency to baseline, the server has room."""
HIGH = 1.17
"""Above this ratio, the server queues."""
TARGET = 1.10
"""The ratio that a correction aims at."""
_EXACT = 0.01
"""With a smaller error than this, the band has `_NARROW` times its width. Requests that all take the same time also end
at the same time, and another user's request in between waits for all of them."""
_NARROW = 0.5
_FULL = 1.5
"""From this ratio on, a trial or another slow start can find nothing."""
_OTHER = 1.3
"""If a probe's ratio is above this, or below its inverse, the baseline is wrong and not just inexact."""
_RISEN = 1.25
"""The ratio that ends slow start. After a doubling, a full server shows about 2."""
_UNLOADED = 1.12
"""Up to this ratio plus its error, slow start assumes that nothing queued."""
_DOUBT = 1.5
"""Standard errors that a ratio must be above or below `_RISEN` to count."""
_CLEAR = 0.02
"""A smaller doubt is ignored: all latencies are alike, so the first answers stand for the rest."""
_PATIENCE = 3
"""The most samples of a slow start window, per request in flight."""
_FREE = Ratio(1.0, 1.4, 0.1)
"""The ratio that is assumed while nothing is known."""
_LARGE = 96
"""From this limit on, slow start grows by half: one doubling too many would fill the server's queue."""
_STRANGE = 100
"""After this many samples, kinds that the last run knew should have come."""
_KNOWN = 0.3
"""The least share of samples of known kinds that makes a window meaningful."""
_ROOM = 0.4
"""The end of slow start keeps at least this share of the limit: at half the limit the server was not full."""
_TRIAL = 1.15
"""The factor by which a trial raises the limit."""
_GAINED = 1.03
"""The ratio that is assigned to a limit that has raised throughput."""
_WORTH = 0.6
"""If latency grows by less than this share of the limit's growth, throughput grew: the limit is worth it."""
_SURE = 150
"""The samples that make a baseline reliable."""
START = 8
PROBE_SOON = 20.0
"""Seconds from the end of slow start to the first regular probe; then every `PROBE_EVERY`."""
PROBE_EVERY = 60.0
_PROBE_LASTS = 1.0
"""The length of a probe in seconds, if it has enough samples by then."""
_FIRST_SAMPLES = 20
_SAMPLES = 200
"""A steady window has at least this many samples and lasts at least `_WINDOW` seconds."""
_WINDOW = 0.5
_SHORTEST = 1e-6
"""The least latency in seconds: ratios are made of latencies."""
_ERROR_SHARE = 0.1
"""A window with more errors than this share cuts the limit, once."""
_ERROR_CUT = 0.7
_REFUSED_EVERY = 2.0
"""429 answers cut the limit at most once in this many seconds."""
_WAITED_SHARE = 0.25
"""The limit grows only if requests waited for a place during at least this share of answers."""
_CUTS_BEFORE_PROBE = 3


@dataclass(slots=True)
class Recall:
    """Tries what the last run found. `limit` is its limit, `tried` whether it is in force already."""

    limit: int
    tried: bool = False

    def window(self, limit: int, now: float) -> "Window":
        """A short one: if the server has become smaller, it is overloaded meanwhile."""
        return Window(needed=max(_FIRST_SAMPLES, limit), until=now)


@dataclass(slots=True)
class SlowStart:
    """Doubles the limit until latency has clearly risen. At limits up to `free`, nothing queued.

    `proven`: latency stayed the same after a doubling, so the server was not full before it. `returned`: the limit from
    which it went back to `free`, to measure latencies there.
    """

    free: int
    proven: bool = False
    returned: int = 0

    def window(self, limit: int, now: float) -> "Window":
        """As short as possible: each doubling waits for it."""
        return Window(needed=max(_FIRST_SAMPLES, limit), until=now)


@dataclass(slots=True)
class Steady:
    """Corrects the limit. `step` is the next growth, `cuts` counts the cuts since the server last had room.

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
    """Tries a higher limit, to see whether throughput grows. `limit` and `ratio` are those from before."""

    limit: int
    ratio: float
    steady: Steady

    def window(self, limit: int, now: float) -> "Window":
        """Twice a steady window: the difference that it measures is small."""
        return Window(needed=2 * max(_SAMPLES, 2 * limit), until=now + _WINDOW)


@dataclass(slots=True)
class Probe:
    """Goes down to half the limit, where little queues. `limit` is the one to return to."""

    limit: int
    steady: Steady

    def window(self, limit: int, now: float) -> "Window":
        """About a second: the crawl is slower meanwhile."""
        return Window(needed=_SURE, until=now, latest=now + _PROBE_LASTS)


Phase = Recall | SlowStart | Steady | Trial | Probe


@dataclass(slots=True)
class Window:
    """Answers that are judged together: `needed` of them, from `until` on, or fewer at `latest` (clock seconds)."""

    needed: int
    until: float
    latest: float = math.inf
    samples: Samples = field(default_factory=dict)
    count: int = 0
    errors: int = 0
    blocked: int = 0
    """The gate's count of waits when the window opened."""

    def add(self, kind: str, latency: float) -> None:
        """Adds an answer."""
        samples = self.samples.get(kind)
        if samples is None:
            samples = self.samples[kind] = []
        samples.append(latency)
        self.count += 1

    def is_over(self, now: float) -> bool:
        """Whether the window can be judged."""
        return (self.count >= self.needed and now >= self.until) or (
            now >= self.latest and self.count >= _FIRST_SAMPLES
        )

    def waited(self, blocked: int) -> bool:
        """Whether requests waited for a place while it was open. If not, the limit had no effect."""
        return blocked - self.blocked >= _WAITED_SHARE * self.count


class GradientLimit:
    """Finds the limit from how latency changes with the number in flight; see the top of this file."""

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
        """The number of answers to come that still belong to an earlier limit. They do not count."""
        self._last = _FREE
        self._last_limit = self.value
        """`_last` is the ratio of the last window, and `_last_limit` the limit during it."""
        self._probe_at = math.inf
        self._trial_at = -math.inf
        """The earliest time of the next trial: a trial slows down other users."""
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
            if not self._skip and window.is_over(now):  # the window was not extended
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
            self._phase = Steady()  # during the move: requests in flight began under the larger limit
        self._move(min(self.value, self._start), reason)
        self._phase = SlowStart(self.value)
        self._open(now, self._window.blocked)

    def slower(self, samples: Samples) -> float | None:
        """See `Limit`."""
        ratio = self._baseline.ratio(samples)
        return ratio.middle if ratio is not None else None

    # --- windows ------------------------------------------------------------------------------------------------

    def _open(self, now: float, blocked: int) -> None:
        """Opens a window for requests that begin under the current limit."""
        self._window = self._phase.window(self.value, now)
        self._window.blocked = blocked

    def _judge(self, window: Window, now: float, *, waited: bool) -> None:
        """Judges a window that is over, according to the phase."""
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
        elif ratio is None:  # new kinds only: wait until they are known, then check the assumption
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
        """Uses what the last run found if the server answers as it did then; else starts from scratch."""
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
        """Doubles until latency has clearly risen. A window with too few samples stays open."""
        baseline, samples = self._baseline, window.samples
        ratio = baseline.ratio(samples)
        if ratio is None or ratio.known < _KNOWN:
            if self.value > max(phase.free, phase.returned):
                if not baseline.as_quick(samples):
                    phase.returned = self.value
                    self._move(phase.free, "new kinds")  # here we can't tell whether they queue; there they don't
                    return
                if ratio is not None and ratio.error > _CLEAR:
                    ratio = None  # the new kinds did not queue: a few slow answers of the others are chance
            ratio = ratio or _FREE
        self._last, self._last_limit = ratio, self.value
        doubt = _DOUBT * ratio.error
        if window.count < 2 * self.value and doubt > _CLEAR and ratio.middle < _RISEN + doubt:
            window.needed = 2 * self.value  # quick requests end first
        elif abs(ratio.middle - _RISEN) < doubt and window.count < _PATIENCE * max(self.value, _FIRST_SAMPLES):
            window.needed = window.count * 3 // 2
        elif _RISEN + doubt < ratio.middle < _FULL and doubt > _CLEAR and self.value > max(phase.free, phase.returned):
            phase.returned = self.value
            baseline.forget()  # it came from the first few answers, which are the quick ones
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
        """Ends slow start."""
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
        """By Little's law throughput is limit divided by latency: if latency stayed, the limit raised throughput.

        Then the baseline, measured at a lower limit, was too low for this one: slots share processors and a database.
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
        """Begins a probe, at half the limit."""
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
                self._move(ratio.limit(self.value, TARGET), "still full")  # latency follows the limit
                return
            # Half the limit, the same latency: it is not our queue, the server itself has become slower.
            self._baseline.forget()
            rising = True
        elif ratio is not None and ratio.middle < 1 / _OTHER:  # the old baseline included a queue
            self._baseline.forget()
        self._baseline.learn(samples)
        corrected = self._baseline.ratio(steady.loaded)
        if corrected is not None and corrected.middle < _FULL:
            rising = True  # the server was not full: the first baseline was too low
        steady.loaded = {}
        if rising:
            self._phase = SlowStart(self.value)
        else:
            steady.trial_due = now >= self._trial_at
        self._move(probe.limit, "probed")

    # --- the limit itself ---------------------------------------------------------------------------------------

    def _cut_for_trouble(self, reason: str) -> None:
        """Cuts the limit after errors or a 429, and calls off a probe or trial."""
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
