"""Who may do what, read from nothing but the payload that Veza was given, by the rules of its application template.

A user holds what the user, a group of the user or a group above that one holds: on the application, on a resource,
or on a sub-resource. What is held on one of the first two reaches below if the permission says so. What a permission
means is in its canonical types alone, never in its name.
"""

from collections.abc import Iterator
from typing import Any

IN_WORDS = {
    "none": frozenset[str](),
    "read": frozenset({"DataRead", "MetadataRead"}),
    "write": frozenset({"DataRead", "MetadataRead", "DataWrite", "DataCreate", "DataDelete"}),
    "create": frozenset({"DataRead", "MetadataRead", "DataWrite", "DataCreate", "DataDelete", "MetadataCreate"}),
    "admin": frozenset(
        {
            "DataRead", "MetadataRead", "DataWrite", "DataCreate", "DataDelete",
            "MetadataWrite", "MetadataCreate", "MetadataDelete",
        }
    ),
}  # fmt: skip
"""What each level means in Veza's terms."""
_NO_ACCESS_TO_CONTENT = {"NonData", "Uncategorized"}

Json = dict[str, Any]


class FromPayload:
    """The rights that follow from a payload. Users, projects and repositories by Bitbucket's ids."""

    def __init__(self, payload: Json) -> None:
        (application,) = payload["applications"]
        self.application: Json = application
        self.users: dict[str, Json] = {user["id"]: user for user in application["local_users"]}
        self.groups: dict[str, Json] = {group["id"]: group for group in application["local_groups"]}
        self.projects: dict[str, Json] = {project["id"]: project for project in application["resources"]}
        self.repositories: dict[str, tuple[str, ...]] = {}
        """Path of keys from the project down to the repository, by the repository's id."""
        for project in application["resources"]:
            for repository in project.get("sub_resources", ()):
                assert repository["id"] not in self.repositories, "a repository in two projects"
                self.repositories[repository["id"]] = (project["id"], f"{project['id']}.{repository['id']}")
        self._types = {p["name"]: frozenset(p["permission_type"]) for p in payload["permissions"]}
        self._reaches_below = {p["name"]: p["apply_to_sub_resources"] for p in payload["permissions"]}
        self._held: dict[str, list[Json]] = {
            holder["identity"]: holder["application_permissions"] for holder in payload["identity_to_permissions"]
        }
        self._on_application = {
            (holder["identity"], grant["permission"])
            for holder in payload["identity_to_permissions"]
            for grant in holder["application_permissions"]
            if grant.get("apply_to_application")
        }
        self._resources = {
            (holder, grant["permission"]): frozenset(grant.get("resources", ()))
            for holder, grants in self._held.items()
            for grant in grants
        }
        assert sum(map(len, self._held.values())) == len(self._resources), "a permission twice for one holder"

    # --- users and groups ---------------------------------------------------------------------------------------

    def is_active(self, user: int) -> bool | None:
        """None for one whom the payload does not have."""
        return self.users[str(user)]["is_active"] if str(user) in self.users else None

    def is_licensed(self, user: int) -> bool | None:
        """None for one whom the payload does not have."""
        return self.users[str(user)]["custom_properties"].get("licensed") if str(user) in self.users else None

    def may_sign_in(self, user: int) -> bool:
        """Active, and licensed."""
        return self.is_active(user) is True and self.is_licensed(user) is True

    def unlisted_users(self) -> set[str]:
        """Ids of the users whom no listing shows."""
        return {key for key, user in self.users.items() if not user["custom_properties"]["listed"]}

    def unlisted_groups(self) -> set[str]:
        """Ids, in small letters, of the groups that no listing shows."""
        return {key.lower() for key, group in self.groups.items() if not group["custom_properties"]["listed"]}

    def members(self, group: str) -> set[str]:
        """Ids of the users in a group, directly or in a group within it."""
        return {user for user in self.users if group in self._holders(user)}

    def _holders(self, user: str) -> set[str]:
        """The user, its groups, and all groups above these."""
        found, waiting = {user}, list(self.users[user].get("groups", ()))
        while waiting:
            group = waiting.pop()
            if group not in found:
                found.add(group)
                waiting.extend(self.groups[group].get("groups", ()))
        return found

    # --- rights -------------------------------------------------------------------------------------------------

    def global_grants(self) -> set[tuple[str, str]]:
        """(holder, permission) of all that is held on the application itself."""
        return self._on_application

    def on_project(self, user: int, project: int) -> str:
        """none, read, write, create or admin."""
        return self._level(user, (str(project),), ("none", "read", "write", "create", "admin"))

    def on_repository(self, user: int, repository: int) -> str:
        """none, read, write or admin: who may create repositories in the project may write to this one."""
        level = self._level(user, self.repositories[str(repository)], ("none", "read", "write", "create", "admin"))
        return "write" if level == "create" else level

    def _level(self, user: int, path: tuple[str, ...], levels: tuple[str, ...]) -> str:
        if not self.may_sign_in(user):
            return "none"
        types = frozenset(self._types_on(str(user), path)) - _NO_ACCESS_TO_CONTENT
        found = [level for level in levels if IN_WORDS[level] == types]
        assert found, f"user {user} on {path}: {sorted(types)} is no level"
        return found[0]

    def _types_on(self, user: str, path: tuple[str, ...]) -> Iterator[str]:
        for holder in self._holders(user):
            for grant in self._held.get(holder, ()):
                permission = grant["permission"]
                resources = self._resources[holder, permission]
                above = grant.get("apply_to_application") or not resources.isdisjoint(path[:-1])
                if path[-1] in resources or (above and self._reaches_below[permission]):
                    yield from self._types[permission]
