"""Makes each plot from the records of one question. Its title is computed from the records.

So a title always agrees with the figures. The words are those of Bitbucket administrators.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import median

from benchmarks.charts import Chart, Panel, Series
from benchmarks.figures import Figure
from benchmarks.records import Answer, Curve, LimitWay, Neighbour, RequestCost, Week
from benchmarks.results import Results

LOADED = {False: "load makes nothing slower", True: "load makes the server slower"}
_SIZE = re.compile(r"^([0-9][0-9,]*) repositories")
_WHOLE, _PEAK = "whole command, second run", "peak memory of the whole command"
_SIZES: dict[str, tuple[str, str, dict[str, str]]] = {
    "s": (
        "Time",
        "seconds",
        {_WHOLE: "whole run", "crawl": "crawl", "upload": "upload", "snapshot to compressed bytes": "payload"},
    ),
    "MB": ("Memory", "MB at most", {_PEAK: "later runs", "peak memory": "first run"}),
}
"""By unit: the panel's title, its axis, and what its figures are called."""


def charts(results: Results) -> list[Chart]:
    """All plots that can be made of the results, in their order."""
    return [chart for name, taken in results.taken.items() for chart in charts_of(name, taken.answer)]


def charts_of(name: str, answer: Answer) -> list[Chart]:
    """The plot of one question, if its answer has what it needs."""
    made: dict[str, Callable[[], Chart | None]] = {
        "concurrency": lambda: time_over_concurrency(answer.curves),
        "falling-capacity": lambda: limit_over_time(answer.ways),
        "neighbours": lambda: felt_by_others(answer.neighbours),
        "bare-loop": lambda: cost_of_a_request(answer.costs),
        "scale": lambda: from_small_to_large(answer.figures),
        "week": lambda: week(answer.weeks),
        "largest": lambda: each_step(answer.figures),
    }
    chart = made[name]() if name in made else None
    return [] if chart is None else [chart]


def time_over_concurrency(curves: Sequence[Curve]) -> Chart | None:
    """`auto` beside fixed numbers: on each server the worse of even and uneven service times."""
    if not curves:
        return None
    numbers = [number for number, _ in curves[0].fixed]
    panels = []
    for slower in sorted({curve.degradation > 0 for curve in curves}):
        series = []
        here = [curve for curve in curves if (curve.degradation > 0) == slower]
        for slots in sorted({curve.slots for curve in here}):
            of = [curve for curve in here if curve.slots == slots]
            worst = [max(dict(curve.fixed)[number] for curve in of) for number in numbers]
            points = [(float(place), ratio) for place, ratio in enumerate(worst)]
            series.append(Series(f"{slots} slots", points, aside=max(curve.auto for curve in of)))
        panels.append(Panel(LOADED[slower], series))
    behind = round(100 * (max(curve.auto / curve.best for curve in curves) - 1))
    compared = "is never slower" if behind <= 0 else f"takes at most {behind} % longer"
    of_all = {number: max(dict(curve.fixed)[number] for curve in curves) for number in numbers}
    one = min(of_all, key=of_all.__getitem__)
    return Chart(
        name="time-over-concurrency",
        title=f"auto {compared} than the best fixed number, on {len(curves)} servers that it knows nothing about",
        says="How long a crawl takes, by the least time in which the server could have answered it. A slot works "
        "on one request at a time. The one fixed number that suits all these servers best is "
        f"{one}, and takes up to {_times(of_all[one])} times the least time.",
        x="requests in flight (--concurrency)",
        y="crawl time (1 = least possible)",
        panels=panels,
        places=[str(number) for number in numbers],
        aside="auto",
        top=4.0,
        limit=1.0,
    )


def limit_over_time(ways: Sequence[LimitWay]) -> Chart | None:
    """The limit that `auto` found, above the slots there were."""
    if not ways:
        return None
    full, third = ways[0].slots[0][1], min(slots for _, slots in ways[0].slots)
    before, meanwhile = (median([_while(way, level) for way in ways]) for level in (full, third))
    lost = sorted(round(100 * (way.ratio - 1)) for way in ways)
    more = f"{lost[0]} %" if lost[0] == lost[-1] else f"{lost[0]} to {lost[-1]} %"
    return Chart(
        name="limit-over-time",
        title=f"When the server falls from {full:.0f} to {third:.0f} slots, auto goes from {before:.0f} to "
        f"{meanwhile:.0f} requests in flight",
        says="The limit of requests in flight that auto finds, while a server has fewer slots for a while. The crawl "
        f"takes {more} longer than the least time.",
        x="seconds since the crawl began",
        y="requests in flight",
        panels=[
            Panel(
                LOADED[way.degradation > 0],
                [Series("auto's limit", way.limit), Series("server's slots", way.slots)],
            )
            for way in ways
        ],
        kind="steps",
    )


def _while(way: LimitWay, level: float) -> float:
    """The limit that held for half of the time in which the server had so many slots."""
    held: list[tuple[float, float]] = []
    times = sorted({at for at, _ in (*way.limit, *way.slots)})
    for at, until in pairwise(times):
        if _at(way.slots, at) == level:
            held.append((_at(way.limit, at), until - at))
    held.sort()
    half = sum(seconds for _, seconds in held) / 2
    for limit, seconds in held:
        half -= seconds
        if half <= 0:
            return limit
    return 0.0


def _at(steps: Sequence[tuple[float, float]], second: float) -> float:
    return next((value for at, value in reversed(steps) if at <= second), steps[0][1])


def cost_of_a_request(costs: Sequence[RequestCost]) -> Chart | None:
    """Processor time for a request, as bars."""
    if not costs:
        return None
    by_name = {cost.name: cost.cpu for cost in costs}
    ours, bare = by_name["collector, auto"], by_name["bare loop"]
    simple = min((cpu for name, cpu in by_name.items() if name.startswith("requests")), default=0.0)
    less = f", {_times(simple / ours)} times less than the requests library" if simple > 1.05 * ours else ""
    texts = [f"{cost.cpu:,.0f} µs, {cost.rate:,.0f}/s" for cost in costs]
    return Chart(
        name="cost-of-a-request",
        title=f"A request costs {ours:.0f} µs of processor: {_times(ours / bare)} times a bare aiohttp loop{less}",
        says="What a request costs the client's processor, and how many a second one core does, from a server that "
        "answers at once. A bare loop checks, retries and keeps nothing. It uses aiohttp's session, which the "
        "collector does without.",
        x="µs for a request (and requests a second)",
        panels=[Panel("", [Series("", [(float(n), cost.cpu) for n, cost in enumerate(costs)], texts)])],
        kind="bars",
        rows=[_client(cost.name) for cost in costs],
    )


def _client(name: str) -> str:
    """What a client is called in the plot."""
    return name.replace("bare loop", "bare aiohttp loop").replace("fixed, s", "s").replace("fixed", "fixed number")


def from_small_to_large(figures: Iterable[Figure]) -> Chart | None:
    """Whatever was measured in seconds and MB at two sizes or more."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for figure in figures:
        size = _SIZE.match(figure.setting)
        if size and figure.unit in _SIZES and figure.what in _SIZES[figure.unit][2]:
            point = (float(size[1].replace(",", "")), figure.value)
            found.setdefault((figure.unit, figure.what), []).append(point)
    panels, largest = [], {}
    for unit, (title, axis, names) in _SIZES.items():
        several = {what: sorted(found[unit, what]) for what in names if len(found.get((unit, what), [])) > 1}
        if several:
            panels.append(Panel(title, [Series(names[what], points) for what, points in several.items()], y=axis))
            largest[unit] = next(iter(several.values()))[-1]
    if not panels:
        return None
    repositories = max(at for at, _ in largest.values())
    takes = " and ".join(f"{value:,.0f} {unit}" for unit, (_, value) in largest.items())
    return Chart(
        name="scale",
        title=f"A run over {repositories:,.0f} repositories takes {takes}",
        says="Time and memory of a run from small to large instances, with a server that answers at once. Later runs "
        "compare what they found with the last upload.",
        x="repositories",
        panels=panels,
    )


def felt_by_others(runs: Sequence[Neighbour]) -> Chart | None:
    """How long another client waits: on each server the worse of even and uneven service times."""
    if not any(run.concurrency is None for run in runs):
        return None
    numbers: list[int | None] = [None, *sorted({run.concurrency for run in runs if run.concurrency is not None})]
    servers = sorted({run.slots for run in runs})

    def felt(slower: bool, slots: int, number: int | None) -> float | None:
        kinds: dict[str, list[float]] = {}
        for run in runs:
            if (run.degradation > 0, run.slots, run.concurrency) == (slower, slots, number):
                kinds.setdefault(run.service, []).append(run.felt)
        return max(map(median, kinds.values()), default=None)

    panels, most = [], dict.fromkeys(numbers, 0.0)
    for slower in sorted({run.degradation > 0 for run in runs}):
        series = []
        for number in numbers:
            values = [(row, felt(slower, slots, number)) for row, slots in enumerate(servers)]
            points = [(float(row), value) for row, value in values if value is not None]
            most[number] = max([most[number], *(value for _, value in points)])
            texts = [f"{_times(value)} ×" for _, value in points]
            series.append(Series("auto" if number is None else f"{number} in flight", points, texts))
        panels.append(Panel(LOADED[slower], series, logarithmic=True))
    others = "".join(
        f"{' and' if n else ','} {_times(most[number])} with {number}{'' if n else ' in flight'}"
        for n, number in enumerate(numbers[1:])
    )
    return Chart(
        name="neighbours",
        title=f"During a crawl another user waits up to {_times(most[None])} times as long with auto{others}",
        says="How long another user of the Bitbucket waits for a small request while a crawl lasts, by the wait "
        "without a crawl: medians over the whole crawl, on servers of several sizes.",
        x="times as long as without a crawl",
        panels=panels,
        kind="marks",
        rows=[f"{slots} slots" for slots in servers],
    )


def week(found: Sequence[Week]) -> Chart | None:
    """Hourly incremental runs beside nightly full ones, on the largest instance, without the rate limit if possible."""
    weeks = [one for one in found if one.repositories == max(each.repositories for each in found)]
    weeks = [one for one in weeks if one.rate_limited == min(each.rate_limited for each in weeks)]
    shares = sorted({one.changed for one in weeks})
    ages = sorted({one.max_age or 0 for one in weeks if one.hourly})
    of = {(one.max_age or 0 if one.hourly else None, one.changed): one for one in weeks}
    if not shares or not ages or any((age, share) not in of for age in (None, *ages) for share in shares):
        return None
    requests, shown = [], []
    for age in (*reversed(ages), None):
        label = "nightly, full" if age is None else f"--max-age {age}"
        row = [of[age, share] for share in shares]
        sent = [(float(n), one.requests_a_day) for n, one in enumerate(row)]
        requests.append(Series(label, sent, [f"{value:,.0f}" for _, value in sent]))
        shown.append(
            Series(
                label,
                [(float(n), one.shown_after) for n, one in enumerate(row)],
                [f"{_hours(one.shown_after)}, at most {_hours(one.shown_after_worst)}" for one in row],
                [one.shown_after_worst for one in row],
            )
        )
    pairs = [(of[ages[-1], share], of[None, share]) for share in shares]
    part = sorted(round(100 * hourly.requests / nightly.requests) for hourly, nightly in pairs)
    sooner, later = (_hours(median([pair[n].shown_after for pair in pairs])) for n in (0, 1))
    percent = f"{part[0]} %" if part[0] == part[-1] else f"{part[0]} to {part[-1]} %"
    return Chart(
        name="week",
        title=f"Hourly incremental runs with --max-age {ages[-1]} send {percent} of the requests of nightly full runs, "
        f"and a change shows after {sooner} instead of {later}",
        says=f"A simulated week on an instance of {weeks[0].repositories:,} repositories. The lines reach from the "
        "median of all changes to the one that took longest.",
        panels=[
            Panel("Requests a day", requests, x="requests"),
            Panel("Until a change shows", shown, x="hours"),
        ],
        kind="marks",
        rows=[f"{100 * share:g} % change a day" for share in shares],
    )


def each_step(figures: Iterable[Figure]) -> Chart | None:
    """Memory and processor time of each step at the largest size, as bars."""
    found: dict[int, dict[str, dict[str, float]]] = {}
    for figure in figures:
        size, _, step = figure.setting.partition(" repositories: ")
        if step:
            of_size = found.setdefault(int(size.replace(",", "")), {})
            of_size.setdefault(step, {})[figure.unit] = figure.value
    if not found:
        return None
    repositories = max(found)
    steps = found[repositories]
    points = [(float(row), of["MB"]) for row, of in enumerate(steps.values())]
    texts = [f"{of['MB']:,.0f} MB ({of['s']:,.0f} s)" for of in steps.values()]
    return Chart(
        name="largest",
        title=f"On an instance of {repositories:,} repositories nothing takes more than "
        f"{max(most for _, most in points):,.0f} MB",
        says=f"Memory of each step on the largest instances known: {repositories:,} repositories, "
        f"{repositories // 3:,} users and {repositories // 20:,} groups. The user of `what-can` holds a grant on "
        "every repository.",
        x="MB at most (and seconds of processor)",
        panels=[Panel("", [Series("", points, texts)])],
        kind="bars",
        rows=list(steps),
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if round(ratio, 1) >= 10 else f"{ratio:.1f}"


def _hours(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h"
