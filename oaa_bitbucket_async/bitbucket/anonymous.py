"""What an answer without a login means. A pure function, as in `protocol`.

There is no REST endpoint that tells whether public access is allowed: only how Bitbucket treats a request without a
login tells (BITBUCKET.md section 11).
"""

from typing import NamedTuple, TypeVar

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason, RequestProblem
from oaa_bitbucket_async.bitbucket.protocol import USER_HEADER, Account, Answer, error_text, is_json, parse_response
from oaa_bitbucket_async.bitbucket.rows import Decoder

T = TypeVar("T")
_NOBODY = Account(kind="nobody")
_NO_ANSWERS = frozenset({FaultReason.NOT_JSON, FaultReason.BAD_SHAPE})


class Refusal(NamedTuple):
    """Bitbucket itself refused: 401 or 403, and the exception that its error body names."""

    status: int
    exception: str


def reaction(path: str, answer: Answer, decoder: Decoder[T], now: float = 0.0) -> T | Refusal | None:
    """The content that Bitbucket shows to everybody, or its Refusal; None for anything else, which decides nothing.

    That is a page of a proxy or of single sign-on, a redirect, a 404, and an answer that is signed in: a client
    certificate or a gateway can do that to a request that carries no login. `now` is the epoch time. Raises Fault for
    what can pass: 429, 5xx.
    """
    if USER_HEADER in answer.headers:
        return None
    if answer.status in (401, 403):
        _, exception = error_text(answer.body) if is_json(answer.headers) else ("", "")
        return Refusal(answer.status, exception) if exception else None
    try:
        return parse_response(path, answer, decoder, _NOBODY, now)
    except Fault as fault:
        if fault.reason in _NO_ANSWERS:
            return None
        raise
    except RequestProblem:
        return None
