"""How many requests are repeated when a run is killed (kill -9) half way and started again?"""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.collector import Report, stats_of
from benchmarks.figures import Figure, middle, spread
from benchmarks.plan import Plan
from benchmarks.processes import Server, begin, collect, job_for, serving
from benchmarks.records import Answer
from benchmarks.slots import Slots

SERVER = Slots(40, 40)
LOOK_EVERY = 0.05
"""Seconds between two looks at how far the run is."""


async def measure(plan: Plan) -> Answer:
    """A whole run first; then, `plan.runs` times, one that is killed and one that goes on from there."""
    repositories = plan.size(quick=400, full=3_000)
    runs = []
    async with serving(repositories, *SERVER.options, seed=plan.seed) as server:
        whole = await collect(server)
        for _ in range(plan.size(quick=1, full=plan.runs)):
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as state:
                first = await killed(server, Path(state), whole.server_all.requests // 2)
                runs.append((first, await collect(server, state=Path(state))))
    return Answer([figure(repositories, runs, whole)])


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


def figure(repositories: int, runs: list[tuple[int, Report]], whole: Report) -> Figure:
    """Requests of each killed run and the run after it. Preflight is not a loss, since every run needs it."""
    preflight = whole.server_all.requests - whole.server.requests
    again = [first - preflight + second.requests - whole.requests for first, second in runs]
    seconds = middle([second.phases["crawl"].wall for _, second in runs])
    several = f" ({spread(again, 0)})" if len(again) > 1 else ""
    return Figure(
        "requests asked again after kill -9 half way",
        f"{SERVER.name()}, {repositories:,} repositories",
        100 * middle(again) / whole.requests,
        unit="%",
        note=f"{middle(again):,.0f} of {whole.requests:,}{several}: what was answered in the "
        f"last second; second run {seconds:.1f} s, a whole one {whole.phases['crawl'].wall:.1f} s",
    )
