"""Draws charts as SVG, each once for a light and once for a dark page; the same figures give the same bytes.

The letters are large: a README shows a plot at half the width of a screen, and it has to be readable there.
"""

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.charts import Chart, Panel, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THEMES = {
    "": {"text": "#1f2328", "dim": "#59636e", "grid": "#d1d9e0", "page": "#ffffff"},
    "-dark": {"text": "#e6edf3", "dim": "#9198a1", "grid": "#3d444d", "page": "#0d1117"},
}
"""Suffix of the file's name, and the colours of GitHub's pages."""
COLOURS = {
    "": ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#d1242f", "#6e7781"),
    "-dark": ("#4493f8", "#db6d28", "#3fb950", "#ab7df8", "#f85149", "#9198a1"),
}
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH = 8.0
"""Inches. At 13 points a letter is as large as the text of a page that shows the picture 830 pixels wide."""
_TITLE_WIDTH = 56
"""Letters of a line of the title."""
_APART = 0.085
"""The least distance between two names at the ends of lines, as a share of the axis."""
_LONG = 100_000
"""Numbers from here on are so long that only a few fit below an axis."""
_BESIDE = 1.8
"""Places that a name needs: where the next line leaves the field before that, its name stands lower."""


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
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with _style(theme):
        title = textwrap.fill(chart.title.replace(" %", "\N{NO-BREAK SPACE}%"), _TITLE_WIDTH)
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.03)
        figure = Picture(figsize=(WIDTH, _height(chart) + 0.3 * title.count("\n")), layout=layout)
        same = chart.kind == "steps" or (chart.kind == "lines" and not any(panel.y for panel in chart.panels))
        axes = figure.subplots(1, len(chart.panels), squeeze=False, sharey=same, sharex=_one_axis(chart))
        for number, (panel, field) in enumerate(zip(chart.panels, axes[0], strict=True)):
            if chart.kind in {"bars", "marks"}:
                _rows(chart, panel, field, theme, first=number == 0)
            else:
                _lines(chart, panel, field, theme)
                if number == 0 or panel.y:
                    field.set_ylabel(panel.y or chart.y)
            field.set_title(panel.title, fontsize=13, loc="left", color=THEMES[theme]["dim"])
            if panel.x or len(chart.panels) == 1 or chart.kind == "marks":
                field.set_xlabel(panel.x or chart.x)
        if chart.x and len(chart.panels) > 1 and chart.kind != "marks":
            figure.supxlabel(chart.x, fontsize=13)
        figure.suptitle(title, fontsize=16, fontweight="bold", x=0.012, ha="left")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": chart.title})
    lines = buffer.getvalue().decode("utf-8").splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode("utf-8")


def _one_axis(chart: Chart) -> bool:
    """Whether the x axis of all panels is the same."""
    return chart.kind == "marks" and not any(panel.x for panel in chart.panels)


def _height(chart: Chart) -> float:
    if chart.kind == "bars":
        return 1.4 + 0.42 * len(chart.rows)
    if chart.kind == "marks":
        return 1.9 + len(chart.rows) * (0.3 * max(len(panel.series) for panel in chart.panels) + 0.12)
    return 4.0


def _lines(chart: Chart, panel: Panel, field: "Axes", theme: str) -> None:
    for number, series in enumerate(panel.series):
        colour = COLOURS[theme][number]
        xs, ys = [x for x, _ in series.points], [y for _, y in series.points]
        if chart.kind == "steps":
            field.step(xs, ys, where="post", color=colour, linewidth=2.2)
        else:
            field.plot(xs, ys, color=colour, marker=MARKERS[number], markersize=6, linewidth=2.2)
    field.set_ylim(bottom=0, top=chart.top)
    if chart.limit is not None:
        field.axhline(chart.limit, color=THEMES[theme]["dim"], linestyle=":", linewidth=1.4, zorder=1)
    if chart.places:
        _places(chart, panel, field, theme)
    else:
        field.set_xlim(left=0)
        if chart.kind == "lines":
            _sizes(panel, field)
    if chart.kind == "steps":
        _name_steps(panel, field, theme)
    elif chart.top is not None:
        _name_crossings(chart.top, panel, field, theme)
    else:
        _name_ends(panel, field, theme)


def _places(chart: Chart, panel: Panel, field: "Axes", theme: str) -> None:
    """Places with names, and beside them what has no place of its own, with its least and its largest value."""
    names, beside = list(chart.places), len(chart.places) + 0.4
    asides = [series.aside for series in panel.series if series.aside is not None]
    if asides:
        names.append(chart.aside)
        field.axvspan(beside - 0.6, beside + 0.6, color=THEMES[theme]["grid"], alpha=0.45, linewidth=0)
        for number, series in enumerate(panel.series):
            if series.aside is not None:
                at = beside + 0.22 * (number - (len(panel.series) - 1) / 2)
                marker = {"marker": MARKERS[number], "markersize": 7, "linestyle": "none"}
                field.plot([at], [series.aside], color=COLOURS[theme][number], **marker)  # type: ignore[arg-type]
        range_ = f"{min(asides):.2f}\nto\n{max(asides):.2f}" if len(asides) > 1 else f"{asides[0]:.2f}"
        above = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "va": "bottom"}
        field.annotate(range_, (beside, max(asides)), fontsize=12, linespacing=0.95, **above)  # type: ignore[arg-type]
        field.set_xlim(-0.35, beside + 0.65)
    field.set_xticks([*range(len(chart.places)), *([beside] if asides else [])], names)


def _sizes(panel: Panel, field: "Axes") -> None:
    """The sizes that were measured stand at the axis, as far as there is room."""
    sizes = sorted({x for series in panel.series for x, _ in series.points})
    ticks = [size for size, next_ in zip(sizes, [*sizes[1:], None], strict=True) if _room(size, next_, sizes[-1])]
    field.set_xticks([0, *ticks], ["0", *(f"{size:,.0f}" for size in ticks)])


def _room(size: float, larger: float | None, largest: float) -> bool:
    return size > 0.25 * largest and (larger is None or larger - size > 0.35 * largest)


def _write(field: "Axes", text: str, at: tuple[float, float], offset: tuple[float, float], **how: object) -> None:
    how = {"fontsize": 13, "fontweight": "bold", "annotation_clip": False, **how}
    field.annotate(text, at, xytext=offset, textcoords="offset points", **how)  # type: ignore[arg-type]


def _name_ends(panel: Panel, field: "Axes", theme: str) -> None:
    """The names to the right of the last points, from the lowest up, each at some distance from the one below."""
    least = _APART * field.get_ylim()[1]
    placed = -least
    for number, series in sorted(enumerate(panel.series), key=lambda one: one[1].points[-1][1]):
        x, y = series.points[-1]
        placed = max(y, placed + least)
        _write(field, series.label, (x, placed), (9, 0), color=COLOURS[theme][number], va="center")


def _name_steps(panel: Panel, field: "Axes", theme: str) -> None:
    """The first at its highest step, each other one below its lowest."""
    for number, series in enumerate(panel.series):
        colour = COLOURS[theme][number]
        if number == 0:
            _write(field, series.label, max(series.points, key=lambda point: point[1]), (7, -11), color=colour)
            continue
        ends = [*series.points[1:], series.points[-1]]
        (begin, low), (end, _) = min(zip(series.points, ends, strict=True), key=lambda pair: pair[0][1])
        _write(field, series.label, ((begin + end) / 2, low), (0, -6), color=colour, ha="center", va="top")


def _name_crossings(top: float, panel: Panel, field: "Axes", theme: str) -> None:
    """Beside the place where a line leaves the field; a line that stays in it is named at its beginning."""
    leave: list[tuple[float, int]] = []
    for number, series in enumerate(panel.series):
        x = _crossing(series, top)
        if x is None:
            _write(field, series.label, series.points[0], (-4, 9), color=COLOURS[theme][number])
        else:
            leave.append((x, number))
    lower, before = 0, -_BESIDE
    for x, number in sorted(leave):
        lower = lower + 1 if x - before < _BESIDE else 0
        before = x
        colour = COLOURS[theme][number]
        _write(field, panel.series[number].label, (x, top), (7, -4 - 19 * lower), color=colour, va="top")


def _crossing(series: Series, top: float) -> float | None:
    """Where a line crosses the top."""
    for (x, y), (next_x, next_y) in pairwise(series.points):
        if (y > top) != (next_y > top):
            return x + (next_x - x) * (top - y) / (next_y - y)
    return None


def _rows(chart: Chart, panel: Panel, field: "Axes", theme: str, *, first: bool) -> None:
    """Bars of one series, or the marks of several below each other in each row."""
    bars, many = chart.kind == "bars", len(panel.series)
    floor = 1.0 if panel.logarithmic else 0.0
    everything = chart.panels if _one_axis(chart) else [panel]
    drawn = [series for each in everything for series in each.series]
    furthest = max(far for series in drawn for far in (*(value for _, value in series.points), *series.worst))
    if panel.logarithmic:
        field.set_xscale("log")
    for number, series in enumerate(panel.series):
        for point, (row, value) in enumerate(series.points):
            at = row + (0.0 if bars else 0.26 * (number - (many - 1) / 2))
            text = series.texts[point] if series.texts else f"{value:,.0f}"
            end = series.worst[point] if series.worst else value
            if bars:
                colour = COLOURS[theme][_owner(chart.rows[int(row)])]
                field.barh(at, value, color=colour, height=0.66)
            else:
                colour = COLOURS[theme][number]
                field.plot([value if series.worst else floor, end], [at, at], color=colour, linewidth=2.2, alpha=0.6)
                field.plot([value], [at], color=colour, marker=MARKERS[number], markersize=7, clip_on=False)
            told = f"{series.label}: {text}" if many > 1 and row == 0 and first else text
            _write(field, told, (end, at), (7, 0), va="center", fontsize=12, fontweight="normal", color=_text(theme))
    field.set_yticks(range(len(chart.rows)), chart.rows if first else [""] * len(chart.rows))
    field.set_ylim(len(chart.rows) - 0.5, -0.5)
    field.tick_params(axis="y", length=0)
    names = 0.1 * max(map(len, chart.rows))
    share = 0.092 * _longest(panel, named=first and many > 1) / ((WIDTH - names - 0.6) / len(chart.panels))
    _reach(panel, field, floor, furthest, min(share, 0.75))
    field.grid(axis="y", visible=False)


def _text(theme: str) -> str:
    return THEMES[theme]["text"]


def _longest(panel: Panel, *, named: bool) -> int:
    """Letters of the longest text beside a mark."""
    return max(
        [len(text) + (len(series.label) + 2) * named for series in panel.series for text in series.texts], default=6
    )


def _reach(panel: Panel, field: "Axes", floor: float, furthest: float, share: float) -> None:
    """Leaves a share of the axis to the texts to the right of the furthest mark."""
    if panel.logarithmic:
        powers = range(5)
        field.set_xticks([10**power for power in powers], [f"{10**power:,}" for power in powers])
        field.minorticks_off()
        field.set_xlim(floor / 1.25, max(furthest, 2.0) ** (1 / (1 - share)))
    else:
        field.set_xlim(0, furthest / (1 - share))
        field.locator_params(axis="x", nbins=4 if furthest < _LONG else 3)
        field.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _owner(name: str) -> int:
    """The colour of a bar: for the collector, a bare loop, or a simple script."""
    return 1 if name.startswith("requests") else 5 if name.startswith("bare") else 0


@contextmanager
def _style(theme: str) -> Iterator[None]:
    import matplotlib as mpl

    colours = THEMES[theme]
    with mpl.rc_context(
        {
            "svg.hashsalt": "benchmarks",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 13,
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
            "grid.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        yield
