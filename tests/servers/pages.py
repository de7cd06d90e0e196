"""Pages cut in unusual ways: row numbers with gaps, empty pages in the middle, rows that moved between two pages."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

import msgspec

from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer

Ask = Callable[[str], ServerAnswer]
"""The answer to a query."""


def moved(query: str, shift: int, ask: Ask) -> ServerAnswer:
    """A page after the first, with rows that begin `shift` later than they should."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    start = _number(asked, "start")
    if not start or _number(asked, "limit") == 1:
        return ask(query)
    answer = ask(_at(asked, max(0, start + shift)))
    return _with(answer, {"start": start}) if answer.status == 200 else ask(query)


def with_gaps(query: str, gaps: int, ask: Ask, *, empty_pages: bool) -> ServerAnswer:
    """The row at index i is at the place i * (gaps + 1), and a page points to the first place after its last row.

    With `empty_pages`, that place has a page without rows, which leads to the next row.
    """
    asked = dict(parse_qsl(query, keep_blank_values=True))
    start, stride = _number(asked, "start"), gaps + 1
    if start is None:
        return ask(query)
    following = -(-start // stride)
    answer = ask(_at(asked, following) if start else query)
    page = msgspec.json.decode(answer.body) if answer.status == 200 else None
    if not isinstance(page, dict) or "values" not in page:
        return ask(query)
    if empty_pages and start % stride == 1 and page["values"]:
        empty = {"size": 0, "values": [], "isLastPage": False, "nextPageStart": following * stride}
        return _with(answer, {"start": start} | empty)
    changes: dict[str, object] = {"start": start}
    if not page["isLastPage"]:
        changes["nextPageStart"] = (page["nextPageStart"] - 1) * stride + 1
    return _with(answer, changes)


def _number(asked: Mapping[str, str], name: str) -> int | None:
    """None for what is no number, which Bitbucket refuses."""
    text = asked.get(name, "0")
    return int(text) if text.isdigit() else None


def _at(asked: Mapping[str, str], start: int) -> str:
    return urlencode({**asked, "start": str(start)})


def _with(answer: ServerAnswer, changes: Mapping[str, object]) -> ServerAnswer:
    return ServerAnswer(200, msgspec.json.encode(msgspec.json.decode(answer.body) | changes), answer.headers)
