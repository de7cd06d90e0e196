"""Answers of an embedded Bitbucket before they become HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

JSON = "application/json;charset=UTF-8"
_AUTHORISATION = "com.atlassian.bitbucket.AuthorisationException"


@dataclass(slots=True)
class ServerAnswer:
    """Status, body and headers. `content_type` is None for an answer without a body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = JSON


class RefusedError(Exception):
    """Ends the handling of a request with `answer`."""

    def __init__(self, answer: ServerAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refusal(
    status: int, message: str, exception: str | None, *, context: str | None = None, **headers: str
) -> RefusedError:
    """Bitbucket's error; `exception` is the full class name, `headers` have `_` for `-`."""
    body = {"errors": [{"context": context, "message": message, "exceptionName": exception}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RefusedError(ServerAnswer(status, msgspec.json.encode(body), named))


def not_permitted(message: str = "You are not permitted to access this resource") -> RefusedError:
    """401: the caller lacks the right, or is not signed in. Only X-AUSERNAME tells the two apart."""
    return refusal(401, message, _AUTHORISATION)


def bad_argument(message: str, context: str | None = None) -> RefusedError:
    """400."""
    return refusal(400, message, "com.atlassian.bitbucket.ArgumentValidationException", context=context)


def no_project(key: str) -> RefusedError:
    """404 for a project."""
    return refusal(404, f"Project {key} does not exist.", "com.atlassian.bitbucket.project.NoSuchProjectException")


def no_repository(key: str, slug: str) -> RefusedError:
    """404 for a repository."""
    return refusal(
        404,
        f"Repository {key}/{slug} does not exist.",
        "com.atlassian.bitbucket.repository.NoSuchRepositoryException",
    )


def no_user(slug: str) -> RefusedError:
    """404 for a user."""
    return refusal(404, f"User {slug} does not exist.", "com.atlassian.bitbucket.user.NoSuchUserException")


def no_group(name: str) -> RefusedError:
    """404 for a group."""
    return refusal(404, f"Group {name} does not exist.", "com.atlassian.bitbucket.user.NoSuchGroupException")


def nothing_here(url: str) -> RefusedError:
    """404 for a path that Bitbucket does not have. Below `/rest/` its REST module words the answer, as recorded."""
    if "/rest/" not in url:
        return RefusedError(ServerAnswer(404, b"", content_type=None))
    return RefusedError(ServerAnswer(404, msgspec.json.encode({"message": f"null for uri: {url}", "status-code": 404})))
