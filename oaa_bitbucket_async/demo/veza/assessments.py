"""Saved queries and reports as Veza keeps them: the calls of oaaclient's report builder, with strict checks.

A query may name only what exists: custom applications get their node types and properties from pushed payloads.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from oaa_bitbucket_async.demo.veza.refusal import Json, VezaRefusal, pages
from oaa_bitbucket_async.demo.veza.shape import OaaPayload, OaaResource

QUERIES = "/api/v1/assessments/queries"
REPORTS = "/api/preview/assessments/reports"
_PAGE = 10
"""Rows of a page: few, so that a client has to read several pages."""

OTHER_SYSTEMS = frozenset({"OktaUser", "AzureADUser", "ActiveDirectoryUser"})
_BUILT_IN = {
    "Application": {"name"},
    "User": {"name", "email", "is_active", "created_at", "last_login_at", "user_type"},
    "Group": {"name", "created_at"},
    "Permission": {"name"},
    "AccessCred": {"name", "is_active", "created_at", "expires_at", "last_used_at", "can_expire"},
    "Resource": {"name", "description"},
    "SubResource": {"name", "description"},
}
NodeTypes = Mapping[str, set[str]]
"""The properties that a query may name, by node type."""


@dataclass(slots=True)
class Query:
    """A saved query: its definition as it came in."""

    id: str
    definition: Json
    query_type: str = "SOURCE_TO_DESTINATION"

    @property
    def name(self) -> str:
        """Unique among all queries that have one."""
        return str(self.definition.get("name", ""))

    def row(self) -> Json:
        """As Veza shows it."""
        return {**self.definition, "id": self.id, "query_type": self.query_type}


@dataclass(slots=True)
class Report:
    """A report; `queries` are ids."""

    id: str
    name: str
    description: str = ""
    queries: list[str] = field(default_factory=list)


class Assessments:
    """All queries and reports. `pushed` gives the payloads that came in, by data source."""

    def __init__(self, pushed: Callable[[], Mapping[str, bytes]]) -> None:
        self.queries: dict[str, Query] = {}
        self.reports: dict[str, Report] = {}
        self._pushed = pushed
        self._ids = itertools.count(1)

    def add_query(self, definition: Json) -> Query:
        """Saves a query without checking it."""
        query = Query(f"query-{next(self._ids)}", definition)
        self.queries[query.id] = query
        return query

    def add_report(self, name: str, queries: list[str]) -> Report:
        """Saves a report of these queries."""
        report = Report(f"report-{next(self._ids)}", name, name, queries)
        self.reports[report.id] = report
        return report

    def answer(self, method: str, path: str, page_token: str, data: Json) -> Json:
        """One call; raises Refusal."""
        match method, path.removeprefix("/api/v1/assessments/").removeprefix("/api/preview/assessments/").split("/"):
            case "GET", ["queries"]:
                return pages([query.row() for query in self.queries.values()], page_token, _PAGE)
            case "POST", ["queries"]:
                return {"value": self._create_query(data).row()}
            case "GET", ["reports"]:
                return pages([self._row(report) for report in self.reports.values()], page_token, _PAGE)
            case "POST", ["reports"]:
                return {"value": self._row(self._create_report(data))}
            case "GET", ["reports", report_id]:
                return {"value": self._row(self._report(report_id))}
            case "PUT", ["reports", report_id, "queries", query_id]:
                report = self._report(report_id)
                if query_id not in self.queries:
                    raise VezaRefusal(404, "NotFound", "no such query")
                if query_id not in report.queries:
                    report.queries.append(query_id)
                return {"value": self._row(report)}
        raise VezaRefusal(404, "NotFound", f"no such call: {method} {path}")

    def _create_query(self, data: Json) -> Query:
        name = data.get("name")
        if not isinstance(name, str) or not name.strip():
            raise VezaRefusal(400, "InvalidArgument", "a query needs a name")
        if any(query.name == name for query in self.queries.values()):
            raise VezaRefusal(400, "InvalidArgument", "invalid query", ["A query with this name already exists"])
        wrong = list(_violations(data, self.node_types()))
        if wrong:
            raise VezaRefusal(400, "InvalidArgument", "invalid query", wrong)
        return self.add_query(data)

    def _create_report(self, data: Json) -> Report:
        name, queries = data.get("name"), data.get("queries")
        if not isinstance(name, str) or not name.strip():
            raise VezaRefusal(400, "InvalidArgument", "a report needs a name")
        ids = [str(one.get("query")) for one in queries if isinstance(one, dict)] if isinstance(queries, list) else []
        unknown = [one for one in ids if one not in self.queries]
        if unknown:
            raise VezaRefusal(400, "InvalidArgument", "unknown queries", unknown)
        return self.add_report(name, ids)

    def _report(self, report_id: str) -> Report:
        if report_id not in self.reports:
            raise VezaRefusal(404, "NotFound", "no such report")
        return self.reports[report_id]

    def _row(self, report: Report) -> Json:
        queries = [{"query": query, "name": self.queries[query].name} for query in report.queries]
        return {"id": report.id, "name": report.name, "description": report.description, "queries": queries}

    def node_types(self) -> NodeTypes:
        """What a query may name: parts of other systems, and what was pushed."""
        types: dict[str, set[str]] = {name: {"name", "is_active"} for name in OTHER_SYSTEMS}
        for raw in self._pushed().values():
            for name, properties in _node_types(raw):
                types.setdefault(name, set()).update(properties)
        return types


def _node_types(raw: bytes) -> Iterator[tuple[str, set[str]]]:
    """What a pushed payload brings to Veza's graph."""
    payload = msgspec.json.decode(raw, type=OaaPayload)
    (definition,) = payload.custom_property_definition.applications
    prefix = f"OAA.{definition.application_type}"
    custom = {"Application": definition.application_properties, "Permission": {}}
    (application,) = payload.applications
    if application.local_users:
        custom["User"] = definition.local_user_properties
    if application.local_groups:
        custom["Group"] = definition.local_group_properties
    if application.local_access_creds:
        custom["AccessCred"] = definition.local_access_creds_properties
    for kind, names in custom.items():
        yield f"{prefix}.{kind}", _BUILT_IN[kind] | {f"customprop_{name}" for name in names}
    of_type = {one.resource_type: one.properties for one in definition.resources}
    for resource_type, kind in set(_kinds(application.resources, "Resource")):
        names = of_type.get(resource_type, {})
        yield f"{prefix}.{resource_type}.{kind}", _BUILT_IN[kind] | {f"customprop_{name}" for name in names}


def _kinds(resources: list[OaaResource], kind: str) -> Iterator[tuple[str, str]]:
    for resource in resources:
        yield resource.resource_type, kind
        yield from _kinds(resource.sub_resources, "SubResource")


def _violations(query: Json, types: NodeTypes) -> Iterator[str]:
    if query.get("query_type") != "SOURCE_TO_DESTINATION":
        yield "unknown query_type"
    nodes = list(_nodes(query))
    if not nodes:
        yield "source_node_types has no node"
    for node in nodes:
        name = str(node["node_type"])
        if name not in types:
            yield f"unknown node type {name!r}"
            continue
        for known in re.findall(r'"property":"([^"]*)"', msgspec.json.encode(node).decode()):
            if known not in types[name]:
                yield f"{name} has no property {known!r}"


def _nodes(value: object) -> Iterator[Json]:
    """Everything within that names a node type."""
    if isinstance(value, dict):
        if "node_type" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _nodes(one)
