"""What does a whole run cost on a large instance, including journal, payload and upload?

One group and one service user hold a grant on every repository, as is usual. Each size is measured phase by phase, and
then as the command that a schedule runs, a second time: only then is there a last upload to compare with.
"""

import tempfile
from pathlib import Path

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.processes import Ended, collect, command, serving
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from tests.servers.outliers import Outlier

LARGEST = 100_000
GOAL_PEAK_MB = 350.0
GOAL_BUILD_SECONDS = 3.0
GOAL_GROWTH = 1.1

AROUND_OUTLIER = 2_000
"""Repositories beside an outlier."""
_OUTLIERS: list[tuple[Outlier, int, str]] = [
    ("project", 20_000, "one project of 20,000 repositories"),
    ("group", 50_000, "one group of 50,000 members"),
    ("grants", 10_000, "one repository with 10,000 grants"),
    ("personal", 20_000, "20,000 personal projects"),
]


async def measure(plan: Plan) -> list[Figure]:
    """1,000, 10,000 and 100,000 repositories; then one outlier after the other among 2,000 repositories."""
    found = []
    answer = []
    with EmbeddedVeza() as veza, veza.trusted():
        for repositories in (500, 1_500) if plan.quick else (1_000, 10_000, LARGEST):
            async with serving(repositories, "--everywhere", seed=plan.seed) as server:
                report = await collect(server, build=True, veza=veza)
                with tempfile.TemporaryDirectory(prefix="benchmarks-") as state:
                    await command(server, veza, Path(state), "--no-progress")
                    again = await command(server, veza, Path(state), "--no-progress")
            found.append((repositories, report))
            answer += figures(repositories, report, again)
            veza.payloads.clear()
        answer += growth(found)
        if not plan.quick:
            for outlier, size, what in _OUTLIERS:
                async with serving(AROUND_OUTLIER, "--outlier", outlier, str(size), seed=plan.seed) as server:
                    report = await collect(server, build=True, veza=veza)
                answer += of_outlier(what, report)
                veza.payloads.clear()
    return answer


def figures(repositories: int, report: Report, again: Ended) -> list[Figure]:
    """Time and memory of one size."""
    full = repositories >= LARGEST
    crawl, build, upload = report.phases["crawl"], report.phases["build"], report.phases["upload"]
    setting = f"{repositories:,} repositories, {report.found['grants']:,} grants"
    bulk = sum(n for kind, n in report.sent.items() if kind.startswith("repository-"))
    return [
        Figure(
            "crawl",
            setting,
            crawl.wall,
            unit="s",
            note=f"{report.requests:,} requests ({bulk:,} for repositories), {report.requests / crawl.wall:,.0f} a "
            f"second (the server limits it), {crawl.cpu:.1f} s of processor",
            digits=1,
        ),
        Figure(
            "snapshot to compressed bytes",
            setting,
            build.wall,
            unit="s",
            goal=GOAL_BUILD_SECONDS if full else None,
            note=f"{report.payload_bytes:,} bytes, {report.compressed_bytes:,} compressed",
            digits=1,
        ),
        Figure("upload", setting, upload.wall, unit="s", digits=1),
        Figure(
            "peak memory",
            setting,
            upload.peak_mb,
            unit="MB",
            goal=GOAL_PEAK_MB if full else None,
            note=f"{report.phases['start'].peak_mb:.0f} at the start, {crawl.peak_mb:.0f} after the crawl, "
            f"{build.peak_mb:.0f} after the build",
            digits=0,
        ),
        Figure(
            "whole command, second run",
            setting,
            again.wall,
            unit="s",
            note=f"{again.cpu:.1f} s of processor; compares with the last upload",
            digits=1,
        ),
        Figure(
            "peak memory of the whole command",
            setting,
            again.peak_mb,
            unit="MB",
            goal=GOAL_PEAK_MB if full else None,
            digits=0,
        ),
    ]


def growth(found: list[tuple[int, Report]]) -> list[Figure]:
    """The largest size beside the next smaller one; the goal is for 100,000 repositories."""
    if len(found) < 2:
        return []
    (small, few), (large, many) = found[-2:]
    parts = {
        "crawl's processor time": [r.phases["crawl"].cpu for r in (few, many)],
        "build": [r.phases["build"].cpu for r in (few, many)],
        "memory beyond the start": [r.phases["upload"].peak_mb - r.phases["start"].peak_mb for r in (few, many)],
    }
    return [
        Figure(
            f"growth of {name} per repository",
            f"{small:,} to {large:,}",
            after / before / (large / small),
            goal=GOAL_GROWTH if large >= LARGEST else None,
        )
        for name, (before, after) in parts.items()
        if before > 0
    ]


def of_outlier(what: str, report: Report) -> list[Figure]:
    """Processor time for a request, and memory, with one outlier."""
    crawl, build = report.phases["crawl"], report.phases["build"]
    rows = f"{report.found['users']:,} users, {report.found['repositories']:,} repositories"
    return [
        Figure(
            "processor time of crawl and build",
            what,
            crawl.cpu + build.cpu,
            unit="s",
            note=f"{report.requests:,} requests; {rows}; crawl {crawl.wall:.1f} s by the clock",
            digits=1,
        ),
        Figure("peak memory with an outlier", what, report.phases["upload"].peak_mb, unit="MB", digits=0),
    ]
