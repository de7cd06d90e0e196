"""What is drawn, as plain figures: `drawing` makes pictures of it, now or later from a saved file."""

from typing import Literal

import msgspec

from benchmarks.figures import Figure


class Series(msgspec.Struct, frozen=True):
    """One line, or one bar for each point (`label` of a point is its place in `Chart.bars`).

    `aside`: a value that has no x of its own, drawn beside the line (what `auto` came to).
    """

    label: str
    points: list[tuple[float, float]]
    aside: float | None = None


class Panel(msgspec.Struct, frozen=True):
    """One field of a chart."""

    title: str
    series: list[Series]
    y: str = ""


class Chart(msgspec.Struct, frozen=True):
    """A picture: `name` is its file's, `says` the line below it. `bars`: names of the bars, else it is lines."""

    name: str
    title: str
    says: str
    x: str
    y: str
    panels: list[Panel]
    kind: Literal["lines", "steps", "bars"] = "lines"
    logarithmic: Literal["", "x", "y", "xy"] = ""
    aside: str = ""
    bars: list[str] = []
    limit: float | None = None
    """A horizontal line: what nothing can be better than, or a goal."""


class Neighbour(msgspec.Struct, frozen=True):
    """What another client felt of one crawl. Latencies are in milliseconds, over the whole crawl.

    `slots`, `milliseconds`, `service` ('fixed' or 'lognormal') and `degradation` (0: none) describe the server.
    `concurrency` None: `auto`. `time`: that of the crawl by the least time.
    """

    slots: int
    milliseconds: float
    service: str
    degradation: float
    concurrency: int | None
    requests: int
    time: float
    unloaded_median: float
    unloaded_p95: float
    median: float
    p95: float
    over_time: list[tuple[float, float]] = []
    """Seconds since the crawl began, and the median around then; evenly over the crawl."""

    @property
    def felt(self) -> float:
        """The median by the one without a crawl."""
        return self.median / self.unloaded_median

    @property
    def felt_p95(self) -> float:
        """The same of the 95th percentile."""
        return self.p95 / self.unloaded_p95

    @property
    def seconds(self) -> float:
        """About the length of the crawl."""
        return self.over_time[-1][0] if self.over_time else 1.0


class Answer(msgspec.Struct, frozen=True):
    """What one question came to."""

    figures: list[Figure]
    charts: list[Chart] = []
    neighbours: list[Neighbour] = []
