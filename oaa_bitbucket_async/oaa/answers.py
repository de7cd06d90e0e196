"""What an answer of Veza means: accepted, refused, or a failure that can pass.

The status decides. The body may come from a proxy and have any shape, so it is read with care. It is only data: it is
cut to one line and never causes a retry of a refused request (DESIGN.md section 4, rules 10 and 11).
"""

import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.redaction import CUT, Redact
from oaa_bitbucket_async.retry_after import retry_after
from oaa_bitbucket_async.text import LONGEST_QUOTE, one_line
from oaa_bitbucket_async.unreached import Cause

Json = dict[str, object]
"""A JSON object as oaaclient takes and gives it."""

_log = logging.getLogger(__name__)
LONGEST_DEBUG = 10_000
"""Characters of one answer that the debug log repeats; a message repeats `LONGEST_QUOTE`."""
_LONGEST_ID = 100
_MOST_PARTS = 2_000_000
"""Brackets and commas of an answer: a hundred thousand warnings have less, and empty lists are 20 times their text."""
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class CallError(Exception):
    """A call without a usable answer.

    `said` tells people why, and `advice` what to do; both without secrets. `passes`: the same call can succeed later.
    `retry_after`: how many seconds Veza asks to wait. `unreached`: there was no answer at all, for this reason.
    """

    def __init__(
        self,
        said: str,
        *,
        passes: bool,
        advice: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        unreached: Cause | None = None,
    ) -> None:
        super().__init__(said)
        self.said = said
        self.passes = passes
        self.advice = advice
        self.status = status
        self.retry_after = retry_after
        self.unreached = unreached


class VezaAnswer(NamedTuple):
    """An answer as it came."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def accepted(answer: VezaAnswer, redact: Redact) -> Json:
    """The JSON object of an answer that says yes: 2xx, and no `error`. CallError for every other."""
    if 300 <= answer.status < 400:
        target = heard(answer.headers.get("Location", ""), redact) or "nowhere"
        raise CallError(
            f"it redirects to {target} (HTTP {answer.status}); redirects are not followed",
            passes=False,
            advice="Check --veza-url (VEZA_URL), and any proxy or sign-on page on the way.",
            status=answer.status,
        )
    value = _decoded(answer.body)
    if not 200 <= answer.status < 300:
        raise _refusal(answer, value, redact)
    if not isinstance(value, dict):
        raise CallError(
            f"the answer is not a JSON object: {_shape(answer.body, redact)} (HTTP {answer.status})",
            passes=True,
            status=answer.status,
        )
    if value.get("error") is not None:
        raise CallError(
            f"{heard(_text(value['error']), redact)} (HTTP {answer.status})",
            passes=False,
            advice="Veza's answer says what it does not accept.",
            status=answer.status,
        )
    return value


def heard(text: str, redact: Redact, most: int = LONGEST_QUOTE) -> str:
    """Veza's text that is safe to repeat: without secrets, on one line, shortened. The debug log has more of it."""
    line = one_line(text, redact, LONGEST_DEBUG)
    if len(line) <= most:
        return line
    _log.debug("Veza said at length: %s", line)
    return line[: most - 1] + CUT


def _refusal(answer: VezaAnswer, value: object, redact: Redact) -> CallError:
    """A refusal, in Veza's words if it has any."""
    told: Json = value if isinstance(value, dict) else {}
    code, message = told.get("code") or "ERROR", told.get("message") or told.get("error")
    if message is None:
        message = f"{answer.reason or 'no reason is given'}; {_shape(answer.body, redact)}"
    said = heard(f"{_text(code)}: {_text(message)}", redact)
    where = f"HTTP {answer.status}"
    if request_id := told.get("request_id"):
        where += f", request id {heard(_text(request_id), redact, _LONGEST_ID)}"
    details = _details(told.get("details"))
    more = heard(details, redact, max(LONGEST_QUOTE - len(said), 1)) if details else ""
    return CallError(
        f"{said} ({where})" + (f". Details: {more}" if more else ""),
        passes=answer.status in _PASSING_STATUS,
        advice=_advice(answer.status),
        status=answer.status,
        retry_after=retry_after(answer.headers, time.time()),
    )


def _advice(status: int) -> str:
    match status:
        case 401 | 403:
            return "Check VEZA_API_KEY: it may be revoked or expired, or may not push OAA data."
        case 404:
            return "Check --veza-url: it should be https://HOST, without a path."
        case 413:
            return "The payload is too large for Veza or for a proxy on the way."
        case _:
            return "Veza's answer says what it does not accept. Report the request id to Veza's support."


def _decoded(body: bytes) -> object:
    """None if it is not JSON, or has more parts or levels than any answer of Veza."""
    if body.count(b"[") + body.count(b"{") + body.count(b",") > _MOST_PARTS:
        return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):  # msgspec's own are ValueErrors
        return None


def _shape(body: bytes, redact: Redact) -> str:
    """What there was instead of an object."""
    begin = body[: 4 * LONGEST_DEBUG].decode("utf-8", "replace").strip()
    if not begin:
        return "an empty body"
    return "an HTML page" if begin.startswith("<") else heard(begin, redact)


def _details(value: object) -> str:
    details = value if isinstance(value, list) else [] if value is None else [value]
    return "; ".join(map(_text, details[:LONGEST_DEBUG]))


def _text(value: object) -> str:
    """A part of an answer as text, whatever its shape."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode("utf-8", "replace")
