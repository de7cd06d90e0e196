"""What can come back instead of an answer, grouped by how the crawl reacts.

A `Fault` is temporary and is retried. `Denied`, `Gone` and `Moved` are final for one question and end only that unit.
A lost login is a `CredentialError` and ends the run.
"""

from enum import StrEnum

from oaa_bitbucket_async.text import quote


class FaultReason(StrEnum):
    """Why an attempt failed. Retries are counted and shown under these names."""

    CONNECT = "connect"
    """No connection: refused, unreachable, name not resolved, TLS handshake failed."""
    DROPPED = "dropped"
    """The connection broke before the answer was complete: reset, half a body, closed early."""
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    """429: the server's rate limit."""
    UNAVAILABLE = "unavailable"
    """502, 503, 504: start-up, maintenance, a proxy that has no server behind it."""
    SERVER_ERROR = "server-error"
    """Any other 5xx, 408, and 1xx in place of an answer."""
    NOT_JSON = "not-json"
    """HTML or another content type where JSON should be, or text that is not JSON."""
    BAD_SHAPE = "bad-shape"
    """JSON, but not of the expected shape: a row without its id, a grant without a permission."""
    PAGING = "paging"
    """A page without a usable next one: the next start does not grow, or is missing although more pages follow."""


class RequestProblem(Exception):  # noqa: N818  # the base of outcomes, not of errors in our code
    """Base class: `path` got something other than an answer. `request_id` finds the request in the server's log.

    `detail` contains no secrets: the code that reads it from an answer removes them.
    """

    def __init__(self, path: str, detail: str, *, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = quote(detail)
        self.status = status
        self.request_id = quote(request_id) if request_id else None

    def forget_frames(self) -> None:
        """Drops the references to the frames that raised it: they hold the answer's body."""
        self.__context__ = self.__traceback__ = None

    def __str__(self) -> str:
        status = f"status {self.status}, " if self.status is not None else ""
        request = f", request id {self.request_id}" if self.request_id else ""
        return f"{self.path}: {status}{self.detail}{request}"


class Fault(RequestProblem):
    """An attempt failed, but a retry may succeed. `retry_after`: the seconds that the server asked us to wait."""

    def __init__(
        self,
        path: str,
        detail: str,
        *,
        reason: FaultReason,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(path, detail, status=status, request_id=request_id)
        self.reason = reason
        self.retry_after = retry_after


class Denied(RequestProblem):
    """The login is valid but lacks the right (a 401 or 403 with our name: BITBUCKET.md section 6)."""


class Gone(RequestProblem):
    """404: it does not exist, or not any more."""


class Moved(RequestProblem):
    """301 or another redirect within the origin: `location` is the new path and query."""

    def __init__(self, path: str, location: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(path, f"moved to {location}", status=status, request_id=request_id)
        self.location = location


class NotAsked(RequestProblem):
    """The request was not sent: its kind of question was set aside while the request waited."""


class Rejected(RequestProblem):
    """Any other 4xx: Bitbucket does not understand the question. Asking again does not help."""
