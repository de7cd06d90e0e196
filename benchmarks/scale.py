"""What does a whole run come to at size, journal and payload included?

One group and one service user hold a grant on every repository, as is usual.
"""

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving

GOAL_PEAK_MB = 500.0
GOAL_BUILD_SECONDS = 6.0


async def measure(plan: Plan) -> list[Figure]:
    """10,000 repositories, and in the full run 100,000; the goals are the largest's."""
    found = []
    sizes = (5_000,) if plan.quick else (10_000, 100_000)
    for repositories in sizes:
        async with serving(repositories, "--everywhere", seed=plan.seed) as server:
            report = await collect(server, build=True)
        found.append((repositories, report))
    return [figure for repositories, report in found for figure in figures(repositories, report)] + _growth(found)


def figures(repositories: int, report: Report) -> list[Figure]:
    """Memory and time of one size."""
    full = repositories >= 100_000
    crawl, build = report.phases["crawl"], report.phases["build"]
    setting = f"{repositories:,} repositories, {report.found['grants']:,} grants"
    return [
        Figure(
            "peak memory of the whole run",
            setting,
            build.peak_mb,
            unit="MB",
            goal=GOAL_PEAK_MB if full else None,
            note=f"{report.phases['start'].peak_mb:.0f} at the start, {crawl.peak_mb:.0f} after the crawl",
            digits=0,
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
        Figure(
            "crawl",
            setting,
            crawl.wall,
            unit="s",
            note=f"{report.requests:,} requests, {report.requests / crawl.wall:,.0f} a second (the server limits it), "
            f"{crawl.cpu:.1f} s of processor",
            digits=1,
        ),
    ]


def _growth(found: list[tuple[int, Report]]) -> list[Figure]:
    if len(found) < 2:
        return []
    (small, few), (large, many) = found[0], found[-1]
    factor = large / small
    parts = {
        "crawl's processor time": [r.phases["crawl"].cpu for r in (few, many)],
        "build": [r.phases["build"].cpu for r in (few, many)],
        "memory beyond the start": [r.phases["build"].peak_mb - r.phases["start"].peak_mb for r in (few, many)],
    }
    return [
        Figure(f"growth of {name} per repository", f"{small:,} to {large:,}", after / before / factor, goal=1.1)
        for name, (before, after) in parts.items()
    ]
