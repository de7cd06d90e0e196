"""How long does a crawl take, beside the least time in which the server could have answered it?

The least time is what the server's slots were busy for, summed up and divided by the slots: a crawl that keeps every
slot busy from its first to its last second would take just that.
"""

from benchmarks.collector import Report
from benchmarks.figures import Figure, middle, spread
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving

GOAL = 1.08
SERVERS = ((8, 40), (40, 40), (150, 160))
"""Slots, and milliseconds of a common request. 150 slots answer slower ones, so that it is the slots that limit the
crawl and not what one core of this machine can serve: all but the first come to about 700 requests a second."""
FIXED = (8, 64, 256)


def ratio(report: Report, slots: int) -> float:
    """Time of the crawl by the least time."""
    return report.phases["crawl"].wall / (report.server.busy_seconds / slots)


async def measure(plan: Plan) -> list[Figure]:
    """`auto` on servers that nobody tuned; in the full run also what fixed numbers come to on such servers.

    A fixed number has nothing to find out, so its ratio does not depend on the size, and a small one is enough.
    """
    figures = []
    for slots, milliseconds in SERVERS:
        few = 2_500 if slots == 8 else 8_000
        repositories = plan.size(quick=few, full=20_000)
        options = ("--slots", str(slots), "--service", "lognormal", "--service-time", str(milliseconds))
        server_is = f"{slots} slots, {milliseconds} ms"
        async with serving(repositories, *options, seed=plan.seed) as server:
            reports = [await collect(server) for _ in range(plan.size(quick=1, full=2))]
        figures.append(_figure(f"{server_is}, {repositories:,} repositories, auto", slots, reports, GOAL))
        if plan.quick:
            continue
        async with serving(few, *options, seed=plan.seed) as server:
            for concurrency in (n for n in FIXED if n * 10 >= slots):
                report = await collect(server, concurrency=concurrency)
                figures.append(
                    _figure(f"{server_is}, {few:,} repositories, fixed {concurrency}", slots, [report], None)
                )
    return figures


def _figure(setting: str, slots: int, reports: list[Report], goal: float | None) -> Figure:
    ratios = [ratio(report, slots) for report in reports]
    report = reports[0]
    wall = report.phases["crawl"].wall
    notes = [f"{report.requests:,} requests in {wall:.1f} s", spread(ratios, 3)]
    if report.limit:
        peak = max(new for _, _, new, _ in report.limit)
        notes.append(
            f"slow start {report.ramp_up:.1f} s ({report.ramp_up / wall:.0%}), "
            f"limit up to {peak}, at the end {report.limit[-1][2]}"
        )
    return Figure(
        "time ÷ least time", setting, middle(ratios), goal=goal, note="; ".join(filter(None, notes)), digits=3
    )
