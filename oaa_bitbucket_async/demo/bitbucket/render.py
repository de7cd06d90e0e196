"""The JSON of an embedded Bitbucket: one function for each kind of thing, with the field names of a real server.

Users and groups are rendered once and kept, because permissions show the same ones again and again. Pages are put
together from these bytes without an encoder, so that one process can answer thousands of requests a second.
"""

from urllib.parse import quote

import msgspec

from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.model import PERSONAL, Estate, ModelGrant, ModelProject, ModelRepository, ModelUser

_encode = msgspec.json.encode


class Renderer:
    """Renders one revision of an estate as one version of Bitbucket does. `base` is the server's URL."""

    def __init__(self, estate: Estate, options: ServerOptions, base: str) -> None:
        self._estate = estate
        self._base = base
        self._has_archived = options.release >= (8, 0)
        self._has_repo_create = options.release >= (8, 2)
        self._has_created = options.release >= (10, 0)
        self._users: dict[str, bytes] = {}
        self._groups: dict[str, bytes] = {}
        self._projects: dict[int, bytes] = {}

    # --- principals -------------------------------------------------------------------------------------------

    def user(self, user: ModelUser) -> bytes:
        """A user as `/users`, owners and permissions show it."""
        rendered = self._users.get(user.name)
        if rendered is None:
            rendered = self._users[user.name] = _encode(self._user_fields(user))
        return rendered

    def detailed_user(self, user: ModelUser) -> bytes:
        """A user as `/admin/users` and `more-members` show it. A user who never signed in has no last login."""
        local = user.directory == "Bitbucket Internal Directory"
        fields = self._user_fields(user) | {
            "directoryName": user.directory,
            "deletable": local,
            "mutableDetails": local,
            "mutableGroups": local,
        }
        if user.last_login is not None:
            fields["lastAuthenticationTimestamp"] = user.last_login
        if self._has_created:
            fields["createdTimestamp"] = user.created
        return _encode(fields)

    def _user_fields(self, user: ModelUser) -> dict[str, object]:
        fields: dict[str, object] = {"name": user.name}
        if user.email is not None:
            fields["emailAddress"] = user.email
        return fields | {
            "active": user.active,
            "displayName": user.display_name,
            "id": user.id,
            "slug": user.slug,
            "type": user.type,
            "links": _self(f"{self._base}/{'bots' if user.type == 'SERVICE' else 'users'}/{quote(user.slug)}"),
        }

    def group_name(self, name: str) -> bytes:
        """A group as `/groups` shows it: a string."""
        return _encode(name)

    def detailed_group(self, name: str, *, deletable: bool) -> bytes:
        """A group as `/admin/groups` shows it."""
        return _encode({"name": name, "deletable": deletable})

    # --- grants -----------------------------------------------------------------------------------------------

    def user_grant(self, grant: ModelGrant) -> bytes:
        """A row of `permissions/users`. The user exists, but may be deleted."""
        user = self._estate.user(grant.principal)
        if user is None:
            raise KeyError(f"a grant names the user {grant.principal}, whom the estate does not have")
        return b'{"user":%s,"permission":"%s"}' % (self.user(user), self._permission(grant))

    def group_grant(self, grant: ModelGrant) -> bytes:
        """A row of `permissions/groups`: by name, whether or not there is such a group."""
        name = grant.principal
        rendered = self._groups.get(name)
        if rendered is None:
            rendered = self._groups[name] = _encode({"name": name})
        return b'{"group":%s,"permission":"%s"}' % (rendered, self._permission(grant))

    def _permission(self, grant: ModelGrant) -> bytes:
        """The permission's name. Before 8.2 there is no REPO_CREATE; such a grant shows as PROJECT_WRITE."""
        if grant.permission == "REPO_CREATE" and not self._has_repo_create:
            return b"PROJECT_WRITE"
        return grant.permission.encode()

    # --- projects and repositories ----------------------------------------------------------------------------

    def project(self, project: ModelProject) -> bytes:
        """A project. A personal one has an owner and no `public`."""
        rendered = self._projects.get(project.id)
        if rendered is None:
            rendered = self._projects[project.id] = self._project(project)
        return rendered

    def _project(self, project: ModelProject) -> bytes:
        fields: dict[str, object] = {"key": project.key, "id": project.id, "name": project.name}
        if project.description is not None:
            fields["description"] = project.description
        if project.type == PERSONAL:
            owner = self._estate.user(project.owner or "")
            if owner is not None:
                fields["owner"] = msgspec.Raw(self.user(owner))
        else:
            fields["public"] = project.public
        fields["type"] = project.type
        fields["links"] = _self(self._base + _place(project))
        return _encode(fields)

    def repository(self, repository: ModelRepository) -> bytes:
        """A repository, with its project, and its origin if it is a fork."""
        place = f"{_place(repository.project)}/repos/{quote(repository.slug)}"
        fields: dict[str, object] = {
            "slug": repository.slug,
            "id": repository.id,
            "name": repository.name,
            "hierarchyId": f"{_root(repository).id:020x}",
            "scmId": "git",
            "state": repository.state,
            "statusMessage": repository.state.replace("_", " ").capitalize(),
            "forkable": repository.forkable,
            "project": msgspec.Raw(self.project(repository.project)),
            "public": repository.public,
            "links": {
                "clone": [{"href": f"{self._base}/scm{place.lower()}.git", "name": "http"}],
                "self": [{"href": f"{self._base}{place}/browse"}],
            },
        }
        if repository.description is not None:
            fields["description"] = repository.description
        if repository.origin is not None:
            fields["origin"] = msgspec.Raw(self.repository(repository.origin))
        if self._has_archived:
            fields["archived"] = repository.archived
        return _encode(fields)


def _self(href: str) -> dict[str, object]:
    return {"self": [{"href": href}]}


def _place(project: ModelProject) -> str:
    if project.type == PERSONAL:
        return f"/users/{quote(project.key[1:].lower())}"
    return f"/projects/{quote(project.key)}"


def _root(repository: ModelRepository) -> ModelRepository:
    seen = 0
    while repository.origin is not None and seen < 100:
        repository, seen = repository.origin, seen + 1
    return repository
