"""The report in Veza: saved queries worth having on the first day.

The report is made once and completed later. An existing query of the same name is used as it is, and nothing is ever
changed or removed. oaaclient's `build_report` is not used: it adds nothing to an existing report, and it fails as a
whole if Veza refuses one query or if somebody else's query has no name.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

import msgspec

from oaa_bitbucket_async.errors import UploadError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa import upload
from oaa_bitbucket_async.oaa.answers import CallError, Json
from oaa_bitbucket_async.oaa.client import VezaClient, open_client
from oaa_bitbucket_async.oaa.node_types import NodeTypes
from oaa_bitbucket_async.oaa.retry import RetryPolicy, VezaRefusedError, ask
from oaa_bitbucket_async.settings import Veza

_log = logging.getLogger(__name__)
_TRIES = 4
"""The upload is done already: nothing is lost if this fails."""
_ROUNDS = 12
"""How often refused queries are tried again, `RetryPolicy.poll_every` apart, until Veza may have parsed the upload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """What became of the report. The tuples hold names of queries."""

    outcome: Literal["created", "completed", "unchanged", "failed"]
    name: str = ""
    queries: tuple[str, ...] = ()
    """Of ours, those that the report has now."""
    absent: tuple[str, ...] = ()
    """Not created, because the payload does not have what they look at."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Queries that Veza refused, with its answer."""


class ReportDefinition(msgspec.Struct, frozen=True):
    """The report as it stands in the package."""

    name: str
    queries: list[Json]


def definition() -> ReportDefinition:
    """The report and its queries as the package brings them."""
    text = files("oaa_bitbucket_async.oaa").joinpath("veza_report.json").read_bytes()
    return msgspec.json.decode(text, type=ReportDefinition)


def named_in(query: Json) -> Iterator[tuple[str, frozenset[str]]]:
    """Every node type that a query names, each with the properties of its conditions."""
    for node in _holding("node_type", query):
        conditions = _holding("property", node.get("condition_expression"))
        yield str(node["node_type"]), frozenset(str(condition["property"]) for condition in conditions)


def fits(query: Json, types: NodeTypes) -> bool:
    """True if all that the query names of custom applications is there."""
    return all(
        node_type in types and properties <= types[node_type]
        for node_type, properties in named_in(query)
        if node_type.startswith("OAA.")
    )


async def make_report(
    veza: Veza, types: NodeTypes, *, parsed: bool = False, policy: RetryPolicy | None = None
) -> ReportResult:
    """Makes or completes the report, as far as the queries fit what was uploaded (`types`).

    `parsed`: Veza has parsed the upload. Before that it may not know what the queries name, so that refused ones are
    tried again for a minute.

    Repeating it is harmless. UploadError if the key lacks the rights, or Veza goes on failing or takes no query at all.
    """
    whole = definition()
    wanted = {str(query["name"]): query for query in whole.queries if fits(query, types)}
    absent = tuple(str(query["name"]) for query in whole.queries if query["name"] not in wanted)
    if not wanted:
        raise UploadError("The payload contains nothing that the report's queries look at.")
    with closing(open_client(veza)) as client:
        making = _Making(client, policy or upload.default_policy(at_most=_TRIES))
        try:
            return await making.run(whole.name, wanted, absent, rounds=0 if parsed else _ROUNDS)
        except VezaRefusedError as error:
            if error.status not in (401, 403):
                raise
            raise UploadError(
                error.message,
                "The key lacks the right to saved queries and reports, as team keys do: run once with a personal key, "
                "or give --no-create-report.",
            ) from None


class _Making:
    """One report in the making."""

    def __init__(self, client: VezaClient, policy: RetryPolicy) -> None:
        self._client = client
        self._policy = policy

    async def run(self, name: str, wanted: dict[str, Json], absent: tuple[str, ...], rounds: int) -> ReportResult:
        known, refused = await self._queries(wanted, rounds)
        there = {title: known[title] for title in wanted if title in known}
        refused = {title: reason for title, reason in refused.items() if title not in there}
        if not there:
            raise UploadError(
                f"Veza accepted none of the queries: {next(iter(refused.values()), 'it lists none of them')}"
            )
        found = (await self._ids("the listing of reports", self._client.get_reports)).get(name)
        outcome: Literal["created", "completed", "unchanged"] = "created"
        if found is None:
            whole: Json = {"name": name, "description": name, "queries": [{"query": query} for query in there.values()]}
            await ask(self._client, self._policy, "the report", lambda: self._client.create_report(whole))
        else:
            outcome = "completed" if await self._complete(found, there) else "unchanged"
        absent = tuple(title for title in absent if title not in known)
        return ReportResult(name=name, outcome=outcome, queries=tuple(there), absent=absent, refused=refused)

    async def _queries(self, wanted: dict[str, Json], rounds: int) -> tuple[dict[str, str], dict[str, str]]:
        """Creates the missing queries. Gives the ids of all saved queries, and Veza's answer for refused ones."""
        known = await self._known()
        refused: dict[str, str] = {}
        for round_ in range(rounds + 1):
            lacking = [query for title, query in wanted.items() if title not in known]
            if not lacking:
                break
            if round_ == 1:
                wait = self._policy.poll_every
                _log.info(
                    "Veza: %d queries of the report are refused, maybe until it has parsed the upload; trying again "
                    "for %.0f s",
                    len(lacking),
                    rounds * wait,
                    extra=event(Event.VEZA_RETRY, call="the queries of the report", wait_seconds=wait),
                )
            if round_:
                await self._policy.sleep(self._policy.poll_every)
            refused = await self._create(lacking)
            known = await self._known()  # a query whose answer was lost is among them
        return known, refused

    async def _known(self) -> dict[str, str]:
        """Ids of the saved queries by name. Those that Veza brings along are not ours to use, as oaaclient has it."""
        return await self._ids("the listing of queries", self._client.get_queries)

    async def _ids(self, what: str, listing: Callable[[], object]) -> dict[str, str]:
        """Ids of a listing's rows by name. Rows that lack one of the two are nothing of ours."""

        def rows() -> list[object]:
            found = listing()
            if not isinstance(found, list):
                raise CallError("the answer to a listing has no list in it", passes=True)
            return found

        return {
            str(row["name"]): str(row["id"])
            for row in await ask(self._client, self._policy, what, rows)
            if isinstance(row, dict) and row.get("query_type") != "SYSTEM_CREATED" and row.get("name") and row.get("id")
        }

    async def _create(self, queries: Iterable[Json]) -> dict[str, str]:
        """Creates each; gives the refused ones with Veza's answer. Raises if it is the key that is refused."""
        refused = {}
        for query in queries:
            title = str(query["name"])
            try:
                await self._create_one(title, query)
            except VezaRefusedError as error:
                if error.status in (401, 403):
                    raise
                refused[title] = error.message
            else:
                _log.debug("created the query %r", title)
        return refused

    async def _create_one(self, title: str, query: Json) -> None:
        await ask(self._client, self._policy, f"the query {title!r}", lambda: self._client.create_query(query))

    async def _complete(self, report: str, queries: Mapping[str, str]) -> int:
        """Adds the queries that the report lacks; gives their number."""
        what = "the queries of the report"
        row = await ask(self._client, self._policy, what, lambda: self._client.get_report_by_id(report))
        held = _strings(row.get("queries") if isinstance(row, dict) else None)
        lacking = [(title, query) for title, query in queries.items() if title not in held and query not in held]
        for title, query in lacking:
            await self._add(report, title, query)
        return len(lacking)

    async def _add(self, report: str, title: str, query: str) -> None:
        what = f"the query {title!r} for the report"
        await ask(self._client, self._policy, what, lambda: self._client.add_query_report(report, query))


def _holding(key: str, value: object) -> Iterator[Json]:
    """Every object within that has the key."""
    if isinstance(value, dict):
        if key in value:
            yield value
        for inner in value.values():
            yield from _holding(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _holding(key, inner)


def _strings(value: object) -> set[str]:
    """Every text within: a report tells its queries by id, by name, or as whole objects."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(_strings, inner))
