"""How many requests does a crawl need, compared with the least possible number?

The least: users, groups, projects and repositories by pages of 1000; the members of each group by pages of 1000; six
for each project (users, groups, four default permissions; before 8.2 there are three) and two for each repository; both
global permissions.
"""

from math import ceil

from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.processes import collect, serving
from oaa_bitbucket_async.demo.model import Estate, ModelProject

GOAL = 1.01
PAGE = 1000


def least(estate: Estate, page: int = PAGE) -> dict[str, int]:
    """By kind of request."""
    projects, repositories = len(visible(estate)), len(estate.repositories)
    return {
        "users": pages(sum(not user.deleted for user in estate.users), page),
        "groups": pages(len(estate.groups), page),
        "members": sum(pages(len(group.members), page) for group in estate.groups),
        "global-users": pages(len(estate.global_users), page),
        "global-groups": pages(len(estate.global_groups), page),
        "projects": pages(sum(project.owner is None for project in estate.projects), page),
        "repositories": pages(repositories, page),
        "project-users": projects,
        "project-groups": projects,
        "project-default": 4 * projects,
        "repository-users": repositories,
        "repository-groups": repositories,
    }


def visible(estate: Estate) -> list[ModelProject]:
    """Personal projects are no part of the listing of projects; those without a repository show nowhere."""
    with_repositories = {repository.project.id for repository in estate.repositories}
    return [project for project in estate.projects if project.owner is None or project.id in with_repositories]


def pages(rows: int, page: int = PAGE) -> int:
    """Requests for a listing of that many rows."""
    return max(1, ceil(rows / page))


async def measure(plan: Plan) -> list[Figure]:
    """All kinds together has a goal; those that took more than the least are named."""
    from oaa_bitbucket_async.demo.estate import EstateShape, generate

    repositories = plan.size(quick=1_000, full=20_000)
    async with serving(repositories, seed=plan.seed) as server:
        report = await collect(server)
    estate = generate(EstateShape.for_repositories(repositories, plan.seed))
    return [figure(report.sent, least(estate), f"{repositories:,} repositories")]


def figure(sent: dict[str, int], wanted: dict[str, int], setting: str) -> Figure:
    """The figure of one crawl."""
    more = [
        f"{kind} {sent.get(kind, 0):,} for {wanted.get(kind, 0):,}"
        for kind in sorted({*sent, *wanted})
        if sent.get(kind, 0) != wanted.get(kind, 0)
    ]
    total, fewest = sum(sent.values()), sum(wanted.values())
    note = f"{total:,} for {fewest:,}" + (f"; {', '.join(more)}" if more else "")
    return Figure("requests ÷ least number", setting, total / fewest, goal=GOAL, note=note, digits=4)
