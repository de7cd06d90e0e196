"""Charts as plain figures: `findings` makes them from the measurements, and `drawing` draws them."""

from typing import Literal

import msgspec


class Series(msgspec.Struct, frozen=True):
    """One line, or one mark in each row. A point is x and y of a line; or the number of a row, and the value there.

    `texts`: what stands beside each value of a row. `worst`: the far end of a value that reaches from a median to a
    worst case, by row. `aside`: a value that has no x of its own and stands beside the line (what `auto` came to).
    """

    label: str
    points: list[tuple[float, float]]
    texts: list[str] = []
    worst: list[float] = []
    aside: float | None = None


class Panel(msgspec.Struct, frozen=True):
    """One field of a chart."""

    title: str
    series: list[Series]
    y: str = ""
    x: str = ""
    logarithmic: bool = False


class Chart(msgspec.Struct, frozen=True):
    """A picture: `name` is its file's, `title` a sentence that says what was found, `says` how to read it.

    `rows`: names of the rows, for bars (one series) and marks (several). `places`: names of the places on the x axis of
    lines, which are then 0, 1, 2 …; `aside` names one more. `top`: where the y axis ends; lines may go on beyond it.
    """

    name: str
    title: str
    says: str
    panels: list[Panel]
    x: str = ""
    y: str = ""
    kind: Literal["lines", "steps", "bars", "marks"] = "lines"
    rows: list[str] = []
    places: list[str] = []
    aside: str = ""
    top: float | None = None
    limit: float | None = None
    """A line across: what nothing can be better than."""
