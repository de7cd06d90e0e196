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


def _credentials() -> dict[str, Action]:
    """Keys and tokens; those of projects are called as those of repositories are, which were recorded."""
    found = {}
    local, people = "local-config-and-administration", "user-management"
    for level, category in (("project", "projects"), ("repository", "repositories")):
        for what, key, text in (("added", "granted", "added to"), ("removed", "revoked", "deleted from")):
            key = f"bitbucket.ssh.audit.action.sshaccesskey{key}.{level}"
            found[f"{level} access key {what}"] = _action(key, f"SSH access key {text} {level}", category, local)
    for level in ("user", "project", "repository"):
        suffix = "personal" if level == "user" else level
        for what, done in (("created", "created"), ("changed", "modified"), ("deleted", "deleted")):
            area = people if level == "user" or what == "changed" else "security"
            key = f"bitbucket.access.tokens.audit.action.accesstoken{done}.{suffix}"
            found[f"{level} token {what}"] = _action(
                key, f"{suffix.capitalize()} access token {what}", "usersandgroups", area
            )
    for what, done in (("added", "created"), ("removed", "deleted")):
        for kind, prefix in (("SSH", "ssh.audit.action.sshkey"), ("GPG", "plugins.gpg.audit.action.gpgevent.")):
            found[f"{kind} key {what}"] = _action(
                f"bitbucket.{prefix}{done}", f"{kind} key {done}", "usersandgroups", people
            )
    return found


def _inventions() -> dict[str, Action]:
    """Rows that nobody has seen. Their keys are made up."""
    local, people = "local-config-and-administration", "user-management"
    invented = "bitbucket.invented.audit.action."
    found = {}
    for what, category, area in (
        ("branch restriction added", "repositories", local),
        ("branch restriction removed", "repositories", local),
        ("pull request settings changed", "repositories", local),
        ("user created automatically", "usersandgroups", people),
        ("user deleted automatically", "usersandgroups", people),
        ("group created automatically", "usersandgroups", people),
        ("group deleted automatically", "usersandgroups", people),
    ):
        found[what] = _action(invented + what.lower().replace(" ", ""), what.capitalize(), category, area)
    return found


def _activity() -> dict[str, Action]:
    requests = "bitbucket.service.pullrequest.audit.action.pullrequest"
    activity = "end-user-activity"
    return {
        "repository viewed": _action(
            _REPOSITORY + "repositoryaccessed", "Repository accessed by user", "repositories", activity
        ),
        "pull request opened": _action(requests + "opened", "Pull request opened", "repositories", activity),
        "pull request merged": _action(requests + "merged", "Pull request merged", "repositories", activity),
        "plugin enabled": _action(
            "bitbucket.service.plugin.audit.action.pluginenabled",
            "Plugin enabled",
            "apps",
            "global-config-and-administration",
        ),
    }


_AUDIT = ("atlassian.audit.event.category.audit", "Auditing", "audit-log")
ACTIONS: dict[str, Action] = {
    **_permissions(),
    **_places(),
    **_people(),
    **_credentials(),
    **_inventions(),
    **_activity(),
    "audit log configured": Action(
        "atlassian.audit.event.action.audit.config.updated", "Audit Log configuration updated", *_AUDIT
    ),
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
    "coverage": ("atlassian.audit.event.change.coverage.level", "Coverage Level"),
    "retention": ("atlassian.audit.event.change.retention", "Retention"),
    "deny list": ("atlassian.audit.event.change.deny.list", "Deny List"),
    "user name": ("bitbucket.service.user.audit.attribute.user.name", "Username"),
    "public": (_PROJECT + "projectmodified.public", "Public"),
    "project key": (_PROJECT + "projectmodified.key", "Key"),
    "project": ("bitbucket.service.repository.audit.changedvalue.repositorymodification.project", "Project"),
    "slug": ("bitbucket.service.repository.audit.changedvalue.repositorymodification.slug", "Slug"),
    "archived": ("bitbucket.service.repository.audit.changedvalue.repositorymodification.archived", "Archived"),
}
"""Values that were changed: key and text."""
