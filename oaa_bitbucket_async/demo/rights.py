"""Who may do what on an estate, as Bitbucket itself decides it: the highest of all ways to a permission.

Ways to a repository: the user's own grants and those of the user's groups (nested groups included) on the
repository and on its project, the project's default permissions, global ADMIN and SYS_ADMIN, and `public`, where
the instance allows public access.
All but the last need an active, licensed user. It shares no code with the collector, so that the two can be compared.
"""

from collections.abc import Iterable

from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelGroup, ModelProject, ModelRepository, ModelUser

GLOBAL_LEVELS = ("LICENSED_USER", "PROJECT_CREATE", "ADMIN", "SYS_ADMIN")
PROJECT_LEVELS = ("PROJECT_READ", "PROJECT_WRITE", "REPO_CREATE", "PROJECT_ADMIN")
REPOSITORY_LEVELS = ("REPO_READ", "REPO_WRITE", "REPO_ADMIN")
WEIGHTS = {
    "LICENSED_USER": 0,
    "REPO_READ": 1000,
    "PROJECT_READ": 2000,
    "REPO_WRITE": 3000,
    "PROJECT_WRITE": 4000,
    "REPO_ADMIN": 5000,
    "REPO_CREATE": 5500,
    "PROJECT_ADMIN": 6000,
    "PROJECT_CREATE": 7000,
    "ADMIN": 9000,
    "SYS_ADMIN": 10000,
}
"""Bitbucket's own order of permissions; within one level the higher implies the lower."""
_ON_REPOSITORIES = {
    "PROJECT_READ": "REPO_READ",
    "PROJECT_WRITE": "REPO_WRITE",
    "REPO_CREATE": "REPO_WRITE",
    "PROJECT_ADMIN": "REPO_ADMIN",
}


def highest(permissions: Iterable[str]) -> str | None:
    """The highest of them, None if there are none. Unknown ones count as the lowest."""
    return max(permissions, key=lambda p: WEIGHTS.get(p, -1), default=None)


def on_repository(permission: str) -> str | None:
    """What a permission on a project is on its repositories; None for one that is not on projects."""
    return _ON_REPOSITORIES.get(permission)


def satisfies(held: str | None, wanted: str) -> bool:
    """Whether `held` is `wanted` or higher."""
    return held is not None and WEIGHTS.get(held, -1) >= WEIGHTS[wanted]


class Rights:
    """The rights of one revision of an estate. User and group names are compared ignoring case."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._members: dict[str, frozenset[str]] = {}
        self._groups_of: dict[str, frozenset[str]] | None = None
        self._global: dict[str, str] | None = None
        self._holders: dict[str, set[str]] = {}

    # --- groups -----------------------------------------------------------------------------------------------

    def members(self, group: str) -> frozenset[str]:
        """Lower-case names of a group's members, those of groups in it included; empty for an unknown group."""
        name = group.lower()
        if name not in self._members:
            self._members[name] = self._collect_members(name)
        return self._members[name]

    def _collect_members(self, name: str) -> frozenset[str]:
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            current = waiting.pop()
            group: ModelGroup | None = self._estate.group(current)
            if current in seen or group is None:
                continue
            seen.add(current)
            found.update(member.lower() for member in group.members)
            waiting.extend(child.lower() for child in group.children)
        return frozenset(n for n in found if (user := self._estate.user(n)) is not None and not user.deleted)

    def groups_of(self, user: str) -> frozenset[str]:
        """Lower-case names of the groups that a user is in, directly or through another group."""
        if self._groups_of is None:
            collected: dict[str, set[str]] = {}
            for group in self._estate.groups:
                name = group.name.lower()
                for member in self.members(name):
                    collected.setdefault(member, set()).add(name)
            self._groups_of = {member: frozenset(names) for member, names in collected.items()}
        return self._groups_of.get(user.lower(), frozenset())

    # --- permissions of one user ------------------------------------------------------------------------------

    def global_permission(self, user: ModelUser) -> str | None:
        """The highest global permission; None for a user who is inactive or not licensed."""
        return self._globals().get(user.name.lower()) if user.active and not user.deleted else None

    def project_permission(self, user: ModelUser, project: ModelProject) -> str | None:
        """The highest permission on a project (`public` aside)."""
        held = self.global_permission(user)
        if held is None:
            return None
        if satisfies(held, "ADMIN") or (project.owner is not None and project.owner.lower() == user.name.lower()):
            return "PROJECT_ADMIN"
        return highest([*self._granted(user, project.user_grants, project.group_grants), *project.defaults])

    def repository_permission(self, user: ModelUser, repository: ModelRepository) -> str | None:
        """The highest permission on a repository, by whatever way; `public` gives everyone licensed REPO_READ."""
        if self.global_permission(user) is None:
            return None
        ways = list(self._granted(user, repository.user_grants, repository.group_grants))
        on_project = self.project_permission(user, repository.project)
        if on_project in _ON_REPOSITORIES:
            ways.append(_ON_REPOSITORIES[on_project])
        if self._estate.anybody_reads(repository):
            ways.append("REPO_READ")
        return highest(ways)

    def sees_project(self, user: ModelUser, project: ModelProject) -> bool:
        """PROJECT_VIEW: any permission on the project, or on a repository in it, or `public`."""
        return (
            self._estate.anybody_reads(project)
            or self.project_permission(user, project) is not None
            or any(self.repository_permission(user, r) is not None for r in self._estate.repositories_of(project))
        )

    # --- users who hold a permission --------------------------------------------------------------------------

    def holders(self, permission: str, at: ModelProject | ModelRepository | None) -> set[str]:
        """Lower-case names of active users who hold a permission or a higher one, effectively.

        Like Bitbucket's filter, it also finds users who hold it by a grant but are not licensed.
        """
        if permission in GLOBAL_LEVELS:
            return self._global_holders(permission)
        if isinstance(at, ModelProject):
            found = self._on_project(permission, at)
        elif isinstance(at, ModelRepository):
            found = self._by_grants(permission, at.user_grants, at.group_grants) | self.holders("ADMIN", None)
            for level, reached in _ON_REPOSITORIES.items():
                if satisfies(reached, permission):
                    found |= self._on_project(level, at.project)
            if permission == "REPO_READ" and self._estate.anybody_reads(at):
                found |= self.holders("LICENSED_USER", None)
        else:
            raise ValueError(f"{permission} needs a project or a repository")
        return self._able(found)

    def _global_holders(self, permission: str) -> set[str]:
        if permission not in self._holders:
            found = {name for name, held in self._globals().items() if satisfies(held, permission)}
            self._holders[permission] = self._able(found)
        return self._holders[permission]

    def _able(self, names: set[str]) -> set[str]:
        return {n for n in names if (user := self._estate.user(n)) is not None and user.active and not user.deleted}

    def _on_project(self, permission: str, project: ModelProject) -> set[str]:
        found = self._by_grants(permission, project.user_grants, project.group_grants) | self.holders("ADMIN", None)
        if project.owner is not None:
            found.add(project.owner.lower())
        if any(satisfies(held, permission) for held in project.defaults):
            found |= self.holders("LICENSED_USER", None)
        return found

    def _by_grants(self, permission: str, user_grants: list[ModelGrant], group_grants: list[ModelGrant]) -> set[str]:
        found = {g.principal.lower() for g in user_grants if satisfies(g.permission, permission)}
        for grant in group_grants:
            if satisfies(grant.permission, permission):
                found |= self.members(grant.principal)
        return found

    def _granted(self, user: ModelUser, user_grants: list[ModelGrant], group_grants: list[ModelGrant]) -> Iterable[str]:
        name = user.name.lower()
        for grant in user_grants:
            if grant.principal.lower() == name:
                yield grant.permission
        if group_grants:
            groups = self.groups_of(name)
            for grant in group_grants:
                if grant.principal.lower() in groups:
                    yield grant.permission

    def _globals(self) -> dict[str, str]:
        if self._global is None:
            held: dict[str, str] = {}
            for grant in self._estate.global_users:
                _raise_to(held, grant.principal.lower(), grant.permission)
            for grant in self._estate.global_groups:
                for member in self.members(grant.principal):
                    _raise_to(held, member, grant.permission)
            self._global = held
        return self._global


def _raise_to(held: dict[str, str], name: str, permission: str) -> None:
    if name not in held or WEIGHTS.get(permission, -1) > WEIGHTS.get(held[name], -1):
        held[name] = permission
