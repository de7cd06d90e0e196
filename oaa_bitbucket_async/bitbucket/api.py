"""The questions that the collector asks Bitbucket: paths and rows. All are GET requests.

Nothing here asks for `/projects/~user` by a user's name: that would create the personal project (BITBUCKET.md
section 4). Personal projects come from the listing of repositories.
"""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from oaa_bitbucket_async.bitbucket import credentials, rows
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.rows import Decoder, Page

T = TypeVar("T")

EFFECTIVE_PERMISSIONS = ("SYS_ADMIN", "ADMIN", "PROJECT_CREATE", "LICENSED_USER")
"""The collector asks `/users?permission=` for these if it can't read the global grants themselves."""
DEFAULT_LEVELS = ("PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN")
"""The default permissions of a project. The collector asks for each one, because several can be set."""
REPO_CREATE = "REPO_CREATE"
"""One more default permission, from 8.2 on. The endpoint's documentation does not name it, but Bitbucket's own pages
set it there (`RestRepoCreatePermissionsBuilder` of Atlassian's `bitbucket/util/navbuilder`, 8.6 to 10.5)."""
LARGEST_FILTERED_PAGE = 250
"""With a permission filter, a page of more than half the server's cap misses users (BSERV-11884)."""

_ROOT = "/rest/api/1.0"
_stands_for_itself = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_LATEST = "/rest/api/latest"


class Weight(Enum):
    """How many questions of a kind there are, and what depends on them."""

    FEW = "few"
    """One or a few. Each gets all of `--max-attempts`, whatever happened to the others."""
    SOME = "some"
    """Listings and questions about projects lead to more questions. They go before the many: the crawl works on few
    projects at a time, and these would otherwise be left over when the repositories are done."""
    BULK = "bulk"
    """Many, and they lead to no more questions. All others go first."""


class Endpoint(NamedTuple, Generic[T]):
    """A question with one answer. `kind` names it in statistics and pacing."""

    kind: str
    path: str
    decoder: Decoder[T]
    weight: Weight = Weight.FEW


class Listing(NamedTuple, Generic[T]):
    """A question that is answered in pages. `path` ends in a query, to which only `start` is added."""

    kind: str
    path: str
    decoder: Decoder[Page[T]]
    weight: Weight = Weight.FEW


_USERS = msgspec.json.Decoder(Page[rows.User])
_GROUPS = msgspec.json.Decoder(Page[rows.Group])
_GROUP_NAMES = rows.MappedPages(msgspec.json.Decoder(Page[rows.Name]), rows.Group)
_PROJECTS = msgspec.json.Decoder(Page[rows.Project])
_REPOSITORIES = msgspec.json.Decoder(Page[rows.Repository])
USER_GRANTS = msgspec.json.Decoder(Page[rows.UserGrant])
GROUP_GRANTS = msgspec.json.Decoder(Page[rows.GroupGrant])
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
        self._context_path = context_path
        self._limit = limit
        self._with_limit: dict[str, str] = {}

    def listing(
        self, kind: str, path: str, names: Iterable[str], decoder: Decoder[Page[T]], weight: Weight
    ) -> Listing[T]:
        """A listing at `path`, in which `{}` stands for a name, or `{0}` for the first one."""
        whole = self._with_limit.get(path)
        if whole is None:
            whole = self._with_limit[path] = f"{path}{'&' if '?' in path else '?'}limit={self._limit}"
        return Listing(kind, self._context_path + whole.format(*map(_quoted, names)), decoder, weight)

    def endpoint(self, kind: str, path: str, names: Iterable[str], decoder: Decoder[T], weight: Weight) -> Endpoint[T]:
        """A question with one answer at `path`, in the same way."""
        return Endpoint(kind, self._context_path + path.format(*map(_quoted, names)), decoder, weight)

    # --- who we are, and what the server is -----------------------------------------------------------------

    def login_proof(self) -> Listing[rows.User]:
        """Bitbucket answers this with a 401 without a login, whatever else is public."""
        return Listing("login", f"{self._root}/users?limit=1", _USERS)

    def application_properties(self) -> Endpoint[rows.ApplicationProperties]:
        """The version. Anyone can read it."""
        return Endpoint("application-properties", f"{self._root}/application-properties", _PROPERTIES)

    def rate_limit(self) -> Endpoint[rows.RateLimitSettings]:
        """The instance's rate limit. Any user can read it (6.6 and newer, Data Center)."""
        return Endpoint("rate-limit", f"{self._latest}/admin/rate-limit/settings", _RATE_LIMIT)

    def rate_limit_of(self, user_slug: str) -> Endpoint[rows.UserRateLimit]:
        """The exception for one user. Users can read their own."""
        path = f"{self._latest}/admin/rate-limit/settings/users/{_quoted(user_slug)}"
        return Endpoint("rate-limit", path, _USER_RATE_LIMIT)

    def users_like(self, name: str, permission: str | None = None) -> Listing[rows.User]:
        """Users whose name, display name or e-mail contains `name`. The caller must compare names exactly."""
        holding = f"&permission={permission}" if permission else ""
        limit = min(self._limit, LARGEST_FILTERED_PAGE)
        return Listing("users", f"{self._root}/users?filter={_quoted(name)}{holding}&limit={limit}", _USERS)

    # --- principals -------------------------------------------------------------------------------------------

    def users(self, *, detailed: bool) -> Listing[rows.User]:
        """All users. `detailed` adds directory and last login, at the same cost."""
        return Listing("users", f"{self._root}{'/admin' if detailed else ''}/users?limit={self._limit}", _USERS)

    def groups(self, *, detailed: bool) -> Listing[rows.Group]:
        """All groups. `detailed` uses the listing for administrators, else there are only names."""
        if detailed:
            return Listing("groups", f"{self._root}/admin/groups?limit={self._limit}", _GROUPS)
        return Listing("groups", f"{self._root}/groups?limit={self._limit}", _GROUP_NAMES)

    def groups_like(self, name: str, *, detailed: bool) -> Listing[rows.Group]:
        """Groups whose name contains `name`, to confirm that a group no longer exists."""
        kind, path, decoder, _ = self.groups(detailed=detailed)
        return Listing(kind, path.replace("?", f"?filter={_quoted(name)}&"), decoder)

    def members(self, group: str, *, detailed: bool) -> Listing[rows.User]:
        """Users in a group. Members of nested groups are included if the directory includes them."""
        name = _quoted(group)
        if detailed:
            path = f"{self._root}/admin/groups/more-members?context={name}&limit={self._limit}"
        else:
            path = f"{self._root}/users?group={name}&limit={self._limit}"
        return Listing("members", path, _USERS, Weight.BULK)

    # --- global permissions -----------------------------------------------------------------------------------

    def global_users(self) -> Listing[rows.UserGrant]:
        """Global permissions of users. Needs ADMIN, which no token has."""
        return Listing("global-users", f"{self._root}/admin/permissions/users?limit={self._limit}", USER_GRANTS)

    def global_groups(self) -> Listing[rows.GroupGrant]:
        """Global permissions of groups. Needs ADMIN."""
        return Listing("global-groups", f"{self._root}/admin/permissions/groups?limit={self._limit}", GROUP_GRANTS)

    def effective_users(self, permission: str, limit: int) -> Listing[rows.User]:
        """Users who have a global permission, directly or through a group."""
        return Listing("effective-users", f"{self._root}/users?permission={permission}&limit={limit}", _USERS)

    # --- projects ---------------------------------------------------------------------------------------------

    def projects(self, permission: str | None = None, limit: int | None = None) -> Listing[rows.Project]:
        """All projects except personal ones; with `permission`, those on which we have it."""
        holding = f"permission={permission}&" if permission else ""
        return Listing("projects", f"{self._root}/projects?{holding}limit={limit or self._limit}", _PROJECTS)

    def project(self, key: str) -> Endpoint[rows.Project]:
        """One project, by a key from a listing."""
        return Endpoint("project", f"{self._root}/projects/{_quoted(key)}", _PROJECT, Weight.SOME)

    def project_default(self, key: str, level: str) -> Endpoint[rows.Permitted]:
        """Whether every licensed user has `level` on the project."""
        path = f"{self._root}/projects/{_quoted(key)}/permissions/{level}/all"
        return Endpoint("project-default", path, _PERMITTED, Weight.SOME)

    # --- repositories -----------------------------------------------------------------------------------------

    def repositories(self) -> Listing[rows.Repository]:
        """All repositories of all projects, personal and archived ones included (before 8.0: no such parameter)."""
        return Listing("repositories", f"{self._root}/repos?archived=ALL&limit={self._limit}", _REPOSITORIES)

    def repository(self, key: str, slug: str) -> Endpoint[rows.Repository]:
        """One repository, by a key and slug from a listing."""
        path = f"{self._root}/projects/{_quoted(key)}/repos/{_quoted(slug)}"
        return Endpoint("repository", path, _REPOSITORY, Weight.SOME)

    # --- one user -----------------------------------------------------------------------------------------------

    def user_tokens(self, user_slug: str) -> Listing[credentials.Token]:
        """A user's HTTP access tokens; other users' need ADMIN. Raises Fault if the slug leads to another path."""
        path = f"{self._context_path}/rest/access-tokens/1.0/users"
        if user_slug in (".", ".."):
            detail = f"a user can't be called {user_slug} here: it would lead to another path"
            raise Fault(path, detail, reason=FaultReason.BAD_SHAPE)
        path = f"{path}/{_quoted(user_slug)}?limit={self._limit}"
        return Listing("user-tokens", path, credentials.TOKENS, Weight.BULK)


def _quoted(name: str) -> str:
    """A name, quoted for a path or query. Nearly all keys and slugs need no quoting; the check makes that five times
    faster."""
    return name if _stands_for_itself(name) else quote(name, safe="")
