"""How many requests may be in flight: a fixed number, or what the server can handle according to its latencies."""

import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from oaa_bitbucket_async.bitbucket.pacing.baseline import Latency, Samples

OnChange = Callable[[int, int, str], None]
"""Called with the old limit, the new one, and why."""

SMALLEST = 2


class Found(msgspec.Struct, frozen=True):
    """What a run found out about a server, for the next run: the limit, and latencies by kind without a queue."""

    limit: int
    latencies: dict[str, Latency]

    @property
    def plausible(self) -> bool:
        """Whether a run can have found that."""
        return self.limit >= SMALLEST and bool(self.latencies) and all(map(_is_one, self.latencies.values()))


def _is_one(latency: Latency) -> bool:
    numbers = latency.numbers
    return latency.weight > 0 and latency.median > 0.0 and min(numbers) >= 0.0 and math.isfinite(sum(numbers))


class Limit(Protocol):
    """What the pacer asks of a limit. Times are clock seconds, latencies seconds."""

    value: int

    def answered(self, kind: str, latency: float, now: float, blocked: int) -> None:
        """A real answer; `blocked` counts, since the beginning, how often the limit made a request wait."""

    def failed(self, now: float) -> bool:
        """An attempt that is no answer; True if so many failed that the limit is due to fall."""

    def refused(self, now: float) -> None:
        """The server asked for a pause."""

    def restart(self, now: float, reason: str) -> None:
        """Trouble is over: feel the way up again."""

    def slower(self, samples: Samples) -> float | None:
        """These latencies by what they are without a queue; None if that is not known."""

    def found(self) -> Found | None:
        """What the next run can begin with; None if nothing was found out."""


class FixedLimit:
    """The user's number. Nothing that happens changes it."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def answered(self, kind: str, latency: float, now: float, blocked: int) -> None:
        """See `Limit`."""

    def failed(self, now: float) -> bool:
        """See `Limit`."""
        return False

    def refused(self, now: float) -> None:
        """See `Limit`."""

    def restart(self, now: float, reason: str) -> None:
        """See `Limit`."""

    def slower(self, samples: Samples) -> float | None:
        """See `Limit`."""
        return None

    def found(self) -> Found | None:
        """See `Limit`."""
        return None
