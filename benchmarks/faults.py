"""What do failing requests cost, and does the crawl spare an overloaded server?

A flaky server fails a share of all requests, whatever the load: a third of them each end as 500, as 503 and as a
connection that is reset. It should cost little more than these requests. An overloaded server refuses the
requests that it can't handle: there should be few of these.
"""

import asyncio

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.lanes import Lanes
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving
from benchmarks.records import Answer, Failing
from benchmarks.slots import Slots

SHARES = (0.01, 0.05, 0.1, 0.2, 0.3)
GOAL_SHARE, GOAL = 0.2, 3.0
KINDS = ("error", "unavailable", "reset")
FLAKY = Slots(40, 40)
OVERLOADED, REFUSES_AT = Slots(16, 40), 16
TOGETHER = 900.0
"""Requests a second of all runs at one time."""


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
    """The same crawl of both servers without failures, and with more and more of them."""
    repositories = plan.size(quick=120, full=1_500)
    lanes = Lanes(TOGETHER)

    async def run(slots: Slots, *more: str) -> Report:
        async with lanes.take(slots.rate()), serving(repositories, *slots.options, *more, seed=plan.seed) as server:
            return await collect(server)

    async with asyncio.TaskGroup() as group:
        shares = (GOAL_SHARE,) if plan.quick else SHARES
        clean = group.create_task(run(FLAKY))
        flaky = {share: group.create_task(run(FLAKY, *options(share))) for share in shares}
        bearable = group.create_task(run(OVERLOADED))
        overloaded = group.create_task(run(OVERLOADED, "--refuse-at", str(REFUSES_AT)))
    records = [record(repositories, share, task.result(), clean.result()) for share, task in flaky.items()]
    records.append(record(repositories, None, overloaded.result(), bearable.result()))
    return Answer([figure for each in records for figure in figures(each)], failing=records)


def record(repositories: int, share: float | None, report: Report, clean: Report) -> Failing:
    """Both crawls, of the same server."""
    faults, refused = sum(report.server.faults.values()), report.server.statuses.get("503", 0)
    return Failing(
        share=share,
        repositories=repositories,
        seconds=report.phases["crawl"].wall,
        clean_seconds=clean.phases["crawl"].wall,
        requests=report.requests,
        clean_requests=clean.requests,
        failed=refused if share is None else faults,
    )


def figures(record: Failing) -> list[Figure]:
    """The cost of failures in time and requests. For an overloaded server, also the share of refused requests."""
    if record.share is None:
        what = f"a server that refuses more than {REFUSES_AT} requests at one time"
    else:
        what = f"{record.share:.0%} fail (500, 503, reset)"
    setting = f"{what}, {record.repositories:,} repositories"
    note = f"{record.seconds:.1f} s for {record.clean_seconds:.1f} s; complete"
    goal = GOAL if record.share == GOAL_SHARE else None
    found = [
        Figure("time with faults ÷ without", setting, record.times, goal=goal, note=note),
        Figure(
            "requests with faults ÷ without",
            setting,
            record.requests / record.clean_requests,
            note=f"{record.requests:,} for {record.clean_requests:,}; {record.failed:,} failed",
            digits=3,
        ),
    ]
    if record.share is None:
        found.append(Figure("requests in vain", setting, 100 * record.failed / record.requests, "%"))
    return found
