"""Statistics of a run's requests. The client and the pacing write them; summary, report and metrics read them.

Plain numbers, so that a progress display can look at them at any time without asking anyone.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

_BUCKETS_PER_OCTAVE = 8
_LOWEST = 1e-4


class Latencies:
    """Latencies of one kind of request in a histogram of fixed size: 8 buckets an octave, within 5 %."""

    __slots__ = ("_buckets", "count", "total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One answered request."""
        bucket = int(math.log2(seconds / _LOWEST) * _BUCKETS_PER_OCTAVE) if seconds > _LOWEST else 0
        self._buckets[bucket] += 1
        self.count += 1
        self.total += seconds

    def quantile(self, share: float) -> float:
        """The latency in seconds below which `share` (0 to 1) of the requests lie; 0.0 without any."""
        wanted = share * self.count
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return float(_LOWEST * 2.0 ** ((bucket + 0.5) / _BUCKETS_PER_OCTAVE))
        return 0.0


@dataclass(slots=True)
class RequestStats:
    """Counts of a run, by kind of request (`repository-users`, `projects`, …: names of `api`)."""

    sent: Counter[str] = field(default_factory=Counter)
    """Attempts that left, by kind: retries included."""
    answered: Counter[str] = field(default_factory=Counter)
    """Questions that got their answer, by kind."""
    refused: Counter[str] = field(default_factory=Counter)
    """Denied, gone, moved or rejected, by that word."""
    faults: Counter[str] = field(default_factory=Counter)
    """Attempts that failed, by reason (FaultReason)."""
    unanswered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Both of these by kind and that word or reason."""
    retries: Counter[str] = field(default_factory=Counter)
    """Attempts that were made again, by the reason of the one before."""
    latencies: dict[str, Latencies] = field(default_factory=dict)
    """Of answered attempts, by kind."""
    bytes_received: int = 0

    @property
    def total(self) -> int:
        """All attempts that left."""
        return sum(self.sent.values())

    @property
    def total_retries(self) -> int:
        """All attempts that were made again."""
        return sum(self.retries.values())
