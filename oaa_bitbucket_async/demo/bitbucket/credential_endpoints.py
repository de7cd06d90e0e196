"""What the endpoints of keys and tokens answer, and to whom.

Access keys and tokens of a project or repository are shown to its administrators; keys and tokens of a user to that
user, and to global administrators, whose right no HTTP access token carries.
"""

from collections.abc import Iterator, Sequence

from oaa_bitbucket_async.demo.bitbucket.answers import Answer, bad_argument, no_user, not_permitted, nothing_here
from oaa_bitbucket_async.demo.bitbucket.credential_render import Opened
from oaa_bitbucket_async.demo.bitbucket.ground import Ground, Handler, Question, signed_in
from oaa_bitbucket_async.demo.credentials import AccessToken
from oaa_bitbucket_async.demo.model import Project, Repository, User
from oaa_bitbucket_async.demo.rights import WEIGHTS


class CredentialEndpoints(Ground):
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

    def _project_access_keys(self, question: Question) -> Answer:
        project = self._administered_project(question)
        return self._access_keys(question, _opened(project), question.query.get("permission"))

    def _repository_access_keys(self, question: Question) -> Answer:
        repository = self._administered_repository(question)
        rows = list(_opened(repository))
        if question.query.get("effective", "").lower() == "true":
            rows += _opened(repository.project)
        query = question.query
        return self._access_keys(question, rows, query.get("minimumPermission") or query.get("permission"))

    def _access_keys(self, question: Question, rows: Sequence[Opened] | Iterator[Opened], least: str | None) -> Answer:
        if least and least not in WEIGHTS:
            raise bad_argument(f"{least} is no permission.", "permission")
        weight = WEIGHTS[least] if least else -1
        label = question.query.get("filter", "").lower()
        found = [
            row
            for row in rows
            if WEIGHTS.get(row.access.permission, -1) >= weight and row.access.key.label.lower().startswith(label)
        ]
        return self._page(question, found, self._keys.access_key)

    # --- tokens -----------------------------------------------------------------------------------------------

    def _project_tokens(self, question: Question) -> Answer:
        self._has_tokens_of_places(question)
        project = self._administered_project(question)
        return self._tokens(question, project.tokens, b'"project":%s' % self._render.project(project))

    def _repository_tokens(self, question: Question) -> Answer:
        self._has_tokens_of_places(question)
        repository = self._administered_repository(question)
        return self._tokens(question, repository.tokens, b'"repository":%s' % self._render.repository(repository))

    def _user_tokens(self, question: Question) -> Answer:
        user = self._own_or_administrated(question, self._estate.user_by_slug(question.names[0]), question.names[0])
        return self._tokens(question, user.tokens, b'"user":%s' % self._render.user(user))

    def _tokens(self, question: Question, tokens: Sequence[AccessToken], owner: bytes) -> Answer:
        return self._page(question, tokens, lambda token: self._keys.token(token, owner))

    def _has_tokens_of_places(self, question: Question) -> None:
        if self._options.release < (7, 18):
            raise nothing_here(f"{self._base}{question.path}")

    # --- keys of users ----------------------------------------------------------------------------------------

    def _user_ssh_keys(self, question: Question) -> Answer:
        query = question.query
        # before 8.0 `userName` is not known, and who asks with it is shown the keys of its own
        name = query.get("user") or (query.get("userName") if self._options.release >= (8, 0) else None)
        return self._page(question, self._named(question, name).ssh_keys, self._keys.ssh_key)

    def _user_gpg_keys(self, question: Question) -> Answer:
        return self._page(question, self._named(question, question.query.get("user")).gpg_keys, self._keys.gpg_key)

    def _named(self, question: Question, name: str | None) -> User:
        if not name:
            return signed_in(question).user
        return self._own_or_administrated(question, self._estate.user(name), name)

    def _own_or_administrated(self, question: Question, user: User | None, name: str) -> User:
        """The user, if the caller is that one or an administrator; who is neither is not told whether there is one."""
        caller = signed_in(question)
        if not caller.is_admin() and user is not caller.user:
            raise not_permitted()
        if user is None or user.deleted:
            raise no_user(name)
        return user


def _opened(place: Project | Repository) -> Iterator[Opened]:
    return (Opened(access, place) for access in place.access_keys)
