"""The latency of each kind of request on a server that does not queue, and how far the present is from it."""

import math
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

import msgspec

_FEW = 5
_MEMORY = 250
"""A baseline weighs as much as this many samples at most, so that a probe always counts."""
_OF_MEDIAN = 1.2533 / 1.349
"""The standard error of the median of one sample, by the distance between the quartiles."""
_ADOPTED = 20
"""The weight of one that was taken while there may have been a queue, or by an earlier run."""
_EVEN = 0.1
"""Latencies of a kind that differ by less than this share, as their standard deviation, are all alike."""
_AS_QUICK = 1.15
"""A kind whose latency is within this factor of the quickest one's has not waited."""

Samples = dict[str, list[float]]


class Ratio(NamedTuple):
    """Latencies by their baselines: 1.0 for `middle` means no queue. `mean` is of the latencies, by the same unit.

    `error` is the standard error of `middle`, `known` the share of all samples that it rests on.
    """

    middle: float
    mean: float
    error: float = 0.0
    known: float = 1.0

    def limit(self, limit: int, target: float) -> float:
        """The limit at which `middle` would be at `target`, if the present is what comes of `limit`.

        Little's law holds for means: time in the queue is (middle - target), and `limit` is throughput times mean.
        """
        return limit * (1.0 - (self.middle - target) / max(self.mean, self.middle))


class Latency(msgspec.Struct, frozen=True, gc=False):
    """Of one kind of request, in seconds: `weight` samples, their median and mean, and the standard error of each of
    the two for a single sample."""

    weight: int
    median: float
    mean: float
    median_error: float
    mean_error: float

    @classmethod
    def of(cls, latencies: list[float], slower: float = 1.0) -> "Latency":
        """That of samples which a queue made slower by a factor."""
        ordered, number = sorted(latencies), len(latencies)
        mean = sum(ordered) / number
        deviation = math.sqrt(sum((latency - mean) ** 2 for latency in ordered) / number)
        quartiles = ordered[number * 3 // 4] - ordered[number // 4]
        values = (median(ordered), mean, quartiles * _OF_MEDIAN, deviation)
        return cls(number, *(value / slower for value in values))

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """Seconds, all of them."""
        return (self.median, self.mean, self.median_error, self.mean_error)

    def with_(self, other: "Latency") -> "Latency":
        """The mean of both by their weights."""
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
        """All of it longer by that factor."""
        return Latency(
            self.weight,
            self.median * factor,
            self.mean * factor,
            self.median_error * factor,
            self.mean_error * factor,
        )


class Baseline:
    """Latencies by kind, so that a shifting mix of kinds moves nothing. Of each kind counts the median, which heavy
    tails don't move; but where all latencies are alike the mean, for only that tells that a few have waited."""

    __slots__ = ("_known", "_provisional")

    def __init__(self, known: Mapping[str, Latency] | None = None) -> None:
        self._known: dict[str, Latency] = {kind: latency.weighing(_ADOPTED) for kind, latency in (known or {}).items()}
        self._provisional: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._known)

    @property
    def known(self) -> dict[str, Latency]:
        """All of it."""
        return dict(self._known)

    def learn(self, samples: Samples) -> None:
        """Latencies that were taken while nothing queued."""
        for kind, latencies in samples.items():
            if len(latencies) < _FEW:
                continue
            known = self._known.get(kind)
            new = Latency.of(latencies)
            self._known[kind] = new if known is None else known.weighing(min(known.weight, _MEMORY)).with_(new)
            self._provisional.discard(kind)

    def forget(self) -> None:
        """What is learned next counts alone."""
        self._known = {kind: known.weighing(1) for kind, known in self._known.items()}

    def raise_by(self, factor: float) -> None:
        """All of it was too low by that factor; nothing happens for one below 1."""
        if factor > 1.0:
            self._known = {kind: known.times(factor) for kind, known in self._known.items()}

    def ratio(self, samples: Samples) -> Ratio | None:
        """The latencies by their baselines. None: too few of any kind that is known."""
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
        """The median of the latencies by their baselines, over all kinds that are known, and how many samples it is of.
        Good for a first look: a few samples of each kind are enough."""
        ratios = [
            latency / known.median
            for kind, latencies in samples.items()
            if (known := self._known.get(kind)) is not None
            for latency in latencies
        ]
        return (median(ratios), len(ratios)) if ratios else (1.0, 0)

    def as_quick(self, samples: Samples) -> bool:
        """Whether each kind that is met for the first time is as quick as the quickest that is known: it can't have
        waited then."""
        quickest = min(
            (known.median for kind, known in self._known.items() if kind not in self._provisional), default=0.0
        )
        return all(
            median(latencies) <= quickest * _AS_QUICK
            for kind, latencies in samples.items()
            if kind not in self._known or kind in self._provisional
        )

    def adopt(self, samples: Samples, ratio: float, enough: int) -> bool:
        """Kinds that are met for the first time, on a server whose other latencies are at `ratio`.

        Each is provisional, and no part of `ratio`, until it has `enough` samples: the first to end are the quick ones.
        True if one of them has become firm.
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
