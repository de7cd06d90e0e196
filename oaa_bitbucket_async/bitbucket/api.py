"""The questions that a collector asks Bitbucket: their paths and the rows that come back. Only GETs.

Nothing here asks for `/projects/~user` by a user's name: that creates the personal project (BITBUCKET.md
section 4). Personal projects are met in the listing of repositories.
"""

import re
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from oaa_bitbucket_async.bitbucket import branch_permissions, credentials, rows
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.rows import Decoder, Page

T = TypeVar("T")

EFFECTIVE_PERMISSIONS = ("SYS_ADMIN", "ADMIN", "PROJECT_CREATE", "LICENSED_USER")
"""What `/users?permission=` is asked for where the explicit global permissions can't be read."""
DEFAULT_LEVELS = ("PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN")
"""Default permissions of a project; each is asked for, because two can be set at one time."""
REPO_CREATE = "REPO_CREATE"
"""One more of them, from 8.2 on. The documentation of the endpoint does not name it; Bitbucket's own pages set it
there (`RestRepoCreatePermissionsBuilder` of Atlassian's `bitbucket/util/navbuilder`, 8.6 to 10.5)."""
BULK = frozenset(
    {
        "members",
        "repository-users",
        "repository-groups",
        "repository-access-keys",
        "repository-tokens",
        "repository-restrictions",
        "repository-default-branch",
        "repository-branch-model",
        "repository-settings",
        "user-tokens",
        "user-ssh-keys",
        "user-gpg-keys",
    }
)
"""Kinds that are many and lead to nothing more. All others go before them: listings, which say what there is to ask,
and projects, of which few are worked on at one time and which would be left over when the repositories are done."""
FEW = frozenset(
    {
        "login",
        "application-properties",
        "rate-limit",
        "users",
        "groups",
        "global-users",
        "global-groups",
        "effective-users",
        "projects",
        "repositories",
    }
)
"""Kinds of which there are one or a few: each is tried as often as `--max-attempts` says, whatever became of others."""
LARGEST_FILTERED_PAGE = 250
"""With a permission filter a page of more than half the server's cap loses users (BSERV-11884)."""

_ROOT = "/rest/api/1.0"
_stands_for_itself = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_LATEST = "/rest/api/latest"


class Endpoint(NamedTuple, Generic[T]):
    """A question with one answer. `kind` names it in statistics and pacing."""

    kind: str
    path: str
    decoder: Decoder[T]


class Listing(NamedTuple, Generic[T]):
    """A question that is answered in pages. `path` lacks only `start`, and ends in a query."""

    kind: str
    path: str
    decoder: Decoder[Page[T]]


_USERS = msgspec.json.Decoder(Page[rows.User])
_GROUPS = msgspec.json.Decoder(Page[rows.Group])
_GROUP_NAMES: "msgspec.json.Decoder[Page[str]]" = msgspec.json.Decoder(Page[rows.Name])
_PROJECTS = msgspec.json.Decoder(Page[rows.Project])
_REPOSITORIES = msgspec.json.Decoder(Page[rows.Repository])
_USER_GRANTS = msgspec.json.Decoder(Page[rows.UserGrant])
_GROUP_GRANTS = msgspec.json.Decoder(Page[rows.GroupGrant])
_PROJECT = msgspec.json.Decoder(rows.Project)
_REPOSITORY = msgspec.json.Decoder(rows.Repository)
_PERMITTED = msgspec.json.Decoder(rows.Permitted)
_PROPERTIES = msgspec.json.Decoder(rows.ApplicationProperties)
_RATE_LIMIT = msgspec.json.Decoder(rows.RateLimitSettings)
_USER_RATE_LIMIT = msgspec.json.Decoder(rows.UserRateLimit)


class Api:
    """Questions to one instance. `context_path` is '' or begins with a slash; `limit` is the page size asked for."""

    def __init__(self, context_path: str, limit: int) -> None:
        self._root = context_path + _ROOT
        self._latest = context_path + _LATEST
        self._rest = context_path + "/rest"
        self._limit = limit
        self._repository_tails = (f"/permissions/users?limit={limit}", f"/permissions/groups?limit={limit}")

    # --- who we are, and what the server is -----------------------------------------------------------------

    def login_proof(self) -> Listing[rows.User]:
        """Anonymous callers get a 401 here, whatever else the instance shows in public."""
        return Listing("login", f"{self._root}/users?limit=1", _USERS)

    def application_properties(self) -> Endpoint[rows.ApplicationProperties]:
        """The version; readable by anyone."""
        return Endpoint("application-properties", f"{self._root}/application-properties", _PROPERTIES)

    def rate_limit(self) -> Endpoint[rows.RateLimitSettings]:
        """The instance's rate limit, readable by any user (6.6 and newer, Data Center)."""
        return Endpoint("rate-limit", f"{self._latest}/admin/rate-limit/settings", _RATE_LIMIT)

    def rate_limit_of(self, user_slug: str) -> Endpoint[rows.UserRateLimit]:
        """What deviates from it for one user; one's own is readable."""
        path = f"{self._latest}/admin/rate-limit/settings/users/{_quoted(user_slug)}"
        return Endpoint("rate-limit", path, _USER_RATE_LIMIT)

    def users_like(self, name: str, permission: str | None = None) -> Listing[rows.User]:
        """Users whose name, display name or e-mail contains `name`; compare the rows exactly yourself."""
        holding = f"&permission={permission}" if permission else ""
        limit = min(self._limit, LARGEST_FILTERED_PAGE)
        return Listing("users", f"{self._root}/users?filter={_quoted(name)}{holding}&limit={limit}", _USERS)

    # --- principals -------------------------------------------------------------------------------------------

    def users(self, *, detailed: bool) -> Listing[rows.User]:
        """All users; `detailed` with directory and last login, for the same price."""
        return Listing("users", f"{self._root}{'/admin' if detailed else ''}/users?limit={self._limit}", _USERS)

    def groups(self) -> Listing[rows.Group]:
        """All groups, as objects."""
        return Listing("groups", f"{self._root}/admin/groups?limit={self._limit}", _GROUPS)

    def group_names(self) -> Listing[str]:
        """All groups, as strings: where the one above is not open to us."""
        return Listing("groups", f"{self._root}/groups?limit={self._limit}", _GROUP_NAMES)

    def groups_like(self, name: str) -> Listing[rows.Group]:
        """Groups whose name contains `name`: to confirm that one no longer exists."""
        path = f"{self._root}/admin/groups?filter={_quoted(name)}&limit={self._limit}"
        return Listing("groups", path, _GROUPS)

    def group_names_like(self, name: str) -> Listing[str]:
        """The same where only the names are open to us."""
        path = f"{self._root}/groups?filter={_quoted(name)}&limit={self._limit}"
        return Listing("groups", path, _GROUP_NAMES)

    def members(self, group: str, *, detailed: bool) -> Listing[rows.User]:
        """Users in a group, those of nested groups included as the directory has it."""
        name = _quoted(group)
        if detailed:
            path = f"{self._root}/admin/groups/more-members?context={name}&limit={self._limit}"
        else:
            path = f"{self._root}/users?group={name}&limit={self._limit}"
        return Listing("members", path, _USERS)

    # --- global permissions -----------------------------------------------------------------------------------

    def global_users(self) -> Listing[rows.UserGrant]:
        """Users' own global permissions; needs ADMIN, which no token carries."""
        return Listing("global-users", f"{self._root}/admin/permissions/users?limit={self._limit}", _USER_GRANTS)

    def global_groups(self) -> Listing[rows.GroupGrant]:
        """Groups' global permissions; needs ADMIN."""
        return Listing("global-groups", f"{self._root}/admin/permissions/groups?limit={self._limit}", _GROUP_GRANTS)

    def effective_users(self, permission: str, limit: int) -> Listing[rows.User]:
        """Users who hold a global permission, whichever way they came by it."""
        return Listing("effective-users", f"{self._root}/users?permission={permission}&limit={limit}", _USERS)

    # --- projects ---------------------------------------------------------------------------------------------

    def projects(self, permission: str | None = None, limit: int | None = None) -> Listing[rows.Project]:
        """All projects but personal ones; with `permission` those on which we hold it."""
        holding = f"permission={permission}&" if permission else ""
        return Listing("projects", f"{self._root}/projects?{holding}limit={limit or self._limit}", _PROJECTS)

    def project(self, key: str) -> Endpoint[rows.Project]:
        """One project, of a key that a listing showed."""
        return Endpoint("project", f"{self._root}/projects/{_quoted(key)}", _PROJECT)

    def project_users(self, key: str) -> Listing[rows.UserGrant]:
        """Users' own permissions on a project; needs PROJECT_ADMIN."""
        path = f"{self._root}/projects/{_quoted(key)}/permissions/users?limit={self._limit}"
        return Listing("project-users", path, _USER_GRANTS)

    def project_groups(self, key: str) -> Listing[rows.GroupGrant]:
        """Groups' permissions on a project; needs PROJECT_ADMIN."""
        path = f"{self._root}/projects/{_quoted(key)}/permissions/groups?limit={self._limit}"
        return Listing("project-groups", path, _GROUP_GRANTS)

    def project_default(self, key: str, level: str) -> Endpoint[rows.Permitted]:
        """Whether everyone holds `level` on the project."""
        path = f"{self._root}/projects/{_quoted(key)}/permissions/{level}/all"
        return Endpoint("project-default", path, _PERMITTED)

    # --- repositories -----------------------------------------------------------------------------------------

    def repositories(self) -> Listing[rows.Repository]:
        """All repositories of all projects, personal and archived ones included (before 8.0: no such parameter)."""
        return Listing("repositories", f"{self._root}/repos?archived=ALL&limit={self._limit}", _REPOSITORIES)

    def repository(self, key: str, slug: str) -> Endpoint[rows.Repository]:
        """One repository, of a key and slug that a listing showed."""
        path = f"{self._root}/{_place(key, slug)}"
        return Endpoint("repository", path, _REPOSITORY)

    def repository_users(self, key: str, slug: str) -> Listing[rows.UserGrant]:
        """Users' own permissions on a repository; needs REPO_ADMIN."""
        path = f"{self._root}/{_place(key, slug)}{self._repository_tails[0]}"
        return Listing("repository-users", path, _USER_GRANTS)

    def repository_groups(self, key: str, slug: str) -> Listing[rows.GroupGrant]:
        """Groups' permissions on a repository; needs REPO_ADMIN."""
        path = f"{self._root}/{_place(key, slug)}{self._repository_tails[1]}"
        return Listing("repository-groups", path, _GROUP_GRANTS)

    # --- what `--include` adds ----------------------------------------------------------------------------------

    def project_access_keys(self, key: str) -> Listing[credentials.AccessKey]:
        """SSH keys that open a project and its repositories; needs PROJECT_ADMIN."""
        path = f"{self._rest}/keys/1.0/projects/{_quoted(key)}/ssh?limit={self._limit}"
        return Listing("project-access-keys", path, credentials.ACCESS_KEYS)

    def repository_access_keys(self, key: str, slug: str) -> Listing[credentials.AccessKey]:
        """SSH keys that open a repository, less those of its project; needs REPO_ADMIN."""
        path = f"{self._rest}/keys/1.0/{_place(key, slug)}/ssh?limit={self._limit}"
        return Listing("repository-access-keys", path, credentials.ACCESS_KEYS)

    def project_tokens(self, key: str) -> Listing[credentials.Token]:
        """HTTP access tokens of a project (Data Center only); needs PROJECT_ADMIN."""
        path = f"{self._rest}/access-tokens/1.0/projects/{_quoted(key)}?limit={self._limit}"
        return Listing("project-tokens", path, credentials.TOKENS)

    def repository_tokens(self, key: str, slug: str) -> Listing[credentials.Token]:
        """HTTP access tokens of a repository (Data Center only); needs REPO_ADMIN."""
        path = f"{self._rest}/access-tokens/1.0/{_place(key, slug)}?limit={self._limit}"
        return Listing("repository-tokens", path, credentials.TOKENS)

    def user_tokens(self, user_slug: str) -> Listing[credentials.Token]:
        """A user's HTTP access tokens; those of others need ADMIN. Raises Fault for what would lead to another path."""
        if user_slug in (".", ".."):
            detail = f"a user can't be called {user_slug} here: it would lead to another path"
            raise Fault(f"{self._rest}/access-tokens/1.0/users", detail, reason=FaultReason.BAD_SHAPE)
        path = f"{self._rest}/access-tokens/1.0/users/{_quoted(user_slug)}?limit={self._limit}"
        return Listing("user-tokens", path, credentials.TOKENS)

    def user_ssh_keys(self, name: str) -> Listing[credentials.SshKey]:
        """A user's SSH keys; those of others need ADMIN. `user` is what older servers know, `userName` newer ones."""
        user = _quoted(name)
        path = f"{self._rest}/ssh/1.0/keys?user={user}&userName={user}&limit={self._limit}"
        return Listing("user-ssh-keys", path, credentials.SSH_KEYS)

    def user_gpg_keys(self, name: str) -> Listing[credentials.GpgKey]:
        """A user's GPG keys; those of others need ADMIN."""
        path = f"{self._rest}/gpg/1.0/keys?user={_quoted(name)}&limit={self._limit}"
        return Listing("user-gpg-keys", path, credentials.GPG_KEYS)

    def repository_restrictions(self, key: str, slug: str) -> Listing[branch_permissions.Restriction]:
        """Branch restrictions of a repository, those that its project gives it included; needs REPO_ADMIN."""
        path = f"{self._rest}/branch-permissions/2.0/{_place(key, slug)}/restrictions?limit={self._limit}"
        return Listing("repository-restrictions", path, branch_permissions.RESTRICTIONS)

    def default_branch(self, key: str, slug: str) -> Endpoint[branch_permissions.DefaultBranch]:
        """The configured default branch, whether or not it exists; needs REPO_READ (not known to old servers)."""
        path = f"{self._latest}/{_place(key, slug)}/default-branch"
        return Endpoint("repository-default-branch", path, branch_permissions.DEFAULT_BRANCH)

    def branch_model(self, key: str, slug: str) -> Endpoint[branch_permissions.BranchModel]:
        """Which branches are development and production, and the prefixes of categories. Not in Atlassian's document;
        many clients ask it."""
        path = f"{self._rest}/branch-utils/1.0/{_place(key, slug)}/branchmodel/configuration"
        return Endpoint("repository-branch-model", path, branch_permissions.BRANCH_MODEL)

    def merge_checks(self, key: str, slug: str) -> Endpoint[branch_permissions.MergeChecks]:
        """What a pull request needs before it can be merged, by the repository or its project; needs REPO_READ."""
        path = f"{self._root}/{_place(key, slug)}/settings/pull-requests"
        return Endpoint("repository-settings", path, branch_permissions.MERGE_CHECKS)


def _quoted(name: str) -> str:
    """A name as a part of a path or query. Nearly all keys and slugs stand for themselves, and cost a fifth so."""
    return name if _stands_for_itself(name) else quote(name, safe="")


def _place(key: str, slug: str) -> str:
    return f"projects/{_quoted(key)}/repos/{_quoted(slug)}"
