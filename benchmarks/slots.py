"""Servers with a number of slots: how fast they can be, and the least time in which they can answer a crawl."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.collector import Report
from tests.servers.capacity import Capacity

REQUESTS_PER_REPOSITORY = 2.46
"""Of the generated estates."""


@dataclass(frozen=True, slots=True)
class Slots:
    """An embedded server. `milliseconds` of a common request; `schedule`: (second, slots from then on)."""

    slots: int
    milliseconds: float
    service: str = "lognormal"
    degradation: float = 0.0
    schedule: tuple[tuple[float, int], ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """As the server's command line takes them."""
        found = ["--slots", str(self.slots), "--service", self.service, "--service-time", f"{self.milliseconds:g}"]
        if self.degradation:
            found += ["--degradation", f"{self.degradation:g}"]
        for second, slots in self.schedule:
            found += ["--schedule", f"{second:g}:{slots}"]
        return tuple(found)

    @property
    def mean_seconds(self) -> float:
        """The mean service time without overload."""
        return Capacity(self.slots, self.service, self.milliseconds / 1000).mean_seconds

    def rate(self, concurrency: int | None = None) -> float:
        """Requests a second that it can answer, to a caller with that many in flight."""
        return min(self.slots, concurrency or self.slots) / self.mean_seconds

    def repositories(self, seconds: float, concurrency: int | None = None) -> int:
        """The size of an estate whose crawl takes about so long."""
        return max(50, round(seconds * self.rate(concurrency) / REQUESTS_PER_REPOSITORY / 10) * 10)

    def name(self) -> str:
        """For a table."""
        times = f"{self.milliseconds:g} ms" if self.service == "fixed" else f"{self.milliseconds:g} ms lognormal"
        return f"{self.slots} slots, {times}" + (", slower under overload" if self.degradation else "")

    def later(self, seconds: float) -> "Slots":
        """The same with its schedule as seen by who comes that much later."""
        return replace(self, schedule=tuple((second - seconds, slots) for second, slots in self.schedule))


def least_seconds(work: float, slots: int, schedule: Sequence[tuple[float, int]] = ()) -> float:
    """The time in which `work` seconds of service are done if no slot is ever idle."""
    at, left = 0.0, work
    for second, following in schedule:
        done = max(0.0, second - at) * slots
        if done >= left:
            break
        left -= done
        at, slots = max(at, second), following
    return at + left / slots


def ratio(report: Report, server: Slots) -> float:
    """Time of the crawl divided by the least time. The least time assumes no overload."""
    stats = report.server
    work = stats.busy_seconds * stats.undisturbed_seconds / stats.drawn_seconds
    schedule = server.later(report.phases["preflight"].wall).schedule
    return report.phases["crawl"].wall / least_seconds(work, server.slots, schedule)
