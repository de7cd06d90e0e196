"""How much of a short crawl is lost until the right number of requests in flight is found?

The first run knows nothing about the server. The next one has the pace that the first found, in the state folder.
"""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.lanes import Lanes
from benchmarks.least_time import figure
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving
from benchmarks.records import Answer
from benchmarks.slots import REQUESTS_PER_REPOSITORY, Slots

SERVERS = (
    (Slots(48, 40, "fixed"), 2_500, 1.35),
    (Slots(48, 40), 2_500, 1.35),
    (Slots(16, 25, "fixed", 0.3), 8_500, 1.2),
    (Slots(16, 25, degradation=0.3), 8_500, 1.2),
)
"""A server, about how many requests the crawl has, and the goal."""
TOGETHER = 2000.0
"""Requests a second of all runs at one time."""


async def measure(plan: Plan) -> Answer:
    """`auto` twice on each server."""
    lanes = Lanes(TOGETHER)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_one(*each, plan, lanes)) for each in SERVERS[: plan.size(quick=1, full=9)]]
    return Answer([figure for task in tasks for figure in task.result()])


async def _one(server: Slots, requests: int, goal: float, plan: Plan, lanes: Lanes) -> list[Figure]:
    repositories = round(requests / REQUESTS_PER_REPOSITORY / (4 if plan.quick else 1))

    async def both() -> tuple[Report, Report]:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as state:
            async with (
                lanes.take(server.rate()),
                serving(repositories, *server.options, seed=plan.seed) as process,
            ):
                return await collect(process, state=Path(state)), await collect(process, state=Path(state))

    runs = await asyncio.gather(*(both() for _ in range(plan.size(quick=1, full=plan.runs))))
    first, following = zip(*runs, strict=True)
    return [
        figure("time ÷ least time, short crawl", f"{server.name()}, {which}", server, reports, goal)
        for which, reports in (("first run", first), ("next run", following))
    ]
