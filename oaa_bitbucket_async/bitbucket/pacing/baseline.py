"""The latency of each kind of request on a server that does not queue, and how far the present is from it."""

from statistics import median

_FEW = 5
_MEMORY = 200
"""A baseline weighs as much as this many samples at most, so that a probe always counts."""

Samples = dict[str, list[float]]


class Baseline:
    """Medians by kind: heavy tails don't move them, and a shifting mix of kinds does not either."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    def __getitem__(self, kind: str) -> float:
        return self._known[kind][0]

    def learn(self, samples: Samples) -> None:
        """Latencies that were taken while nothing queued."""
        for kind, latencies in samples.items():
            if len(latencies) < _FEW:
                continue
            new, weight = median(latencies), len(latencies)
            old, known = self._known.get(kind, (new, 0))
            known = min(known, _MEMORY)
            self._known[kind] = ((old * known + new * weight) / (known + weight), known + weight)

    def forget(self) -> None:
        """What is learned next counts alone."""
        self._known = {kind: (value, 1) for kind, (value, _) in self._known.items()}

    def ratio(self, samples: Samples) -> float | None:
        """The latencies by their baselines: 1.0 means no queue. None: too few of a kind that is known."""
        total = 0.0
        count = 0
        for kind, latencies in samples.items():
            if len(latencies) >= _FEW and kind in self._known:
                total += len(latencies) * median(latencies) / self._known[kind][0]
                count += len(latencies)
        return total / count if count else None

    def adopt(self, samples: Samples, ratio: float) -> None:
        """Kinds that are met for the first time, on a server whose other latencies are at `ratio`."""
        for kind, latencies in samples.items():
            if len(latencies) >= _FEW and kind not in self._known:
                self._known[kind] = (median(latencies) / ratio, _FEW)
