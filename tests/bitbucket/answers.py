"""Answers as a Bitbucket, or something before it, would give them, and a transport that gives them."""

import json
import random
from collections.abc import Awaitable, Callable, Mapping

from multidict import CIMultiDict

from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.settings import Pace

JSON = "application/json;charset=UTF-8"
HTML = "text/html;charset=UTF-8"
ME = "collector"


def answer(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, *, content_type: str | None = JSON
) -> Answer:
    found = CIMultiDict(headers or {})
    if content_type is not None:
        found["Content-Type"] = content_type
    return Answer(status, found, body)


def ok(content: object, *, user: str | None = ME) -> Answer:
    """200 with JSON, signed for `user`."""
    return answer(200, json.dumps(content).encode(), {} if user is None else {"X-AUSERNAME": user})


def error(
    status: int, message: str = "no", *, exception: str | None = None, user: str | None = ME, **headers: str
) -> Answer:
    """A status with Bitbucket's error body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if user is not None:
        named["X-AUSERNAME"] = user
    body = {"errors": [{"context": None, "message": message, "exceptionName": exception}]}
    return answer(status, json.dumps(body).encode(), named)


def page(rows: list[object], *, following: int | None = None, start: int = 0) -> dict[str, object]:
    """A page's JSON; the last one if nothing follows."""
    content: dict[str, object] = {
        "values": rows, "isLastPage": following is None, "size": len(rows), "limit": 1000, "start": start
    }  # fmt: skip
    if following is not None:
        content["nextPageStart"] = following
    return content


class Wire:
    """A Transport whose answers a function gives, `seconds` after the question. Remembers the paths."""

    def __init__(self, serve: Callable[[str], Answer | Awaitable[Answer]], seconds: float = 0.0) -> None:
        self._serve = serve
        self._seconds = seconds
        self.clock: LoopClock | None = None
        self.paths: list[str] = []
        self.in_flight = 0
        self.peak = 0

    async def get(self, path: str) -> Answer:
        self.paths.append(path)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            if self._seconds:
                await (self.clock or LoopClock()).sleep(self._seconds)
            given = self._serve(path)
            return given if isinstance(given, Answer) else await given
        finally:
            self.in_flight -= 1


def scripted(*answers: Answer | Exception) -> Callable[[str], Answer]:
    """One after the other; the last one for ever."""
    left = list(answers)

    def serve(_path: str) -> Answer:
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return given

    return serve


def client_of(
    wire: Wire, *, login: Account | None = None, concurrency: int | None = None, seed: int = 1, **pace: object
) -> Client:
    """A Client with the real pacing, on the running loop's clock. Signed in as `collector` unless told otherwise."""
    clock = LoopClock()
    rng = random.Random(seed)
    settings = Pace(**pace)  # type: ignore[arg-type]
    pacer = Pacer(
        concurrency=concurrency,
        max_concurrency=settings.max_concurrency,
        rate_limit=settings.rate_limit,
        max_outage=settings.max_outage,
        clock=clock,
        rng=rng,
    )
    return Client(
        wire, pacer, RequestStats(), login or Account(kind="basic", user_header=ME), settings, clock, rng
    )  # fmt: skip


API = Api("", 1000)
