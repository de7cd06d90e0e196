"""An embedded Bitbucket: real HTTP around an estate, with faults where wanted."""

import asyncio
import secrets
import socket
import struct
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

from oaa_bitbucket_async.demo.bitbucket.answers import RefusedError, ServerAnswer, not_permitted
from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.bitbucket.authenticator import Authenticator, Caller, captcha, unknown_token
from oaa_bitbucket_async.demo.bitbucket.endpoints import Endpoints
from oaa_bitbucket_async.demo.bitbucket.faults import CONNECTION, ServerFault
from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.routes import Route, route
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelUser
from oaa_bitbucket_async.demo.rights import Rights

_LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class EmbeddedBitbucket:
    """A Bitbucket on a port of its own, from `async with` on.

    `url` is the base URL with the context path. `user`, `password` and `token` belong to an account with
    SYS_ADMIN. `faults` may be changed while it runs, and so may the estate. `audit` is the audit log; a server that is
    started anew gets that of the one before.

    A subclass can override each step of a request: `handle` does all of it, `admit` lets it in, `answer` finds the
    answer, `response` turns the answer into HTTP, and `done` learns how it ended.
    """

    def __init__(
        self,
        estate: Estate,
        options: ServerOptions | None = None,
        faults: Sequence[ServerFault] = (),
        audit: AuditLog | None = None,
    ) -> None:
        self.estate = estate
        self.audit = audit or AuditLog(estate)
        self.options = options or ServerOptions()
        self.faults = list(faults)
        self.url = ""
        self.user = self.options.user
        self.password = secrets.token_urlsafe(16)
        self.token = secrets.token_urlsafe(24)
        self.in_flight = 0
        self._authenticator = Authenticator(self.options)
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
            estate.users.append(ModelUser(number, self.user, email=f"{self.user}@example.com"))
        if all(g != ModelGrant(self.user, "SYS_ADMIN") for g in estate.global_users):
            estate.global_users.append(ModelGrant(self.user, "SYS_ADMIN"))
        estate.changed()
        self.add_account(self.user, password=self.password, token=self.token)

    def add_account(self, user: str, *, password: str | None = None, token: str | None = None) -> None:
        """Lets a user of the estate sign in with a password, a token, or both. The rights are the estate's."""
        if password is not None:
            self._authenticator.passwords[user.lower()] = password
        if token is not None:
            self._authenticator.tokens[token] = user
        self._callers.clear()

    # --- life -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        server = web.Server(self.handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        options = self.options
        await web.TCPSite(self._runner, options.host, options.port, ssl_context=options.tls, backlog=1024).start()
        port = self._runner.addresses[0][1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"http{'s' if options.tls else ''}://{host}:{port}{options.context_path}"
        self._authenticator.captcha_url = f"{self.url}/login"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- a request --------------------------------------------------------------------------------------------

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request, or breaks its connection."""
        path, _, query = request.raw_path.partition("?")
        path = path.removeprefix(self.options.context_path)
        where = route(path, query)
        self.in_flight += 1
        status, caller = 0, None
        try:
            struck = [f for f in self.faults if f.strikes(where, path)] if self.faults else []
            caller, answer = await self._answer(request, path, where, struck)
            response = self.response(answer, caller)
            broken = next((f for f in struck if f.name in CONNECTION), None)
            if broken is not None:
                return await self._break(broken, request, response)
            status = answer.status
            return response
        finally:
            self.in_flight -= 1
            self.done(request, where, caller, status)

    async def _answer(
        self, request: web.BaseRequest, path: str, where: Route, struck: list[ServerFault]
    ) -> tuple[Caller | None, ServerAnswer]:
        if request.method != "GET":
            return None, ServerAnswer(405, b"", {"Allow": "GET"}, None)
        for fault in struck:
            if fault.name == "slow":
                await asyncio.sleep(fault.seconds)
        caller: Caller | None = None
        try:
            caller = self._identify(request, struck)
            await self.admit(request, where, caller)
            if caller is not None and any(f.name == "lost-right" for f in struck):
                raise not_permitted()
            for fault in struck:
                if (instead := fault.instead()) is not None:
                    return None if fault.name in ("login-page", "sso-redirect") else caller, instead
            answer = self.answer(path, where, caller, struck)
        except RefusedError as refused:
            return caller, refused.answer
        for fault in struck:
            answer = fault.spoiled(answer)
        return caller, answer

    async def admit(self, request: web.BaseRequest, where: Route, caller: Caller | None) -> None:
        """Lets a request in. A subclass may wait here, or raise RefusedError."""

    def answer(self, path: str, where: Route, caller: Caller | None, struck: Sequence[ServerFault]) -> ServerAnswer:
        """The answer, before any of the faults in `struck` spoils it."""
        return self._current().answer(path, where, caller)

    def done(self, request: web.BaseRequest, where: Route, caller: Caller | None, status: int) -> None:
        """Called at the end of each request. `status` is 0 if no answer was sent."""

    def _current(self) -> Endpoints:
        """The endpoints of the estate as it is now."""
        if self._endpoints is None or self._revision != self.estate.revision:
            self._revision = self.estate.revision
            self._rights = Rights(self.estate)
            self._callers.clear()
            self._endpoints = Endpoints(self.estate, self._rights, self.options, self.url, self.audit)
        return self._endpoints

    def _identify(self, request: web.BaseRequest, struck: list[ServerFault]) -> Caller | None:
        for fault in struck:
            if fault.name == "forgotten":
                return None
            if fault.name == "revoked":
                raise unknown_token()
            if fault.name == "captcha":
                raise captcha(self._authenticator.captcha_url)
        self._current()
        authorization = request.headers.get("Authorization")
        if authorization in self._callers:
            return self._callers[authorization]
        caller = self._authenticator.identify(authorization, self.estate, self._rights)
        self._callers[authorization] = caller
        return caller

    def response(self, answer: ServerAnswer, caller: Caller | None) -> web.Response:
        """The answer as HTTP."""
        self._numbers += 1
        headers = {
            **answer.headers,
            "X-AREQUESTID": f"@1EMBED0x{self._numbers}x{self.in_flight}x0",
            "Set-Cookie": f"BITBUCKETSESSIONID={self._numbers:x}; Path=/; HttpOnly",
        }
        if caller is not None:
            headers |= caller.headers
        if answer.content_type is not None:
            headers["Content-Type"] = answer.content_type
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _break(self, fault: ServerFault, request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        """Breaks the connection in the fault's way."""
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
                # a reset: a client may take a normal close for the end of an idle connection
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            transport.abort()
        return response
