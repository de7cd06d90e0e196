"""Pages as Bitbucket cuts them: capped in silence, and followed only by `nextPageStart`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions

T = TypeVar("T")

DEFAULT_LIMIT = 25


class BadPageError(Exception):
    """`start` or `limit` is no number: Bitbucket answers 400."""


class PageRequest(NamedTuple):
    """Which page is asked for."""

    start: int
    limit: int


def page_request(query: dict[str, str], cap: int) -> PageRequest:
    """The page that a query asks for, its limit lowered to `cap`. Raises BadPageError."""
    try:
        start, limit = int(query.get("start", 0)), int(query.get("limit", DEFAULT_LIMIT))
    except ValueError:
        raise BadPageError from None
    if start < 0 or limit < 0:
        raise BadPageError
    return PageRequest(start, min(limit or DEFAULT_LIMIT, cap))


def render(
    rows: Sequence[T],
    request: PageRequest,
    options: ServerOptions,
    each: Callable[[T], bytes],
    keep: int | None = None,
) -> bytes:
    """A page as JSON. `keep` rows at most are shown of it, the others are lost without a trace."""
    end = request.start + request.limit
    values = rows[request.start : end][:keep]
    if end < len(rows):
        tail = b'"isLastPage":false,"nextPageStart":%d' % end
    elif options.release < (9, 0):
        tail = b'"isLastPage":true,"nextPageStart":null'
    else:
        tail = b'"isLastPage":true'
    return b'{"size":%d,"limit":%d,"start":%d,%s,"values":[%s]}' % (
        len(values),
        request.limit,
        request.start,
        tail,
        b",".join([each(row) for row in values]),
    )
