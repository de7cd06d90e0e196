"""What each endpoint answers, and to whom."""

from urllib.parse import parse_qsl

import msgspec

from oaa_bitbucket_async.demo.bitbucket.answers import (
    RefusedError,
    ServerAnswer,
    bad_argument,
    no_group,
    no_user,
    not_permitted,
    nothing_here,
)
from oaa_bitbucket_async.demo.bitbucket.audit import AuditEndpoints, AuditLog
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.bitbucket.base_endpoints import (
    BaseEndpoints,
    Handler,
    ServerRequest,
    administrator,
    signed_in,
)
from oaa_bitbucket_async.demo.bitbucket.branch_permission_endpoints import BranchPermissionEndpoints
from oaa_bitbucket_async.demo.bitbucket.credential_endpoints import CredentialEndpoints
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.paging import BadPageError
from oaa_bitbucket_async.demo.bitbucket.routes import Route
from oaa_bitbucket_async.demo.bitbucket.userfilter import filtered_users
from oaa_bitbucket_async.demo.model import NORMAL, Estate, ModelGrant, ModelGroup, ModelUser
from oaa_bitbucket_async.demo.rights import PROJECT_LEVELS, REPOSITORY_LEVELS, WEIGHTS, Rights


class Endpoints(BaseEndpoints):
    """Answers requests about one revision of an estate."""

    def __init__(
        self, estate: Estate, rights: Rights, options: ServerOptions, base: str, audit: AuditLog | None = None
    ) -> None:
        super().__init__(estate, rights, options, base)
        self._users = [user for user in estate.users if not user.deleted]
        self._members: dict[str, list[ModelUser]] = {}
        self._handlers: dict[str, Handler] = {
            **CredentialEndpoints(estate, rights, options, base, self._render).handlers(),
            **BranchPermissionEndpoints(estate, rights, options, base, self._render).handlers(),
            **(AuditEndpoints(audit, estate, options, base).handlers() if audit is not None else {}),
            "application-properties": self._application_properties,
            "users": self._list_users,
            "effective-users": self._list_users,
            "members": self._list_users,
            "user": self._user,
            "groups": self._groups,
            "admin-users": self._admin_users,
            "admin-groups": self._admin_groups,
            "admin-members": self._admin_members,
            "global-users": self._global_users,
            "global-groups": self._global_groups,
            "rate-limit": self._rate_limit,
            "user-rate-limit": self._user_rate_limit,
            "projects": self._projects,
            "project": self._project,
            "project-repositories": self._project_repositories,
            "project-users": self._project_users,
            "project-groups": self._project_groups,
            "project-default": self._project_default,
            "repositories": self._repositories,
            "repository": self._repository,
            "repository-users": self._repository_users,
            "repository-groups": self._repository_groups,
        }

    def answer(self, path: str, route: Route, caller: Caller | None) -> ServerAnswer:
        """The answer, whatever it is."""
        handler = self._handlers.get(route.kind)
        try:
            if handler is None:
                raise nothing_here(f"{self._base}{path}")
            query = dict(parse_qsl(route.query, keep_blank_values=True)) if route.query else {}
            return handler(ServerRequest(route.kind, route.names, query, path, route.query, caller))
        except RefusedError as refused:
            return refused.answer
        except BadPageError:
            return bad_argument("start and limit must be numbers that are not negative.").answer

    # --- the instance, users, groups --------------------------------------------------------------------------

    def _application_properties(self, request: ServerRequest) -> ServerAnswer:
        major, minor = self._options.release
        properties = {
            "version": self._options.version,
            "buildNumber": f"{major}{minor:03d}000",
            "buildDate": "1750000000000",
            "displayName": "Bitbucket",
        }
        return ServerAnswer(200, msgspec.json.encode(properties))

    def _list_users(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        users = [u for u in self._users if u.active or self._options.inactive_in_users]
        group = request.query.get("group")
        if group is not None:
            members = self._rights.members(group)
            users = [u for u in users if u.name.lower() in members]
        users, filtered = filtered_users(users, request.query, self._estate, self._rights)
        keep = max(1, self._options.page_cap // 2) if filtered else None  # BSERV-11884: users beyond are lost
        return self._page(request, _like(users, request), self._render.user, keep)

    def _user(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        user = self._estate.user_by_slug(request.names[0])
        if user is None:
            raise no_user(request.names[0])
        return ServerAnswer(200, self._render.user(user))

    def _groups(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        return self._page(request, self._groups_like(request), lambda g: self._render.group_name(g.name))

    def _admin_users(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        return self._page(request, _like(self._users, request), self._render.detailed_user)

    def _admin_groups(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        groups = self._groups_like(request)
        return self._page(request, groups, lambda g: self._render.detailed_group(g.name, deletable=g.deletable))

    def _admin_members(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        name = request.query.get("context")
        if not name:
            raise bad_argument("The context parameter is required.", "context")
        if self._estate.group(name) is None:
            raise no_group(name)
        if name not in self._members:  # a huge group has many pages
            in_order = sorted(self._rights.members(name))
            self._members[name] = [u for n in in_order if (u := self._estate.user(n)) is not None]
        return self._page(request, _like(self._members[name], request), self._render.detailed_user)

    def _groups_like(self, request: ServerRequest) -> list[ModelGroup]:
        wanted = request.query.get("filter", "").lower()
        return [g for g in self._estate.groups if wanted in g.name.lower()] if wanted else self._estate.groups

    # --- global permissions, rate limit -----------------------------------------------------------------------

    def _global_users(self, request: ServerRequest) -> ServerAnswer:
        administrator(request)
        return self._user_grants(request, self._estate.global_users)

    def _global_groups(self, request: ServerRequest) -> ServerAnswer:
        administrator(request)
        return self._group_grants(request, self._estate.global_groups)

    def _rate_limit(self, request: ServerRequest) -> ServerAnswer:
        signed_in(request)
        limit = self._options.rate_limit
        settings = {"capacity": limit.capacity if limit else 60, "fillRate": limit.fill_rate if limit else 5}
        return ServerAnswer(200, msgspec.json.encode({"enabled": limit is not None, "defaultSettings": settings}))

    def _user_rate_limit(self, request: ServerRequest) -> ServerAnswer:
        caller = signed_in(request)
        user = self._estate.user_by_slug(request.names[0])
        if not caller.is_admin() and (user is None or user is not caller.user):
            raise not_permitted()
        limit = self._options.rate_limit
        if user is None or limit is None or user.name not in limit.exempt:
            raise no_user(request.names[0])
        return ServerAnswer(200, b'{"user":%s,"whitelisted":true}' % self._render.user(user))

    # --- projects ---------------------------------------------------------------------------------------------

    def _projects(self, request: ServerRequest) -> ServerAnswer:
        caller, query = request.caller, request.query
        if caller is not None:
            projects = caller.projects
        else:
            projects = [p for p in self._estate.projects if p.type == NORMAL and self._estate.anybody_reads(p)]
        if permission := query.get("permission"):
            if permission not in PROJECT_LEVELS and permission != "PROJECT_VIEW":
                raise bad_argument(f"{permission} is no project permission.", "permission")
            if permission != "PROJECT_VIEW":
                projects = [p for p in projects if caller is not None and caller.on_project(permission, p)]
        if name := query.get("name", "").lower():
            projects = [p for p in projects if name in p.name.lower()]
        return self._page(request, projects, self._render.project)

    def _project(self, request: ServerRequest) -> ServerAnswer:
        project = self._find_project(request, creates=True)
        caller = request.caller
        if not self._estate.anybody_reads(project) and not (caller is not None and caller.sees_project(project)):
            raise not_permitted()
        return ServerAnswer(200, self._render.project(project))

    def _project_repositories(self, request: ServerRequest) -> ServerAnswer:
        project = self._find_project(request, creates=True)
        caller = request.caller
        readable = self._estate.anybody_reads(project)
        if not readable and not (caller is not None and caller.on_project("PROJECT_READ", project)):
            raise not_permitted()
        repositories = self._estate.repositories_of(project)
        return self._page(request, repositories, self._render.repository)

    def _project_users(self, request: ServerRequest) -> ServerAnswer:
        return self._user_grants(request, self._administered_project(request).user_grants)

    def _project_groups(self, request: ServerRequest) -> ServerAnswer:
        return self._group_grants(request, self._administered_project(request).group_grants)

    def _project_default(self, request: ServerRequest) -> ServerAnswer:
        level = request.names[1]
        if level not in PROJECT_LEVELS or (level == "REPO_CREATE" and self._options.release < (8, 2)):
            raise bad_argument(f"{level} is no project permission.", "permission")
        permitted = level in self._administered_project(request).defaults
        return ServerAnswer(200, b'{"permitted":true}' if permitted else b'{"permitted":false}')

    # --- repositories -----------------------------------------------------------------------------------------

    def _repositories(self, request: ServerRequest) -> ServerAnswer:
        caller, query = request.caller, request.query
        if caller is not None:
            found = caller.repositories
        else:
            found = [r for r in self._estate.repositories if self._estate.anybody_reads(r)]
        if self._options.release >= (8, 0):
            archived = query.get("archived", "ACTIVE").upper()
            if archived not in ("ACTIVE", "ARCHIVED", "ALL"):
                raise bad_argument(f"{archived} is not ACTIVE, ARCHIVED or ALL.", "archived")
            if archived != "ALL":
                found = [r for r in found if r.archived == (archived == "ARCHIVED")]
            if key := query.get("projectkey", "").upper():
                found = [r for r in found if r.project.key.upper() == key]
        if permission := query.get("permission"):
            if permission not in REPOSITORY_LEVELS:
                raise bad_argument(f"{permission} is no repository permission.", "permission")
            if permission != "REPO_READ":
                found = [r for r in found if caller is not None and caller.on_repository(permission, r)]
        if visibility := query.get("visibility"):
            found = [r for r in found if (r.public or r.project.public) == (visibility.lower() == "public")]
        if state := query.get("state"):
            found = [r for r in found if r.state == state.upper()]
        if name := query.get("name", "").lower():
            found = [r for r in found if name in r.name.lower()]
        if project_name := query.get("projectname", "").lower():
            found = [r for r in found if project_name in r.project.name.lower()]
        return self._page(request, found, self._render.repository)

    def _repository(self, request: ServerRequest) -> ServerAnswer:
        return ServerAnswer(200, self._render.repository(self._readable_repository(request)))

    def _repository_users(self, request: ServerRequest) -> ServerAnswer:
        return self._user_grants(request, self._administered_repository(request).user_grants)

    def _repository_groups(self, request: ServerRequest) -> ServerAnswer:
        return self._group_grants(request, self._administered_repository(request).group_grants)

    # --- pages ------------------------------------------------------------------------------------------------

    def _user_grants(self, request: ServerRequest, grants: list[ModelGrant]) -> ServerAnswer:
        wanted = request.query.get("filter", "").lower()
        rows = [g for g in _highest_each(grants) if wanted in g.principal.lower()]
        return self._page(request, rows, self._render.user_grant)

    def _group_grants(self, request: ServerRequest, grants: list[ModelGrant]) -> ServerAnswer:
        wanted = request.query.get("filter", "").lower()
        rows = [g for g in _highest_each(grants) if wanted in g.principal.lower()]
        return self._page(request, rows, self._render.group_grant)


def _like(users: list[ModelUser], request: ServerRequest) -> list[ModelUser]:
    """Bitbucket's `filter`: contained in the name, the display name or the e-mail address."""
    wanted = request.query.get("filter", "").lower()
    if not wanted:
        return users
    return [u for u in users if any(wanted in (text or "").lower() for text in (u.name, u.display_name, u.email))]


def _highest_each(grants: list[ModelGrant]) -> list[ModelGrant]:
    """One row for each principal, with its highest permission."""
    if len(grants) < 2:
        return grants
    found: dict[str, ModelGrant] = {}
    for grant in grants:
        other = found.get(grant.principal)
        if other is None or WEIGHTS.get(grant.permission, -1) > WEIGHTS.get(other.permission, -1):
            found[grant.principal] = grant
    return list(found.values())
