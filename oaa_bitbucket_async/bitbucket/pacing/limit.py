"""How many requests may be in flight: a fixed number, or what the server's latencies allow."""

import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from oaa_bitbucket_async.bitbucket.pacing.baseline import Latency, Samples

OnChange = Callable[[int, int, str], None]
"""Called with the old limit, the new one, and why."""

SMALLEST = 2


class Found(msgspec.Struct, frozen=True):
    """What a run found out about a server, for the next run: the limit, and the unloaded latencies by kind."""

    limit: int
    latencies: dict[str, Latency]

    @property
    def plausible(self) -> bool:
        """Whether these values are possible."""
        return self.limit >= SMALLEST and bool(self.latencies) and all(map(_is_one, self.latencies.values()))


def _is_one(latency: Latency) -> bool:
    numbers = latency.numbers
    return latency.weight > 0 and latency.median > 0.0 and min(numbers) >= 0.0 and math.isfinite(sum(numbers))


class Limit(Protocol):
    """The interface of a limit. Times are clock seconds, latencies seconds."""

    value: int

    def answered(self, kind: str, latency: float, now: float, blocked: int) -> None:
        """Bitbucket answered. `blocked` is how often the limit has made a request wait since the beginning."""

    def failed(self, now: float) -> bool:
        """An attempt got no usable answer. True if so many failed that the limit was cut."""

    def refused(self, now: float) -> None:
        """The server asked for a pause."""

    def restart(self, now: float, reason: str) -> None:
        """The trouble is over: begin again with slow start."""

    def slower(self, samples: Samples) -> float | None:
        """These latencies divided by the unloaded ones; None if those are not known."""

    def found(self) -> Found | None:
        """What the next run can start from; None if nothing was found out."""


class FixedLimit:
    """The user's number. It never changes."""

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
