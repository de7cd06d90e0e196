"""The embedded Veza, rigged for tests: a log, faults by name, answers word for word, and slow parsing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
from aiohttp import web

from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.demo.veza.assessments import OTHER_SYSTEMS, QUERIES, REPORTS, Assessments, NodeTypes, Query
from oaa_bitbucket_async.demo.veza.refusal import Json, VezaRefusal
from oaa_bitbucket_async.demo.veza.server import as_json
from oaa_bitbucket_async.demo.veza.sources import DataSource, Provider

FaultName = Literal[
    "throttled", "unavailable", "error", "dropped", "hanging", "refused", "rejected", "not-json", "parse-failed"
]
Call = Literal["check", "provider", "data-source", "push", "query", "report", "any"]
"""`provider`, `data-source`, `query` and `report`: looking up and creating; `push`: whole and in parts."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer word for word, in place of what the call would have done."""

    status: int = 200
    body: bytes = b""
    location: str | None = None
    """Where a redirect leads."""
    packed: bool = False
    """`body` is gzip, and the answer says so."""


@dataclass(slots=True)
class VezaFault:
    """`times` more calls of this kind end this way.

    - throttled: 429 with `Retry-After: 1`; unavailable: 503; error: 500; all three as Veza's JSON
    - dropped: the connection is closed after the body was read, before an answer
    - hanging: accepted and never answered
    - refused: 403, as for a key that was revoked; rejected: 400 with details
    - not-json: 200 with an HTML page, as from a proxy
    - parse-failed: taken with 200, and the data source's status ends as PARSE_FAILED
    """

    name: FaultName | Scripted
    times: int = 1
    call: Call = "push"

    def hits(self, call: Call) -> bool:
        """True, and one time less, if it is this call's turn."""
        if self.times > 0 and self.call in (call, "any"):
            self.times -= 1
            return True
        return False


class VezaRequest(NamedTuple):
    """One request as it arrived, and how it was answered (0: not at all)."""

    method: str
    path: str
    status: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """A payload that was taken. `raw` is its JSON, `body` the gzip it came in (None if it came in parts)."""

    provider: str
    data_source: str
    raw: bytes
    body: bytes | None

    def decoded(self) -> Any:
        """The payload."""
        return msgspec.json.decode(self.raw)


class RiggedAssessments(Assessments):
    """Queries and reports that were there before, and a graph that is behind."""

    unparsed = 0
    """For how many queries still Veza does not know yet what was pushed."""

    def add_query(self, definition: Json, *, system: bool = False) -> Query:
        """Saves a query, unasked whether it makes sense; `system` for one that Veza brings along."""
        query = super().add_query(definition)
        if system:
            query.query_type = "SYSTEM_CREATED"
        return query

    def queries_of(self, report_name: str) -> list[str]:
        """The names of a report's queries, in its order."""
        (report,) = (report for report in self.reports.values() if report.name == report_name)
        return [self.queries[query].name for query in report.queries]

    def node_types(self) -> NodeTypes:
        """What a query may name."""
        if self.unparsed:
            self.unparsed -= 1
            return {name: {"name", "is_active"} for name in OTHER_SYSTEMS}
        return super().node_types()


class RiggedVeza(EmbeddedVeza):
    """`requests` is the log, `pushed` all that was taken. `faults` may be changed while it runs.

    `knows` tells whether an identity provider knows an identity.
    """

    def __init__(self, *, api_key: str | None = None, knows: Callable[[str], bool] | None = None) -> None:
        super().__init__()
        self.api_key = api_key or self.api_key
        self.requests: list[VezaRequest] = []
        self.pushed: list[Pushed] = []
        self.faults: list[VezaFault] = []
        self.assessments: RiggedAssessments = RiggedAssessments(
            lambda: {pushed.data_source: pushed.raw for pushed in self.pushed}
        )
        self.on_the_way = ["QUEUED", "PARSING"]
        """What looks at a data source show between a push and its end."""
        self.behind = 0
        """For how many looks a data source still shows what it was before a push."""
        self.tells_times = True
        """Whether data sources say when they were parsed."""
        self._knows = knows
        self._parsing_fails = False

    def fail(self, name: FaultName | Scripted, times: int = 1, call: Call = "push") -> None:
        """The next calls of this kind end so; faults of one kind of call come in the order in which they were added."""
        self.faults.append(VezaFault(name, times, call))

    def last(self, data_source: str) -> Any:
        """What a data source shows: the payload that was pushed to it last."""
        found = [pushed for pushed in self.pushed if pushed.data_source == data_source]
        return found[-1].decoded() if found else None

    # --- a request ----------------------------------------------------------------------------------------------

    async def respond(self, request: web.Request, body: bytes) -> web.StreamResponse | None:
        """Writes the request down, and lets a fault have its turn."""
        position = len(self.requests)
        self.requests.append(VezaRequest(request.method, request.path, 0))
        response = await self._respond(request, body)
        if response is not None:
            self.requests[position] = VezaRequest(request.method, request.path, response.status)
        return response

    async def _respond(self, request: web.Request, body: bytes) -> web.StreamResponse | None:
        call = _call_of(request.path)
        fault = next((fault for fault in self.faults if fault.hits(call)), None)
        if fault is None or request.headers.get("authorization") != f"Bearer {self.api_key}":
            return self._without_times(await super().respond(request, body))
        if isinstance(fault.name, Scripted):
            return _scripted(fault.name)
        match fault.name:
            case "refused":
                return _refuse(403, "PermissionDenied", "the API key was revoked")
            case "rejected":
                return _refuse(400, "InvalidArgument", "invalid payload", ["applications[0]: rejected on purpose"])
            case "throttled":
                response = _refuse(429, "ResourceExhausted", "too many requests")
                response.headers["Retry-After"] = "1"
                return response
            case "unavailable":
                return _refuse(503, "Unavailable", "try again")
            case "error":
                return _refuse(500, "Internal", "something broke")
            case "not-json":
                return web.Response(text="<html>Sign in</html>", content_type="text/html")
            case "dropped":
                return None
            case "hanging":
                await self.ending.wait()
                return None
            case "parse-failed":
                self._parsing_fails = True
                try:
                    return await super().respond(request, body)
                finally:
                    self._parsing_fails = False

    def _without_times(self, response: web.StreamResponse | None) -> web.StreamResponse | None:
        if self.tells_times or not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        content = msgspec.json.decode(response.body)
        for row in [*content.get("values", ()), content.get("value", {})]:
            for time in ("synced_at", "parsed_at"):
                row.pop(time, None)
        response.body = msgspec.json.encode(content)
        return response

    def take(self, provider: Provider, data_source: DataSource, raw: bytes, body: bytes | None) -> Json:
        """Keeps every payload."""
        answer = super().take(provider, data_source, raw, body)
        self.pushed.append(Pushed(provider.name, data_source.name, raw, body))
        self.payloads.clear()  # `pushed` has them: a test may clear it to free the memory
        return answer

    def parse(self, data_source: DataSource) -> None:
        """Parses as slowly, and with the end, that a test wants."""
        last = "PARSE_FAILED" if self._parsing_fails else "SUCCESS"
        data_source.push([data_source.status] * self.behind + [*self.on_the_way, last])

    def knows(self, identity: str) -> bool:
        """Whether an identity provider knows an identity."""
        return super().knows(identity) if self._knows is None else self._knows(identity)


def _call_of(path: str) -> Call:
    """Which kind of call a path is."""
    if path.startswith((QUERIES, REPORTS)):
        return "query" if path.startswith(QUERIES) else "report"
    if path.endswith("/templates"):
        return "check"
    if path.endswith((":push", ":parts")):
        return "push"
    return "data-source" if "/datasources" in path else "provider"


def _refuse(status: int, code: str, message: str, details: list[str] | None = None) -> web.Response:
    return as_json(VezaRefusal(status, code, message, details).body, status)


def _scripted(answer: Scripted) -> web.Response:
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=answer.body, status=answer.status, content_type="application/json", headers=headers)
