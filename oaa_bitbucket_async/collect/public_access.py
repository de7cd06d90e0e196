"""Is public access allowed? Asks, without a login, for things that are marked public.

A public flag gives no access while the instance's switch is off (DESIGN.md rule 12), and the switch itself can't
be read (BITBUCKET.md section 11).
"""

import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

from oaa_bitbucket_async.bitbucket.anonymous import Refusal
from oaa_bitbucket_async.bitbucket.api import Api, Endpoint
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Fault, RequestProblem
from oaa_bitbucket_async.bitbucket.rows import Project, Repository
from oaa_bitbucket_async.bitbucket.transport import Transport
from oaa_bitbucket_async.collect.snapshot import PublicAccess, Snapshot
from oaa_bitbucket_async.errors import ConfigurationError

T = TypeVar("T")
MOST_REQUESTS = 3
"""Without a login, in one run."""
_MOST_PLACES = 2 * MOST_REQUESTS
"""Some may be deleted, or made private, since they were listed."""


class Flagged(NamedTuple):
    """A repository that is marked public, itself or through its project. Without a slug: a public project."""

    id: int
    key: str
    slug: str | None = None


def flagged(snapshot: Snapshot) -> list[Flagged]:
    """A few things that a snapshot marks public: repositories, or projects if no repository is public."""
    projects = snapshot.projects

    def public() -> Iterable[Flagged]:
        for repository in snapshot.repositories.values():
            project = projects.get(repository.project)
            if project is not None and (repository.public or project.public):
                yield Flagged(repository.id, project.key, repository.slug)

    return first(public()) or first(Flagged(p.id, p.key) for p in projects.values() if p.public)


def first(places: Iterable[Flagged]) -> list[Flagged]:
    """The first ones, by id: at most as many as the probe needs."""
    return heapq.nsmallest(_MOST_PLACES, places)


class AccessProbe:
    """Asks Bitbucket without a login. `nobody` is a transport that signs nothing; `wait` is called after a fault."""

    def __init__(self, client: Client, api: Api, nobody: Transport, *, wait: Callable[[], Awaitable[object]]) -> None:
        self._client = client
        self._api = api
        self._nobody = nobody
        self._wait = wait
        self._left = MOST_REQUESTS

    async def find(self, places: Iterable[Flagged]) -> PublicAccess:
        """`on` if anything is visible without a login; `off` if Bitbucket itself refuses all in the same way.

        Only things that are still marked public afterwards count. Raises CredentialError if our own login is lost.
        """
        waiting = deque(places)
        if not waiting:
            return "none flagged"
        if self._client.login.stripped and not await self._is_nobody():
            return "unknown"
        answers: set[Refusal | None] = set()
        while waiting and self._left:
            place = waiting.popleft()
            try:
                told = await self._shown(place)
            except Fault:
                waiting.append(place)
                await self._wait()
                continue
            if isinstance(told, Project | Repository):
                if told.id == place.id:
                    return "on"
                told = None
            if await self._still_public(place):
                answers.add(told)
        (answer,) = answers if len(answers) == 1 else (None,)
        return "unknown" if answer is None else "off"

    async def _is_nobody(self) -> bool:
        """If answers do not carry a user name: whether requests without a login arrive at Bitbucket without one."""
        proof = self._api.login_proof()
        try:
            return isinstance(await self._as_nobody(Endpoint(proof.kind, proof.path, proof.decoder)), Refusal)
        except Fault:
            return False

    async def _shown(self, place: Flagged) -> Project | Repository | Refusal | None:
        if place.slug is None:
            return await self._as_nobody(self._api.project(place.key))
        return await self._as_nobody(self._api.repository(place.key, place.slug))

    async def _as_nobody(self, endpoint: Endpoint[T]) -> T | Refusal | None:
        self._left -= 1
        try:
            return await self._client.ask_anonymously(self._nobody, endpoint._replace(kind="public-access"))
        except ConfigurationError:  # a client certificate is wanted, which nobody has
            return None

    async def _still_public(self, place: Flagged) -> bool:
        """Whether, asked with our login, it exists, is the same thing, and is marked public."""
        try:
            if place.slug is None:
                project = await self._client.ask(self._api.project(place.key))
                return project.id == place.id and project.public
            repository = await self._client.ask(self._api.repository(place.key, place.slug))
            return repository.id == place.id and (repository.public or repository.project.public)
        except RequestProblem:
            return False
