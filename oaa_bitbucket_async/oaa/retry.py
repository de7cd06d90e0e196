"""Which failures of Veza pass, how long to wait for that, and what to tell when they don't."""

import asyncio
import email.utils
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import requests
import tenacity
from oaaclient.client import OAAClientError, OAAConnectionError, OAAResponseError

from oaa_bitbucket_async.errors import UploadError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.client import VezaClient, off_loop

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LASTING_FAULTS = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.TooManyRedirects,
)
_MOST_DETAILS = 10
_RETRY_AFTER_MAX = 300.0


class VezaFailingError(UploadError):
    """Veza could not be reached, or went on failing, for as long as we were patient."""


class VezaRefusedError(UploadError):
    """Veza answered, and won't do it. `status` is that of its answer, if there was one."""

    def __init__(self, message: str, advice: str = "", *, status: int | None = None) -> None:
        super().__init__(message, advice)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long. Durations in seconds; tests pass a `sleep` that does not wait."""

    attempts: int
    first_wait: float = 1.0
    longest_wait: float = 60.0
    poll_every: float = 5.0
    """Between two looks at the data source's status."""
    poll_for: float = 3600.0
    """How long Veza may take to parse a payload."""
    settle_for: float = 60.0
    """How long a status that was there before the upload may stay before it is taken for the upload's."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def ask(client: VezaClient, patience: Patience, what: str, call: Callable[[], _T]) -> _T:
    """Makes one call of oaaclient, off the loop, and again for as long as its failure can pass.

    UploadError if Veza refuses it or goes on failing; `what` completes "Veza refused …". An answer of another shape
    than oaaclient reads (a proxy's, say) counts as failing.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        asked = _seconds(client.retry_after)
        if asked is not None:
            return min(asked, _RETRY_AFTER_MAX)
        return random.uniform(0.5, 1.0) * min(  # noqa: S311  # jitter, no secret
            patience.first_wait * 2.0 ** (state.attempt_number - 1), patience.longest_wait
        )

    def log(state: tenacity.RetryCallState) -> None:
        outcome, action = state.outcome, state.next_action
        if outcome is not None and action is not None:
            reason = _say(outcome.exception())
            _log.warning(
                "Veza: %s: %s; trying again in %.1f s",
                what,
                reason,
                action.sleep,
                extra=event(Event.VEZA_RETRY, call=what, wait_seconds=round(action.sleep, 1)),
            )

    def understood() -> _T:
        try:
            return call()
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise OAAClientError("ERROR", f"the answer is not what was asked for ({error!r})") from error

    retrying = tenacity.AsyncRetrying(
        sleep=patience.sleep,
        stop=tenacity.stop_after_attempt(patience.attempts),
        wait=wait,
        retry=tenacity.retry_if_exception(passes),
        before_sleep=log,
        reraise=True,
    )
    try:
        return await retrying(off_loop, understood)
    except OAAClientError as error:
        raise _upload_error(error, what, patience.attempts) from None


def passes(error: BaseException) -> bool:
    """True if the same call can succeed later."""
    if isinstance(error, OAAResponseError):
        return error.status_code in _PASSING_STATUS
    if isinstance(error, OAAConnectionError):
        return not isinstance(error.__context__, _LASTING_FAULTS)
    return isinstance(error, OAAClientError)


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After`: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _say(error: BaseException | None) -> str:
    """A failure in one line: what oaaclient keeps of an answer, or what kept it from getting one."""
    if not isinstance(error, OAAClientError):
        return repr(error)
    request_id = getattr(error, "request_id", None)
    known = [
        f"HTTP {error.status_code}" if error.status_code else "",
        f"request id {request_id}" if request_id else "",
    ]
    where = ", ".join(filter(None, known))
    return f"{error.error}: {error.message}" + (f" ({where})" if where else "")


def _upload_error(error: OAAClientError, what: str, attempts: int) -> UploadError:
    details = [detail if isinstance(detail, str) else json.dumps(detail) for detail in error.details]
    more = [f"and {len(details) - _MOST_DETAILS} more"] if len(details) > _MOST_DETAILS else []
    told = f" Details: {'; '.join(details[:_MOST_DETAILS] + more)}." if details else ""
    if passes(error):
        return VezaFailingError(
            f"Veza went on failing at {what}, {attempts} times; the last answer: {_say(error)}.{told}",
            "Try again later.",
        )
    return VezaRefusedError(f"Veza refused {what}: {_say(error)}.{told}", _advice(error), status=error.status_code)


def _advice(error: OAAClientError) -> str:
    if isinstance(error.__context__, requests.exceptions.SSLError):
        return "If Veza's certificate is signed by your own authority, name its file in REQUESTS_CA_BUNDLE."
    match error.status_code:
        case 401 | 403:
            return "Check VEZA_API_KEY: it may be revoked or expired, or lack the right to push OAA data."
        case 404:
            return "Check --veza-url: it is Veza's host alone, as https://HOST."
        case 413:
            return "The payload is too large for Veza or for a proxy on the way."
        case _:
            return "Veza's answer says what it does not accept; give its support the request id."
