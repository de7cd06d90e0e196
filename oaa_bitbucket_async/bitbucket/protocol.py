"""What does this answer mean? Is there a next page? Pure functions over status, headers and bytes.

The rules are in BITBUCKET.md sections 6 to 8. A 401 with our name means a missing right, a 401 without it means a
refused login. An answer without our name may be what the public sees, so it is never used as data. Only JSON of the
expected shape counts as an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, TypedDict, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import msgspec
from multidict import istr

from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, Gone, Moved, Rejected
from oaa_bitbucket_async.bitbucket.rows import Decoder, Page, without_nulls
from oaa_bitbucket_async.errors import CredentialError
from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.retry_after import retry_after
from oaa_bitbucket_async.text import as_it_is, quote

USER_HEADER = istr("X-AUSERNAME")  # an istr makes the lookup in headers much cheaper
REQUEST_ID_HEADER = istr("X-AREQUESTID")
CONTENT_TYPE_HEADER = istr("Content-Type")
RATE_HEADER = istr("X-RateLimit-Remaining")
DENIED_REASON_HEADER = "X-Authentication-Denied-Reason"
MOST_VALUES = 500_000
"""The most commas in an answer, which is about its number of values. A page of 1000 rows has a tenth of that.
A value that takes two bytes on the wire can take a hundred as an object."""
MOST_ROWS = 10_000
"""The most rows of a page, which is the most that can be asked for. Servers usually send at most 1000."""
_LONGEST_ERROR = 1024 * 1024
"""The largest body of an error, in bytes, that is searched for a message."""
_LONGEST_LOCATION = 2000

T = TypeVar("T")


class StrangersRefusalError(CredentialError):
    """The first request was refused, but not in Bitbucket's words: something else may have refused it."""


class Answer(NamedTuple):
    """A complete HTTP answer. Lookups in `headers` ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Account:
    """Who Bitbucket says we are. Until preflight has proven it, `user_header` is None and nothing is compared.

    `stripped`: a proxy removes the header, so a single answer does not show the user; the login is then proven again
    at intervals. `kind` and `given_name` (the user name of a basic login) are only used in messages. `redact` removes
    the credential from the server's messages, which may quote the request.
    """

    kind: str
    given_name: str | None = None
    user_header: str | None = None
    stripped: bool = False
    redact: Redact = field(default=as_it_is, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The possible user names, the likelier one first. The header is URL-encoded, and a `+` in it may be a plus
        or a space."""
        if self.user_header is None:
            return ()
        as_is, with_spaces = unquote(self.user_header), unquote(self.user_header.replace("+", " "))
        return (as_is,) if as_is == with_spaces else (as_is, with_spaces)

    @property
    def user(self) -> str | None:
        """The user name, decoded."""
        return self.names[0] if self.names else None


class ErrorMessage(msgspec.Struct, gc=False, rename="camel"):
    """One entry of `errors`."""

    message: str | None = None
    exception_name: str | None = None


class ErrorBody(msgspec.Struct, gc=False):
    """Bitbucket's two forms of an error: `{"errors": [{"message": …}]}` and `{"message": …}`."""

    errors: list[ErrorMessage] = []
    message: str | None = None


_ERROR_DECODER = msgspec.json.Decoder(ErrorBody)


def parse_response(path: str, answer: Answer, decoder: Decoder[T], login: Account, now: float = 0.0) -> T:
    """The answer's content, decoded.

    `now` is the epoch time, for a `Retry-After` that is a date. Raises Fault (worth a retry), Denied, Gone, Moved or
    Rejected (final for this question), CredentialError (the run must stop).
    """
    status, headers, body = answer
    if status != 200 or not is_json(headers):
        _raise_for(path, answer, login, now)
    if headers.get(USER_HEADER) != login.user_header and login.user_header is not None and not login.stripped:
        _raise_for_other_user(path, headers, login)
    if len(body) > 2 * MOST_VALUES and body.count(b",") > MOST_VALUES:
        raise Fault(
            path,
            f"the answer has more than {MOST_VALUES:,} values, too many for one page",
            reason=FaultReason.BAD_SHAPE,
            status=status,
            request_id=headers.get(REQUEST_ID_HEADER),
        )
    try:
        return _decoded(body, decoder)
    except msgspec.ValidationError as error:
        raise Fault(
            path,
            f"the answer does not have the expected shape: {quote(str(error), login.redact)}",
            reason=FaultReason.BAD_SHAPE,
            status=status,
            request_id=_request_id(headers, login),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(
            path,
            f"the answer is not complete, valid JSON: {quote(str(error), login.redact)}",
            reason=FaultReason.NOT_JSON,
            status=status,
            request_id=_request_id(headers, login),
        ) from None


def _decoded(body: bytes, decoder: Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        if b"null" not in body:
            raise
        return decoder.decode(without_nulls(body))


def next_start(path: str, page: Page[T], start: int) -> int | None:
    """The start of the next page; None if `page` is the last one.

    `nextPageStart` may jump, but it must grow, and every page but the last must have one (BITBUCKET.md section 7).
    Raises Fault otherwise, and for a page with more rows than can be asked for.
    """
    if len(page.values) > MOST_ROWS:
        detail = f"the page has {len(page.values):,} rows, more than were asked for"
        raise Fault(path, detail, reason=FaultReason.BAD_SHAPE, status=200)
    if page.is_last_page:
        return None
    following = page.next_page_start
    if following is None or following <= start:
        raise Fault(
            path,
            f"the page at {start} is not the last one, but it gives {following} as the start of the next page",
            reason=FaultReason.PAGING,
            status=200,
        )
    return following


def is_json(headers: Mapping[str, str]) -> bool:
    """True if the answer's content type is JSON, with any charset."""
    content_type = headers.get(CONTENT_TYPE_HEADER, "")
    return content_type.startswith("application/json") or content_type.partition(";")[0].strip().lower() == (
        "application/json"
    )


class RateHeaders(TypedDict):
    """The `X-RateLimit-*` headers that an answer has, in tokens and seconds."""

    limit: float | None
    remaining: float | None
    fill_rate: float | None
    interval: float | None


def rate_headers(headers: Mapping[str, str]) -> RateHeaders:
    """The server's token bucket. Atlassian documents these headers for Jira and Confluence; we use them if present."""
    return RateHeaders(
        limit=_number(headers.get("X-RateLimit-Limit")),
        remaining=_number(headers.get(RATE_HEADER)),
        fill_rate=_number(headers.get("X-RateLimit-FillRate")),
        interval=_number(headers.get("X-RateLimit-Interval-Seconds")),
    )


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < 1e9 else None


def error_text(body: bytes, redact: Redact = as_it_is) -> tuple[str, str]:
    """(message, exception name) of an error body, without secrets; ('', '') if it is not JSON or is too long."""
    if len(body) > _LONGEST_ERROR:
        return "", ""
    try:
        decoded = _ERROR_DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ""
    messages = [e.message for e in decoded.errors if e.message] or ([decoded.message] if decoded.message else [])
    names = [e.exception_name for e in decoded.errors if e.exception_name]
    return quote("; ".join(messages), redact), quote(names[0], redact).rpartition(".")[2] if names else ""


def _request_id(headers: Mapping[str, str], login: Account) -> str | None:
    found = headers.get(REQUEST_ID_HEADER)
    return quote(found, login.redact) if found else None


def _raise_for(path: str, answer: Answer, login: Account, now: float) -> NoReturn:
    status, headers, body = answer
    request_id = _request_id(headers, login)
    message, exception = error_text(body, login.redact)
    detail = message or _without_message(status, headers, login)
    if status == 429:
        raise Fault(
            path,
            "the server's rate limit was reached",
            reason=FaultReason.THROTTLED,
            status=status,
            request_id=request_id,
            retry_after=retry_after(headers, now),
        )
    if status < 200 or status >= 500 or status == 408:
        unavailable = status in (502, 503, 504)
        raise Fault(
            path,
            detail,
            reason=FaultReason.UNAVAILABLE if unavailable else FaultReason.SERVER_ERROR,
            status=status,
            request_id=request_id,
            retry_after=retry_after(headers, now),
        )
    if 300 <= status < 400:
        _raise_for_redirect(path, answer, login)
    if status in (401, 403):
        _raise_for_refusal(path, answer, login, message, exception)
    if not is_json(headers) and body.strip():
        raise Fault(
            path,
            f"the answer is {_html(body)}, not JSON",
            reason=FaultReason.NOT_JSON,
            status=status,
            request_id=request_id,
        )
    known = headers.get(USER_HEADER)
    if login.user_header is not None and not login.stripped and known != login.user_header and body.strip():
        _raise_for_other_user(path, headers, login)
    proven = login.user_header is not None or login.stripped
    if 200 <= status < 300 or (status == 404 and known is None and proven and not body.strip()):
        what = (
            "an empty answer" if not body.strip() else f"status {status} in place of 200, as a proxy's cache may send"
        )
        raise Fault(path, what, reason=FaultReason.NOT_JSON, status=status, request_id=request_id)
    if status == 404:
        raise Gone(path, detail, status=status, request_id=request_id)
    raise Rejected(path, detail, status=status, request_id=request_id)


def _without_message(status: int, headers: Mapping[str, str], login: Account) -> str:
    if status < 200:
        return "an interim status came instead of an answer"
    kind = quote(headers.get("Content-Type", "an unnamed type"), login.redact)
    return "nothing is there" if status == 404 else f"the answer is of type {kind}"


def _raise_for_redirect(path: str, answer: Answer, login: Account) -> NoReturn:
    """Keeps only the path of a location within the origin; `transport` decides what the origin is."""
    request_id = _request_id(answer.headers, login)
    try:
        location = urljoin(path, answer.headers.get("Location", ""))
        parts = urlsplit(location)
    except ValueError:
        location, parts = "", urlsplit("")
    strange = len(location) > _LONGEST_LOCATION or not location.isascii() or not location.isprintable()
    if parts.scheme or parts.netloc or "/rest/" not in parts.path or location == path or strange:
        where = quote(parts.netloc or parts.path or "nowhere", login.redact)
        raise Fault(
            path,
            f"redirected to {where}, as a sign-on page does" if where != "nowhere" else "redirected to nowhere",
            reason=FaultReason.NOT_JSON,
            status=answer.status,
            request_id=request_id,
        )
    raise Moved(path, location, status=answer.status, request_id=request_id)


def _raise_for_refusal(path: str, answer: Answer, login: Account, message: str, exception: str) -> NoReturn:
    status, headers, body = answer
    request_id = _request_id(headers, login)
    said = f' It said: "{message.rstrip(".")}".' if message else ""
    captcha = headers.get(DENIED_REASON_HEADER, "")
    if "CAPTCHA" in captcha.upper() or exception.startswith("CaptchaRequired"):
        raise CredentialError(
            f"Bitbucket asks for a CAPTCHA before this account can sign in (status {status}).{said}",
            "Sign in once in a browser with this account, or have an administrator reset its failed logins; "
            "check the password before the next run.",
        )
    if status == 403 and "basic auth" in message.lower() and "disabled" in message.lower():
        raise CredentialError(
            f"Basic authentication is switched off on this Bitbucket.{said}",
            "Unset BITBUCKET_USER and put an HTTP access token into BITBUCKET_TOKEN, or have an administrator "
            "allow basic authentication (Administration, Authentication methods).",
        )
    known = headers.get(USER_HEADER)
    if known is not None and login.user_header is not None and known != login.user_header:
        _raise_for_other_user(path, headers, login)
    page = not is_json(headers) and _html(body) == "an HTML page"
    if known is not None or login.stripped or (status == 403 and login.user_header is not None and not page):
        detail = message or "the account is not allowed to ask this"
        raise Denied(path, detail, status=status, request_id=request_id)
    if status == 403 and page:  # not for a 401: its sender checked the credential and may count failed logins
        raise Fault(
            path,
            "an HTML page refused the request, as a sign-on page or a firewall does",
            reason=FaultReason.NOT_JSON,
            status=status,
            request_id=request_id,
        )
    said = said or (" An HTML page said so: a proxy or sign-on page, not Bitbucket." if page else "")
    if login.user_header is not None:
        raise CredentialError(
            f"Bitbucket no longer accepts the login that it accepted at the start (status {status} on {path}).{said}",
            "Nothing was uploaded. Check whether the token was revoked or the account locked, then run again.",
        )
    what = "user name or password" if login.kind == "basic" else "HTTP access token"
    raise (CredentialError if exception else StrangersRefusalError)(
        f"Bitbucket refused the {what} (status {status} on {path}).{said}",
        "Check BITBUCKET_USER and BITBUCKET_TOKEN." if login.kind == "basic" else "Check BITBUCKET_TOKEN.",
    )


def _raise_for_other_user(path: str, headers: Mapping[str, str], login: Account) -> NoReturn:
    known = headers.get(USER_HEADER)
    began_as = quote(login.user or "")
    if known is None:
        raise CredentialError(
            f"Bitbucket answered {path} as if nobody were signed in, although {began_as} was.",
            "Nothing was uploaded. Check whether the token was revoked or has expired, then run again.",
        )
    raise CredentialError(
        f"Bitbucket answered {path} as {quote(unquote(known), login.redact)}, but the run signed in as {began_as}.",
        "Nothing was uploaded. Look for a proxy or single sign-on that signs in as someone else.",
    )


def _html(body: bytes) -> str:
    return "an HTML page" if body.lstrip()[:1] == b"<" else "something else"
