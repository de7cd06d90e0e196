"""What do failing requests cost: every hundredth, every twentieth, every fifth?

A third of them each end as 500, as 503 and as a connection that is reset, all over the crawl.
"""

import asyncio

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.lanes import Lanes
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving
from benchmarks.records import Answer
from benchmarks.slots import Slots

SHARES = (0.01, 0.05, 0.2)
KINDS = ("error", "unavailable", "reset")
SERVER = Slots(40, 40)
SICK, SICK_RATE = 0.1, 50.0
"""From this share on the budget for retries is empty and only a few requests are in flight."""
TOGETHER = 900.0
"""Requests a second of all runs at one time: one beside the one that is slow for its faults."""


def options(share: float) -> list[str]:
    """A fault of each kind. Each strikes by a chance of its own, so that together they come to `share`."""
    each = 1 - (1 - share) ** (1 / len(KINDS))
    settings = "share={share:.6f},match=/rest/api/,seed={seed},retry_after=null"
    return [
        part
        for seed, kind in enumerate(KINDS, 1)
        for part in ("--fault", f"{kind}:{settings.format(share=each, seed=seed)}")
    ]


async def measure(plan: Plan) -> Answer:
    """The same crawl without faults and with more and more of them."""
    repositories = plan.size(quick=120, full=1_500)
    lanes = Lanes(TOGETHER)

    async def run(share: float) -> Report:
        faults = options(share) if share else []
        rate = SERVER.rate() if share < SICK else SICK_RATE
        async with lanes.take(rate), serving(repositories, *SERVER.options, *faults, seed=plan.seed) as server:
            return await collect(server)

    async with asyncio.TaskGroup() as group:
        shares = SHARES[1:] if plan.quick else SHARES
        tasks = {share: group.create_task(run(share)) for share in (0.0, *shares)}
    found = {share: task.result() for share, task in tasks.items()}
    whole = found.pop(0.0)
    return Answer([each for share, report in found.items() for each in figures(repositories, share, report, whole)])


def figures(repositories: int, share: float, report: Report, whole: Report) -> list[Figure]:
    """The price of a share of failing requests, in time and in requests."""
    setting = f"{share:.0%} fail (500, 503, reset), {repositories:,} repositories"
    seconds, before = report.phases["crawl"].wall, whole.phases["crawl"].wall
    struck = sum(report.server.faults.values())
    return [
        Figure(
            "time with faults ÷ without",
            setting,
            seconds / before,
            note=f"{seconds:.1f} s for {before:.1f} s; complete",
        ),
        Figure(
            "requests with faults ÷ without",
            setting,
            report.requests / whole.requests,
            note=f"{report.requests:,} for {whole.requests:,}; {struck:,} failed",
            digits=3,
        ),
    ]
