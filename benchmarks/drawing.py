"""Draws charts as SVG, each once for a light and once for a dark page; the same figures give the same bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.charts import Chart, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THEMES = {
    "": {"text": "#1f2328", "grid": "#d1d9e0", "page": "#ffffff"},
    "-dark": {"text": "#e6edf3", "grid": "#3d444d", "page": "#0d1117"},
}
"""Suffix of the file's name, and the colours of GitHub's pages."""
COLOURS = {
    "": ("#0969da", "#d1242f", "#1a7f37", "#8250df", "#bc4c00", "#6e7781"),
    "-dark": ("#4493f8", "#f85149", "#3fb950", "#ab7df8", "#db6d28", "#9198a1"),
}
_ASIDE = 2.3
"""Where what has no place of its own stands, as a multiple of the last place (on a logarithmic axis)."""
MARKERS = ("o", "s", "^", "D", "v", "P")


def possible() -> bool:
    """Whether what draws is installed."""
    return find_spec("matplotlib") is not None


def draw(chart: Chart, folder: Path) -> list[Path]:
    """Writes the chart's files; needs matplotlib (`pip install '.[benchmarks]'`)."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for theme in THEMES:
        path = folder / f"{chart.name}{theme}.svg"
        path.write_bytes(picture(chart, theme))
        written.append(path)
    return written


def picture(chart: Chart, theme: str = "") -> bytes:
    """The chart as SVG."""
    from matplotlib.figure import Figure as Picture

    with _style(theme):
        height = 0.9 + 0.42 * len(chart.bars) if chart.kind == "bars" else 3.6
        figure = Picture(figsize=(9.6, height), layout="constrained")
        axes = figure.subplots(1, len(chart.panels), squeeze=False, sharey=chart.kind == "lines" and not _own_y(chart))
        for number, (panel, field) in enumerate(zip(chart.panels, axes[0], strict=True)):
            (_bars if chart.kind == "bars" else _lines)(chart, panel, field, theme)
            field.set_title(panel.title, fontsize=10)
            field.set_xlabel(chart.x)
            if number == 0 or panel.y:
                field.set_ylabel(panel.y or chart.y)
        figure.suptitle(chart.title, fontsize=12, fontweight="bold")
        _legend(chart, figure, axes[0][0])
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": chart.title})
    lines = buffer.getvalue().decode("utf-8").splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode("utf-8")


def _own_y(chart: Chart) -> bool:
    return any(panel.y for panel in chart.panels)


def _legend(chart: Chart, figure: "object", first: "Axes") -> None:
    if _own_y(chart) or chart.kind == "bars":
        return
    handles, labels = first.get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)  # type: ignore[attr-defined]


def _lines(chart: Chart, panel: Panel, field: "Axes", theme: str) -> None:
    if "x" in chart.logarithmic:
        field.set_xscale("log", base=10)
    if "y" in chart.logarithmic:
        field.set_yscale("log", base=10)
    places = sorted({x for series in panel.series for x, _ in series.points})
    for number, series in enumerate(panel.series):
        colour, marker = COLOURS[theme][number], MARKERS[number]
        xs, ys = [x for x, _ in series.points], [y for _, y in series.points]
        if chart.kind == "steps":
            field.step(xs, ys, where="post", color=colour, label=series.label, linewidth=2.0 - 0.4 * (number > 1))
        else:
            field.plot(xs, ys, color=colour, marker=marker, markersize=4, label=series.label)
        if series.aside is not None and places:
            beside = places[-1] * _ASIDE * 1.16 ** (number - (len(panel.series) - 1) / 2)
            field.plot([beside], [series.aside], color=colour, marker=marker, markersize=6, linestyle="none")
    if chart.aside and places:
        field.axvspan(places[-1] * 1.6, places[-1] * 3.3, color=THEMES[theme]["grid"], alpha=0.35, linewidth=0)
        field.set_xlim(places[0] / 1.3, places[-1] * 3.3)
    if chart.kind == "lines" and places and len(places) <= 8:
        ticks = [*places, places[-1] * _ASIDE] if chart.aside else places
        field.set_xticks(ticks, [*(f"{place:,g}" for place in places), chart.aside][: len(ticks)])
        field.minorticks_off()
    if chart.limit is not None:
        field.axhline(chart.limit, color=THEMES[theme]["text"], linestyle=":", linewidth=1)
    if "y" in chart.logarithmic:
        field.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        field.set_yticks(_ticks(chart, [y for series in panel.series for _, y in series.points]))
        field.minorticks_off()
    else:
        field.set_ylim(bottom=0)
    if _own_y(chart):
        field.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)


def _ticks(chart: Chart, values: list[float]) -> list[float]:
    """Of a logarithmic axis, around the values; finer just above a limit that most values are near to."""
    steps = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0) if chart.limit == 1.0 else (1.0, 2.0, 5.0)
    lowest, highest = (min(values) / 1.3, max(values) * 1.3) if values else (1.0, 10.0)
    places = [step * 10.0**power for power in range(-4, 7) for step in (steps if power == 0 else (1.0, 2.0, 5.0))]
    return [place for place in places if lowest <= place <= highest]


def _bars(chart: Chart, panel: Panel, field: "Axes", theme: str) -> None:
    values = {int(place): value for place, value in panel.series[0].points}
    highest = max(values.values(), default=1.0)
    for place, name in enumerate(chart.bars):
        value = values.get(place)
        if value is not None:
            colour = COLOURS[theme][1 if name.startswith("requests") else 5 if name.startswith("bare") else 0]
            field.barh(place, value, color=colour, height=0.62)
            field.text(value + highest * 0.015, place, f"{value:,.0f}", va="center", fontsize=9)
    field.set_yticks(range(len(chart.bars)), chart.bars if panel is chart.panels[0] else [])
    field.invert_yaxis()
    field.set_xlim(0, highest * 1.18)
    field.locator_params(axis="x", nbins=5)
    field.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    field.grid(axis="y", visible=False)


@contextmanager
def _style(theme: str) -> Iterator[None]:
    import matplotlib as mpl

    colours = THEMES[theme]
    with mpl.rc_context(
        {
            "svg.hashsalt": "benchmarks",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 9,
            "figure.facecolor": colours["page"],
            "axes.facecolor": colours["page"],
            "savefig.facecolor": colours["page"],
            "text.color": colours["text"],
            "axes.labelcolor": colours["text"],
            "axes.edgecolor": colours["grid"],
            "xtick.color": colours["text"],
            "ytick.color": colours["text"],
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": colours["grid"],
            "grid.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        yield
