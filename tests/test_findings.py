"""What the plots say: titles follow from the figures, and the same figures give the same picture."""

from itertools import cycle
from pathlib import Path

import msgspec
import pytest

from benchmarks.charts import Chart, Panel, Series
from benchmarks.drawing import THEMES, picture
from benchmarks.figures import Figure
from benchmarks.findings import (
    charts,
    cost_of_a_request,
    each_step,
    felt_by_others,
    from_small_to_large,
    limit_over_time,
    time_over_concurrency,
    week,
)
from benchmarks.records import Answer, Curve, LimitWay, Neighbour, RequestCost, Week
from benchmarks.results import Results, Taken, load

ROOT = Path(__file__).parents[1]

CURVES = [
    Curve(8, "lognormal", 0.0, [(8, 1.02), (64, 1.01)], 1.03),
    Curve(40, "lognormal", 0.0, [(8, 5.0), (64, 1.2)], 1.1),
    Curve(40, "fixed", 0.0, [(8, 5.1), (64, 1.1)], 1.05),
    Curve(40, "lognormal", 0.3, [(8, 5.2), (64, 1.9)], 1.2),
    Curve(8, "lognormal", 0.3, [(8, 1.1), (64, 6.0)], 1.2),
]
WAY = LimitWay(
    degradation=0.0,
    ratio=1.07,
    limit=[(0.0, 8.0), (1.0, 45.0), (11.0, 20.0), (19.0, 50.0), (30.0, 50.0)],
    slots=[(0.0, 40.0), (10.0, 13.0), (20.0, 40.0), (30.0, 40.0)],
)
COSTS = [
    RequestCost("bare loop", 50.0, 18_000.0),
    RequestCost("collector, auto", 80.0, 12_000.0),
    RequestCost("requests, 32 threads", 480.0, 1_900.0),
]
SIZES = [
    Figure(what, f"{size:,} repositories, 9 grants", size * each, unit=unit)
    for what, unit, each in (
        ("whole command, second run", "s", 0.0003),
        ("crawl", "s", 0.0002),
        ("peak memory of the whole command", "MB", 0.004),
        ("peak memory", "MB", 0.003),
    )
    for size in (1_000, 100_000)
]


def neighbour(
    concurrency: int | None, felt: float, *, slots: int = 8, degradation: float = 0.3, service: str = "fixed"
) -> Neighbour:
    return Neighbour(slots, 40.0, service, degradation, concurrency, 900, 1.1, 40.0, 50.0, 40.0 * felt, 400.0)


NEIGHBOURS = [
    *(neighbour(None, felt) for felt in (1.1, 1.2, 7.0)),
    neighbour(None, 1.15, service="lognormal"),
    neighbour(64, 488.2),
    neighbour(256, 1_965.0),
    *(neighbour(number, 1.0 + n, degradation=0.0) for n, number in enumerate((None, 64, 256))),
]
WEEKS = [
    Week(hourly, 100_000, changed, age, limited, int(requests * (1 + 10 * changed)), 30.0, after, 2 * after)
    for changed in (0.001, 0.01)
    for limited in (False, True)
    for hourly, age, requests, after in (
        (True, 24, 1_700_000, 0.5),
        (True, 168, 250_000, 0.5),
        (False, None, 1_720_000, 12.0),
    )
]
SMALL = msgspec.structs.replace(WEEKS[0], repositories=10_000)


def made(chart: Chart | None) -> Chart:
    assert chart is not None
    return chart


CHARTS = [
    made(time_over_concurrency(CURVES)),
    made(limit_over_time([WAY, msgspec.structs.replace(WAY, degradation=0.3, ratio=1.11)])),
    made(cost_of_a_request(COSTS)),
    made(from_small_to_large(SIZES)),
    made(felt_by_others(NEIGHBOURS)),
    made(week([*WEEKS, SMALL])),
]


def test_titles_say_what_was_found() -> None:
    assert [chart.title for chart in CHARTS] == [
        "auto takes at most 9 % longer than the best fixed number, on 5 servers that it knows nothing about",
        "When the server falls from 40 to 13 slots, auto goes from 45 to 20 requests in flight",
        "A request costs 80 µs of processor: 1.6 times a bare aiohttp loop, 6.0 times less than the requests library",
        "A run over 100,000 repositories takes 30 s and 400 MB",
        "During a crawl another user waits up to 1.2 times as long with auto, 488 with 64 in flight and 1,965 with 256",
        "Hourly incremental runs with --max-age 168 send 15 % of the requests of nightly full runs, and a change shows "
        "after 30 min instead of 12 h",
    ]


def test_auto_that_is_never_slower_is_said_to_be_so() -> None:
    better = [msgspec.structs.replace(curve, auto=curve.best) for curve in CURVES]
    assert "auto is never slower than" in made(time_over_concurrency(better)).title


def test_the_fixed_number_for_all_servers_is_the_one_with_the_best_worst_case() -> None:
    assert "suits all these servers best is 8, and takes up to 5.2 times" in made(time_over_concurrency(CURVES)).says


def test_each_line_is_the_worst_that_a_server_showed() -> None:
    calm, loaded = made(time_over_concurrency(CURVES)).panels
    assert calm == Panel(
        "load makes nothing slower",
        [
            Series("8 slots", [(0.0, 1.02), (1.0, 1.01)], aside=1.03),
            Series("40 slots", [(0.0, 5.1), (1.0, 1.2)], aside=1.1),
        ],
    )
    assert [series.aside for series in loaded.series] == [1.2, 1.2]


def test_what_others_feel_is_the_middle_of_the_runs_and_the_worse_of_the_services() -> None:
    calm, loaded = made(felt_by_others(NEIGHBOURS)).panels
    assert [series.label for series in calm.series] == ["auto", "64 in flight", "256 in flight"]
    assert [round(value, 3) for series in loaded.series for _, value in series.points] == [1.2, 488.2, 1965.0]


def test_a_week_is_shown_of_the_largest_instance_without_the_rate_limit() -> None:
    chart = made(week([*WEEKS, SMALL]))
    assert chart.rows == ["0.1 % change a day", "1 % change a day"]
    requests, shown = chart.panels
    assert [series.label for series in requests.series] == [
        "--max-age 168",
        "--max-age 24",
        "nightly, full",
    ]
    assert requests.series[0].points[1] == (1.0, pytest.approx(275_000 / 7))
    assert shown.series[2].worst == [24.0, 24.0]
    assert shown.series[0].texts[0] == "30 min, at most 1.0 h"
    assert week(WEEKS[:2]) is None, "nothing to compare with"


def test_sizes_are_drawn_if_there_are_two() -> None:
    assert from_small_to_large(SIZES[::2]) is None
    (panel,) = made(from_small_to_large(SIZES[2:4])).panels
    assert panel == Panel("Time", [Series("crawl", [(1_000.0, 0.2), (100_000.0, 20.0)])], y="seconds")


def test_each_step_is_drawn_at_the_largest_size() -> None:
    steps = [
        Figure(what, f"{size} repositories: {step}", value, unit=unit)
        for size, value in (("300", 70.0), ("3,000", 90.0))
        for step in ("first run", "diff")
        for what, unit in (("processor time", "s"), ("peak memory", "MB"))
    ]
    chart = made(each_step([*steps, Figure("journal", "3,000 repositories", 5.0, unit="MB")]))
    assert chart.rows == ["first run", "diff"]
    assert chart.panels[0].series[0].texts == ["90 MB (90 s)"] * 2
    assert "3,000 repositories nothing takes more than 90 MB" in chart.title
    assert each_step([]) is None


def test_what_was_not_measured_is_not_drawn() -> None:
    nothing = Results({name: Taken(Answer([]), "", "", []) for name in ("concurrency", "week", "scale", "resume")})
    assert charts(nothing) == []


@pytest.mark.parametrize(
    ("chart", "theme"), list(zip(CHARTS, cycle(THEMES), strict=False)), ids=lambda one: getattr(one, "name", one)
)
def test_the_same_figures_give_the_same_picture(chart: Chart, theme: str) -> None:
    drawn = picture(chart, theme)
    assert drawn == picture(chart, theme)
    text = drawn.decode()
    assert text.startswith("<?xml")
    names = [series.label for panel in chart.panels for series in panel.series]
    for said in (chart.title, *(panel.title for panel in chart.panels), *chart.rows, *names):
        assert said in text
    assert THEMES[theme]["text"] in text


def test_the_plots_in_the_repository_are_those_of_the_saved_results() -> None:
    drawn = charts(load(ROOT / "benchmarks" / "results.json"))
    names = {f"{chart.name}{theme}.svg" for chart in drawn for theme in THEMES}
    assert {path.name for path in (ROOT / "benchmarks" / "plots").iterdir()} == names
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for chart in drawn:
        assert f'alt="{chart.title}"' in page
        assert f"<dc:title>{chart.title}</dc:title>" in (ROOT / "benchmarks" / "plots" / f"{chart.name}.svg").read_text(
            encoding="utf-8"
        )
