"""What does a run on the largest known instances cost, from the first request to the answer to a question?

300,000 repositories, 100,000 users, 15,000 groups and 2.8 million grants, and a tenth of that in the same proportions:
what grows in step with the instance has a growth of 1. Each step is a process of its own, with its own peak of memory.
Times are of the processor: what else the machine does changes them little. The number of requests in flight is fixed,
since a server that answers at once leaves `auto` nothing to find.
"""

import asyncio
import gzip
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import in_parts
from benchmarks.collector import VezaAt
from benchmarks.command import Usage
from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.processes import Server, change, client, command, serving
from oaa_bitbucket_async.demo.estate import EVERYWHERE_USER
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.oaa.saved import head_of_ours
from oaa_bitbucket_async.state import last_payloads

SIZES = (30_000, 300_000)
GOAL_PEAK_MB = 800.0
GOAL_GROWTH = 1.1
_GRANTS = "7.2"
"""On a repository, without those of one group and one user that hold a grant on every one."""
_QUESTIONS = ("who-can", "what-can", "diff")
"""Commands whose exit code is part of the answer."""
_IN_FLIGHT = "32"
_CHANGED = 1000
"""One change for so many repositories before the incremental run."""
_TINY = 100
"""Repositories of an instance whose steps take no more memory than the program does."""
_LOOK_EVERY = 0.5
"""Seconds between two looks at the journal's size."""


@dataclass(slots=True)
class Measured:
    """One size. `steps` by what they are called."""

    repositories: int
    steps: dict[str, Usage] = field(default_factory=dict)
    journal: int = 0
    """Bytes, at its largest."""
    payload: int = 0
    compressed: int = 0


async def measure(plan: Plan) -> list[Figure]:
    """The largest size, and the smaller one that shows how each figure grows. A quick look leaves it out."""
    tiny, few, many = [await _one(size, plan.seed) for size in (_TINY, *((500, 1_000) if plan.quick else SIZES))]
    return [*figures(few), *figures(many), *growth(tiny, few, many)]


async def _one(repositories: int, seed: int) -> Measured:
    found = Measured(repositories)
    options = ("--everywhere", "--users", str(repositories // 3), "--grants", _GRANTS, "--no-credentials")
    with EmbeddedVeza() as veza, veza.trusted(), tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        state, before = Path(scratch), Path(scratch) / "before.json.gz"

        async def step(name: str, *arguments: str) -> None:
            found.steps[name] = await _ran(server, veza, state, *arguments)
            veza.payloads.clear()

        async with serving(repositories, *options, seed=seed) as server:
            run = ("--no-progress", "--concurrency", _IN_FLIGHT, "--report", str(state / "report.html"))
            async with _watching(state, found):
                await step("first run", *run, "--incremental")
            await step("second run", *run)
            (kept,) = last_payloads(state)
            shutil.copyfile(kept, before)
            await change(server, repositories // _CHANGED, seed)
            await step("incremental run", *run, "--incremental")
        found.compressed = kept.stat().st_size
        found.payload = await asyncio.to_thread(_unpacked, kept)
        project = min(key for key in (await asyncio.to_thread(head_of_ours, kept)).project_keys if key[0] != "~")
        of_last = ("--state-dir", scratch)
        await step("who-can write PROJECT", "who-can", "write", project, "--json", *of_last)
        await step("who-can admin, everything", "who-can", "admin", "*", "--csv", *of_last)
        await step("what-can USER", "what-can", EVERYWHERE_USER, "--json", *of_last)
        await step("diff", "diff", str(before), str(kept))
        await step("push of the saved file", "push", str(kept))
        job = in_parts.Job(str(kept), found.payload, VezaAt(veza.url, veza.api_key))
        found.steps["upload in parts"] = await client("benchmarks.in_parts", job, Usage)
    return found


async def _ran(server: Server, veza: EmbeddedVeza, state: Path, *arguments: str) -> Usage:
    ended = await command(server, veza, state, *arguments, codes=(0, 1) if arguments[0] in _QUESTIONS else (0,))
    return Usage(ended.cpu, ended.peak_mb)


@asynccontextmanager
async def _watching(state: Path, found: Measured) -> AsyncIterator[None]:
    """Notes the journal's size while the block runs."""

    async def look() -> None:
        while True:
            found.journal = max(found.journal, await asyncio.to_thread(_journal_size, state))
            await asyncio.sleep(_LOOK_EVERY)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(look())
        yield
        task.cancel()


def _journal_size(state: Path) -> int:
    return sum(path.stat().st_size for path in state.glob("*.journal*"))


def _unpacked(path: Path) -> int:
    with gzip.open(path) as file:
        return sum(map(len, iter(lambda: file.read(1 << 20), b"")))


def figures(found: Measured) -> list[Figure]:
    """Time and memory of each step of one size."""
    largest = found.repositories >= SIZES[-1]
    answer = []
    for step, usage in found.steps.items():
        setting = f"{found.repositories:,} repositories: {step}"
        goal = GOAL_PEAK_MB if largest else None
        answer.append(Figure("processor time", setting, usage.cpu, unit="s", digits=1))
        answer.append(Figure("peak memory", setting, usage.peak_mb, unit="MB", goal=goal, digits=0))
    setting = f"{found.repositories:,} repositories"
    for what, size in (
        ("journal", found.journal),
        ("payload", found.payload),
        ("payload, compressed", found.compressed),
    ):
        answer.append(Figure(what, setting, size / 1e6, unit="MB", digits=1))
    return answer


def growth(tiny: Measured, few: Measured, many: Measured) -> list[Figure]:
    """By how much more than the instance each figure grows: of memory, what is beyond that of a tiny instance."""
    times = many.repositories / few.repositories
    parts = {}
    for step, usage in many.steps.items():
        parts[f"processor time, {step}"] = few.steps[step].cpu, usage.cpu
        least = tiny.steps[step].peak_mb
        parts[f"memory, {step}"] = few.steps[step].peak_mb - least, usage.peak_mb - least
    parts["journal"] = few.journal, many.journal
    parts["payload"] = few.payload, many.payload
    setting = f"{few.repositories:,} to {many.repositories:,}"
    goal = GOAL_GROWTH if many.repositories >= SIZES[-1] else None
    return [
        Figure(f"growth of {what} per repository", setting, after / before / times, goal=goal)
        for what, (before, after) in parts.items()
        if before > 0
    ]
