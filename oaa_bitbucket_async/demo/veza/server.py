"""A Veza over TLS for the real oaaclient: it has the calls of a push, and checks each payload strictly.

It runs in a thread of its own, so that a blocking client can talk to it, and one in an event loop.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from oaa_bitbucket_async.demo.veza.assessments import QUERIES, REPORTS, Assessments
from oaa_bitbucket_async.demo.veza.check import check_payload, warnings_for
from oaa_bitbucket_async.demo.veza.refusal import Json, VezaRefusal
from oaa_bitbucket_async.demo.veza.sources import DataSource, Provider
from oaa_bitbucket_async.errors import ConfigurationError

_HOST = "127.0.0.1"
_NAME = re.compile(r"[ @#$%&*:()!,a-zA-Z0-9_'\"=.-]+")
_DETAILS = 100
_ROOT = "/api/v1/providers/custom"


class EmbeddedVeza:
    """`with EmbeddedVeza() as veza:` serves at `veza.url` until the end of the block.

    A subclass can change each step: `respond` is all of a request, `take` keeps a payload, `parse` begins to parse it.
    """

    max_body = 100_000_000

    def __init__(self, *, port: int = 0) -> None:
        self._port = port
        self.api_key = f"demo-{token_urlsafe(24)}"
        self.url = ""
        self.ca_file = Path()
        """Certificate of the authority that signed ours."""
        self.payloads: dict[str, bytes] = {}
        """What was pushed last, as JSON, by data source."""
        self.providers: dict[str, Provider] = {}
        self.assessments = Assessments(lambda: self.payloads)
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._ids = itertools.count(1)
        self.ending = asyncio.Event()
        """Set when the server ends."""
        self._stack = ExitStack()

    # --- for whoever runs it ----------------------------------------------------------------------------

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """In this block oaaclient accepts our certificate and uses no proxy.

        oaaclient reads both from the environment. After the block the environment is as before.
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
        app = web.Application(client_max_size=4 * self.max_body)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, _HOST, self._port, ssl_context=tls)
        try:
            await site.start()
        except OSError:  # the port is taken
            await runner.cleanup()
            raise
        port = runner.addresses[0][1]
        self.url = f"https://{_HOST}:{port}"
        return runner

    async def _end(self, runner: web.AppRunner) -> None:
        self.ending.set()
        await runner.cleanup()

    # --- requests ---------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        response = await self.respond(request, await request.read())
        if response is not None:
            return response
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # reaches nobody

    async def respond(self, request: web.Request, body: bytes) -> web.StreamResponse | None:
        """The answer. None: the connection ends without one."""
        try:
            if request.headers.get("authorization") != f"Bearer {self.api_key}":
                raise VezaRefusal(401, "Unauthenticated", "invalid API key")
            if request.path.startswith((QUERIES, REPORTS)):
                data = _object(body) if request.method == "POST" else {}
                token = request.query.get("page_token", "")
                return as_json(self.assessments.answer(request.method, request.path, token, data))
            return as_json(self._route(request.method, request.path, request.query.get("filter", ""), body))
        except VezaRefusal as refusal:
            return as_json(refusal.body, refusal.status)

    def _route(self, method: str, path: str, where: str, body: bytes) -> Json:
        data = _object(body) if method == "POST" else {}
        match method, path.removeprefix(_ROOT).strip("/").split("/"):
            case "GET", ["templates"]:
                return {"values": [{"name": "application"}, {"name": "identity_provider"}]}
            case "GET", [""]:
                wanted = _filtered(where)
                return {"values": [one.row() for one in self.providers.values() if wanted in (None, one.name)]}
            case "POST", [""]:
                return {"value": self.create_provider(data).row()}
            case "GET", [provider_id, "datasources"]:
                wanted, provider = _filtered(where), self._provider(provider_id)
                return {"values": [one.row() for one in provider.data_sources.values() if wanted in (None, one.name)]}
            case "POST", [provider_id, "datasources"]:
                return {"value": self._create_data_source(self._provider(provider_id), data).row()}
            case "POST", [provider_id, "datasources", target] if target.endswith((":push", ":parts")):
                data_source_id, _, operation = target.rpartition(":")
                provider = self._provider(provider_id)
                if data_source_id not in provider.data_sources:
                    raise VezaRefusal(404, "NotFound", "no such data source")
                data_source = provider.data_sources[data_source_id]
                if operation == "push":
                    return self._push(provider, data_source, data)
                return self._parts(provider, data_source, data)
        raise VezaRefusal(404, "NotFound", f"no such call: {method} {path}")

    # --- what the calls do ------------------------------------------------------------------------------

    def _provider(self, provider_id: str) -> Provider:
        if provider_id not in self.providers:
            raise VezaRefusal(404, "NotFound", "no such provider")
        return self.providers[provider_id]

    def create_provider(self, data: Json) -> Provider:
        """A new custom provider. Raises Refusal."""
        name, template = data.get("name"), data.get("custom_template")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise VezaRefusal(400, "InvalidArgument", "invalid provider name")
        if template not in ("application", "identity_provider"):
            raise VezaRefusal(400, "InvalidArgument", "unknown template")
        if any(one.name == name for one in self.providers.values()):
            raise VezaRefusal(409, "AlreadyExists", "a provider of this name exists")
        provider = Provider(f"provider-{next(self._ids)}", name, str(template))
        self.providers[provider.id] = provider
        return provider

    def _create_data_source(self, provider: Provider, data: Json) -> DataSource:
        name = data.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise VezaRefusal(400, "InvalidArgument", "invalid data source name")
        if any(one.name == name for one in provider.data_sources.values()):
            raise VezaRefusal(409, "AlreadyExists", "a data source of this name exists")
        data_source = DataSource(f"datasource-{next(self._ids)}", name, provider.id)
        provider.data_sources[data_source.id] = data_source
        return data_source

    def _push(self, provider: Provider, data_source: DataSource, data: Json) -> Json:
        if data.keys() != {"id", "data_source_id", "json_data", "compression_type"}:
            raise VezaRefusal(400, "InvalidArgument", "unknown or missing keys", sorted(data))
        if (data["id"], data["data_source_id"]) != (provider.id, data_source.id):
            raise VezaRefusal(400, "InvalidArgument", "the ids in the body are not those of the path")
        encoded = str(data["json_data"])
        if len(encoded) > self.max_body:
            raise VezaRefusal(413, "InvalidArgument", "the payload is too large")
        body = _decoded(encoded)
        try:
            raw = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            raise VezaRefusal(400, "InvalidArgument", "json_data is not gzip") from None
        return self.take(provider, data_source, raw, body)

    def _parts(self, provider: Provider, data_source: DataSource, data: Json) -> Json:
        operation = data.get("operation")
        if operation == "start":
            upload_id = f"upload-{next(self._ids)}"
            self._uploads[upload_id] = {}
            return {"upload_id": upload_id}
        parts = self._uploads.get(str(data.get("upload_id")))
        if parts is None:
            raise VezaRefusal(404, "NotFound", "no such upload")
        if operation == "upload" and isinstance(sequence := data.get("sequence_number"), int):
            parts[sequence] = _decoded(str(data.get("data")))
            return {}
        if operation == "complete":
            if sorted(parts) != list(range(1, len(parts) + 1)) or data.get("sequence_count") != len(parts):
                raise VezaRefusal(400, "InvalidArgument", "parts are missing", [str(sorted(parts))])
            raw = b"".join(parts[sequence] for sequence in sorted(parts))
            return self.take(provider, data_source, raw, None)
        raise VezaRefusal(400, "InvalidArgument", f"unknown operation {operation!r}")

    def take(self, provider: Provider, data_source: DataSource, raw: bytes, body: bytes | None) -> Json:
        """Keeps a payload. `raw` is its JSON, `body` the gzip it came in (None if it came in parts). Raises Refusal."""
        violations = check_payload(raw)
        if violations:
            raise VezaRefusal(400, "InvalidArgument", "invalid payload", violations[:_DETAILS])
        self.payloads[data_source.name] = raw
        self.parse(data_source)
        return {"warnings": [{"message": message} for message in warnings_for(raw, self.knows)]}

    def parse(self, data_source: DataSource) -> None:
        """Begins to parse what was pushed."""
        data_source.push(["QUEUED", "PARSING", "SUCCESS"])

    def knows(self, identity: str) -> bool:
        """Whether an identity provider knows an identity. The answer to a push warns of those that none knows."""
        return "@" in identity


def _filtered(where: str) -> str | None:
    """The name that `name eq "…"` asks for."""
    if not where:
        return None
    found = re.fullmatch(r'name eq "([^"]*)"', where)
    if found is None:
        raise VezaRefusal(400, "InvalidArgument", "invalid filter")
    return found[1]


def _object(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body, type=Json)
    except msgspec.MsgspecError:
        raise VezaRefusal(400, "InvalidArgument", "the body is not a JSON object") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise VezaRefusal(400, "InvalidArgument", "data is not base64") from None


def as_json(body: Json, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
