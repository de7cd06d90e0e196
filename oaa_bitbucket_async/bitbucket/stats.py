"""Statistics of a run's requests. The client and the pacing write them; summary, report and metrics read them.

They are plain numbers, so a progress display can read them at any time.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

_BUCKETS_PER_OCTAVE = 8
_LOWEST = 1e-4


class Latencies:
    """Latencies of one kind of request in a histogram of fixed size: 8 buckets per octave, within 5 %."""

    __slots__ = ("_buckets", "count", "total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Adds one answered request."""
        bucket = int(math.log2(seconds / _LOWEST) * _BUCKETS_PER_OCTAVE) if seconds > _LOWEST else 0
        self._buckets[bucket] += 1
        self.count += 1
        self.total += seconds

    def quantile(self, share: float) -> float:
        """The latency in seconds that `share` (0 to 1) of the requests stay below; 0.0 if there are none."""
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
    """Attempts that were sent, by kind, retries included."""
    answered: Counter[str] = field(default_factory=Counter)
    """Questions that were answered, by kind."""
    refused: Counter[str] = field(default_factory=Counter)
    """Questions that ended as denied, gone, moved or rejected, by that word."""
    faults: Counter[str] = field(default_factory=Counter)
    """Attempts that failed, by reason (FaultReason)."""
    unanswered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """`refused` and `faults` together, by kind and by that word or reason."""
    retries: Counter[str] = field(default_factory=Counter)
    """Repeated attempts, by the reason why the attempt before failed."""
    latencies: dict[str, Latencies] = field(default_factory=dict)
    """Latencies of answered attempts, by kind."""
    bytes_received: int = 0

    @property
    def total(self) -> int:
        """All attempts that were sent."""
        return sum(self.sent.values())

    @property
    def total_retries(self) -> int:
        """All repeated attempts."""
        return sum(self.retries.values())
