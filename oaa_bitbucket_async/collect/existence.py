"""Is it really gone? A 404 on a permission set is followed by asking for the thing itself, and is not yet believed."""

from enum import Enum
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.api import Api, Endpoint
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Gone, Moved
from oaa_bitbucket_async.bitbucket.rows import by_id, by_name
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject

T = TypeVar("T")


class Whereabouts(Enum):
    """How the search for a thing ended that answered 404 or a redirect."""

    THERE = "there"
    """It exists, and where it is now stands in the snapshot."""
    GONE = "gone"
    """It was deleted: a listing that was read after the 404 does not show it."""
    LOST = "lost"
    """Nothing is at its path, or another thing: only a listing can tell whether it was deleted or renamed."""
    LEFT = "left"
    """It was moved to where this run does not collect (`--project` and its like)."""


class Existence:
    """Asks for a project, repository or group itself, following one move."""

    def __init__(
        self, client: Client, api: Api, snapshot: Snapshot, scope_filter: ScopeFilter, *, detailed_groups: bool
    ) -> None:
        self._client = client
        self._api = api
        self._snapshot = snapshot
        self._scope_filter = scope_filter
        self._detailed_groups = detailed_groups

    async def of(self, subject: Subject) -> Whereabouts:
        """Of what has an id. Raises what `Client.ask` raises."""
        match subject.kind:
            case "repository":
                return await self.repository(subject.id)
            case "project":
                return await self.project(subject.id)
            case "user":
                return await self.user(subject.id)

    async def repository(self, repository: int) -> Whereabouts:
        """By the path that the listing showed. Raises what `Client.ask` raises."""
        snapshot = self._snapshot
        record = snapshot.repositories[repository]
        row = await self._where_it_is_now(self._api.repository(snapshot.projects[record.project].key, record.slug))
        if row is None or row.id != repository:
            return Whereabouts.LOST
        if not self._scope_filter.repository(row):
            return Whereabouts.LEFT
        if row.project.id in snapshot.projects:
            snapshot.rename_project(row.project.id, row.project.key)
        else:
            snapshot.add_project(row.project)
        snapshot.add_repository(row)
        return Whereabouts.THERE

    async def project(self, project: int) -> Whereabouts:
        """By the key that the listing showed. Raises as `repository` does.

        A personal one is not asked for: if its owner has none any more, that would create it (BITBUCKET.md section 4).
        """
        record = self._snapshot.projects[project]
        if record.personal:
            return Whereabouts.LOST
        row = await self._where_it_is_now(self._api.project(record.key))
        if row is None or row.id != project:
            return Whereabouts.LOST
        if not self._scope_filter.project(row):
            return Whereabouts.LEFT
        self._snapshot.add_project(row)
        return Whereabouts.THERE

    async def _where_it_is_now(self, endpoint: Endpoint[T]) -> T | None:
        """The answer, after one move if there was one; None if nothing is there, or one redirect leads to another."""
        try:
            try:
                return await self._client.ask(endpoint)
            except Moved as moved:
                return await self._client.ask(endpoint._replace(path=moved.location))
        except (Gone, Moved):
            return None

    async def user(self, user: int) -> Whereabouts:
        """By the name that the listing showed: the filter means "contains", so the rows are compared by id."""
        name = self._snapshot.users[user].name
        async for rows in self._client.pages(self._api.users_like(name), by_id):
            if any(row.id == user for row in rows):
                return Whereabouts.THERE
        return Whereabouts.GONE

    async def group(self, name: str) -> Whereabouts:
        """By its name: the filter means "contains", so the rows of all pages are compared."""
        wanted = fold(name)
        async for rows in self._client.pages(self._api.groups_like(name, detailed=self._detailed_groups), by_name):
            if any(fold(row.name) == wanted for row in rows):
                return Whereabouts.THERE
        return Whereabouts.GONE
