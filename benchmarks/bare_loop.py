"""How much processor time does the collector need per request, compared with a bare aiohttp and msgspec loop?

Two more are measured: the standard event loop, and a simple script with `requests`, in threads and sequentially.

The figures are processor seconds of the crawl alone, on a server without service times. They include all threads, the
journal's too, but not start, preflight and payload. All take turns, so that other load on the machine affects all.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from benchmarks import bare
from benchmarks.collector import Report
from benchmarks.figures import Figure, middle, spread
from benchmarks.least_requests import PAGE, pages, visible
from benchmarks.plan import Plan
from benchmarks.processes import Server, client, collect, serving
from benchmarks.records import Answer, RequestCost
from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, REPO_CREATE, Api, Endpoint, Listing
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate

GOAL = 1.25
CONCURRENCY = 32
FEW = 8
"""About as many as auto keeps in flight here: more would only queue at a server of one core. The fewer there are, the
fewer answers come at one time, and each costs the loop more."""
BARE = "bare loop"
OURS = ("auto", "fixed", "fixed, no journal")
STANDARD = "fixed, standard event loop"
THREADS = f"requests, {CONCURRENCY} threads"
IN_A_LOOK = (BARE, "auto", "fixed", THREADS)


def questions(estate: Estate, api: Api) -> list[tuple[str, str]]:
    """Kind and path of what a crawl of the estate asks, in about the order in which it does."""

    def listing(endpoint: Listing, rows: int) -> list[tuple[str, str]]:  # type: ignore[type-arg]
        starts = range(0, pages(rows) * PAGE, PAGE)
        return [(endpoint.kind, f"{endpoint.path}&start={start}" if start else endpoint.path) for start in starts]

    def single(endpoint: Listing | Endpoint) -> tuple[str, str]:  # type: ignore[type-arg]
        return endpoint.kind, endpoint.path

    asked = listing(api.users(detailed=True), sum(not user.deleted for user in estate.users))
    asked += listing(api.groups(detailed=True), len(estate.groups))
    asked += [single(api.global_users()), single(api.global_groups())]
    asked += listing(api.projects(), sum(project.owner is None for project in estate.projects))
    asked += listing(api.repositories(), len(estate.repositories))
    for group in estate.groups:
        asked += listing(api.members(group.name, detailed=True), len(group.members))
    for project in visible(estate):
        asked += [single(kind.at(api, [project.key])) for kind in (kinds.PROJECT_USERS, kinds.PROJECT_GROUPS)]
        asked += [single(api.project_default(project.key, level)) for level in (*DEFAULT_LEVELS, REPO_CREATE)]
    for repository in estate.repositories:
        names = repository.project.key, repository.slug
        asked += [single(kind.at(api, names)) for kind in (kinds.REPOSITORY_USERS, kinds.REPOSITORY_GROUPS)]
    return asked


async def measure(plan: Plan) -> Answer:
    """All of them in turn, `plan.runs` times; those of `requests` over every so many of the same questions."""
    repositories = plan.size(quick=1_000, full=8_000)
    runs = plan.size(quick=1, full=plan.runs)
    asked = questions(generate(EstateShape.for_repositories(repositories, plan.seed)), Api("", PAGE))
    some = asked[:: plan.size(quick=5, full=6)]
    found: dict[str, list[Cost]] = {}
    async with serving(repositories, seed=plan.seed) as server:
        for _ in range(runs):
            for name, run in contestants(server, asked, some).items():
                if name in IN_A_LOOK or not plan.quick:
                    found.setdefault(name, []).append(await run())
    return Answer(figures(found, f"{repositories:,} repositories"), costs=records(found))


def contestants(
    server: Server, asked: list[tuple[str, str]], some: list[tuple[str, str]]
) -> dict[str, Callable[[], Awaitable["Cost"]]]:
    """Each by its name, and how to run it once."""

    async def ours(*, standard_loop: bool = False, **settings: Any) -> Cost:
        return Cost.of_crawl(await collect(server, standard_loop=standard_loop, **settings))

    async def simple(asked: list[tuple[str, str]], concurrency: int, **settings: Any) -> Cost:
        return Cost.of_loop(await _bare(server, asked, concurrency, **settings))

    return {
        BARE: partial(simple, asked, CONCURRENCY),
        "bare loop, standard event loop": partial(simple, asked, CONCURRENCY, standard_loop=True),
        f"bare loop, {FEW} in flight": partial(simple, asked, FEW),
        "auto": partial(ours, max_concurrency=CONCURRENCY),
        "fixed": partial(ours, concurrency=CONCURRENCY),
        "fixed, no journal": partial(ours, concurrency=CONCURRENCY, journal=False),
        STANDARD: partial(ours, concurrency=CONCURRENCY, standard_loop=True),
        THREADS: partial(simple, some, CONCURRENCY, module="benchmarks.first_try"),
        "requests, one after the other": partial(simple, some, 1, module="benchmarks.first_try"),
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of processor for a request, and requests a second."""

    cpu: float
    rate: float

    @classmethod
    def of_crawl(cls, report: Report) -> Self:
        """Of the crawl alone."""
        crawl = report.phases["crawl"]
        return cls(1e6 * crawl.cpu / report.requests, report.requests / crawl.wall)

    @classmethod
    def of_loop(cls, report: bare.Report) -> Self:
        """Of a whole loop."""
        return cls(1e6 * report.cpu / report.requests, report.requests / report.wall)


def figures(found: dict[str, list[Cost]], setting: str) -> list[Figure]:
    """Everything by the bare loop."""
    base = middle([cost.cpu for cost in found[BARE]])
    return [
        Figure(
            "CPU of a request ÷ bare loop",
            f"{name}, {setting}",
            middle([cost.cpu for cost in costs]) / base,
            goal=GOAL if name in OURS else None,
            note=f"{_cpu(costs)}, bare loop {_cpu(found[BARE])}; "
            f"{middle([cost.rate for cost in costs]):,.0f} requests a second",
        )
        for name, costs in found.items()
        if name != BARE
    ]


def _cpu(costs: list[Cost]) -> str:
    values = [cost.cpu for cost in costs]
    several = spread(values, 0)
    return f"{middle(values):.0f} µs" + (f" ({several})" if several else "")


def records(found: dict[str, list[Cost]]) -> list[RequestCost]:
    """For the plot."""
    return [
        RequestCost(
            f"collector, {name}" if name in {*OURS, STANDARD} else name,
            middle([cost.cpu for cost in costs]),
            middle([cost.rate for cost in costs]),
        )
        for name, costs in found.items()
    ]


async def _bare(
    server: Server,
    asked: list[tuple[str, str]],
    concurrency: int = CONCURRENCY,
    *,
    module: str = "benchmarks.bare",
    standard_loop: bool = False,
) -> bare.Report:
    job = bare.Job(server.url, server.user, server.password, concurrency, asked, standard_loop)
    return await client(module, job, bare.Report)
