"""Is the server's rate limit kept, known or not, and does the crawl use what it allows?

A bucket of `capacity` that gains `fill_rate` tokens a second allows n requests in (n - capacity) / fill_rate seconds.
"""

import asyncio

from benchmarks.collector import Report
from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving

CAPACITY, FILL_RATE = 60, 5.0
"""Bitbucket's default."""
GOAL_TIME = 1.05
GOAL_REFUSED = {True: 0.0, False: 1.0}
"""Per cent, by whether the settings are readable."""


def allowed_seconds(requests: int, capacity: float = CAPACITY, fill_rate: float = FILL_RATE) -> float:
    """The least time of that many requests, from a full bucket on."""
    return max(0.0, requests - capacity) / fill_rate


async def measure(plan: Plan) -> list[Figure]:
    """Both at one time: each has a server of its own."""
    repositories = plan.size(quick=60, full=1_000)
    found = await asyncio.gather(*(_one(repositories, plan, readable) for readable in (True, False)))
    return [figure for figures in found for figure in figures]


async def _one(repositories: int, plan: Plan, readable: bool) -> list[Figure]:
    options = ["--bucket", f"{CAPACITY}:{FILL_RATE:g}", *([] if readable else ["--hide-rate-limit"])]
    async with serving(repositories, *options, seed=plan.seed) as server:
        report = await collect(server)
    return figures(report, readable)


def figures(report: Report, readable: bool) -> list[Figure]:
    """Refused share and time of a run, preflight included: the bucket was full when it began."""
    stats = report.server_all
    passed = stats.requests - stats.refused
    took = report.phases["preflight"].wall + report.phases["crawl"].wall
    setting = f"bucket {CAPACITY}:{FILL_RATE:g}, settings {'readable' if readable else 'hidden'}"
    return [
        Figure(
            "refused (429)",
            setting,
            100 * stats.refused / stats.requests,
            unit="%",
            goal=GOAL_REFUSED[readable],
            note=f"{stats.refused} of {stats.requests:,} requests",
        ),
        Figure(
            "time ÷ what the bucket allows",
            setting,
            took / allowed_seconds(passed),
            goal=GOAL_TIME,
            note=f"{took:.1f} s for {allowed_seconds(passed):.1f} s",
            digits=3,
        ),
    ]
