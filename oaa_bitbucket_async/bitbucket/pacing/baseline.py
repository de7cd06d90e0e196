"""The unloaded latency of each kind of request, and how far the present latency is from it."""

import math
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

import msgspec

_FEW = 5
_MEMORY = 250
"""The most samples that a baseline weighs as much as, so that a probe always counts."""
_OF_MEDIAN = 1.2533 / 1.349
"""The standard error of the median for one sample, divided by the distance between the quartiles."""
_ADOPTED = 20
"""The weight of a baseline from an earlier run, or from a time when requests may have queued."""
_EVEN = 0.1
"""A kind's latencies count as equal if their standard deviation is below this share."""
_AS_QUICK = 1.15
"""A kind has not queued if its latency is within this factor of the quickest kind's."""

Samples = dict[str, list[float]]


class Ratio(NamedTuple):
    """Latencies divided by their baselines. A `middle` of 1.0 means no queue. `mean` is the mean, in the same unit.

    `error` is the standard error of `middle`, `known` the share of all samples that it is based on.
    """

    middle: float
    mean: float
    error: float = 0.0
    known: float = 1.0

    def limit(self, limit: int, target: float) -> float:
        """The limit that would bring `middle` to `target`, given that `limit` led to the present values.

        Little's law holds for means: time in the queue is (middle - target), and `limit` is throughput times mean.
        """
        return limit * (1.0 - (self.middle - target) / max(self.mean, self.middle))


class Latency(msgspec.Struct, frozen=True, gc=False):
    """The latency of one kind of request, in seconds: the median and mean of `weight` samples, and the standard error
    of both for a single sample."""

    weight: int
    median: float
    mean: float
    median_error: float
    mean_error: float

    @classmethod
    def of(cls, latencies: list[float], slower: float = 1.0) -> "Latency":
        """The latency of these samples, if a queue made them `slower` by that factor."""
        ordered, number = sorted(latencies), len(latencies)
        mean = sum(ordered) / number
        deviation = math.sqrt(sum((latency - mean) ** 2 for latency in ordered) / number)
        quartiles = ordered[number * 3 // 4] - ordered[number // 4]
        values = (median(ordered), mean, quartiles * _OF_MEDIAN, deviation)
        return cls(number, *(value / slower for value in values))

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """All values, in seconds."""
        return (self.median, self.mean, self.median_error, self.mean_error)

    def with_(self, other: "Latency") -> "Latency":
        """The weighted mean of both."""
        mine, theirs, weight = self.weight, other.weight, self.weight + other.weight
        return Latency(
            weight,
            (self.median * mine + other.median * theirs) / weight,
            (self.mean * mine + other.mean * theirs) / weight,
            (self.median_error * mine + other.median_error * theirs) / weight,
            (self.mean_error * mine + other.mean_error * theirs) / weight,
        )

    def weighing(self, weight: int) -> "Latency":
        """The same with another weight."""
        return Latency(weight, self.median, self.mean, self.median_error, self.mean_error)

    def times(self, factor: float) -> "Latency":
        """All values multiplied by `factor`."""
        return Latency(
            self.weight,
            self.median * factor,
            self.mean * factor,
            self.median_error * factor,
            self.mean_error * factor,
        )


class Baseline:
    """Unloaded latencies by kind, so that a changing mix of kinds does not matter. It compares medians, because heavy
    tails don't move them. If all latencies are alike it compares means: only they show that a few have queued."""

    __slots__ = ("_known", "_provisional")

    def __init__(self, known: Mapping[str, Latency] | None = None) -> None:
        self._known: dict[str, Latency] = {kind: latency.weighing(_ADOPTED) for kind, latency in (known or {}).items()}
        self._provisional: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._known)

    @property
    def known(self) -> dict[str, Latency]:
        """The latencies by kind."""
        return dict(self._known)

    def learn(self, samples: Samples) -> None:
        """Learns from latencies that were measured while nothing queued."""
        for kind, latencies in samples.items():
            if len(latencies) < _FEW:
                continue
            known = self._known.get(kind)
            new = Latency.of(latencies)
            self._known[kind] = new if known is None else known.weighing(min(known.weight, _MEMORY)).with_(new)
            self._provisional.discard(kind)

    def forget(self) -> None:
        """Makes the present values count next to nothing against what is learned next."""
        self._known = {kind: known.weighing(1) for kind, known in self._known.items()}

    def raise_by(self, factor: float) -> None:
        """Raises all values by `factor`. A factor below 1 changes nothing."""
        if factor > 1.0:
            self._known = {kind: known.times(factor) for kind, known in self._known.items()}

    def ratio(self, samples: Samples) -> Ratio | None:
        """The latencies divided by their baselines. None if there are too few samples of known kinds."""
        middle = mean = variance = 0.0
        count = 0
        for kind, latencies in samples.items():
            number = len(latencies)
            if number < _FEW or kind in self._provisional or (known := self._known.get(kind)) is None:
                continue
            total, unit = sum(latencies), known.median
            if known.mean_error < _EVEN * unit:
                middle += number + (total - number * known.mean) / unit
                error = known.mean_error / unit
            else:
                middle += number * median(latencies) / unit
                error = known.median_error / unit
            mean += total / unit
            variance += (number * error) ** 2 * (1 / number + 1 / known.weight)
            count += number
        if not count:
            return None
        return Ratio(middle / count, mean / count, math.sqrt(variance) / count, count / sum(map(len, samples.values())))

    def typical(self, samples: Samples) -> tuple[float, int]:
        """The median of all latencies divided by their baselines, over the known kinds, and the number of its samples.
        A rough first measure: it needs only a few samples of each kind."""
        ratios = [
            latency / known.median
            for kind, latencies in samples.items()
            if (known := self._known.get(kind)) is not None
            for latency in latencies
        ]
        return (median(ratios), len(ratios)) if ratios else (1.0, 0)

    def as_quick(self, samples: Samples) -> bool:
        """Whether each new kind is as quick as the quickest known kind. If so, the new kinds have not queued."""
        quickest = min(
            (known.median for kind, known in self._known.items() if kind not in self._provisional), default=0.0
        )
        return all(
            median(latencies) <= quickest * _AS_QUICK
            for kind, latencies in samples.items()
            if kind not in self._known or kind in self._provisional
        )

    def adopt(self, samples: Samples, ratio: float, enough: int) -> bool:
        """Adds new kinds, while the other latencies are at `ratio`.

        A new kind is provisional, and left out of `ratio`, until it has `enough` samples: quick requests end first.
        Returns True if a kind is no longer provisional.
        """
        firm = False
        for kind, latencies in samples.items():
            known = self._known.get(kind)
            if known is not None and kind not in self._provisional:
                continue
            new = Latency.of(latencies, ratio)
            self._known[kind] = known = new if known is None else known.with_(new)
            self._provisional.add(kind)
            if known.weight >= enough:
                self._provisional.remove(kind)
                self._known[kind] = known.weighing(_ADOPTED)
                firm = True
        return firm
