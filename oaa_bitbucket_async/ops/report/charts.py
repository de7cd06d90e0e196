"""The report's plots, in SVG. They have no scripts and no references; their style is the page's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup
from pygal.config import Config
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.graph.horizontalstackedbar import HorizontalStackedBar
from pygal.graph.xy import XY
from pygal.style import Style

etree.to_etree()  # where lxml is installed pygal would use it, and lxml writes references to other vocabularies
_SVG = "{http://www.w3.org/2000/svg}"
_WIDTH = 340
_FONT = 11
_ROW = 24
_TIME_STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400),
)
"""Seconds between two marks of a time axis."""
_MOST_MARKS = 5

Point = tuple[float, float | None]
"""Seconds since the beginning, and a value."""


class Bar(NamedTuple):
    """One bar with one or more pieces."""

    label: str
    values: Sequence[int]


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, each with its sum. The first row is on top. The pieces of a bar have the order of `values`."""
    chart = HorizontalStackedBar(_config(height=_ROW * len(rows) + 8, show_x_labels=False, include_x_axis=True))
    chart.x_labels = [f"{bar.label}  {sum(bar.values):,}" for bar in reversed(rows)]
    for n in range(len(rows[0].values)):
        chart.add("", [bar.values[n] for bar in reversed(rows)])
    return _svg(chart, title)


def timeline(
    title: str, lines: Sequence[Sequence[Point]], show: Callable[[float], str], *, filled: bool = True
) -> Markup:
    """Lines over time, the first one filled unless it has gaps. `show` writes a value at the axis."""
    chart = XY(
        _config(
            height=150,
            max_scale=4,
            fill=False,
            show_dots=False,
            include_x_axis=True,
            value_formatter=show,
            x_value_formatter=str,
        )
    )
    last = max((x for line in lines for x, _ in line), default=0.0)
    highest = max((y for line in lines for _, y in line if y is not None), default=0.0)
    chart.range = (0, highest * 1.05 or 1)
    chart.xrange = (0, last or 1)
    chart.x_labels = [{"value": mark, "label": time_mark(mark)} for mark in _marks(last)]
    for n, line in enumerate(lines):
        chart.add("", list(line), fill=filled and n == 0, allow_interruptions=True)
    return _svg(chart, title, kind="" if filled else " outline")


def time_mark(seconds: float) -> str:
    """`0`, `0.2 s`, `30 s`, `5 min`, `2 h`."""
    if seconds == 0:
        return "0"
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"


def _marks(last: float) -> list[float]:
    step = next((step for step in _TIME_STEPS if last / step < _MOST_MARKS), _TIME_STEPS[-1])
    return [round(n * step, 6) for n in range(int(last / step) + 1)]


def _config(**options: object) -> Config:
    return Config(
        width=_WIDTH,
        explicit_size=False,
        no_prefix=True,
        show_legend=False,
        js=(),
        css=(),
        margin=2,
        spacing=6,
        style=Style(label_font_size=_FONT, major_label_font_size=_FONT),
        **options,
    )


def _svg(chart: Graph, title: str, kind: str = "") -> Markup:
    """The drawing alone, without pygal's styles, scripts, tooltips and comments."""
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag in _LEFT_OUT or "overlay" in child.get("class", ""):
                parent.remove(child)
    root.attrib.pop("id", None)
    root.set("class", f"chart{kind}")
    root.set("role", "img")
    root.set("aria-label", title)
    return Markup(etree.tostring(root, encoding="unicode"))  # noqa: S704  # written by an XML library, not by us


_LEFT_OUT = {f"{_SVG}{tag}" for tag in ("defs", "style", "script", "desc", "title")} | {
    "defs", "style", "script", "desc", "title",
}  # fmt: skip
