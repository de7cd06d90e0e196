"""A Veza over TLS that the real oaaclient can talk to: the calls of a push, strict about what it is pushed.

It runs in a thread of its own, so that a blocking client and a test's event loop can both be on the other side.
"""

import asyncio
import base64
import binascii
import gzip
import itertools
import os
import re
import ssl
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
from aiohttp import web

from oaa_bitbucket_async.demo.veza.assessments import QUERIES, REPORTS, Assessments
from oaa_bitbucket_async.demo.veza.check import check_payload, warnings_for
from oaa_bitbucket_async.demo.veza.faults import Call, Fault, FaultName, Scripted
from oaa_bitbucket_async.demo.veza.refusal import Json, Refusal
from oaa_bitbucket_async.demo.veza.sources import DataSource, Provider, Pushed
from oaa_bitbucket_async.errors import ConfigurationError

_HOST = "127.0.0.1"
_NAME = re.compile(r"[ @#$%&*:()!,a-zA-Z0-9_'\"=.-]+")
_MAX_BODY = 100_000_000
_DETAILS = 100
_ROOT = "/api/v1/providers/custom"


class Request(NamedTuple):
    """One request as it arrived, and how it was answered (0: not at all)."""

    method: str
    path: str
    status: int


def _has_at(identity: str) -> bool:
    return "@" in identity


class EmbeddedVeza:
    """`with EmbeddedVeza() as veza:` serves at `veza.url` until the end of the block.

    `knows` tells whether an identity provider knows an identity; who is unknown gets a warning in the answer to a push.
    """

    def __init__(self, *, api_key: str | None = None, knows: Callable[[str], bool] = _has_at) -> None:
        self.api_key = api_key or f"demo-{token_urlsafe(24)}"
        self.url = ""
        self.ca_file = Path()
        """Certificate of the authority that signed ours."""
        self.requests: list[Request] = []
        self.pushed: list[Pushed] = []
        self.providers: dict[str, Provider] = {}
        self.assessments = Assessments(lambda: {pushed.data_source: pushed.raw for pushed in self.pushed})
        self.max_body = _MAX_BODY
        self.on_the_way = ["QUEUED", "PARSING"]
        """What looks at a data source show between a push and its end."""
        self.behind = 0
        """For how many looks a data source still shows what it was before a push."""
        self.tells_times = True
        """Whether data sources created from now on say when they were parsed."""
        self._knows = knows
        self._faults: list[Fault] = []
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._ids = itertools.count(1)
        self._ending = asyncio.Event()
        self._stack = ExitStack()

    # --- for whoever runs it ----------------------------------------------------------------------------

    def fail(self, name: FaultName | Scripted, times: int = 1, call: Call = "push") -> None:
        """The next calls of this kind end so; faults of one kind of call come in the order in which they were added."""
        self._faults.append(Fault(name, times, call))

    def last(self, data_source: str) -> Json | None:
        """What a data source shows: the payload that was pushed to it last."""
        found = [pushed for pushed in self.pushed if pushed.data_source == data_source]
        return found[-1].decoded() if found else None

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """In this block oaaclient accepts our certificate and takes no proxy to us.

        It knows no other way to be told than the process's environment, which is as it was before afterwards.
        """
        names = ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy")
        before = {name: os.environ.get(name) for name in names}
        no_proxy = before["NO_PROXY"] or before["no_proxy"]
        direct = ",".join(filter(None, (no_proxy, _HOST)))
        os.environ.update({"REQUESTS_CA_BUNDLE": str(self.ca_file), "NO_PROXY": direct, "no_proxy": direct})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedded-veza-")))
            tls = self._certificate(folder)
            loop = asyncio.new_event_loop()
            stack.callback(loop.close)
            thread = threading.Thread(target=loop.run_forever, name="embedded-veza", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(loop.call_soon_threadsafe, loop.stop)
            runner = asyncio.run_coroutine_threadsafe(self._start(tls), loop).result()
            stack.callback(lambda: asyncio.run_coroutine_threadsafe(self._end(runner), loop).result())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _certificate(self, folder: Path) -> ssl.SSLContext:
        try:
            import trustme  # only the demo needs it
        except ImportError:
            raise ConfigurationError(
                "The embedded Veza needs the package trustme.", "Install it with: pip install trustme"
            ) from None
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(_HOST).configure_cert(context)
        return context

    async def _start(self, tls: ssl.SSLContext) -> web.AppRunner:
        app = web.Application(client_max_size=4 * _MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, _HOST, 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"https://{_HOST}:{port}"
        return runner

    async def _end(self, runner: web.AppRunner) -> None:
        self._ending.set()
        await runner.cleanup()

    # --- requests ---------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        position = len(self.requests)
        self.requests.append(Request(request.method, request.path, 0))
        response = await self._answer(request, body)
        if response is not None:
            self.requests[position] = Request(request.method, request.path, response.status)
            return response
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # reaches nobody

    async def _answer(self, request: web.Request, body: bytes) -> web.Response | None:
        """None for an answer that never comes."""
        call = _call_of(request.path)
        fault = next((fault for fault in self._faults if fault.hits(call)), None)
        name = None if fault is None or isinstance(fault.name, Scripted) else fault.name
        try:
            if request.headers.get("authorization") != f"Bearer {self.api_key}":
                raise Refusal(401, "Unauthenticated", "invalid API key")
            if fault is not None and isinstance(fault.name, Scripted):
                return _scripted(fault.name)
            match name:
                case "refused":
                    raise Refusal(403, "PermissionDenied", "the API key was revoked")
                case "rejected":
                    raise Refusal(400, "InvalidArgument", "invalid payload", ["applications[0]: rejected on purpose"])
                case "throttled":
                    return _json(Refusal(429, "ResourceExhausted", "too many requests").body, 429, {"Retry-After": "1"})
                case "unavailable":
                    return _json(Refusal(503, "Unavailable", "try again").body, 503)
                case "error":
                    return _json(Refusal(500, "Internal", "something broke").body, 500)
                case "not-json":
                    return web.Response(text="<html>Sign in</html>", content_type="text/html")
                case "dropped":
                    return None
                case "hanging":
                    await self._ending.wait()
                    return None
            if call in ("query", "report"):
                data = _object(body) if request.method == "POST" else {}
                token = request.query.get("page_token", "")
                return _json(self.assessments.answer(request.method, request.path, token, data))
            return _json(self._route(request.method, request.path, request.query.get("filter", ""), body, name))
        except Refusal as refusal:
            return _json(refusal.body, refusal.status)

    def _route(self, method: str, path: str, where: str, body: bytes, fault: FaultName | None) -> Json:
        data = _object(body) if method == "POST" else {}
        match method, path.removeprefix(_ROOT).strip("/").split("/"):
            case "GET", ["templates"]:
                return {"values": [{"name": "application"}, {"name": "identity_provider"}]}
            case "GET", [""]:
                wanted = _filtered(where)
                return {"values": [one.row() for one in self.providers.values() if wanted in (None, one.name)]}
            case "POST", [""]:
                return {"value": self._create_provider(data).row()}
            case "GET", [provider_id, "datasources"]:
                wanted, provider = _filtered(where), self._provider(provider_id)
                return {"values": [one.row() for one in provider.data_sources.values() if wanted in (None, one.name)]}
            case "POST", [provider_id, "datasources"]:
                return {"value": self._create_data_source(self._provider(provider_id), data).row()}
            case "POST", [provider_id, "datasources", target] if target.endswith((":push", ":parts")):
                data_source_id, _, operation = target.rpartition(":")
                provider = self._provider(provider_id)
                if data_source_id not in provider.data_sources:
                    raise Refusal(404, "NotFound", "no such data source")
                data_source = provider.data_sources[data_source_id]
                if operation == "push":
                    return self._push(provider, data_source, data, fault)
                return self._parts(provider, data_source, data, fault)
        raise Refusal(404, "NotFound", f"no such call: {method} {path}")

    # --- what the calls do ------------------------------------------------------------------------------

    def _provider(self, provider_id: str) -> Provider:
        if provider_id not in self.providers:
            raise Refusal(404, "NotFound", "no such provider")
        return self.providers[provider_id]

    def _create_provider(self, data: Json) -> Provider:
        name, template = data.get("name"), data.get("custom_template")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refusal(400, "InvalidArgument", "invalid provider name")
        if template not in ("application", "identity_provider"):
            raise Refusal(400, "InvalidArgument", "unknown template")
        if any(one.name == name for one in self.providers.values()):
            raise Refusal(409, "AlreadyExists", "a provider of this name exists")
        provider = Provider(f"provider-{next(self._ids)}", name, str(template))
        self.providers[provider.id] = provider
        return provider

    def _create_data_source(self, provider: Provider, data: Json) -> DataSource:
        name = data.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refusal(400, "InvalidArgument", "invalid data source name")
        if any(one.name == name for one in provider.data_sources.values()):
            raise Refusal(409, "AlreadyExists", "a data source of this name exists")
        data_source = DataSource(f"datasource-{next(self._ids)}", name, provider.id, self.tells_times)
        provider.data_sources[data_source.id] = data_source
        return data_source

    def _push(self, provider: Provider, data_source: DataSource, data: Json, fault: FaultName | None) -> Json:
        if data.keys() != {"id", "data_source_id", "json_data", "compression_type"}:
            raise Refusal(400, "InvalidArgument", "unknown or missing keys", sorted(data))
        if (data["id"], data["data_source_id"]) != (provider.id, data_source.id):
            raise Refusal(400, "InvalidArgument", "the ids in the body are not those of the path")
        encoded = str(data["json_data"])
        if len(encoded) > self.max_body:
            raise Refusal(413, "InvalidArgument", "the payload is too large")
        body = _decoded(encoded)
        try:
            raw = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            raise Refusal(400, "InvalidArgument", "json_data is not gzip") from None
        return self._take(provider, data_source, raw, body, fault)

    def _parts(self, provider: Provider, data_source: DataSource, data: Json, fault: FaultName | None) -> Json:
        operation = data.get("operation")
        if operation == "start":
            upload_id = f"upload-{next(self._ids)}"
            self._uploads[upload_id] = {}
            return {"upload_id": upload_id}
        parts = self._uploads.get(str(data.get("upload_id")))
        if parts is None:
            raise Refusal(404, "NotFound", "no such upload")
        if operation == "upload" and isinstance(sequence := data.get("sequence_number"), int):
            parts[sequence] = _decoded(str(data.get("data")))
            return {}
        if operation == "complete":
            if sorted(parts) != list(range(1, len(parts) + 1)) or data.get("sequence_count") != len(parts):
                raise Refusal(400, "InvalidArgument", "parts are missing", [str(sorted(parts))])
            raw = b"".join(parts[sequence] for sequence in sorted(parts))
            return self._take(provider, data_source, raw, None, fault)
        raise Refusal(400, "InvalidArgument", f"unknown operation {operation!r}")

    def _take(
        self, provider: Provider, data_source: DataSource, raw: bytes, body: bytes | None, fault: FaultName | None
    ) -> Json:
        violations = check_payload(raw)
        if violations:
            raise Refusal(400, "InvalidArgument", "invalid payload", violations[:_DETAILS])
        self.pushed.append(Pushed(provider.name, data_source.name, raw, body))
        last = "PARSE_FAILED" if fault == "parse-failed" else "SUCCESS"
        data_source.push([*self.on_the_way, last], self.behind)
        return {"warnings": [{"message": message} for message in warnings_for(raw, self._knows)]}


def _call_of(path: str) -> Call:
    """Which kind of call a path is."""
    if path.startswith((QUERIES, REPORTS)):
        return "query" if path.startswith(QUERIES) else "report"
    if path.endswith("/templates"):
        return "check"
    if path.endswith((":push", ":parts")):
        return "push"
    return "data-source" if "/datasources" in path else "provider"


def _filtered(where: str) -> str | None:
    """The name that `name eq "…"` asks for."""
    if not where:
        return None
    found = re.fullmatch(r'name eq "([^"]*)"', where)
    if found is None:
        raise Refusal(400, "InvalidArgument", "invalid filter")
    return found[1]


def _object(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body, type=Json)
    except msgspec.MsgspecError:
        raise Refusal(400, "InvalidArgument", "the body is not a JSON object") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refusal(400, "InvalidArgument", "data is not base64") from None


def _scripted(answer: Scripted) -> web.Response:
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=answer.body, status=answer.status, content_type="application/json", headers=headers)


def _json(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)
