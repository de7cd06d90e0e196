"""What the keys of the audit log mean. Only a row's keys are the same in every language."""

from enum import Enum

from oaa_bitbucket_async.bitbucket.audit.rows import LOG_CHANGED, PLUGIN_ENABLED, SEARCHED, AuditEvent

_USERS = "bitbucket.service.user.audit.action."
_REPOSITORIES = "bitbucket.service.repository.audit.action."
_READING = frozenset(
    {
        SEARCHED,
        LOG_CHANGED,
        PLUGIN_ENABLED,
        f"{_REPOSITORIES}repositoryaccessed",
        f"{_REPOSITORIES}repositorycloned",
        f"{_USERS}authenticationsuccess",
        f"{_USERS}authenticationfailure",
        "bitbucket.web.audit.action.logoutsuccess",
        *(
            f"bitbucket.service.pullrequest.audit.action.pullrequest{done}"
            for done in ("opened", "updated", "approved", "unapproved", "merged", "declined", "reopened", "deleted")
        ),
    }
)
"""Keys for reading, for work on pull requests, for signing in, and for the log itself. A key that is missing here
costs some requests. A key that is wrongly here hides a change until it is found by age."""
_KNOWN_PREFIXES = (
    _USERS,
    "bitbucket.service.project.audit.action.",
    f"{_REPOSITORIES}repositorycreat",
    f"{_REPOSITORIES}repositorymodif",
    f"{_REPOSITORIES}repositorydelet",
    f"{_REPOSITORIES}repositoryfork",
    "bitbucket.ssh.audit.action.",
    "bitbucket.plugins.gpg.audit.action.",
    "bitbucket.access.tokens.audit.action.",
)
_PERMISSIONS = tuple(f"{_USERS}{level}permission" for level in ("project", "repository", "global"))
_GROUPS = (f"{_USERS}group",)
_OWN_KEYS_AND_TOKENS = (
    "bitbucket.ssh.audit.action.",
    "bitbucket.plugins.gpg.audit.action.",
    "bitbucket.access.tokens.audit.action.",
)


class About(Enum):
    """What a row is about, and so which units of the things that it names may have another answer now."""

    NOTHING = "nothing"
    """Nothing that is collected by project, repository or user: somebody read, signed in, joined a group."""
    PERMISSIONS = "permissions"
    """Grants and default permissions of the project or repository."""
    THING = "thing"
    """Anything of it, but nothing that its repositories have of it: keys, tokens, its beginning and end."""
    ALL = "all"
    """Anything of it, and of a project also what its repositories have of it: restrictions, settings."""


def about(key: str) -> About:
    """By the key alone. A key that is not known may be about everything."""
    if is_reading(key) or key.startswith(_GROUPS):
        return About.NOTHING
    if key.startswith(_PERMISSIONS):
        return About.PERMISSIONS
    if key.startswith(_OWN_KEYS_AND_TOKENS):
        return About.THING
    return About.ALL


def is_reading(key: str) -> bool:
    """Whether rows with this key tell of no change: DESIGN.md section 7, "a fixed list of keys of reading"."""
    return key in _READING


def is_reason(event: AuditEvent) -> bool:
    """Whether a row may be a reason to ask, or to doubt the log."""
    return event.node_start or event.key == LOG_CHANGED or not is_reading(event.key)


def is_wanted(event: AuditEvent) -> bool:
    """Whether a row of a window is needed: reasons to ask, our own searches, and rows of a node's start."""
    return is_reason(event) or event.key in (SEARCHED, PLUGIN_ENABLED)


def is_known(key: str) -> bool:
    """Whether the key is one of those that Bitbucket itself writes when a right, key or setting changes."""
    return key.startswith(_KNOWN_PREFIXES)
