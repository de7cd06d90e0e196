"""Is it really gone? A 404 on a permission set is no proof, so the run asks for the thing itself."""

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
    """The result of a search for a thing that answered 404 or a redirect."""

    THERE = "there"
    """It exists, and the snapshot has its current path."""
    GONE = "gone"
    """It was deleted: a listing that was read after the 404 does not show it."""
    LOST = "lost"
    """Its path is empty or has another thing. Only a listing can tell whether it was deleted or renamed."""
    LEFT = "left"
    """It was moved out of the part that this run collects (`--project` and similar filters)."""


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
        """Finds any subject that has an id. Raises what `Client.ask` raises."""
        match subject.kind:
            case "repository":
                return await self.repository(subject.id)
            case "project":
                return await self.project(subject.id)
            case "user":
                return await self.user(subject.id)

    async def repository(self, repository: int) -> Whereabouts:
        """Asks for the repository by the path from the listing. Raises what `Client.ask` raises."""
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
        """Asks for the project by the key from the listing. Raises what `Client.ask` raises.

        Does not ask for a personal project: the request would create it if it is gone (BITBUCKET.md section 4).
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
        """Asks by the name from the listing. The filter means "contains", so the rows are compared by id."""
        name = self._snapshot.users[user].name
        async for rows in self._client.pages(self._api.users_like(name), by_id):
            if any(row.id == user for row in rows):
                return Whereabouts.THERE
        return Whereabouts.GONE

    async def group(self, name: str) -> Whereabouts:
        """Asks by name. The filter means "contains", so the rows of all pages are compared."""
        wanted = fold(name)
        async for rows in self._client.pages(self._api.groups_like(name, detailed=self._detailed_groups), by_name):
            if any(fold(row.name) == wanted for row in rows):
                return Whereabouts.THERE
        return Whereabouts.GONE
