"""The plot of `scale`, made of its figures: whatever was measured in seconds and MB at two sizes or more."""

import re
from collections.abc import Iterable

from benchmarks.charts import Chart, Panel, Series
from benchmarks.figures import Figure

_SIZE = re.compile(r"^([0-9][0-9,]*) repositories")
PANELS = {"s": "seconds", "MB": "MB"}


def charts(figures: Iterable[Figure]) -> list[Chart]:
    """One chart, a panel for each unit; none if there is only one size."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for figure in figures:
        size = _SIZE.match(figure.setting)
        if size and figure.unit in PANELS:
            point = (float(size[1].replace(",", "")), figure.value)
            found.setdefault(figure.unit, {}).setdefault(figure.what, []).append(point)
    panels = []
    for unit, title in PANELS.items():
        series = [Series(what, sorted(points)) for what, points in found.get(unit, {}).items() if len(points) > 1]
        if series:
            panels.append(Panel(title, series[:6], y=title))
    if not panels:
        return []
    return [
        Chart(
            name="scale",
            title="From small to large instances",
            says="What a whole run comes to, from small to large instances.",
            x="repositories",
            y="",
            panels=panels,
            logarithmic="xy",
        )
    ]
