"""What can come back instead of an answer, by what the crawl does about it.

`Fault` can pass and is retried. `Denied`, `Gone` and `Moved` are Bitbucket's last word on one question and
end only that unit of work. A lost login is a `CredentialError` and ends the run.
"""

from enum import StrEnum

from oaa_bitbucket_async.text import quote


class FaultReason(StrEnum):
    """Why an attempt failed, by the name under which retries are counted and shown."""

    CONNECT = "connect"
    """No connection: refused, unreachable, name not resolved, TLS handshake failed."""
    DROPPED = "dropped"
    """The connection broke before the answer was complete: reset, half a body, closed early."""
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    """429: the server's rate limit."""
    UNAVAILABLE = "unavailable"
    """502, 503, 504: start-up, maintenance, a proxy without a server behind it."""
    SERVER_ERROR = "server-error"
    """Any other 5xx, 408, and 1xx in place of an answer."""
    NOT_JSON = "not-json"
    """HTML or another content type where JSON should be, or text that is not JSON."""
    BAD_SHAPE = "bad-shape"
    """JSON, but not of the shape that was asked for: a row without its id, a grant without a permission."""
    PAGING = "paging"
    """A page that leads nowhere: its successor does not grow, or is missing although it is not the last."""


class RequestProblem(Exception):  # noqa: N818  # the base of outcomes, not of errors in our code
    """Base: something other than the answer came back for `path`; `request_id` finds it in the server's log.

    `detail` has no secrets any more: whoever reads it from an answer takes them out.
    """

    def __init__(self, path: str, detail: str, *, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = quote(detail)
        self.status = status
        self.request_id = quote(request_id) if request_id else None

    def forget_frames(self) -> None:
        """Drops references to the frames that raised it, which hold the answer's body."""
        self.__context__ = self.__traceback__ = None

    def __str__(self) -> str:
        status = f"status {self.status}, " if self.status is not None else ""
        request = f", request id {self.request_id}" if self.request_id else ""
        return f"{self.path}: {status}{self.detail}{request}"


class Fault(RequestProblem):
    """An attempt failed in a way that can pass. `retry_after` is in seconds, as the server asked for."""

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
    """We are logged in, but lack the right (401 or 403 with our name on it: BITBUCKET.md section 6)."""


class Gone(RequestProblem):
    """404: it does not exist, or no longer."""


class Moved(RequestProblem):
    """301 or another redirect within the origin: `location` is the new path and query."""

    def __init__(self, path: str, location: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(path, f"moved to {location}", status=status, request_id=request_id)
        self.location = location


class NotAsked(RequestProblem):
    """The request was not sent: its kind of question was set aside while it waited."""


class Rejected(RequestProblem):
    """Any other 4xx: Bitbucket does not understand the question. Asking again does not help."""
