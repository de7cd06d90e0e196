"""What does a request cost the collector's processor, beside a bare aiohttp and msgspec loop over the same URLs?

Processor seconds of the crawl alone (all threads, the journal's too; start, preflight and payload are no part of it),
on a server without service times. The two take turns, so that what else happens on the machine meets both.
"""

from benchmarks import bare
from benchmarks.collector import Report
from benchmarks.figures import Figure, middle, spread
from benchmarks.least_requests import PAGE, pages, visible
from benchmarks.plan import Plan
from benchmarks.processes import Server, client, collect, serving
from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, REPO_CREATE, Api, Listing, Question
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate

GOAL = 1.5
CONCURRENCY = 32


def questions(estate: Estate, api: Api) -> list[tuple[str, str]]:
    """Kind and path of what a crawl of the estate asks, in about the order in which it does."""

    def listing(question: Listing, rows: int) -> list[tuple[str, str]]:  # type: ignore[type-arg]
        starts = range(0, pages(rows) * PAGE, PAGE)
        return [(question.kind, f"{question.path}&start={start}" if start else question.path) for start in starts]

    def single(question: Listing | Question) -> tuple[str, str]:  # type: ignore[type-arg]
        return question.kind, question.path

    asked = listing(api.users(detailed=True), sum(not user.deleted for user in estate.users))
    asked += listing(api.groups(), len(estate.groups))
    asked += [single(api.global_users()), single(api.global_groups())]
    asked += listing(api.projects(), sum(project.owner is None for project in estate.projects))
    asked += listing(api.repositories(), len(estate.repositories))
    for group in estate.groups:
        asked += listing(api.members(group.name, detailed=True), len(group.members))
    for project in visible(estate):
        asked += [single(api.project_users(project.key)), single(api.project_groups(project.key))]
        asked += [single(api.project_default(project.key, level)) for level in (*DEFAULT_LEVELS, REPO_CREATE)]
    for repository in estate.repositories:
        key, slug = repository.project.key, repository.slug
        asked += [single(api.repository_users(key, slug)), single(api.repository_groups(key, slug))]
    return asked


async def measure(plan: Plan) -> list[Figure]:
    """Fixed at the bare loop's concurrency, `auto` at most there, and without the journal; and both loops."""
    repositories = plan.size(quick=3_000, full=8_000)
    asked = questions(generate(EstateShape.for_repositories(repositories, plan.seed)), Api("", PAGE))
    bares: list[float] = []
    ours: dict[str, list[float]] = {"auto": [], "fixed": [], "fixed, no journal": []}
    async with serving(repositories, seed=plan.seed) as server:
        for _ in range(plan.runs):
            bares.append(_bare_cost(await _bare(server, asked)))
            ours["auto"].append(cost(await collect(server, max_concurrency=CONCURRENCY)))
            ours["fixed"].append(cost(await collect(server, concurrency=CONCURRENCY)))
            ours["fixed, no journal"].append(cost(await collect(server, concurrency=CONCURRENCY, journal=False)))
    base = middle(bares)
    note = f"bare {base:.0f} µs ({spread(bares, 0)})"
    return [
        Figure(
            "CPU of a request ÷ bare loop",
            f"{repositories:,} repositories, {name}, {CONCURRENCY} in flight",
            middle(costs) / base,
            goal=GOAL,
            note=f"{middle(costs):.0f} µs ({spread(costs, 0)}); {note}",
        )
        for name, costs in ours.items()
    ]


def cost(report: Report) -> float:
    """Microseconds of processor for a request of the crawl."""
    return 1e6 * report.phases["crawl"].cpu / report.requests


async def _bare(server: Server, asked: list[tuple[str, str]], concurrency: int = CONCURRENCY) -> bare.Report:
    job = bare.Job(server.url, server.user, server.password, concurrency, asked)
    return await client("benchmarks.bare", job, bare.Report)


def _bare_cost(report: bare.Report) -> float:
    return 1e6 * report.cpu / report.requests
