"""What all endpoints share: who asks, what a path means, and how an answer is paged."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from oaa_bitbucket_async.demo.bitbucket.answers import (
    RefusedError,
    ServerAnswer,
    no_project,
    no_repository,
    not_permitted,
)
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.bitbucket.credential_render import CredentialRenderer
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.paging import page_request, render
from oaa_bitbucket_async.demo.bitbucket.render import Renderer
from oaa_bitbucket_async.demo.changes import create_personal_project
from oaa_bitbucket_async.demo.model import Estate, ModelProject, ModelRepository
from oaa_bitbucket_async.demo.rights import Rights

T = TypeVar("T")


class ServerRequest(NamedTuple):
    """A request for one endpoint. `caller` is None for an anonymous one."""

    kind: str
    names: tuple[str, ...]
    query: dict[str, str]
    path: str
    raw_query: str
    caller: Caller | None


Handler = Callable[[ServerRequest], ServerAnswer]


class BaseEndpoints:
    """One revision of an estate, and what every endpoint has to find out about it."""

    def __init__(
        self,
        estate: Estate,
        rights: Rights,
        options: ServerOptions,
        base: str,
        renderer: Renderer | None = None,
    ) -> None:
        self._estate = estate
        self._rights = rights
        self._options = options
        self._base = base
        self._render = renderer or Renderer(estate, options, base)
        self._keys = CredentialRenderer(options, self._render)

    def _administered_project(self, request: ServerRequest) -> ModelProject:
        caller = signed_in(request)
        project = self._find_project(request, creates=False)
        if not caller.on_project("PROJECT_ADMIN", project):
            raise not_permitted("You need PROJECT_ADMIN permission on this project.")
        return project

    def _find_project(self, request: ServerRequest, *, creates: bool) -> ModelProject:
        """The project in the path. As in Bitbucket, a request for a user's personal project creates it."""
        key = request.names[0]
        project = self._estate.project(key)
        if project is not None:
            return project
        moved = self._estate.renamed.get(key.upper())
        if moved is not None:
            raise self._redirect(request, 1, f"/projects/{quote(moved.key, safe='~')}")
        if creates and key.startswith("~") and request.caller is not None:
            user = self._estate.user_by_slug(key[1:])
            if user is not None:
                return create_personal_project(self._estate, user)
        raise no_project(key)

    def _administered_repository(self, request: ServerRequest) -> ModelRepository:
        caller = signed_in(request)
        repository = self._find_repository(request)
        if not caller.on_repository("REPO_ADMIN", repository):
            raise not_permitted("You need REPO_ADMIN permission on this repository.")
        return repository

    def _find_repository(self, request: ServerRequest) -> ModelRepository:
        key, slug = request.names[:2]
        repository = self._estate.repository(key, slug)
        if repository is not None:
            return repository
        project = self._estate.project(key) or self._estate.renamed.get(key.upper())
        moved = self._estate.moved.get((project.key.upper() if project else key.upper(), slug.lower()))
        if moved is None and project is not None and project is self._estate.renamed.get(key.upper()):
            moved = self._estate.repository(project.key, slug)
        if moved is not None:
            place = f"/projects/{quote(moved.project.key, safe='~')}/repos/{quote(moved.slug, safe='')}"
            raise self._redirect(request, 3, place)
        if project is None:
            raise no_project(key)
        raise no_repository(key, slug)

    def _readable_repository(self, request: ServerRequest) -> ModelRepository:
        repository = self._find_repository(request)
        caller = request.caller
        public = self._estate.anybody_reads(repository)
        if not public and not (caller is not None and caller.on_repository("REPO_READ", repository)):
            raise not_permitted()
        return repository

    def _redirect(self, request: ServerRequest, skip: int, place: str) -> RefusedError:
        """301 to the same endpoint at `place`, which replaces the first `skip` parts of the old path."""
        root, _, rest = request.path.partition("/projects/")
        tail = "".join(f"/{segment}" for segment in rest.split("/")[skip:])
        query = f"?{request.raw_query}" if request.raw_query else ""
        location = f"{self._base}{root}{place}{tail}{query}"
        return RefusedError(ServerAnswer(301, b"", {"Location": location}, content_type=None))

    def _page(
        self, request: ServerRequest, rows: Sequence[T], each: Callable[[T], bytes], keep: int | None = None
    ) -> ServerAnswer:
        page = page_request(request.query, self._options.page_cap)
        return ServerAnswer(200, render(rows, page, self._options, each, keep))


def signed_in(request: ServerRequest) -> Caller:
    """Who asks; refuses an anonymous caller."""
    if request.caller is None:
        raise not_permitted()
    return request.caller


def administrator(request: ServerRequest) -> Caller:
    """Who asks; refuses everybody but a global administrator."""
    caller = signed_in(request)
    if not caller.is_admin():
        raise not_permitted()
    return caller
