"""What all endpoints stand on: who asks, what is meant by a path, and how an answer is paged."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from oaa_bitbucket_async.demo.bitbucket.answers import Answer, RefusedError, no_project, no_repository, not_permitted
from oaa_bitbucket_async.demo.bitbucket.auth import Caller
from oaa_bitbucket_async.demo.bitbucket.credential_render import CredentialRenderer
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.paging import page_request, render
from oaa_bitbucket_async.demo.bitbucket.render import Renderer
from oaa_bitbucket_async.demo.model import Estate, Project, Repository
from oaa_bitbucket_async.demo.rights import Rights

T = TypeVar("T")


class Question(NamedTuple):
    """A request for one endpoint. `caller` is None for an anonymous one."""

    kind: str
    names: tuple[str, ...]
    query: dict[str, str]
    path: str
    raw_query: str
    caller: Caller | None


Handler = Callable[[Question], Answer]


class Ground:
    """One revision of an estate, and the questions that every endpoint has to ask about it."""

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

    def _administered_project(self, question: Question) -> Project:
        caller = signed_in(question)
        project = self._find_project(question, creates=False)
        if not caller.on_project("PROJECT_ADMIN", project):
            raise not_permitted("You need PROJECT_ADMIN permission on this project.")
        return project

    def _find_project(self, question: Question, *, creates: bool) -> Project:
        """The project that is asked for. Asking for that of a user who has none creates it, as Bitbucket does."""
        key = question.names[0]
        project = self._estate.project(key)
        if project is not None:
            return project
        moved = self._estate.renamed.get(key.upper())
        if moved is not None:
            raise self._redirect(question, 1, f"/projects/{quote(moved.key, safe='~')}")
        if creates and key.startswith("~") and question.caller is not None:
            user = self._estate.user_by_slug(key[1:])
            if user is not None:
                return self._estate.create_personal_project(user)
        raise no_project(key)

    def _administered_repository(self, question: Question) -> Repository:
        caller = signed_in(question)
        repository = self._find_repository(question)
        if not caller.on_repository("REPO_ADMIN", repository):
            raise not_permitted("You need REPO_ADMIN permission on this repository.")
        return repository

    def _find_repository(self, question: Question) -> Repository:
        key, slug = question.names[:2]
        repository = self._estate.repository(key, slug)
        if repository is not None:
            return repository
        project = self._estate.project(key) or self._estate.renamed.get(key.upper())
        moved = self._estate.moved.get((project.key.upper() if project else key.upper(), slug.lower()))
        if moved is None and project is not None and project is self._estate.renamed.get(key.upper()):
            moved = self._estate.repository(project.key, slug)
        if moved is not None:
            place = f"/projects/{quote(moved.project.key, safe='~')}/repos/{quote(moved.slug, safe='')}"
            raise self._redirect(question, 3, place)
        if project is None:
            raise no_project(key)
        raise no_repository(key, slug)

    def _readable_repository(self, question: Question) -> Repository:
        repository = self._find_repository(question)
        caller = question.caller
        public = self._estate.anybody_reads(repository)
        if not public and not (caller is not None and caller.on_repository("REPO_READ", repository)):
            raise not_permitted()
        return repository

    def _redirect(self, question: Question, skip: int, place: str) -> RefusedError:
        """301 to the same endpoint at `place`; `skip` names of the old path are replaced by it."""
        root, _, rest = question.path.partition("/projects/")
        tail = "".join(f"/{segment}" for segment in rest.split("/")[skip:])
        query = f"?{question.raw_query}" if question.raw_query else ""
        location = f"{self._base}{root}{place}{tail}{query}"
        return RefusedError(Answer(301, b"", {"Location": location}, content_type=None))

    def _page(
        self, question: Question, rows: Sequence[T], each: Callable[[T], bytes], keep: int | None = None
    ) -> Answer:
        request = page_request(question.query, self._options.page_cap)
        return Answer(200, render(rows, request, self._options, each, keep))


def signed_in(question: Question) -> Caller:
    """Who asks; refuses an anonymous caller."""
    if question.caller is None:
        raise not_permitted()
    return question.caller


def administrator(question: Question) -> Caller:
    """Who asks; refuses everybody but a global administrator."""
    caller = signed_in(question)
    if not caller.is_admin():
        raise not_permitted()
    return caller
