"""How long does a crawl take, compared with the least time in which the server could have answered it?

The least time is what the server's slots were busy for, summed up and divided by the slots: a crawl that keeps every
slot busy from its first to its last second would take just that.
"""

import asyncio
from collections.abc import Sequence

from benchmarks.collector import Report
from benchmarks.figures import Figure, middle, spread
from benchmarks.lanes import Lanes
from benchmarks.plan import Plan
from benchmarks.processes import Server, collect, serving
from benchmarks.records import Answer
from benchmarks.slots import Slots, ratio

GOAL = 1.03
SERVERS = (Slots(8, 40), Slots(40, 40), Slots(150, 160))
"""150 slots answer slower ones, so that it is the slots that limit the crawl and not what one core of this machine can
serve: all but the first come to about 700 requests a second."""
TOGETHER = 2000.0
"""Requests a second of all runs that go on at one time: a fraction of what the two cores can do."""


async def measure(plan: Plan) -> Answer:
    """`auto` on servers that nobody tuned."""
    lanes = Lanes(TOGETHER)
    async with asyncio.TaskGroup() as group:
        servers = SERVERS[: plan.size(quick=2, full=len(SERVERS))]
        tasks = [group.create_task(_auto(server, plan, lanes)) for server in servers]
    return Answer([task.result() for task in tasks])


async def _auto(server: Slots, plan: Plan, lanes: Lanes) -> Figure:
    repositories = plan.size(quick=300 if server.slots == 8 else 1_500, full=20_000)

    async def run() -> Report:
        async with lanes.take(server.rate()), serving(repositories, *server.options, seed=plan.seed) as process:
            return await collect(process)

    reports = await asyncio.gather(*(run() for _ in range(plan.size(quick=1, full=plan.runs))))
    return figure("time ÷ least time", f"{server.name()}, {repositories:,} repositories, auto", server, reports, GOAL)


async def one(process: Server, server: Slots, lanes: Lanes, concurrency: int | None) -> Report:
    """One crawl of a running server, when there is room for it."""
    async with lanes.take(server.rate(concurrency)):
        return await collect(process, concurrency=concurrency)


def figure(what: str, setting: str, server: Slots, reports: Sequence[Report], goal: float | None = None) -> Figure:
    """The ratio of one or several runs, and what the limit did in the first."""
    ratios = [ratio(report, server) for report in reports]
    report = reports[0]
    wall = report.phases["crawl"].wall
    notes = [f"{report.requests:,} requests in {wall:.1f} s", spread(ratios, 3)]
    if report.limit:
        peak = max(new for _, _, new, _ in report.limit)
        notes.append(
            f"slow start {report.ramp_up:.1f} s ({report.ramp_up / wall:.0%}), "
            f"limit up to {peak}, at the end {report.limit[-1][2]}"
        )
    return Figure(what, setting, middle(ratios), goal=goal, note="; ".join(filter(None, notes)), digits=3)
