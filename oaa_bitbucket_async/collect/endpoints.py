"""The endpoint of a unit, made from its kind and key each time, so that a waiting unit is only a key."""

from typing import Any

from oaa_bitbucket_async.bitbucket.api import Api, Endpoint, Listing
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect.existence import Existence, Whereabouts
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.snapshot import Snapshot


class Endpoints:
    """Endpoints of single units, at the paths that the snapshot has now."""

    def __init__(self, api: Api, capabilities: Capabilities, snapshot: Snapshot, existence: Existence) -> None:
        self._api = api
        self._capabilities = capabilities
        self._snapshot = snapshot
        self._existence = existence

    def of(self, unit: Unit) -> Listing[Any] | Endpoint[Any]:
        """The endpoint. The unit's kind says which rows it has. Raises Fault for a name that leads elsewhere."""
        return unit.kind.endpoint(self._api, self._capabilities, self.names(unit))

    def names(self, unit: Unit) -> tuple[str, ...]:
        """The names of the unit's subject in a path.

        A repository: its project's key and its slug. A project: its key. A user: name and slug. A group: its name. If
        the kind is asked in parts, the part comes last.
        """
        kind, key = unit
        snapshot = self._snapshot
        if kind.of == "repository":  # first, for there are most of them
            repository = snapshot.repositories[int(key)]
            return snapshot.projects[repository.project].key, repository.slug
        if kind.of == "project":
            project, _, part = key.partition("/")
            return snapshot.projects[int(project)].key, part
        if kind.of == "user":
            user = snapshot.users[int(key)]
            return user.name, user.slug or user.name
        return (key,) if key else ()

    async def find(self, unit: Unit) -> Whereabouts | None:
        """Looks for the unit's subject. None if the unit has no subject. Raises what `Client.ask` raises."""
        subject = subject_of(unit)
        if subject is not None:
            return await self._existence.of(subject)
        return await self._existence.group(unit.key) if unit.kind.of == "group" else None
