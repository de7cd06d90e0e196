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


class Answer(msgspec.Struct, frozen=True):
    """What one question came to."""

    figures: list[Figure]
    charts: list[Chart] = []
