"""Is it really gone? A 404 on a permission set is believed only once the thing itself has been asked for."""

from enum import Enum
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.api import Api, Question
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Gone, Moved, Rejected
from oaa_bitbucket_async.collect.intake import row_key
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold

T = TypeVar("T")


class Whereabouts(Enum):
    """THERE: it exists, and where it is now stands in the snapshot. GONE: it was deleted."""

    THERE = "there"
    GONE = "gone"


class Existence:
    """Asks for a project, repository or group itself, following one move."""

    def __init__(self, client: Client, api: Api, snapshot: Snapshot, *, detailed_groups: bool) -> None:
        self._client = client
        self._api = api
        self._snapshot = snapshot
        self._detailed_groups = detailed_groups

    async def repository(self, repository: int) -> Whereabouts:
        """By the path that the listing showed. Raises what `Client.ask` raises, and Rejected for another's place."""
        record = self._snapshot.repositories[repository]
        question = self._api.repository(self._snapshot.projects[record.project].key, record.slug)
        row = await self._where_it_is_now(question)
        if row is None:
            return Whereabouts.GONE
        if row.id != repository:
            raise Rejected(question.path, "another repository stands there now: this one was renamed or moved")
        self._snapshot.add_repository(row)
        if row.project.id not in self._snapshot.projects:
            self._snapshot.add_project(row.project)
        return Whereabouts.THERE

    async def project(self, project: int) -> Whereabouts:
        """By the key that the listing showed. Raises as `repository` does."""
        question = self._api.project(self._snapshot.projects[project].key)
        row = await self._where_it_is_now(question)
        if row is None:
            return Whereabouts.GONE
        if row.id != project:
            raise Rejected(question.path, "another project stands there now: this one was renamed")
        self._snapshot.add_project(row)
        return Whereabouts.THERE

    async def _where_it_is_now(self, question: Question[T]) -> T | None:
        """The answer, after one move if there was one; None if nothing is there."""
        try:
            try:
                return await self._client.ask(question)
            except Moved as moved:
                return await self._client.ask(question._replace(path=moved.location))
        except Gone:
            return None

    async def user(self, user: int) -> Whereabouts:
        """By the name that the listing showed: the filter means "contains", so the rows are compared by id."""
        name = self._snapshot.users[user].name
        async for rows in self._client.pages(self._api.users_like(name), row_key):
            if any(row.id == user for row in rows):
                return Whereabouts.THERE
        return Whereabouts.GONE

    async def group(self, name: str) -> Whereabouts:
        """By its name: the filter means "contains", so the rows of all pages are compared."""
        wanted = fold(name)
        if self._detailed_groups:
            async for rows in self._client.pages(self._api.groups_like(name), row_key):
                if any(fold(row.name) == wanted for row in rows):
                    return Whereabouts.THERE
        else:
            async for names in self._client.pages(self._api.group_names_like(name), lambda name: name):
                if wanted in map(fold, names):
                    return Whereabouts.THERE
        return Whereabouts.GONE
