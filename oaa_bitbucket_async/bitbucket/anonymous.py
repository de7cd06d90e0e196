"""What an answer without a login means. A pure function, as in `protocol`.

No REST endpoint tells whether public access is allowed. A request without a login shows it
(BITBUCKET.md section 11).
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
    """The content that Bitbucket shows to everybody, or its Refusal; None if the answer proves neither.

    None is returned for a page of a proxy or of single sign-on, a redirect, a 404, and an answer to a signed-in user:
    a client certificate or a gateway can sign in a request that has no login. `now` is the epoch time. Raises Fault
    for temporary failures (429, 5xx).
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
