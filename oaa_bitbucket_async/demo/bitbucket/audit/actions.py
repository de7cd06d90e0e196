"""What Bitbucket's audit log calls the things that people do. Keys stay the same in every language, texts do not."""

from typing import NamedTuple

AREAS = (
    "audit-log",
    "global-config-and-administration",
    "user-management",
    "permissions",
    "local-config-and-administration",
    "security",
    "end-user-activity",
    "ecosystem",
)
"""Each has a coverage level of its own."""


class Action(NamedTuple):
    """A kind of row. All of these are written at the level BASE."""

    key: str
    text: str
    category_key: str
    category: str
    area: str


_CATEGORIES = {
    "permissions": "Permissions",
    "usersandgroups": "Users and groups",
    "projects": "Projects",
    "repositories": "Repositories",
    "apps": "Apps",
    "globaladministration": "Global administration",
    "security": "Security",
}
_USER = "bitbucket.service.user.audit.action."
_PROJECT = "bitbucket.service.project.audit.action."
_REPOSITORY = "bitbucket.service.repository.audit.action."


def _action(key: str, text: str, category: str, area: str) -> Action:
    return Action(key, text, f"bitbucket.service.audit.category.{category}", _CATEGORIES[category], area)


def _permissions() -> dict[str, Action]:
    """Grants of all levels. Each is requested first."""
    found = {}
    for level in ("global", "project", "repository"):
        name = level.capitalize()
        for what, noun, done, requested in (
            ("granted", "grant", "granted", "requested"),
            ("changed", "modification", "changed", "change request"),
            ("revoked", "revocation", "removed", "remove request"),
        ):
            key = "modified" if what == "changed" else what
            about = f"{level} permission {what}"
            for request, suffix, text in (("", key, done), (" requested", f"{noun}requested", requested)):
                found[about + request] = _action(
                    f"{_USER}{level}permission{suffix}", f"{name} permission {text}", "permissions", "permissions"
                )
    return found


def _places() -> dict[str, Action]:
    """Projects and repositories. Each change of one is requested first."""
    found = {}
    for level, prefix, category in (("project", _PROJECT, "projects"), ("repository", _REPOSITORY, "repositories")):
        name = level.capitalize()
        for what, noun, text in (
            ("created", "creation", "created"),
            ("modified", "modification", "settings changed"),
            ("deleted", "deletion", "deleted"),
        ):
            area = "local-config-and-administration"
            found[f"{level} {what}"] = _action(f"{prefix}{level}{what}", f"{name} {text}", category, area)
            found[f"{level} {what} requested"] = _action(
                f"{prefix}{level}{noun}requested", f"{name} {noun} requested", category, area
            )
    return found


def _people() -> dict[str, Action]:
    found = {}
    for what, key, text in (
        ("user created", "usercreated", "User created"),
        ("user renamed", "userrenamed", "Username changed"),
        ("user deleted", "userdeleted", "User deleted"),
        ("group created", "groupcreated", "User group created"),
        ("group deleted", "groupdeleted", "User group deleted"),
        ("member added", "groupmembershipscreated.user", "User added to user group"),
        ("member removed", "groupmembershipdeleted", "User deleted from user group"),
    ):
        found[what] = _action(_USER + key, text, "usersandgroups", "user-management")
    return found


_AUDIT = ("atlassian.audit.event.category.audit", "Auditing", "audit-log")
ACTIONS: dict[str, Action] = {
    **_permissions(),
    **_places(),
    **_people(),
    "audit log searched": Action("atlassian.audit.event.action.audit.search", "Audit Log search performed", *_AUDIT),
}
"""By the names that changes of an estate tell them with (`Happening.what`)."""

ATTRIBUTES = {
    "permission": ("bitbucket.service.user.audit.attribute.permission.permission", "Permission"),
    "group": ("bitbucket.service.user.audit.attribute.permission.group", "Group"),
    "parent group": ("bitbucket.service.user.audit.attribute.groupmembership.parentgroup", "Parent group"),
    "id range": ("atlassian.audit.event.attribute.id", "ID Range"),
    "query": ("atlassian.audit.event.attribute.query", "Query"),
    "results": ("atlassian.audit.event.attribute.results", "Results returned"),
    "time range": ("atlassian.audit.event.attribute.timestamp", "Timestamp Range"),
}
"""Attributes: key and text."""

CHANGED_VALUES = {
    "permission": ("bitbucket.service.user.audit.attribute.permission.permission", "Permission"),
    "user name": ("bitbucket.service.user.audit.attribute.user.name", "Username"),
    "public": (_PROJECT + "projectmodified.public", "Public"),
    "project key": (_PROJECT + "projectmodified.key", "Key"),
    "project": ("bitbucket.service.repository.audit.changedvalue.repositorymodification.project", "Project"),
    "slug": ("bitbucket.service.repository.audit.changedvalue.repositorymodification.slug", "Slug"),
    "archived": ("bitbucket.service.repository.audit.changedvalue.repositorymodification.archived", "Archived"),
}
"""Values that were changed: key and text."""
