"""The fan-out: which questions are asked, and in what order.

Users, groups and their members, global permissions, projects, the listing of repositories and the permissions
of what has been listed already all run at one time. Workers pull from the listings, so that memory for work not
yet begun stays flat; what a worker is given is only an id, the rest stands in the snapshot.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.api import EFFECTIVE_PERMISSIONS, Api
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.bitbucket.rows import Group, Repository, by_id, by_name
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.concurrent import for_each, read_ahead
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.endpoints import Endpoints
from oaa_bitbucket_async.collect.existence import Existence
from oaa_bitbucket_async.collect.extras import Extras
from oaa_bitbucket_async.collect.incremental.plan import Plan
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.ledger import Ledger
from oaa_bitbucket_async.collect.places import Places
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.collect.work import Recorder, Work
from oaa_bitbucket_async.settings import Pace, Scope

T = TypeVar("T")

MEMBERS_HOLD = 3600.0
"""How long the members of a group, read by an earlier run, can be reused, in seconds."""
MOST_LISTINGS = 4
"""How many times, at most, projects and repositories are listed again because something was moved."""


class Crawl:
    """One crawl of one instance into one snapshot. `run` returns when every unit has ended, well or badly."""

    def __init__(
        self,
        client: Client,
        api: Api,
        capabilities: Capabilities,
        snapshot: Snapshot,
        ledger: Ledger,
        counts: CrawlCounts,
        *,
        scope: Scope,
        pace: Pace,
        record: Recorder,
        clock: Clock,
        plan: Plan | None = None,
    ) -> None:
        """`plan`: for an incremental run, decides which units of the base are asked again."""
        self._client = client
        self._api = api
        self._capabilities = capabilities
        self._snapshot = snapshot
        self._counts = counts
        self._scope_filter = ScopeFilter(scope)
        self._pace = pace
        self._ledger = ledger
        self._record = record
        self._plan = plan
        self._resumed: set[Unit] = set()
        existence = Existence(client, api, snapshot, self._scope_filter, detailed_groups=capabilities.detailed_groups)
        endpoints = Endpoints(api, capabilities, snapshot, existence)
        self._work = Work(client, endpoints, snapshot, ledger, counts, record, pace, plan)
        self._extras = Extras(capabilities, snapshot, counts, self._work, pace)
        self._places = Places(client, api, snapshot, ledger, self._scope_filter, self._work, clock)
        self._begun_groups: set[str] = set()
        self._begun_projects: set[int] = set()
        self._begun_repositories: set[int] = set()
        self._projects_to_do: asyncio.Queue[int | None] = asyncio.Queue()

    @property
    def stopped(self) -> bool:
        """True if the run was told to stop before everything had been asked."""
        return self._work.stopped

    def resume(self, item: Replayed, now: float) -> bool:
        """Takes over a page that an earlier run received, so the unit is not asked again. `now` is in epoch seconds.

        False, and the unit is asked again, if it would be out of date: listings and global permissions always, members
        after an hour. The others count only if the listings still show their subject under the same path.
        """
        unit = item.unit
        if unit.kind is kinds.MEMBERS:
            believed = now - item.read_at <= MEMBERS_HOLD
        elif self._plan is not None:
            believed = self._plan.believes(item)
        else:
            believed = subject_of(unit) is not None
        if not believed:
            if item.last:
                self._record.forget(unit)
            return False
        if self._plan is not None:
            self._resumed.add(unit)
            self._counts.based += item.last and unit.kind is not kinds.MEMBERS and self._plan.is_of_base(item)
        self._work.resume(item)
        return True

    def start_from(self, item: Replayed) -> bool:
        """Takes over a page of the base, so the unit is not asked again. Call it after all calls of `resume`.

        False if the plan asks the unit again, or an interrupted run has a newer answer.
        """
        if self._plan is None or item.unit in self._resumed or not self._plan.believes(item):
            return False
        self._work.start_from(item)
        self._counts.based += item.last
        return True

    async def run(self) -> None:
        """Asks everything, and tries units that ended in a fault once more at the end. The ledger has the outcomes.

        Raises CredentialError and TemporaryError (in an ExceptionGroup), which end the run.
        """
        work = self._work
        self._counts.resumed = len(work.have) - self._counts.based
        self._snapshot.set_people_aside()
        self._places.listed()
        async with work.trying(self._extras.ask_again):
            await self._round([self._users, self._groups, self._projects, self._repositories], self._global_permissions)
            if not work.listings_again:
                await self._extras.of_users()
            elif not work.stopped:
                await self._listings_again()
            await self._finish()
            if self._plan is not None and self._ledger.listings_complete and not work.stopped:
                self._snapshot.displaced |= self._plan.touched(self._snapshot) - work.left
            await self._follow_moves()
        work.settle()

    async def _round(
        self, listings: Sequence[Callable[[], Awaitable[None]]], *others: Callable[[], Awaitable[None]]
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for start in (*listings, *others):
                group.create_task(_coroutine(start))
            if self._projects in listings or self._repositories in listings:
                group.create_task(self._project_permissions())

    async def _listings_again(self) -> None:
        """Reads failed listings once more: the fault may have passed by now."""
        work = self._work
        listings, work.listings_again = work.listings_again, []
        await self._round(listings)
        if not work.listings_again:
            await self._extras.of_users()

    async def _finish(self) -> None:
        """Asks failed units once more, as the fault may have passed. Gives up units that get no answer."""
        await self._work.finish(self._extras.ask_again, self._pace.repo_concurrency)

    async def _follow_moves(self) -> None:
        """Asks again about what moved, until all answers come from the paths that the listings show."""
        work = self._work
        for _ in range(MOST_LISTINGS):
            await self._ask_moved()
            if work.stopped or not self._ledger.listings_complete:
                return
            if (work.lost or self._places.old) and not await self._places.list_again():
                return
            if not (self._moved() or self._new_projects() or self._new_repositories()):
                return
        await self._ask_moved()
        if not work.stopped:
            for subject in self._moved():
                work.fail(subject)

    def _moved(self) -> list[Subject]:
        return sorted((self._snapshot.displaced | self._work.lost) - self._work.left)

    def _new_projects(self) -> set[int]:
        """Projects known only because a repository was moved into them, or because the first listing missed them."""
        return self._snapshot.projects.keys() - self._begun_projects

    def _new_repositories(self) -> set[int]:
        return self._snapshot.repositories.keys() - self._begun_repositories

    async def _ask_moved(self) -> None:
        counts, work = self._counts, self._work
        moved = sorted(self._snapshot.displaced - work.left)
        for subject in moved:
            work.forget(subject)
        projects = [subject.id for subject in moved if subject.kind == "project"]
        repositories = [subject.id for subject in moved if subject.kind == "repository"]
        counts.projects_done -= len(projects)
        counts.repositories_done -= len(repositories)
        projects += sorted(self._new_projects())
        repositories += sorted(self._new_repositories())
        self._begun_projects.update(projects)
        self._begun_repositories.update(repositories)
        counts.projects, counts.repositories = len(self._snapshot.projects), len(self._snapshot.repositories)
        async with asyncio.TaskGroup() as group:
            for function, ids, limit in (
                (self._project, projects, self._pace.project_concurrency),
                (self._repository, repositories, self._pace.repo_concurrency),
            ):
                group.create_task(for_each(work.unless_stopped(function), _each(ids), limit))
        await self._finish()

    # --- the listings, and what follows from them ---------------------------------------------------------------

    async def _users(self) -> None:
        self._counts.users = 0
        listing = self._api.users(detailed=self._capabilities.detailed_users)
        async for _ in self._work.listing(Unit(kinds.USERS), self._client.pages(listing, by_id), self._users):
            pass
        self._counts.users_complete = True

    async def _groups(self) -> None:
        unit = Unit(kinds.GROUPS)
        self._counts.groups = 0
        groups = self._api.groups(detailed=self._capabilities.detailed_groups)
        pages = self._client.pages(groups, by_name)

        async def to_do(listed: AsyncIterator[Sequence[Group]]) -> AsyncIterator[str]:
            async for page in listed:
                for row in page:
                    if self._first(self._begun_groups, fold(row.name)):
                        yield row.name
            self._counts.groups_complete = True

        async with read_ahead(self._work.listing(unit, pages, self._groups)) as listed:
            await for_each(self._work.unless_stopped(self._members), to_do(listed), self._pace.repo_concurrency)

    async def _projects(self) -> None:
        unit = Unit(kinds.PROJECTS)
        self._counts.projects_complete = False
        pages = self._client.pages(self._api.projects(), by_id)
        async for page in self._work.listing(unit, pages, self._projects, self._scope_filter.project):
            for row in page:
                self._begin_project(row.id)
        self._counts.projects_complete = True
        self._no_more_projects()

    async def _repositories(self) -> None:
        unit = Unit(kinds.REPOSITORIES)
        self._counts.repositories_complete = False
        pages = self._client.pages(self._api.repositories(), by_id)

        async def to_do(listed: AsyncIterator[Sequence[Repository]]) -> AsyncIterator[int]:
            async for page in listed:
                for row in page:
                    self._begin_project(row.project.id)
                    if self._first(self._begun_repositories, row.id):
                        yield row.id
            self._counts.repositories_complete = True
            self._no_more_projects()

        async with read_ahead(
            self._work.listing(unit, pages, self._repositories, self._scope_filter.repository)
        ) as listed:
            await for_each(self._work.unless_stopped(self._repository), to_do(listed), self._pace.repo_concurrency)

    async def _project_permissions(self) -> None:
        async def to_do() -> AsyncIterator[int]:
            while (project := await self._projects_to_do.get()) is not None:
                yield project

        await for_each(self._work.unless_stopped(self._project), to_do(), self._pace.project_concurrency)

    def _begin_project(self, project: int) -> None:
        if self._first(self._begun_projects, project):
            self._projects_to_do.put_nowait(project)

    def _no_more_projects(self) -> None:
        """Both listings show projects, so the last one to end closes the queue of projects."""
        if self._counts.projects_complete and self._counts.repositories_complete:
            self._projects_to_do.put_nowait(None)

    @staticmethod
    def _first(begun: set[T], item: T) -> bool:
        if item in begun:
            return False
        begun.add(item)
        return True

    # --- one group, one project, one repository -----------------------------------------------------------------

    async def _members(self, group: str) -> None:
        await self._work.ask(Unit(kinds.MEMBERS, group))
        self._counts.groups_done += 1

    async def _global_permissions(self) -> None:
        work = self._work
        if self._capabilities.global_permissions == "explicit":
            await work.quietly(work.ask(Unit(kinds.GLOBAL_USERS)))
            await work.quietly(work.ask(Unit(kinds.GLOBAL_GROUPS)))
            return
        async with asyncio.TaskGroup() as group:
            for permission in EFFECTIVE_PERMISSIONS:
                group.create_task(work.quietly(work.ask(Unit(kinds.EFFECTIVE, permission))))

    async def _project(self, project: int) -> None:
        key = str(project)
        work = self._work
        work.begin(Subject("project", project))
        if await work.ask(Unit(kinds.PROJECT_USERS, key)):
            # together: one after the other, projects would be asked about long after the repositories are done
            async with asyncio.TaskGroup() as group:
                group.create_task(work.quietly(work.ask(Unit(kinds.PROJECT_GROUPS, key))))
                for level in self._capabilities.default_levels:
                    group.create_task(work.quietly(work.ask(Unit(kinds.PROJECT_DEFAULT, f"{key}/{level}"))))
                group.create_task(work.quietly(self._extras.of_project(project)))
        self._counts.projects_done += 1

    async def _repository(self, repository: int) -> None:
        key = str(repository)
        self._work.begin(Subject("repository", repository))
        # Half of them in the other order: if Bitbucket stops answering one kind, the other still gets answers.
        first, second = (
            (kinds.REPOSITORY_GROUPS, kinds.REPOSITORY_USERS)
            if repository % 2
            else (kinds.REPOSITORY_USERS, kinds.REPOSITORY_GROUPS)
        )
        if await self._work.ask(Unit(first, key)) and await self._work.ask(Unit(second, key)):
            await self._extras.of_repository(repository)
        self._counts.repositories_done += 1


async def _coroutine(start: Callable[[], Awaitable[None]]) -> None:
    await start()


async def _each(items: Sequence[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
