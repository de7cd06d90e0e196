"""Writes table and plots into docs/benchmarks.md, between two markers."""

import os
from pathlib import Path

from benchmarks.charts import Chart
from benchmarks.figures import table
from benchmarks.findings import charts
from benchmarks.results import Results

BEGIN = "<!-- benchmarks: python -m benchmarks writes from here -->"
END = "<!-- benchmarks: to here -->"


def text(results: Results) -> str:
    """One table of all figures, and with what they were taken."""
    return "\n\n".join([table(results.figures), *results.circumstances])


def section(results: Results, plots: str) -> str:
    """What stands between the markers; `plots`: the folder of the pictures as the page has to name it."""
    goals = [figure for figure in results.figures if figure.goal is not None]
    others = [figure for figure in results.figures if figure.goal is None]
    parts = [*(picture(chart, plots) for chart in charts(results)), table(goals), *results.circumstances]
    if others:
        summary = "<summary>Figures without a goal</summary>"
        parts.append(f"<details>\n{summary}\n\n{table(others)}\n\n</details>")
    return "\n\n".join(parts)


def picture(chart: Chart, plots: str) -> str:
    """For a light and a dark page."""
    return (
        f"{chart.says}\n\n"
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{plots}/{chart.name}-dark.svg">\n'
        f'  <img alt="{chart.title}" src="{plots}/{chart.name}.svg">\n'
        "</picture>"
    )


def rewritten(text: str, inside: str) -> str:
    """`text` with `inside` between the markers. Raises ValueError if it has not both, in their order."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there are no two lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{inside}\n\n{END}{after}"


def write(path: Path, results: Results, plots: Path) -> None:
    """Rewrites a file."""
    where = Path(os.path.relpath(plots.resolve(), path.resolve().parent)).as_posix()
    path.write_text(rewritten(path.read_text(encoding="utf-8"), section(results, where)), encoding="utf-8")
