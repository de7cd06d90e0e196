"""The report in Veza: when it is made, how it is completed, what goes wrong with it, and that the upload stands."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest

from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, REPO_CREATE
from oaa_bitbucket_async.collect.snapshot import PublicAccess
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.oaa import upload
from oaa_bitbucket_async.oaa.retry import RetryPolicy
from oaa_bitbucket_async.settings import Include, Output
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import Bench, Ran
from tests.servers.veza import FaultName, Scripted

Json = dict[str, Any]
REPORT: Json = json.loads(files("oaa_bitbucket_async.oaa").joinpath("veza_report.json").read_text(encoding="utf-8"))
PREFIX = "OAA.Bitbucket Server."
OURS = [query["name"] for query in REPORT["queries"]]
PLAIN = [query["name"] for query in REPORT["queries"] if "--include" not in query["description"]]
"""Queries for which a run without --include has what they look at."""


@pytest.fixture(autouse=True)
def policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries, and no waiting between them."""

    def short(*, at_most: int | None = None) -> RetryPolicy:
        return RetryPolicy(attempts=2, poll_every=0.0, sleep=lambda _: asyncio.sleep(0))

    monkeypatch.setattr(upload, "default_policy", short)
    monkeypatch.setenv("OAA_API_TIMEOUT", "1")


def ran(bench: Bench, *, create_report: bool | None = None, **changes: Any) -> Ran:
    return bench.run(veza=replace(bench.settings().veza, create_report=create_report), **changes)


def calls(bench: Bench) -> list[tuple[str, str]]:
    """What was asked of queries and reports, with the paths' last words."""
    return [
        (request.method, request.path.partition("/assessments/")[2])
        for request in bench.veza.requests
        if "/assessments/" in request.path
    ]


# --- the queries against a real payload -----------------------------------------------------------------------------


def nodes(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        if "node_type" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from nodes(one)


def defined_by(payload: Json) -> dict[str, dict[str, str]]:
    """The node types of a payload, read from what is in it, with the types of the properties that it defines."""
    (definition,) = payload["custom_property_definition"]["applications"]
    (application,) = payload["applications"]
    assert definition["application_type"] == application["application_type"] == "Bitbucket Server"
    of_type = {one["resource_type"]: one["properties"] for one in definition["resources"]}
    found = {
        "Application": definition.get("application_properties", {}),
        "User": definition["local_user_properties"],
        "Group": definition["local_group_properties"],
        "Permission": {},
    }
    if application["local_access_creds"]:
        found["AccessCred"] = definition["local_access_creds_properties"]
    for project in application["resources"]:
        found[f"{project['resource_type']}.Resource"] = of_type[project["resource_type"]]
        for repository in project.get("sub_resources", []):
            found[f"{repository['resource_type']}.SubResource"] = of_type[repository["resource_type"]]
    return found


@pytest.fixture
def whole(bench: Benches, tmp_path: Path) -> Json:
    """A payload with all that can be collected."""
    file = tmp_path / "whole.json"
    output = Output(progress=False, save_json=file)
    assert bench().run(include=frozenset(Include), dry_run=True, output=output).code == 0
    return json.loads(file.read_bytes())


def test_every_query_asks_for_what_a_payload_has(whole: Json) -> None:
    defined = defined_by(whole)
    built_in = {"User": {"is_active": "BOOLEAN"}}
    kinds: dict[str, object] = {"BOOLEAN": bool, "STRING": str}
    for query in REPORT["queries"]:
        found = list(nodes(query))
        assert any(node["node_type"].startswith(PREFIX) for node in found)
        for node in found:
            if not node["node_type"].startswith(PREFIX):
                assert node["node_type"] in {"OktaUser", "AzureADUser", "ActiveDirectoryUser"}
                continue
            kind = node["node_type"].removeprefix(PREFIX)
            assert kind in defined, query["name"]
            properties = built_in.get(kind, {}) | {f"customprop_{name}": of for name, of in defined[kind].items()}
            for condition in node.get("condition_expression", {}).get("specs", []):
                assert condition["property"] in properties, query["name"]
                assert type(condition["value"]) is kinds[properties[condition["property"]]], query["name"]


def test_every_property_that_a_query_asks_for_is_really_told(whole: Json) -> None:
    """Not only defined: a query on what nothing ever has would always be empty, and look like good news."""
    (application,) = whole["applications"]
    told: dict[str, set[str]] = {
        "Application": set(_custom(application)),
        "User": {name for user in application["local_users"] for name in (*user, *_custom(user))},
        "Group": {name for group in application["local_groups"] for name in _custom(group)},
        "AccessCred": {name for credential in application["local_access_creds"] for name in _custom(credential)},
        "Project.Resource": {name for project in application["resources"] for name in _custom(project)},
        "Repo.SubResource": {
            name
            for project in application["resources"]
            for repository in project.get("sub_resources", [])
            for name in _custom(repository)
        },
    }
    for query in REPORT["queries"]:
        for node in nodes(query):
            for condition in node.get("condition_expression", {}).get("specs", []):
                assert condition["property"] in told[node["node_type"].removeprefix(PREFIX)], query["name"]


def _custom(entity: Json) -> list[str]:
    return [f"customprop_{name}" for name in entity.get("custom_properties", {})]


def test_queries_on_public_things_ask_for_the_switch_and_leave_no_answer_out() -> None:
    for kind in ("Project.Resource", "Repo.SubResource"):
        asked: list[str] = []
        for query in REPORT["queries"]:
            source, *related = nodes(query)
            conditions = source.get("condition_expression", {}).get("specs", [])
            if source["node_type"] == PREFIX + kind and conditions == [
                {"property": "customprop_is_public", "value": True}
            ]:
                (application,) = related
                assert application["node_type"] == PREFIX + "Application"
                specs = application["condition_expression"]["specs"]
                assert {spec["property"] for spec in specs} == {"customprop_public_access"}
                asked += [spec["value"] for spec in specs]
        assert sorted(asked) == sorted(set(get_args(PublicAccess)) - {"none flagged"}), kind


def test_every_permission_that_a_query_asks_for_is_one_of_the_payload(truth: Ran) -> None:
    known = {permission["name"] for permission in truth.payload["permissions"]}
    asked = {name for query in REPORT["queries"] for name in query.get("raw_permissions", {}).get("values", [])}
    assert asked
    assert asked <= known
    (default,) = (query for query in REPORT["queries"] if "default permission" in query["name"])
    (node,) = nodes(default)
    values = [condition["value"] for condition in node["condition_expression"]["specs"]]
    assert set(values) == {*DEFAULT_LEVELS, REPO_CREATE}
    assert node["condition_expression"]["operator"] == "OR"


def test_the_names_are_our_own() -> None:
    assert len(set(OURS)) == len(OURS)
    assert all(name.startswith("Bitbucket Server: ") for name in OURS)
    assert all(query["query_type"] == "SOURCE_TO_DESTINATION" and query["description"] for query in REPORT["queries"])
    assert REPORT["name"] == "Bitbucket Server"
    assert 0 < len(PLAIN) < len(OURS)


# --- when it is made ------------------------------------------------------------------------------------------------


def test_the_run_that_makes_the_provider_makes_the_report_and_the_next_does_nothing(bench: Benches) -> None:
    made = bench()
    assert ran(made).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN
    before = len(made.veza.requests)
    assert ran(made).code == 0
    assert not [request for request in made.veza.requests[before:] if "/assessments/" in request.path]


def test_no_create_report(bench: Benches) -> None:
    made = bench()
    before = len(calls(made))
    assert ran(made, create_report=False).code == 0
    assert made.veza.providers
    assert len(calls(made)) == before


def test_create_report_for_a_provider_that_exists(bench: Benches) -> None:
    made = bench()
    assert ran(made, create_report=False).code == 0
    assert ran(made, create_report=True).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN


def test_a_dry_run_sends_nothing(bench: Benches) -> None:
    made = bench()
    before = len(made.veza.requests)
    assert ran(made, create_report=True, dry_run=True).code == 0
    assert len(made.veza.requests) == before


def test_no_report_of_what_was_not_uploaded(bench: Benches) -> None:
    made = bench()
    before = len(calls(made))
    made.veza.fail("rejected")
    assert ran(made, create_report=True).code == 5
    assert len(calls(made)) == before


def test_push_of_a_file_makes_it_likewise(bench: Benches, tmp_path: Path) -> None:
    made = bench()
    file = tmp_path / "saved.json"
    assert made.run(dry_run=True, output=Output(progress=False, save_json=file)).code == 0
    assert made.push(file, create_report=False) == 0
    assert not made.veza.assessments.reports
    assert made.push(file, create_report=True) == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN


# --- what is there already ------------------------------------------------------------------------------------------


def test_a_report_that_exists_is_completed_and_nobodys_work_is_touched(bench: Benches) -> None:
    made = bench()
    kept = made.veza.assessments
    theirs = kept.add_query({"name": "Theirs", "description": "of somebody"})
    edited = kept.add_query({"name": PLAIN[1], "description": "edited by somebody"})
    orphan = kept.add_query({"name": PLAIN[3], "description": "in no report"})
    report = kept.add_report("Bitbucket Server", [theirs.id, edited.id])
    report.description = "ours now"
    assert ran(made, create_report=True).code == 0
    assert len(kept.reports) == 1
    names = kept.queries_of("Bitbucket Server")
    assert names[:2] == ["Theirs", PLAIN[1]]
    assert sorted(names[2:]) == sorted(set(PLAIN) - {PLAIN[1]})
    assert edited.definition["description"] == "edited by somebody"
    assert orphan.definition["description"] == "in no report"
    assert report.description == "ours now"
    assert orphan.id in report.queries
    before = len(calls(made))
    assert ran(made, create_report=True).code == 0
    assert {method for method, _ in calls(made)[before:]} == {"GET"}, "all of it is there"


def test_a_query_that_veza_refuses_costs_only_itself(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    made.veza.assessments.add_query({"name": PLAIN[2]}, system=True)  # the name is taken, and is not ours to use
    assert ran(made).code == 0
    said = capsys.readouterr().err
    assert made.veza.assessments.queries_of("Bitbucket Server") == [name for name in PLAIN if name != PLAIN[2]]
    assert "a query of the report was left out" in said
    assert PLAIN[2] in said
    assert "already exists" in said


@pytest.mark.parametrize("include", [frozenset(Include), {Include.TOKENS, Include.BRANCH_RESTRICTIONS}])
def test_a_first_run_that_includes_more_asks_for_more(bench: Benches, include: set[Include]) -> None:
    made = bench()
    assert ran(made, include=frozenset(include)).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == OURS


def test_what_is_included_later_is_added_when_asked_for(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    assert ran(made).code == 0
    assert ran(made, include=frozenset(Include)).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN
    assert ran(made, include=frozenset(Include), create_report=True).code == 0
    names = made.veza.assessments.queries_of("Bitbucket Server")
    assert names[: len(PLAIN)] == PLAIN
    assert sorted(names) == sorted(OURS)
    capsys.readouterr()
    assert ran(made, create_report=True).code == 0
    assert f"veza report: unchanged: Bitbucket Server, {len(PLAIN)} queries\n" in capsys.readouterr().err


def test_credentials_of_which_there_are_none_are_not_asked_for(bench: Benches) -> None:
    nobody = EstateShape(users=0, groups=0, projects=0, repositories=0, personal_projects=0, seed=1)
    made = bench(estate=generate(nobody))
    ended = ran(made, include=frozenset({Include.GPG_KEYS}))
    assert ended.code == 0, ended.error
    assert not ended.payload["applications"][0]["local_access_creds"]
    assert not [name for name in made.veza.assessments.queries_of("Bitbucket Server") if "credentials" in name]


def test_queries_on_what_veza_has_not_parsed_yet_are_tried_again(bench: Benches) -> None:
    made = bench()
    made.veza.assessments.unparsed = 2 * len(PLAIN) + 3
    assert ran(made).code == 0
    assert sorted(made.veza.assessments.queries_of("Bitbucket Server")) == sorted(PLAIN)
    assert made.veza.assessments.unparsed == 0


def test_once_veza_has_parsed_it_a_refused_query_is_not_tried_again(bench: Benches) -> None:
    made = bench()
    made.veza.assessments.unparsed = 10_000
    before = len(calls(made))
    assert made.run(veza=replace(made.settings().veza, wait=True)).code == 0
    made.veza.assessments.unparsed = 0
    assert calls(made)[before:].count(("POST", "queries")) == len(PLAIN)


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["query", "report"])
def test_a_key_without_the_right_is_a_warning_that_says_what_to_do(
    bench: Benches, capsys: pytest.CaptureFixture[str], call: Any
) -> None:
    made = bench()
    made.veza.fail("refused", 100, call)
    ended = ran(made)
    said = capsys.readouterr().err
    assert (ended.code, len(ended.pushed)) == (0, 1)
    assert "veza report: failed" in said
    assert "with a personal key" in said
    assert made.veza.api_key not in said
    assert not list(made.state.glob("*.json.gz")), "nothing is kept: the upload is done"
    assert not list(made.state.glob("*.journal*"))


def test_a_key_without_the_right_is_not_tried_query_by_query(bench: Benches) -> None:
    made = bench()
    made.veza.fail("refused", 100, "query")
    before = len(calls(made))
    assert ran(made).code == 0
    assert calls(made)[before:] == [("GET", "queries")]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("throttled", "query"),
        ("dropped", "report"),
        ("not-json", "query"),
        *first(of=[("unavailable", "report"), ("error", "query"), ("hanging", "report")]),
    ],
)
def test_a_fault_that_passes_is_survived(bench: Benches, call: Any, name: FaultName) -> None:
    made = bench()
    made.veza.fail(name, 1, call)
    assert ran(made).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN
    assert len(made.veza.assessments.queries) == len(PLAIN)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("unavailable", "query"),
        ("not-json", "report"),
        *first(of=[("error", "report"), ("rejected", "query")]),
    ],
)
def test_a_fault_that_lasts_is_a_warning(
    bench: Benches, capsys: pytest.CaptureFixture[str], call: Any, name: FaultName
) -> None:
    made = bench()
    made.veza.fail(name, 100, call)
    ended = ran(made)
    said = capsys.readouterr().err
    assert (ended.code, len(ended.pushed)) == (0, 1)
    assert "the report in Veza was not created" in said
    assert "A later run with --create-report creates the report" in said
    made.veza.faults.clear()
    assert ran(made, create_report=True).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN


def test_a_query_of_somebody_elses_without_a_name_costs_nothing(bench: Benches) -> None:
    made = bench()
    made.veza.assessments.add_query({"description": "nameless"})
    assert ran(made).code == 0
    assert made.veza.assessments.queries_of("Bitbucket Server") == PLAIN


def test_an_odd_answer_after_the_upload_is_at_most_a_warning(
    bench: Benches, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table of them is in tests/oaa."""
    made = bench()
    made.veza.fail(Scripted(200, b'{"values": [null, 5, {"name": null, "id": {}}]}'), 1000, "query")
    ended = ran(made)
    assert (ended.code, len(ended.pushed)) == (0, 1), ended.error
    assert "the report in Veza was not created" in capsys.readouterr().err
    assert not list(made.state.glob("*.json.gz"))


@pytest.mark.parametrize("projects", [True, False])
def test_queries_on_what_the_instance_does_not_have_are_not_made(bench: Benches, projects: bool) -> None:
    """Veza would refuse them, and it would be waited for a minute that it takes them."""
    estate = generate(EstateShape(users=5, groups=2, projects=1, repositories=0, personal_projects=0, seed=1))
    if not projects:
        estate.projects.clear()
    made = bench(estate=estate)
    before = len(calls(made))
    assert ran(made).code == 0
    names = made.veza.assessments.queries_of("Bitbucket Server")
    asked_for = {
        query["name"]: {node["node_type"] for node in nodes(query)}
        for query in REPORT["queries"]
        if query["name"] in PLAIN
    }
    absent = {f"{PREFIX}Repo.SubResource"} | (set() if projects else {f"{PREFIX}Project.Resource"})
    assert names == [name for name in PLAIN if absent.isdisjoint(asked_for[name])]
    assert calls(made)[before:].count(("POST", "queries")) == len(names)


def test_every_fault_is_in_this_table() -> None:
    passing = {"throttled", "unavailable", "error", "dropped", "not-json", "hanging"}
    assert {*passing, "refused", "rejected", "parse-failed"} == set(get_args(FaultName))
