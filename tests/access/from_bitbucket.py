"""Who may do what on an estate, by Bitbucket's own rules, written down a second time and as plainly as they go.

Nothing here is shared with the embedded server's way of deciding it, nor with the collector.
"""

from collections.abc import Iterable

from oaa_bitbucket_async.demo.model import PERSONAL, Estate, ModelGrant, ModelProject, ModelRepository, ModelUser

_GLOBAL = ["LICENSED_USER", "PROJECT_CREATE", "ADMIN", "SYS_ADMIN"]
_LEVELS = ["none", "read", "write", "create", "admin"]
_ON_PROJECT = {"PROJECT_READ": "read", "PROJECT_WRITE": "write", "REPO_CREATE": "create", "PROJECT_ADMIN": "admin"}
_ON_REPOSITORY = {"REPO_READ": "read", "REPO_WRITE": "write", "REPO_ADMIN": "admin"}


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _highest(levels: Iterable[str]) -> str:
    return max(levels, key=_LEVELS.index, default="none")


class FromBitbucket:
    """The rights of the users of an estate."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    # --- users and groups ---------------------------------------------------------------------------------------

    def in_group(self, user: ModelUser, group: str) -> bool:
        """Whether the user is in a group of that name, or in one of the groups in it, however deep."""
        seen: set[str] = set()
        names = {group.lower()}
        while names - seen:
            seen |= names
            within = [g for g in self._estate.groups if g.name.lower() in names]
            names = {child.lower() for g in within for child in g.children}
        return any(_same(m, user.name) for g in self._estate.groups if g.name.lower() in seen for m in g.members)

    def _held(self, user: ModelUser, users: list[ModelGrant], groups: list[ModelGrant]) -> list[str]:
        own = [permission for name, permission in users if _same(name, user.name)]
        return own + [permission for name, permission in groups if self.in_group(user, name)]

    def unlisted_users(self, *, inactive_too: bool) -> set[str]:
        """Ids of those who were deleted; with `inactive_too` the server does not list either who is not active."""
        return {str(user.id) for user in self._estate.users if user.deleted or (inactive_too and not user.active)}

    def unlisted_groups(self, projects: list[ModelProject], *, explicit: bool) -> set[str]:
        """`group:` and the small name of those that only grants still name: global ones, and those below `projects`."""
        grants = [*self._estate.global_groups] if explicit else []
        for project in projects:
            grants += project.group_grants
        for repository in self._estate.repositories:
            grants += repository.group_grants
        there = {group.name.lower() for group in self._estate.groups}
        return {f"group:{name.lower()}" for name, _ in grants if name.lower() not in there}

    # --- global -------------------------------------------------------------------------------------------------

    def global_permissions(self, user: ModelUser) -> set[str]:
        """The highest that the user holds, and all below it; none for one who is inactive or deleted."""
        if user.deleted or not user.active:
            return set()
        held = self._held(user, self._estate.global_users, self._estate.global_groups)
        return {name for name in _GLOBAL if any(_GLOBAL.index(name) <= _GLOBAL.index(other) for other in held)}

    def may_sign_in(self, user: ModelUser) -> bool:
        """Active, and with any global permission."""
        return bool(self.global_permissions(user))

    def explicit_global_grants(self) -> set[tuple[str, str]]:
        """(user's id, or `group:` and its name in small letters; permission), as an administrator sees the grants."""
        ids = {user.name.lower(): str(user.id) for user in self._estate.users}
        return {(ids[name.lower()], permission) for name, permission in self._estate.global_users} | {
            (f"group:{name.lower()}", permission) for name, permission in self._estate.global_groups
        }

    def effective_global_grants(self) -> set[tuple[str, str]]:
        """(user's id, permission) of everyone who holds it, whichever way: what is left to see with a token."""
        return {(str(u.id), permission) for u in self._estate.users for permission in self.global_permissions(u)}

    # --- projects and repositories ------------------------------------------------------------------------------

    def on_project(self, user: ModelUser, project: ModelProject) -> str:
        """none, read, write, create or admin."""
        held = self.global_permissions(user)
        if not held:
            return "none"
        owns = project.type == PERSONAL and project.owner is not None and _same(project.owner, user.name)
        if "ADMIN" in held or owns:
            return "admin"
        granted = [*self._held(user, project.user_grants, project.group_grants), *project.defaults]
        public = ["read"] if project.public and self._estate.public_access else []
        return _highest([_ON_PROJECT.get(permission, "none") for permission in granted] + public)

    def on_repository(self, user: ModelUser, repository: ModelRepository) -> str:
        """none, read, write or admin."""
        if not self.may_sign_in(user):
            return "none"
        granted = self._held(user, repository.user_grants, repository.group_grants)
        inherited = self.on_project(user, repository.project)
        public = ["read"] if repository.public and self._estate.public_access else []
        level = _highest([_ON_REPOSITORY.get(permission, "none") for permission in granted] + [inherited] + public)
        return "write" if level == "create" else level
