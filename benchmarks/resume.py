"""What is asked again when a run is killed (kill -9) half way, and started anew?"""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.charts import Answer
from benchmarks.collector import Report, stats_of
from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.processes import Server, begin, collect, job_for, serving
from benchmarks.slots import Slots

SERVER = Slots(40, 40)
LOOK_EVERY = 0.05
"""Seconds between two looks at how far the run is."""


async def measure(plan: Plan) -> Answer:
    """A whole run first; then one that is killed, and one that goes on from there."""
    repositories = plan.size(quick=1_200, full=6_000)
    async with serving(repositories, *SERVER.options, seed=plan.seed) as server:
        whole = await collect(server)
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as state:
            first = await killed(server, Path(state), whole.server_all.requests // 2)
            second = await collect(server, state=Path(state))
    return Answer([figure(repositories, first, second, whole)])


async def killed(server: Server, state: Path, after: int) -> int:
    """Requests that a run had sent when it was killed, `after` of them or a few more."""
    before = (await stats_of(server.url)).requests
    sent = 0
    async with begin("benchmarks.collector", job_for(server, state)) as process:
        while sent < after:
            await asyncio.sleep(LOOK_EVERY)
            if process.returncode is not None:
                raise RuntimeError("the run ended before it could be killed")
            sent = (await stats_of(server.url)).requests - before
        process.kill()
        await process.wait()
    return (await stats_of(server.url)).requests - before


def figure(repositories: int, first: int, second: Report, whole: Report) -> Figure:
    """`first` requests of the run that was killed; preflight is asked by each run and is no loss."""
    preflight = whole.server_all.requests - whole.server.requests
    asked = first - preflight
    again = asked + second.requests - whole.requests
    return Figure(
        "requests asked again after kill -9 half way",
        f"{SERVER.name()}, {repositories:,} repositories",
        100 * again / whole.requests,
        unit="%",
        note=f"{again:,} of {whole.requests:,}: {asked:,} before, {second.requests:,} after; "
        f"the second run took {second.phases['crawl'].wall:.1f} s, a whole one {whole.phases['crawl'].wall:.1f} s",
    )
