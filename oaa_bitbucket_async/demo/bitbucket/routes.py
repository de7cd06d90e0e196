"""Finds the endpoint of a path. An embedded Bitbucket has only GETs."""

import re
from typing import NamedTuple
from urllib.parse import unquote

PREFIXES = ("/rest/api/1.0/", "/rest/api/latest/")
_APPS = re.compile(
    r"/rest/(keys|ssh|gpg|access-tokens|branch-permissions|branch-utils|default-reviewers|auditing)"
    r"/(\d\.\d|latest)/(.+)"
)
"""Endpoints of apps that come with Bitbucket, each with a version of its own."""
KINDS = (
    "application-properties",
    "users",
    "effective-users",
    "members",
    "user",
    "groups",
    "admin-users",
    "admin-groups",
    "admin-members",
    "global-users",
    "global-groups",
    "rate-limit",
    "user-rate-limit",
    "projects",
    "project",
    "project-repositories",
    "project-users",
    "project-groups",
    "project-default",
    "repositories",
    "repository",
    "repository-users",
    "repository-groups",
    "project-access-keys",
    "repository-access-keys",
    "project-tokens",
    "repository-tokens",
    "user-tokens",
    "user-ssh-keys",
    "user-gpg-keys",
    "project-restrictions",
    "repository-restrictions",
    "repository-default-branch",
    "repository-branch-model",
    "repository-settings",
    "project-settings",
    "project-reviewers",
    "repository-reviewers",
    "audit-events",
    "audit-coverage",
    "audit-retention",
    "audit-denied",
    "audit-usage",
    "unknown",
)
"""Names of the endpoints. `/users` with a `permission` is 'effective-users', with a `group` 'members'."""

_FIXED = {
    "application-properties": "application-properties",
    "groups": "groups",
    "repos": "repositories",
    "projects": "projects",
    "admin/users": "admin-users",
    "admin/groups": "admin-groups",
    "admin/groups/more-members": "admin-members",
    "admin/permissions/users": "global-users",
    "admin/permissions/groups": "global-groups",
    "admin/rate-limit/settings": "rate-limit",
}
_OF_AUDIT = {
    "events": "audit-events",
    "configuration/coverage": "audit-coverage",
    "configuration/retention": "audit-retention",
    "configuration/denylist": "audit-denied",
    "statistics/database/usage": "audit-usage",
}
_MEMBERS_OF_PROJECT = {"users": "project-users", "groups": "project-groups"}
_MEMBERS_OF_REPOSITORY = {"users": "repository-users", "groups": "repository-groups"}


class Route(NamedTuple):
    """The endpoint of a request: `kind` is one of KINDS, `names` are the decoded names in the path, `query` is raw."""

    kind: str
    names: tuple[str, ...]
    query: str


def route(path: str, query: str) -> Route:
    """The endpoint of a path below the context path."""
    prefix = next((p for p in PREFIXES if path.startswith(p)), None)
    if prefix is None:
        return _of_app(path, query)
    rest = path[len(prefix) :]
    if rest == "users":
        return Route(
            "members" if "group=" in query else "effective-users" if "permission" in query else "users", (), query
        )
    if rest in _FIXED:
        return Route(_FIXED[rest], (), query)
    match rest.split("/"):
        case ["projects", key, "repos", slug, "permissions", who] if who in _MEMBERS_OF_REPOSITORY:
            return Route(_MEMBERS_OF_REPOSITORY[who], (unquote(key), unquote(slug)), query)
        case ["projects", key, "permissions", who] if who in _MEMBERS_OF_PROJECT:
            return Route(_MEMBERS_OF_PROJECT[who], (unquote(key),), query)
        case ["projects", key, "permissions", level, "all"]:
            return Route("project-default", (unquote(key), unquote(level)), query)
        case ["projects", key, "repos", slug]:
            return Route("repository", (unquote(key), unquote(slug)), query)
        case ["projects", key, "repos", slug, "default-branch"]:
            return Route("repository-default-branch", (unquote(key), unquote(slug)), query)
        case ["projects", key, "repos", slug, "branches", "default"]:
            return Route("repository-default-branch", (unquote(key), unquote(slug)), query)
        case ["projects", key, "repos", slug, "settings", "pull-requests"]:
            return Route("repository-settings", (unquote(key), unquote(slug)), query)
        case ["projects", key, "settings", "pull-requests", scm]:
            return Route("project-settings", (unquote(key), unquote(scm)), query)
        case ["projects", key, "repos"]:
            return Route("project-repositories", (unquote(key),), query)
        case ["projects", key]:
            return Route("project", (unquote(key),), query)
        case ["users", slug]:
            return Route("user", (unquote(slug),), query)
        case ["admin", "rate-limit", "settings", "users", slug]:
            return Route("user-rate-limit", (unquote(slug),), query)
    return Route("unknown", (), query)


def _of_app(path: str, query: str) -> Route:
    found = _APPS.fullmatch(path)
    if found is None or found[2] not in ("latest", "2.0" if found[1] == "branch-permissions" else "1.0"):
        return Route("unknown", (), query)
    match (found[1], *found[3].split("/")):
        case ("keys", "projects", key, "repos", slug, "ssh"):
            return Route("repository-access-keys", (unquote(key), unquote(slug)), query)
        case ("keys", "projects", key, "ssh"):
            return Route("project-access-keys", (unquote(key),), query)
        case ("access-tokens", "projects", key, "repos", slug):
            return Route("repository-tokens", (unquote(key), unquote(slug)), query)
        case ("access-tokens", "projects", key):
            return Route("project-tokens", (unquote(key),), query)
        case ("access-tokens", "users", slug):
            return Route("user-tokens", (unquote(slug),), query)
        case ("branch-permissions", "projects", key, "repos", slug, "restrictions"):
            return Route("repository-restrictions", (unquote(key), unquote(slug)), query)
        case ("branch-permissions", "projects", key, "restrictions"):
            return Route("project-restrictions", (unquote(key),), query)
        case ("branch-utils", "projects", key, "repos", slug, "branchmodel", "configuration"):
            return Route("repository-branch-model", (unquote(key), unquote(slug)), query)
        case ("default-reviewers", "projects", key, "repos", slug, "conditions"):
            return Route("repository-reviewers", (unquote(key), unquote(slug)), query)
        case ("default-reviewers", "projects", key, "conditions"):
            return Route("project-reviewers", (unquote(key),), query)
        case ("ssh" | "gpg", "keys"):
            return Route(f"user-{found[1]}-keys", (), query)
        case ("auditing", *_) if found[3] in _OF_AUDIT:
            return Route(_OF_AUDIT[found[3]], (), query)
    return Route("unknown", (), query)
