"""An embedded Bitbucket: real HTTP around an estate, with faults, slots and a rate limit where wanted."""

import asyncio
import secrets
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from email.utils import formatdate
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
from aiohttp import web

from oaa_bitbucket_async.demo.bitbucket.answers import Answer, RefusedError, not_permitted, refusal
from oaa_bitbucket_async.demo.bitbucket.auth import Caller, Doorman, captcha, unknown_token
from oaa_bitbucket_async.demo.bitbucket.endpoints import Endpoints
from oaa_bitbucket_async.demo.bitbucket.faults import CONNECTION, Fault, replaced, shift_of, spoiled, vanish
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.routes import Route, route
from oaa_bitbucket_async.demo.model import Estate, Grant, User
from oaa_bitbucket_async.demo.rights import Rights

STATS_PATH = "/-/stats"
_LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Request(NamedTuple):
    """A request that was answered. `path` is without the context path; `status` 0: none was sent.

    `user` is the name of the caller, '' for an anonymous one; `at` the loop's time when it came.
    """

    method: str
    path: str
    query: str
    status: int
    kind: str
    user: str
    at: float


class EmbeddedBitbucket:
    """A Bitbucket on a port of its own, from `async with` on.

    `url` is the base URL with the context path. `user`, `password` and `token` belong to an account with
    SYS_ADMIN. `requests` is the log, `counts` the number of requests by kind of endpoint, `statuses` by status.
    `faults` may be changed while it runs, and so may the estate. `created_personal_projects` holds the keys that
    somebody asked for and thereby created.
    """

    def __init__(self, estate: Estate, options: ServerOptions | None = None, faults: Sequence[Fault] = ()) -> None:
        self.estate = estate
        self.options = options or ServerOptions()
        self.faults = list(faults)
        self.url = ""
        self.user = self.options.user
        self.password = secrets.token_urlsafe(16)
        self.token = secrets.token_urlsafe(24)
        self.requests: list[Request] = []
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.created_personal_projects: list[str] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        self._changes: list[tuple[int, Callable[[Estate], None]]] = []
        self._began = 0
        self._doorman = Doorman(self.options)
        self._closing = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._endpoints: Endpoints | None = None
        self._rights = Rights(estate)
        self._revision = -1
        self._callers: dict[str | None, Caller | None] = {}
        self._numbers = 0
        self._make_account()

    # --- accounts ---------------------------------------------------------------------------------------------

    def _make_account(self) -> None:
        estate = self.estate
        if estate.user(self.user) is None:
            number = max((user.id for user in estate.users), default=0) + 1
            estate.users.append(User(number, self.user, email=f"{self.user}@example.com"))
        if all(g != Grant(self.user, "SYS_ADMIN") for g in estate.global_users):
            estate.global_users.append(Grant(self.user, "SYS_ADMIN"))
        estate.changed()
        self.add_account(self.user, password=self.password, token=self.token)

    def add_account(self, user: str, *, password: str | None = None, token: str | None = None) -> None:
        """Lets a user of the estate sign in with a password, a token, or both. The rights are the estate's."""
        if password is not None:
            self._doorman.passwords[user.lower()] = password
        if token is not None:
            self._doorman.tokens[token] = user
        self._callers.clear()

    def revoke(self, token: str) -> None:
        """The token is not known from now on."""
        self._doorman.tokens.pop(token, None)
        self._callers.clear()

    def change_at(self, request: int, change: Callable[[Estate], None]) -> None:
        """`change` happens to the estate just before the `request`-th request from now on (the first is 1) is answered.

        Changes that are due at one time happen in the order in which they were given.
        """
        self._changes.append((self._began + request, change))

    @property
    def failed_logins(self) -> Counter[str]:
        """Wrong passwords in a row, by lower-case user name."""
        return self._doorman.failed_logins

    # --- life -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        options = self.options
        await web.TCPSite(self._runner, options.host, options.port, ssl_context=options.tls, backlog=1024).start()
        port = self._runner.addresses[0][1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"http{'s' if options.tls else ''}://{host}:{port}{options.context_path}"
        self._doorman.captcha_url = f"{self.url}/login"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def stats(self) -> dict[str, object]:
        """What was measured: also at `/-/stats` below the context path, for a server that is another process."""
        capacity, bucket = self.options.capacity, self.options.bucket
        return {
            "requests": sum(self.counts.values()),
            "counts": dict(self.counts),
            "statuses": {str(status): n for status, n in self.statuses.items()},
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "served": capacity.served if capacity else 0,
            "busy_seconds": capacity.busy if capacity else 0.0,
            "drawn_seconds": capacity.drawn if capacity else 0.0,
            "undisturbed_seconds": capacity.undisturbed if capacity else 0.0,
            "refused": bucket.refused if bucket else 0,
            "faults": {f"{number} {fault.name}": fault.struck for number, fault in enumerate(self.faults)},
            "created_personal_projects": self.created_personal_projects,
        }

    # --- a request --------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        path = path.removeprefix(self.options.context_path)
        if path == STATS_PATH:
            return web.Response(body=msgspec.json.encode(self.stats()), content_type="application/json")
        at = asyncio.get_running_loop().time()
        self._began += 1
        if self._changes:
            self._change()
        where = route(path, query)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        status, user = 0, ""
        try:
            struck = [f for f in self.faults if f.strikes(where, path)] if self.faults else []
            caller, answer = await self._answer(request, path, where, struck)
            user = caller.user.name if caller is not None else ""
            response = self._response(answer, caller)
            broken = next((f for f in struck if f.name in CONNECTION), None)
            if broken is not None:
                return await self._break(broken, request, response)
            status = answer.status
            return response
        finally:
            self.in_flight -= 1
            self.counts[where.kind] += 1
            self.statuses[status] += 1
            if self.options.log_requests:
                self.requests.append(Request(request.method, path, query, status, where.kind, user, at))

    async def _answer(
        self, request: web.BaseRequest, path: str, where: Route, struck: list[Fault]
    ) -> tuple[Caller | None, Answer]:
        if request.method != "GET":
            return None, Answer(405, b"", {"Allow": "GET"}, None)
        for fault in struck:
            if fault.name == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault.name == "vanished":
                vanish(where, self.estate)
        caller: Caller | None = None
        try:
            caller = self._identify(request, struck)
            self._throttle(request, caller)
            if self.options.capacity is not None:
                await self.options.capacity.serve(where.kind)
            if caller is not None and any(f.name == "lost-right" for f in struck):
                raise not_permitted()
        except RefusedError as refused:
            return caller, refused.answer
        for fault in struck:
            if (instead := replaced(fault, _http_date)) is not None:
                return None if fault.name in ("login-page", "sso-redirect") else caller, instead
        answer = self._current().answer(path, where, caller, shift_of(struck))
        for fault in struck:
            answer = spoiled(fault, answer)
        return caller, answer

    def _change(self) -> None:
        """What was to happen by now does."""
        due = [change for request, change in self._changes if request <= self._began]
        self._changes = [(request, change) for request, change in self._changes if request > self._began]
        for change in due:
            change(self.estate)

    def _current(self) -> Endpoints:
        """The endpoints of the estate as it is now."""
        if self._endpoints is None or self._revision != self.estate.revision:
            self._revision = self.estate.revision
            self._rights = Rights(self.estate)
            self._callers.clear()
            self._endpoints = Endpoints(
                self.estate, self._rights, self.options, self.url, self.created_personal_projects
            )
        return self._endpoints

    def _identify(self, request: web.BaseRequest, struck: list[Fault]) -> Caller | None:
        for fault in struck:
            if fault.name == "forgotten":
                return None
            if fault.name == "revoked":
                raise unknown_token()
            if fault.name == "captcha":
                raise captcha(self._doorman.captcha_url)
        self._current()
        authorization = request.headers.get("Authorization")
        if authorization in self._callers:
            return self._callers[authorization]
        caller = self._doorman.identify(authorization, self.estate, self._rights)
        self._callers[authorization] = caller
        return caller

    def _throttle(self, request: web.BaseRequest, caller: Caller | None) -> None:
        bucket = self.options.bucket
        if bucket is None or caller is None:
            return
        node = bucket.node(request.headers.get("Cookie", "")) if bucket.nodes > 1 else 0
        seconds = bucket.refuses(caller.user.name, node, asyncio.get_running_loop().time())
        if seconds is not None:
            name = "com.atlassian.bitbucket.ratelimit.RateLimitExceededException"
            raise refusal(429, "You have been rate limited.", name, Retry_After=str(seconds))

    def _response(self, answer: Answer, caller: Caller | None) -> web.Response:
        self._numbers += 1
        headers = {**answer.headers, "X-AREQUESTID": f"@1EMBED0x{self._numbers}x{self.in_flight}x0"}
        if caller is not None and not self.options.strip_username_header:
            headers |= caller.headers
        if self.options.cookies:
            bucket = self.options.bucket
            node = self._numbers % bucket.nodes if bucket else 0
            headers["Set-Cookie"] = f"BITBUCKETSESSIONID=node{node}-{self._numbers:x}; Path=/; HttpOnly"
        if answer.content_type is not None:
            headers["Content-Type"] = answer.content_type
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _break(self, fault: Fault, request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        """Lets the connection fail as the fault wants it."""
        transport = request.transport
        if fault.name == "hanging":
            await self._closing.wait()
        if fault.name == "half-body" and isinstance(response.body, bytes):
            partial = web.StreamResponse(status=response.status, headers=response.headers)
            partial.content_length = len(response.body) + 2
            await partial.prepare(request)
            await partial.write(response.body[: len(response.body) // 2 + 1])
            if transport is not None:
                transport.close()
            return partial
        if transport is not None:
            connection = transport.get_extra_info("socket")
            if connection is not None and fault.name != "hanging":
                # closed with a reset, not with a polite end, which a client may take for an idle connection's
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            transport.abort()
        return response


def _http_date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)
