"""The latency of each kind of request on a server that does not queue, and how far the present is from it."""

from statistics import median
from typing import NamedTuple

_FEW = 5
_MEMORY = 250
"""A baseline weighs as much as this many samples at most, so that a probe always counts."""

Samples = dict[str, list[float]]


class Ratio(NamedTuple):
    """Latencies by their baselines (which are medians): 1.0 for `median` means no queue."""

    median: float
    mean: float

    def limit(self, limit: int, target: float) -> float:
        """The limit at which the median would be at `target`, if the present is what comes of `limit`.

        Little's law holds for means: time in the queue is (median - target), and `limit` is throughput times mean.
        """
        return limit * (1.0 - (self.median - target) / max(self.mean, self.median))


class Baseline:
    """Medians by kind: heavy tails don't move them, and a shifting mix of kinds does not either."""

    __slots__ = ("_known", "_provisional")

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}
        self._provisional: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._known)

    @property
    def weight(self) -> int:
        """Samples that it rests on."""
        return sum(weight for _, weight in self._known.values())

    def learn(self, samples: Samples) -> None:
        """Latencies that were taken while nothing queued."""
        for kind, latencies in samples.items():
            if len(latencies) < _FEW:
                continue
            new, weight = median(latencies), len(latencies)
            old, known = self._known.get(kind, (new, 0))
            known = min(known, _MEMORY)
            self._known[kind] = ((old * known + new * weight) / (known + weight), known + weight)
            self._provisional.discard(kind)

    def forget(self) -> None:
        """What is learned next counts alone."""
        self._known = {kind: (value, 1) for kind, (value, _) in self._known.items()}

    def raise_by(self, factor: float) -> None:
        """All of it was too low by that factor; nothing happens for one below 1."""
        if factor > 1.0:
            self._known = {kind: (value * factor, weight) for kind, (value, weight) in self._known.items()}

    def ratio(self, samples: Samples) -> Ratio | None:
        """The latencies by their baselines. None: too few of any kind that is known."""
        middle = mean = 0.0
        count = 0
        for kind, latencies in samples.items():
            if len(latencies) >= _FEW and kind in self._known and kind not in self._provisional:
                baseline = self._known[kind][0]
                middle += len(latencies) * median(latencies) / baseline
                mean += sum(latencies) / baseline
                count += len(latencies)
        return Ratio(middle / count, mean / count) if count else None

    def adopt(self, samples: Samples, ratio: float, enough: int) -> bool:
        """Kinds that are met for the first time, on a server whose other latencies are at `ratio`.

        Each is provisional, and no part of `ratio`, until it has `enough` samples: the first to end are the quick ones.
        True if one of them has become firm.
        """
        firm = False
        for kind, latencies in samples.items():
            if kind in self._known and kind not in self._provisional:
                continue
            new, weight = median(latencies) / ratio, len(latencies)
            old, known = self._known.get(kind, (new, 0))
            self._known[kind] = ((old * known + new * weight) / (known + weight), known + weight)
            self._provisional.add(kind)
            if known + weight >= enough:
                self._provisional.remove(kind)
                firm = True
        return firm
