"""Faults by name: what a Bitbucket, or a proxy in front of it, does wrong now and then.

Some replace the answer, some spoil it, some change who is signed in. `match`, `first`, `times` and `share` decide which
requests a fault strikes. With the same requests it strikes the same ones in each run.
"""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import ClassVar

import msgspec

from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer
from oaa_bitbucket_async.demo.bitbucket.routes import KINDS, Route

FAULTS = {
    "rate-limited": "429, with Retry-After (`retry_after` seconds, `as_date`, or none)",
    "unavailable": "503 as HTML, with or without Retry-After",
    "error": "500",
    "reset": "the connection is reset before the first byte",
    "half-body": "the connection closes in the middle of the body",
    "hanging": "the request is accepted and never answered",
    "slow": "the answer comes `seconds` late",
    "down": "from then on every request is reset, `times` of them or until the fault is taken out",
    "login-page": "200 with a sign-on page",
    "sso-redirect": "302 to another origin",
    "not-json": "200, application/json, but something else",
    "bad-shape": "a row without its id or permission, values that are no list, a row that is null",
    "stuck-paging": "a page that is not the last and leads to itself",
    "endless-paging": "a page that is not the last, whatever it shows",
    "forgotten": "from then on the caller is anonymous",
    "revoked": "from then on 401 without X-AUSERNAME",
    "captcha": "from then on 403, a CAPTCHA is wanted",
    "lost-right": "401 with X-AUSERNAME",
}
LASTING = frozenset({"down", "forgotten", "revoked", "captcha"})
"""Once struck, they strike every request, whatever `match` says."""
CONNECTION = frozenset({"reset", "down", "half-body", "hanging"})


@dataclass(eq=False)
class ServerFault:
    """One fault. `match` is a kind of endpoint (`routes.KINDS`) or a pattern searched for in path and query.

    A fault spares the first `first` matching requests. Of the others it strikes a `share`, by chance from `seed`, until
    it has struck `times` of them (None: no end). `seen` counts the matching requests, `struck` those it struck.
    """

    known: ClassVar[Mapping[str, str]] = FAULTS
    """The names, and what each does."""
    name: str
    match: str = ""
    first: int = 0
    times: int | None = None
    share: float = 1.0
    seed: int = 1
    seconds: float = 0.2
    retry_after: float | None = 1
    as_date: bool = False
    seen: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if self.name not in self.known:
            raise ValueError(f"there is no fault {self.name}; there are {', '.join(self.known)}")
        self._rng = random.Random(self.seed)
        self._pattern = None if self.match in KINDS else re.compile(self.match)

    def strikes(self, route: Route, path: str) -> bool:
        """Whether this request is struck; counts it."""
        if self.times is not None and self.struck >= self.times:
            return False
        if not (self.name in LASTING and self.struck):
            if self._pattern is None:
                if route.kind != self.match:
                    return False
            elif not self._pattern.search(f"{path}?{route.query}" if route.query else path):
                return False
            self.seen += 1
            if self.seen <= self.first or (self.share < 1.0 and self._rng.random() >= self.share):
                return False
        self.struck += 1
        return True

    def instead(self) -> ServerAnswer | None:
        """The answer in place of Bitbucket's. None: Bitbucket's own is sent."""
        later = {}
        if self.retry_after is not None:
            date = formatdate(time.time() + self.retry_after, usegmt=True)
            later = {"Retry-After": date if self.as_date else f"{self.retry_after:g}"}
        match self.name:
            case "rate-limited":
                return ServerAnswer(429, _error("You have been rate limited.", "RateLimitExceededException"), later)
            case "unavailable":
                return ServerAnswer(503, b"<html><body><h1>Service Unavailable</h1></body></html>", later, "text/html")
            case "error":
                return ServerAnswer(500, _error("An error occurred while processing the request.", "ServerException"))
            case "login-page":
                page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"
                return ServerAnswer(200, page, content_type="text/html;charset=UTF-8")
            case "sso-redirect":
                return ServerAnswer(302, b"", {"Location": "https://sso.example.com/saml?back=bitbucket"}, None)
            case "not-json":
                return ServerAnswer(200, b'{"values": [ <%= rows %>')
            case _:
                return None

    def spoiled(self, answer: ServerAnswer) -> ServerAnswer:
        """Bitbucket's answer, spoiled by `bad-shape` and both kinds of paging; other faults leave it as it is."""
        if answer.status != 200 or self.name not in ("bad-shape", "stuck-paging", "endless-paging"):
            return answer
        content = msgspec.json.decode(answer.body)
        if not isinstance(content, dict):
            return answer
        if self.name != "bad-shape":
            if "values" in content:
                step = 1 if self.name == "endless-paging" else 0
                content |= {"isLastPage": False, "nextPageStart": content["start"] + step}
        else:
            _misshape(content, self.struck)
        return ServerAnswer(200, msgspec.json.encode(content), answer.headers)


def _error(message: str, exception: str) -> bytes:
    name = f"com.atlassian.bitbucket.{exception}"
    return msgspec.json.encode({"errors": [{"context": None, "message": message, "exceptionName": name}]})


def _misshape(content: dict[str, object], turn: int) -> None:
    """Each time in another way."""
    values = content.get("values")
    if not isinstance(values, list):
        for key in ("id", "permitted", "version", "enabled"):
            content.pop(key, None)
    elif not values or turn % 3 == 2:
        content["values"] = {}
    elif turn % 3 == 0:
        values[-1] = None
    elif isinstance(values[0], dict):
        values[0].pop("id" if "id" in values[0] else "permission" if "permission" in values[0] else "name")
    else:
        values[0] = 7
