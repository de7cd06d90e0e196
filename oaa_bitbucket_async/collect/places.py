"""Checks the paths after the crawl: an answer counts only for the id that has its path at the end.

DESIGN.md section 4, rule 8. Projects and repositories are listed once more where something was no longer at its path,
and always once the paths are older than five minutes: a path that was taken over meanwhile answers 200.
"""

from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.rows import Project, Repository, by_id
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.ledger import Ledger
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.collect.work import Work

PATHS_HOLD = 300.0
"""How long paths from a listing can be trusted, in seconds."""
_TRIES = 2


class Places:
    """Knows how old the paths in the snapshot are, and reads them again."""

    def __init__(
        self,
        client: Client,
        api: Api,
        snapshot: Snapshot,
        ledger: Ledger,
        scope_filter: ScopeFilter,
        work: Work,
        clock: Clock,
    ) -> None:
        self._client = client
        self._api = api
        self._snapshot = snapshot
        self._ledger = ledger
        self._scope_filter = scope_filter
        self._work = work
        self._clock = clock
        self._listed_at = 0.0

    def listed(self) -> None:
        """Notes that the run starts to read the listings now."""
        self._listed_at = self._clock.now()

    @property
    def old(self) -> bool:
        """Whether the paths may have changed unnoticed."""
        return self._clock.now() - self._listed_at > PATHS_HOLD

    async def list_again(self) -> bool:
        """Lists projects and repositories again. What is no longer listed is gone. What has a new path is displaced.

        False if they could not be read: then the ledger names the listing as missing. What was created since is left to
        the next run, unless it is a project that a known repository was moved into. What has an id below the highest
        known one is no new thing, but one that the first listing missed.
        """
        for _ in range(_TRIES):
            self.listed()
            projects, repositories = set(self._snapshot.projects), set(self._snapshot.repositories)
            await self._projects(projects)
            await self._repositories(projects, repositories)
            self._work.listings_again.clear()
            if self._work.stopped:
                return False
            if self._ledger.listings_complete:
                self._settle(projects, repositories)
                return True
        return False

    async def _projects(self, unseen: set[int]) -> None:
        """Takes those that are shown out of `unseen`."""
        newest = max(unseen, default=-1)

        def known(row: Project) -> bool:
            unseen.discard(row.id)
            return row.id <= newest and self._stays(Subject("project", row.id), self._scope_filter.project(row))

        pages = self._client.pages(self._api.projects(), by_id)
        async for _ in self._work.listing(Unit(kinds.PROJECTS), pages, _nothing, known):
            pass

    async def _repositories(self, unseen_projects: set[int], unseen: set[int]) -> None:
        """The same; they show the personal projects too."""

        snapshot, wanted = self._snapshot, self._scope_filter
        newest = max(unseen, default=-1)

        def known(row: Repository) -> bool:
            project, kept = row.project, wanted.repository(row)
            unseen.discard(row.id)
            if kept:  # also a new one shows that its project is there, and under which key
                unseen_projects.discard(project.id)
                snapshot.rename_project(project.id, project.key)
            return row.id <= newest and self._stays(Subject("repository", row.id), kept)

        pages = self._client.pages(self._api.repositories(), by_id)
        async for _ in self._work.listing(Unit(kinds.REPOSITORIES), pages, _nothing, known):
            pass

    def _stays(self, subject: Subject, wanted: bool) -> bool:
        known = self._snapshot.projects if subject.kind == "project" else self._snapshot.repositories
        if not wanted and subject.id in known:
            self._work.left.add(subject)
        return wanted

    def _settle(self, projects: set[int], repositories: set[int]) -> None:
        """Settles projects and repositories that the listings did not show."""
        snapshot, work = self._snapshot, self._work
        for subject in (
            *(Subject("project", project) for project in sorted(projects)),
            *(Subject("repository", repository) for repository in sorted(repositories)),
        ):
            work.gone(subject)
            snapshot.displaced.discard(subject)
        snapshot.forget(projects, repositories)
        snapshot.displaced |= work.lost - work.left  # shown, so they are to be asked where they are now
        work.lost.clear()


async def _nothing() -> None:
    """Readers of the listings start again by themselves."""
