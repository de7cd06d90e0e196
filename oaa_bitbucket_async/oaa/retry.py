"""Which failures of Veza can pass, how long to wait, and what to say if they don't."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity
from oaaclient.client import OAAClientError

from oaa_bitbucket_async.errors import UploadError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.answers import CallError, heard
from oaa_bitbucket_async.oaa.client import VezaClient, off_loop
from oaa_bitbucket_async.unreached import Cause

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_RETRY_AFTER_MAX = 300.0


class VezaFailingError(UploadError):
    """Veza could not be reached, or failed at every attempt."""


class VezaUnreachableError(UploadError):
    """Veza can't be reached, and trying again does not help. `cause` says why."""

    def __init__(self, message: str, advice: str, cause: Cause) -> None:
        super().__init__(message, advice)
        self.cause = cause


class VezaRefusedError(UploadError):
    """Veza answered and refused. `status` is the status of its answer, if there was one."""

    def __init__(self, message: str, advice: str = "", *, status: int | None = None) -> None:
        super().__init__(message, advice)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long to retry. Durations are in seconds. Tests pass a `sleep` that does not wait."""

    attempts: int
    first_wait: float = 1.0
    longest_wait: float = 60.0
    poll_every: float = 5.0
    """Time between two looks at the data source's status."""
    poll_for: float = 3600.0
    """How long Veza may take to process a payload."""
    settle_for: float = 60.0
    """How long a status that was there before the upload may stay before it is taken for the upload's."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def ask(client: VezaClient, policy: RetryPolicy, what: str, call: Callable[[], _T]) -> _T:
    """Makes one call of oaaclient, off the loop, and retries failures that can pass.

    VezaRefusedError if Veza refuses it, VezaUnreachableError if it can't be reached with these settings,
    VezaFailingError if it goes on failing; `what` completes "Veza refused …". An
    answer of another shape than oaaclient reads (a proxy's, say) counts as failing.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        asked = _problem(state).retry_after
        if asked is not None:
            return min(asked, _RETRY_AFTER_MAX)
        return random.uniform(0.5, 1.0) * min(  # noqa: S311  # jitter, no secret
            policy.first_wait * 2.0 ** (state.attempt_number - 1), policy.longest_wait
        )

    def log(state: tenacity.RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action is not None else 0.0
        _log.warning(
            "Veza: %s: %s; trying again in %.1f s",
            what,
            _problem(state).said,
            seconds,
            extra=event(Event.VEZA_RETRY, call=what, wait_seconds=round(seconds, 1)),
        )

    def understood() -> _T:
        try:
            return call()
        except (OAAClientError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            said = heard(repr(error), client.redact)
            raise CallError(f"the answer does not match the request ({said})", passes=True) from error

    retrying = tenacity.AsyncRetrying(
        sleep=policy.sleep,
        stop=tenacity.stop_after_attempt(policy.attempts),
        wait=wait,
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, CallError) and error.passes),
        before_sleep=log,
        reraise=True,
    )
    try:
        return await retrying(off_loop, understood)
    except CallError as error:
        if error.unreached is not None:
            message = f"{client.url} can't be reached: {error.said}."
            raise VezaUnreachableError(message, error.advice, error.unreached) from None
        if error.passes:
            raise VezaFailingError(
                f"Veza kept failing at {what}, {policy.attempts} times; the last time: {error.said}.",
                "Try again later.",
            ) from None
        raise VezaRefusedError(f"Veza refused {what}: {error.said}.", error.advice, status=error.status) from None


def _problem(state: tenacity.RetryCallState) -> CallError:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, CallError) else CallError(repr(error), passes=True)
