"""Pages as Bitbucket cuts them: capped in silence, and followed only by `nextPageStart`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions

T = TypeVar("T")

DEFAULT_LIMIT = 25


class BadPageError(Exception):
    """`start` or `limit` is no number: Bitbucket answers 400."""


class PageRequest(NamedTuple):
    """Which page is asked for. `shift` is a fault's: rows begin that much later than they should."""

    start: int
    limit: int
    shift: int = 0


def page_request(query: dict[str, str], cap: int, shift: int = 0) -> PageRequest:
    """The page that a query asks for, its limit lowered to `cap`. Raises BadPageError."""
    try:
        start, limit = int(query.get("start", 0)), int(query.get("limit", DEFAULT_LIMIT))
    except ValueError:
        raise BadPageError from None
    if start < 0 or limit < 0:
        raise BadPageError
    limit = min(limit or DEFAULT_LIMIT, cap)
    return PageRequest(start, limit, shift if start and limit > 1 else 0)


def cut(rows: Sequence[T], request: PageRequest, options: ServerOptions) -> tuple[Sequence[T], int | None]:
    """The rows of a page, and where the next one begins (None after the last).

    With gaps, the row at index i is at the place i * (gaps + 1), and a page that ends before it points to the
    first place of the gap.
    """
    start, limit, shift = request
    stride = options.gaps + 1
    if options.empty_pages and stride > 1 and start % stride == 1 and start < len(rows) * stride:
        return (), -(-start // stride) * stride
    index = max(0, -(-start // stride) + shift)
    end = index + limit
    if end >= len(rows):
        return rows[index:], None
    return rows[index:end], end if stride == 1 else (end - 1) * stride + 1


def render(
    rows: Sequence[T],
    request: PageRequest,
    options: ServerOptions,
    each: Callable[[T], bytes],
    keep: int | None = None,
) -> bytes:
    """A page as JSON. `keep` rows at most are shown of it, the others are lost without a trace."""
    values, following = cut(rows, request, options)
    if keep is not None:
        values = values[:keep]
    if following is not None:
        tail = b'"isLastPage":false,"nextPageStart":%d' % following
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
