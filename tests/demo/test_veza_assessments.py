"""The embedded Veza's queries and reports: usable by the plain oaaclient, strict about what a query names."""

from collections.abc import Callable, Iterator

import pytest
from oaaclient.client import OAAClient, OAAResponseError
from oaaclient.utils import build_report

from tests.demo.test_veza import application
from tests.servers.veza import RiggedVeza

Json = dict


@pytest.fixture
def server() -> Iterator[RiggedVeza]:
    with RiggedVeza() as server, server.trusted():
        yield server


@pytest.fixture
def client(server: RiggedVeza) -> OAAClient:
    client = OAAClient(url=server.url, api_key=server.api_key)
    app = application()
    app.add_access_cred("of-the-test", "key")
    client.push_application("Provider", "Source", app, create_provider=True)
    return client


def query(title: str, node_type: str = "OAA.Type.User", **condition: object) -> Json:
    node: Json = {"node_type": node_type}
    if condition:
        node["condition_expression"] = {"specs": [{"property": key, "value": to} for key, to in condition.items()]}
    return {"name": title, "query_type": "SOURCE_TO_DESTINATION", "source_node_types": {"nodes": [node]}}


def test_build_report_makes_a_report_of_more_queries_than_a_page_holds(server: RiggedVeza, client: OAAClient) -> None:
    queries = [query(f"Q{n:02}") for n in range(25)]
    build_report(client, {"name": "R", "queries": queries})
    assert server.assessments.queries_of("R") == [one["name"] for one in queries]
    assert len(client.get_queries()) == 25
    build_report(client, {"name": "R", "queries": queries})
    assert (len(server.assessments.queries), len(server.assessments.reports)) == (25, 1)


def test_build_report_adds_nothing_to_a_report_that_exists(server: RiggedVeza, client: OAAClient) -> None:
    """Why the collector completes reports itself: once this fails, it need not any more."""
    build_report(client, {"name": "R", "queries": [query("Q1")]})
    build_report(client, {"name": "R", "queries": [query("Q1"), query("Q2")]})
    assert server.assessments.queries_of("R") == ["Q1"]


def test_a_query_can_be_added_to_a_report(server: RiggedVeza, client: OAAClient) -> None:
    report = build_report(client, {"name": "R", "queries": [query("Q1")]})
    added = client.create_query(query("Q2"))
    for _ in range(2):
        client.add_query_report(report["id"], added["id"])
    assert server.assessments.queries_of("R") == ["Q1", "Q2"]
    assert [one["name"] for one in client.get_report_by_id(report["id"])["queries"]] == ["Q1", "Q2"]


TAKEN = {
    "built-in property": query("Q", is_active=False),
    "custom property": query("Q", customprop_slug="ann"),
    "resource": query("Q", "OAA.Type.Project.Resource", customprop_is_public=True),
    "sub-resource": query("Q", "OAA.Type.Repo.SubResource", description="text"),
    "credential": query("Q", "OAA.Type.AccessCred", can_expire=False),
    "of another system": query("Q", "OktaUser"),
}
REFUSED: dict[str, tuple[Json, str]] = {
    "no name": ({"name": " "}, "needs a name"),
    "name taken": (query("taken"), "already exists"),
    "no query type": (query("Q") | {"query_type": "ANY"}, "query_type"),
    "no node": (query("Q") | {"source_node_types": {"nodes": []}}, "no node"),
    "unknown application": (query("Q", "OAA.Other.User"), "unknown node type"),
    "a level that it is not on": (query("Q", "OAA.Type.Repo.Resource"), "unknown node type"),
    "roles, which nobody pushed": (query("Q", "OAA.Type.Role"), "unknown node type"),
    "undefined property": (query("Q", customprop_nothing=1), "has no property"),
    "custom property without its prefix": (query("Q", slug="ann"), "has no property"),
    "property of another type": (query("Q", "OAA.Type.Group", customprop_slug="x"), "has no property"),
    "within a relation": (
        query("Q") | {"relates_to_exp": {"specs": [{"node_types": {"nodes": [{"node_type": "Nothing"}]}}]}},
        "unknown node type",
    ),
}


@pytest.mark.parametrize("definition", TAKEN.values(), ids=TAKEN)
def test_a_query_that_makes_sense_is_taken(client: OAAClient, definition: Json) -> None:
    assert client.create_query(definition)["id"]


@pytest.mark.parametrize(("definition", "words"), REFUSED.values(), ids=REFUSED)
def test_a_query_that_makes_none_is_refused(client: OAAClient, definition: Json, words: str) -> None:
    client.create_query(query("taken"))
    with pytest.raises(OAAResponseError) as caught:
        client.create_query(definition)
    assert caught.value.status_code == 400
    assert words in f"{caught.value.message} {caught.value.details}"


UNKNOWN: dict[str, Callable[[OAAClient], object]] = {
    "report": lambda client: client.get_report_by_id("nothing"),
    "query for a report": lambda client: client.add_query_report(client.create_report({"name": "R"})["id"], "nothing"),
    "call": lambda client: client.delete_query("nothing"),
}


@pytest.mark.parametrize("call", UNKNOWN.values(), ids=UNKNOWN)
def test_what_there_is_not(client: OAAClient, call: Callable[[OAAClient], object]) -> None:
    with pytest.raises(OAAResponseError) as caught:
        call(client)
    assert caught.value.status_code == 404


def test_a_report_of_queries_that_there_are_not(client: OAAClient) -> None:
    with pytest.raises(OAAResponseError) as caught:
        client.create_report({"name": "R", "queries": [{"query": "nothing"}]})
    assert caught.value.status_code == 400
