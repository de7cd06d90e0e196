"""What the endpoints of keys and tokens answer, and to whom.

Access keys and tokens of a project or repository are shown to its administrators; keys and tokens of a user to that
user, and to global administrators, whose right no HTTP access token carries.
"""

from collections.abc import Iterator, Sequence

from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer, bad_argument, no_user, not_permitted, nothing_here
from oaa_bitbucket_async.demo.bitbucket.base_endpoints import BaseEndpoints, Handler, ServerRequest, signed_in
from oaa_bitbucket_async.demo.bitbucket.credential_render import Opened
from oaa_bitbucket_async.demo.credentials import ModelAccessToken
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository, ModelUser
from oaa_bitbucket_async.demo.rights import WEIGHTS


class CredentialEndpoints(BaseEndpoints):
    """Access keys, tokens, and the SSH and GPG keys of users."""

    def handlers(self) -> dict[str, Handler]:
        """By kind of endpoint."""
        return {
            "project-access-keys": self._project_access_keys,
            "repository-access-keys": self._repository_access_keys,
            "project-tokens": self._project_tokens,
            "repository-tokens": self._repository_tokens,
            "user-tokens": self._user_tokens,
            "user-ssh-keys": self._user_ssh_keys,
            "user-gpg-keys": self._user_gpg_keys,
        }

    # --- access keys ------------------------------------------------------------------------------------------

    def _project_access_keys(self, request: ServerRequest) -> ServerAnswer:
        project = self._administered_project(request)
        return self._access_keys(request, _opened(project), request.query.get("permission"))

    def _repository_access_keys(self, request: ServerRequest) -> ServerAnswer:
        repository = self._administered_repository(request)
        rows = list(_opened(repository))
        if request.query.get("effective", "").lower() == "true":
            rows += _opened(repository.project)
        query = request.query
        return self._access_keys(request, rows, query.get("minimumPermission") or query.get("permission"))

    def _access_keys(
        self, request: ServerRequest, rows: Sequence[Opened] | Iterator[Opened], least: str | None
    ) -> ServerAnswer:
        if least and least not in WEIGHTS:
            raise bad_argument(f"{least} is no permission.", "permission")
        weight = WEIGHTS[least] if least else -1
        label = request.query.get("filter", "").lower()
        found = [
            row
            for row in rows
            if WEIGHTS.get(row.access.permission, -1) >= weight and row.access.key.label.lower().startswith(label)
        ]
        return self._page(request, found, self._keys.access_key)

    # --- tokens -----------------------------------------------------------------------------------------------

    def _project_tokens(self, request: ServerRequest) -> ServerAnswer:
        self._has_tokens_of_places(request)
        project = self._administered_project(request)
        return self._tokens(request, project.tokens, b'"project":%s' % self._render.project(project))

    def _repository_tokens(self, request: ServerRequest) -> ServerAnswer:
        self._has_tokens_of_places(request)
        repository = self._administered_repository(request)
        return self._tokens(request, repository.tokens, b'"repository":%s' % self._render.repository(repository))

    def _user_tokens(self, request: ServerRequest) -> ServerAnswer:
        user = self._own_or_administrated(request, self._estate.user_by_slug(request.names[0]), request.names[0])
        return self._tokens(request, user.tokens, b'"user":%s' % self._render.user(user))

    def _tokens(self, request: ServerRequest, tokens: Sequence[ModelAccessToken], owner: bytes) -> ServerAnswer:
        return self._page(request, tokens, lambda token: self._keys.token(token, owner))

    def _has_tokens_of_places(self, request: ServerRequest) -> None:
        if self._options.release < (7, 18):
            raise nothing_here(f"{self._base}{request.path}")

    # --- keys of users ----------------------------------------------------------------------------------------

    def _user_ssh_keys(self, request: ServerRequest) -> ServerAnswer:
        query = request.query
        # before 8.0 the server ignores `userName` and shows the caller's own keys
        name = query.get("user") or (query.get("userName") if self._options.release >= (8, 0) else None)
        return self._page(request, self._named(request, name).ssh_keys, self._keys.ssh_key)

    def _user_gpg_keys(self, request: ServerRequest) -> ServerAnswer:
        return self._page(request, self._named(request, request.query.get("user")).gpg_keys, self._keys.gpg_key)

    def _named(self, request: ServerRequest, name: str | None) -> ModelUser:
        if not name:
            return signed_in(request).user
        return self._own_or_administrated(request, self._estate.user(name), name)

    def _own_or_administrated(self, request: ServerRequest, user: ModelUser | None, name: str) -> ModelUser:
        """The user, if the caller is that user or an administrator. Others don't learn whether the user exists."""
        caller = signed_in(request)
        if not caller.is_admin() and user is not caller.user:
            raise not_permitted()
        if user is None or user.deleted:
            raise no_user(name)
        return user


def _opened(place: ModelProject | ModelRepository) -> Iterator[Opened]:
    return (Opened(access, place) for access in place.access_keys)
