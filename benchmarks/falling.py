"""What happens if the server has less capacity for a while, because a node is down or a backup runs?

40 slots fall to 13 and come back. The least time follows the slots there were at each moment.
"""

import asyncio

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.lanes import Lanes
from benchmarks.least_time import figure
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving
from benchmarks.records import Answer, LimitWay
from benchmarks.slots import Slots, ratio

FIXED = (16, 32, 64, 128, 256)
TOGETHER = 3000.0
FULL, THIRD = 40, 13


def server_of(plan: Plan, degradation: float) -> tuple[Slots, int]:
    """The server, and the repositories that keep it busy until its slots are long back."""
    falls, returns = plan.size(quick=3, full=10), plan.size(quick=7, full=28)
    slots = Slots(FULL, 40, degradation=degradation, schedule=((falls, THIRD), (returns, FULL)))
    after = plan.size(quick=3, full=14)
    return slots, slots.repositories(falls + (returns - falls) * THIRD / FULL + after)


async def measure(plan: Plan) -> Answer:
    """`auto` and fixed numbers, on a server that overload makes slower and on one that it does not."""
    lanes = Lanes(TOGETHER)
    numbers = [None, *(() if plan.quick else FIXED)]
    degradations = (0.0,) if plan.quick else (0.0, 0.25)
    async with asyncio.TaskGroup() as group:
        tasks = {
            (degradation, number): group.create_task(_run(plan, degradation, number, lanes))
            for number in numbers
            for degradation in degradations
        }
    reports = {key: task.result() for key, task in tasks.items()}
    figures = [
        _figure(plan, degradation, {n: reports[degradation, n] for n in numbers}) for degradation in degradations
    ]
    ways = [way(reports[degradation, None], server_of(plan, degradation)[0]) for degradation in degradations]
    return Answer(figures, ways=ways)


async def _run(plan: Plan, degradation: float, number: int | None, lanes: Lanes) -> Report:
    slots, repositories = server_of(plan, degradation)
    async with lanes.take(slots.rate(number)), serving(repositories, *slots.options, seed=plan.seed) as process:
        return await collect(process, concurrency=number)


def _figure(plan: Plan, degradation: float, reports: dict[int | None, Report]) -> Figure:
    slots, repositories = server_of(plan, degradation)
    name = "slower under overload" if degradation else "lognormal"
    setting = f"{FULL} slots, {THIRD} for a while, {name}, {repositories:,} repositories, auto"
    auto = figure("time ÷ least time", setting, slots, [reports[None]])
    fixed = ", ".join(f"{n}: {ratio(report, slots):.2f}" for n, report in reports.items() if n is not None)
    note = f"{auto.note}; fixed {fixed}" if fixed else auto.note
    return Figure(auto.what, auto.setting, auto.value, note=note, digits=auto.digits)


def way(report: Report, server: Slots) -> LimitWay:
    """The limit and the server's slots as steps, from the beginning to the end of the crawl."""
    end = report.phases["crawl"].wall
    limit = [(0.0, float(report.limit[0][1])), *((at, float(new)) for at, _, new, _ in report.limit if at < end)]
    slots = [(0.0, float(server.slots))]
    slots += [(at, float(n)) for at, n in server.later(report.phases["preflight"].wall).schedule if at < end]
    return LimitWay(
        degradation=server.degradation,
        ratio=ratio(report, server),
        limit=[*limit, (end, limit[-1][1])],
        slots=[*slots, (end, slots[-1][1])],
    )
