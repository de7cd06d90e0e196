"""A Bitbucket whose answers are spoiled on the way: in ways that can be noticed, and in any way at all.

What a faithful server could have said is no use to a test of truth: an answer in which one grant was changed for
another, well-formed one is simply another answer. `NOTICEABLE` holds what no faithful server says; `change_anything`
makes the rest.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.model import Estate
from tests.servers import RiggedBitbucket, RiggedOptions

Mutation = Callable[[random.Random, web.Response], None]
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63), 10**40, "", " ", "0", "null", "x" * 5000, [], {},
    [None], [[]], {"id": 1}, {"values": []}, "\x00", "\u202e", "\ud800", "a/b", "../..", "%2e", "🙂", "ﬀ", "İ",
)  # fmt: skip
NOT_A_NAME: tuple[Any, ...] = (None, True, 7, 1.5, "", [], {}, ["x"], {"name": "x"})
NOT_AN_ID: tuple[Any, ...] = (None, True, "7", "", 1.5, -1, 2**46, 2**64, 10**40, [], {}, [7])
WORTHLESS = (
    b"", b" ", b"null", b"[]", b"{}", b"true", b"7", b'"values"', b"<html>", b"\xff\xfe", b"\xef\xbb\xbf{}", b"{",
    b'{"values": [NaN], "isLastPage": true}', b'{"values": [], "isLastPage": false}', b'{"isLastPage": true}',
    b'{"values": null, "isLastPage": true}', b'{"values": {}, "isLastPage": true}', b'{"values": []}',
    b'{"values": [], "isLastPage": "true"}', b'{"values": [], "isLastPage": false, "nextPageStart": 0}',
    b'{"values": [], "isLastPage": false, "nextPageStart": -5}', b'{"values": [], "isLastPage": 1}',
    b'{"values": [], "isLastPage": false, "nextPageStart": "1000"}', b"[" * 100_000, b'{"a":' * 100_000,
    b'{"values": [' + b"[" * 5000 + b"]" * 5000 + b'], "isLastPage": true}',
)  # fmt: skip


# --- noticeable -------------------------------------------------------------------------------------------------------


def _rows(response: web.Response) -> tuple[dict[str, Any], list[Any]] | None:
    """The decoded body of a page that has rows."""
    content = msgspec.json.decode(body_of(response))
    if not isinstance(content, dict) or not isinstance(content.get("values"), list) or not content["values"]:
        return None
    return content, content["values"]


def body_of(response: web.Response) -> bytes:
    """The body, which here is always bytes."""
    return response.body if isinstance(response.body, bytes) else b""


def _say(response: web.Response, content: object) -> None:
    response.body = msgspec.json.encode(content)


def worthless(rng: random.Random, response: web.Response) -> None:
    """Something else in place of the answer."""
    response.body = rng.choice(WORTHLESS)


def cut(rng: random.Random, response: web.Response) -> None:
    """The length is right, but the end is missing."""
    body = body_of(response)
    response.body = body[: rng.randrange(max(1, len(body) - 1))]


def grown(rng: random.Random, response: web.Response) -> None:
    """Something after the end, or before the beginning."""
    more = rng.choice((b"}", b"{}", b"\x00", b"<!-- cached -->", body_of(response)))
    response.body = more + body_of(response) if rng.random() < 0.3 else body_of(response) + more


def bad_bytes(rng: random.Random, response: web.Response) -> None:
    """Bytes that are no UTF-8 in the middle of a text."""
    body = body_of(response)
    at = body.find(b'name":"') + 7
    response.body = body[:at] + rng.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x01", b"\n")) + body[at:]
    if at == 6:
        response.body = b"\xff"


def spoiled_row(rng: random.Random, response: web.Response) -> None:
    """One row lacks what it can't be without, or has it in another type, or is no row at all."""
    page = _rows(response)
    if page is None:
        return worthless(rng, response)
    content, values = page
    at = rng.randrange(len(values))
    row = values[at]
    if not isinstance(row, dict) or rng.random() < 0.2:
        values[at] = rng.choice(
            (None, 7, True, [], [row], {}) if isinstance(row, dict) else (None, 7, True, [], {}, "")
        )
        return _say(response, content)
    inner = next((row[key] for key in ("user", "group") if isinstance(row.get(key), dict)), row)
    target, key = (row, "permission") if "permission" in row and rng.random() < 0.5 else (inner, "name")
    if target is inner and "id" in inner and rng.random() < 0.6:
        key = "id"
    if rng.random() < 0.3:
        target.pop(key, None)
    elif key == "name" and "slug" in target and "project" in target:
        target["slug"] = rng.choice(NOT_A_NAME)
    elif key == "name" and "key" in target:
        target["key"] = rng.choice(NOT_A_NAME)
    else:
        target[key] = rng.choice(NOT_AN_ID if key == "id" else NOT_A_NAME)
    response.body = json.dumps(content).encode()
    return None


def stuck(rng: random.Random, response: web.Response) -> None:
    """A page that leads nowhere, or back."""
    content = msgspec.json.decode(body_of(response))
    if not isinstance(content, dict) or "values" not in content:
        return worthless(rng, response)
    start = int(content.get("start", 0))
    content |= {"isLastPage": False, "nextPageStart": rng.choice((None, start, start - 1, 0, -1, "7", 1.5, [], True))}
    if rng.random() < 0.2:
        content.pop("nextPageStart")
    return _say(response, content)


def not_last(rng: random.Random, response: web.Response) -> None:
    """The last page says that there is another one, far away: it will be empty, and nothing is lost."""
    content = msgspec.json.decode(body_of(response))
    if isinstance(content, dict) and content.get("isLastPage") is True and "values" in content:
        content |= {"isLastPage": False, "nextPageStart": rng.choice((100_000, 2**31 - 1))}
        _say(response, content)


def harmless(rng: random.Random, response: web.Response) -> None:
    """More than was asked for, which a newer version may say."""
    content = msgspec.json.decode(body_of(response))
    if isinstance(content, dict):
        content["new"] = rng.choice((None, 10**40, "x" * 100_000, [[[[]]]], {"values": [{"id": None}]}, "\x00"))
        response.body = json.dumps(content, indent=rng.choice((None, 3))).encode()


def repeated_rows(rng: random.Random, response: web.Response) -> None:
    """Rows twice, in another order."""
    page = _rows(response)
    if page is not None:
        content, values = page
        more = [*values, *rng.choices(values, k=3)]
        rng.shuffle(more)
        _say(response, content | {"values": more})


def other_type(rng: random.Random, response: web.Response) -> None:
    """Not JSON, by its own account."""
    response.headers["Content-Type"] = rng.choice(
        ("text/html", "text/plain", "application/xml", "", "json", "application/jsonp", "application/octet-stream", ";")
    )


def other_encoding(rng: random.Random, response: web.Response) -> None:
    """Says that it is packed, and is not."""
    response.headers["Content-Encoding"] = rng.choice(("gzip", "deflate"))


def failed(rng: random.Random, response: web.Response) -> None:
    """A status that can pass, with the right body or with another one, and headers that make no sense."""
    response.set_status(rng.choice((408, 500, 501, 502, 503, 504, 505, 507, 511, 520, 599)))
    if rng.random() < 0.5:
        worthless(rng, response)
    response.headers["Retry-After"] = rng.choice(("", "abc", "-5", "nan", "inf", "Thu, 99 Foo 2026", "\t"))


def redirected(rng: random.Random, response: web.Response) -> None:
    """Somewhere else, or nowhere."""
    response.set_status(rng.choice((301, 302, 303, 307, 308)))
    where = rng.choice(
        ("", "https://sso.example.com/", "//evil.example.com/rest/", "/login", "http://[", "file:///", "?")
    )
    response.headers["Location"] = where


def unusual(rng: random.Random, response: web.Response) -> None:
    """A success that is none: nothing, a part, or not changed."""
    response.set_status(rng.choice((203, 206, 226)))
    worthless(rng, response)


def nonsense_headers(rng: random.Random, response: web.Response) -> None:
    """Headers that only have to be survived."""
    for name in ("X-RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-FillRate", "X-RateLimit-Interval-Seconds"):
        if rng.random() < 0.7:
            response.headers[name] = rng.choice(("", "abc", "-1", "nan", "inf", "1e99", "0x10"))
    response.headers["Date"] = rng.choice(("", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"))
    response.headers["X-AREQUESTID"] = rng.choice(("", "x" * 4000, "\t", "@é".encode().decode("latin-1")))


def other_user(rng: random.Random, response: web.Response) -> None:
    """Somebody else's name on it, or nobody's."""
    if rng.random() < 0.5:
        response.headers.pop("X-AUSERNAME", None)
    else:
        response.headers["X-AUSERNAME"] = rng.choice(("", "admin", "COLLECTOR", "%ff", "collector2", "%00"))


NOTICEABLE: tuple[Mutation, ...] = (
    worthless, cut, grown, bad_bytes, spoiled_row, spoiled_row, spoiled_row, stuck, not_last, harmless, repeated_rows,
    other_type, other_encoding, failed, failed, redirected, unusual, nonsense_headers,
)  # fmt: skip
"""All of these, and `other_user`, which ends a run at once."""


# --- anything ---------------------------------------------------------------------------------------------------------


def change_anything(rng: random.Random, response: web.Response) -> None:
    """Some node of the answer's JSON becomes something else, well-formed or not; or its status does."""
    if rng.random() < 0.1:
        response.set_status(rng.choice((200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 410, 418, 451)))
        return
    try:
        content = msgspec.json.decode(body_of(response))
    except msgspec.DecodeError:
        return
    for _ in range(rng.choice((1, 1, 2, 5))):
        content = _changed(rng, content)
    response.body = json.dumps(content).encode("utf-8", "surrogatepass")


def _changed(rng: random.Random, node: Any) -> Any:
    """One node below, or this one, becomes another."""
    if isinstance(node, dict) and node and rng.random() < 0.9:
        key = rng.choice(sorted(node))
        what = rng.random()
        if what < 0.1:
            return {name: value for name, value in node.items() if name != key}
        if what < 0.2:
            return {**node, rng.choice(sorted(node)): node[key]}
        return {**node, key: _changed(rng, node[key])}
    if isinstance(node, list) and node and rng.random() < 0.9:
        at = rng.randrange(len(node))
        what = rng.random()
        if what < 0.1:
            return node[:at] + node[at + 1 :]
        if what < 0.2:
            return [*node, node[at]]
        return [*node[:at], _changed(rng, node[at]), *node[at + 1 :]]
    if isinstance(node, int) and not isinstance(node, bool) and rng.random() < 0.5:
        return rng.choice((node + 1, node - 1, -node, node * 2, node % 7))
    if isinstance(node, str) and node and rng.random() < 0.5:
        return rng.choice((node.upper(), node + " ", node[1:], node + "\u0301", node[::-1], node * 100, node.title()))
    return rng.choice(STRANGE)


class Fuzzed(RiggedBitbucket):
    """Spoils a `share` of its answers, the first `spared` ones not, and at most `times` of them."""

    def __init__(
        self,
        estate: Estate,
        options: RiggedOptions,
        mutations: tuple[Mutation, ...],
        *,
        seed: int,
        share: float,
        spared: int = 0,
        times: int | None = None,
    ) -> None:
        super().__init__(estate, options)
        self.spoiled: list[str] = []
        """Names of the mutations that were made, in order."""
        self._mutations = mutations
        self._rng = random.Random(seed)
        self._share = share
        self._spared = spared
        self._times = times
        self._answers = 0

    def response(self, answer: ServerAnswer, caller: Caller | None) -> web.Response:
        response = super().response(answer, caller)
        self._answers += 1
        if self._answers <= self._spared or self._rng.random() >= self._share or answer.status != 200:
            return response
        if self._times is None or len(self.spoiled) < self._times:
            mutation = self._rng.choice(self._mutations)
            self.spoiled.append(mutation.__name__)
            mutation(self._rng, response)
        return response
