"""Who is asking? Passwords and tokens, what each carries, and how each version refuses them."""

import base64
import binascii
from collections import Counter
from functools import cached_property
from urllib.parse import quote

import msgspec

from oaa_bitbucket_async.demo.bitbucket.answers import RefusedError, ServerAnswer, refusal
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.model import NORMAL, Estate, ModelProject, ModelRepository, ModelUser
from oaa_bitbucket_async.demo.rights import Rights, satisfies

FAILURES_BEFORE_CAPTCHA = 3
_AUTH = "com.atlassian.bitbucket.auth"


class Caller:
    """A signed-in user on one revision of the estate. `kind` is 'basic' or 'token'."""

    def __init__(self, user: ModelUser, kind: str, estate: Estate, rights: Rights) -> None:
        self.user = user
        self.kind = kind
        self._estate = estate
        self._rights = rights
        self._held = rights.global_permission(user)
        self._is_admin = satisfies(self._held, "ADMIN")
        self.headers = {"X-AUSERNAME": quote(user.name, safe=""), "X-AUSERID": str(user.id)}

    def is_admin(self) -> bool:
        """Global ADMIN. No token carries it, whoever owns the token."""
        return self.kind == "basic" and self._is_admin

    def holds_globally(self, permission: str) -> bool:
        """Whether the caller, or the owner of the caller's token, holds a global permission."""
        return satisfies(self._held, permission)

    def on_project(self, permission: str, project: ModelProject) -> bool:
        """Whether the caller holds a permission on a project; a token carries those of its owner."""
        return self._is_admin or satisfies(self._rights.project_permission(self.user, project), permission)

    def on_repository(self, permission: str, repository: ModelRepository) -> bool:
        """Whether the caller holds a permission on a repository."""
        return self._is_admin or satisfies(self._rights.repository_permission(self.user, repository), permission)

    def sees_project(self, project: ModelProject) -> bool:
        """PROJECT_VIEW."""
        return self._is_admin or self._rights.sees_project(self.user, project)

    @cached_property
    def projects(self) -> list[ModelProject]:
        """What `/projects` shows: normal projects that the caller may see."""
        return [p for p in self._estate.projects if p.type == NORMAL and self.sees_project(p)]

    @cached_property
    def repositories(self) -> list[ModelRepository]:
        """What `/repos` shows, archived ones included."""
        return [r for r in self._estate.repositories if self.on_repository("REPO_READ", r)]


class Authenticator:
    """The accounts of a server, and the way each request's Authorization header is judged."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self.passwords: dict[str, str] = {}
        """Lower-case user name: password."""
        self.tokens: dict[str, str] = {}
        """Token: user name."""
        self.failed_logins: Counter[str] = Counter()
        """Lower-case user name: wrong passwords in a row."""
        self.captcha_url = "/login"

    def identify(self, authorization: str | None, estate: Estate, rights: Rights) -> Caller | None:
        """The caller, None for an anonymous one. Raises RefusedError."""
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            return self._basic(value, estate, rights)
        if scheme.lower() == "bearer":
            return self._bearer(value.strip(), estate, rights)
        return None

    def _basic(self, value: str, estate: Estate, rights: Rights) -> Caller:
        if not self._options.takes_basic:
            message = {"message": "Basic Authentication has been disabled on this instance."}
            raise RefusedError(ServerAnswer(403, msgspec.json.encode(message)))
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise self._wrong_password() from None
        key = name.lower()
        if self.failed_logins[key] >= FAILURES_BEFORE_CAPTCHA:
            raise captcha(self.captcha_url)
        user = estate.user(name)
        owner = self.tokens.get(password)
        as_token = owner is not None and owner.lower() == key
        if user is None or not (as_token or (key in self.passwords and self.passwords[key] == password)):
            self.failed_logins[key] += 1
            raise self._wrong_password()
        self.failed_logins.pop(key, None)
        return self._admit(user, "token" if as_token else "basic", estate, rights)

    def _bearer(self, token: str, estate: Estate, rights: Rights) -> Caller | None:
        owner = self.tokens.get(token)
        user = estate.user(owner) if owner is not None else None
        if user is not None:
            return self._admit(user, "token", estate, rights)
        if self._options.release >= (10, 0):
            return None  # the server does not say that the token is unknown; it serves what the public may see
        raise unknown_token()

    @staticmethod
    def _admit(user: ModelUser, kind: str, estate: Estate, rights: Rights) -> Caller:
        if rights.global_permission(user) is None:
            raise refusal(401, "You are not licensed to use this application.", f"{_AUTH}.InactiveUserException")
        return Caller(user, kind, estate, rights)

    @staticmethod
    def _wrong_password() -> RefusedError:
        return refusal(
            401,
            "Authentication failed. Please check your credentials and try again.",
            f"{_AUTH}.IncorrectPasswordAuthenticationException",
        )


def unknown_token() -> RefusedError:
    """401, without X-AUSERNAME: a token that is not known, or no longer."""
    return refusal(
        401, "Authentication failed. The access token is not valid.", f"{_AUTH}.TokenAuthenticationException"
    )


def captcha(login_url: str) -> RefusedError:
    """403: too many wrong passwords; only signing in with a browser helps."""
    return refusal(
        403,
        "CAPTCHA required. Your Bitbucket account has been marked as requiring a CAPTCHA to be solved.",
        f"{_AUTH}.CaptchaRequiredAuthenticationException",
        X_Authentication_Denied_Reason=f"CAPTCHA_CHALLENGE; login-url={login_url}",
    )
