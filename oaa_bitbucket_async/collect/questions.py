"""What to ask for a unit: made from its kind and key each time, so that a unit that waits is nothing but its key."""

from collections.abc import Callable
from typing import cast

from oaa_bitbucket_async.bitbucket.api import Api, Endpoint, Listing
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect.existence import Existence, Whereabouts
from oaa_bitbucket_async.collect.intake import AnyRow
from oaa_bitbucket_async.collect.snapshot import Snapshot, UserRecord
from oaa_bitbucket_async.collect.units import OF_PROJECT, OF_REPOSITORY, OF_USER, Unit, UnitKind

# Each gives a Listing or an Endpoint; of which rows follows from the kind.
_OF_PROJECT: dict[UnitKind, Callable[[Api, str], object]] = {
    UnitKind.PROJECT_USERS: Api.project_users,
    UnitKind.PROJECT_GROUPS: Api.project_groups,
    UnitKind.PROJECT_ACCESS_KEYS: Api.project_access_keys,
    UnitKind.PROJECT_TOKENS: Api.project_tokens,
}
_OF_REPOSITORY: dict[UnitKind, Callable[[Api, str, str], object]] = {
    UnitKind.REPOSITORY_USERS: Api.repository_users,
    UnitKind.REPOSITORY_GROUPS: Api.repository_groups,
    UnitKind.REPOSITORY_ACCESS_KEYS: Api.repository_access_keys,
    UnitKind.REPOSITORY_TOKENS: Api.repository_tokens,
    UnitKind.REPOSITORY_RESTRICTIONS: Api.repository_restrictions,
    UnitKind.REPOSITORY_DEFAULT_BRANCH: Api.default_branch,
    UnitKind.REPOSITORY_BRANCH_MODEL: Api.branch_model,
    UnitKind.REPOSITORY_SETTINGS: Api.merge_checks,
}
_OF_USER: dict[UnitKind, Callable[[Api, UserRecord], object]] = {
    UnitKind.USER_TOKENS: lambda api, user: api.user_tokens(user.slug or user.name),
    UnitKind.USER_SSH_KEYS: lambda api, user: api.user_ssh_keys(user.name),
    UnitKind.USER_GPG_KEYS: lambda api, user: api.user_gpg_keys(user.name),
}


class Questions:
    """Questions about single units, to where their subjects are by what the snapshot knows now."""

    def __init__(self, api: Api, capabilities: Capabilities, snapshot: Snapshot, existence: Existence) -> None:
        self._api = api
        self._capabilities = capabilities
        self._snapshot = snapshot
        self._existence = existence

    def of(self, unit: Unit) -> Listing[AnyRow] | Endpoint[AnyRow]:
        """The endpoint. Not for listings of the whole instance."""
        return cast("Listing[AnyRow] | Endpoint[AnyRow]", self._of(unit))

    def _of(self, unit: Unit) -> object:
        kind, key = unit
        if kind in OF_REPOSITORY:
            repository = self._snapshot.repositories[int(key)]
            return _OF_REPOSITORY[kind](self._api, self._snapshot.projects[repository.project].key, repository.slug)
        if kind is UnitKind.PROJECT_DEFAULT:
            project, _, level = key.partition("/")
            return self._api.project_default(self._snapshot.projects[int(project)].key, level)
        if kind in OF_PROJECT:
            return _OF_PROJECT[kind](self._api, self._snapshot.projects[int(key)].key)
        if kind in OF_USER:
            return _OF_USER[kind](self._api, self._snapshot.users[int(key)])
        match kind:
            case UnitKind.MEMBERS:
                return self._api.members(key, detailed=self._capabilities.detailed_members)
            case UnitKind.GLOBAL_USERS:
                return self._api.global_users()
            case UnitKind.GLOBAL_GROUPS:
                return self._api.global_groups()
            case UnitKind.EFFECTIVE:
                return self._api.effective_users(key, self._capabilities.effective_page)
        raise ValueError(f"a listing is no single question: {unit}")

    async def find(self, unit: Unit) -> Whereabouts | None:
        """Whether the unit's subject is there after all; None if it has none. Raises what `Client.ask` raises."""
        kind, key = unit
        if kind in OF_REPOSITORY:
            return await self._existence.repository(int(key))
        if kind in OF_PROJECT:
            return await self._existence.project(int(key.partition("/")[0]))
        if kind in OF_USER:
            return await self._existence.user(int(key))
        if kind is UnitKind.MEMBERS:
            return await self._existence.group(key)
        return None
