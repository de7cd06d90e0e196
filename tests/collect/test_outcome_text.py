"""How units end: counted, named, explained; and which part of an instance is wanted at all."""

from itertools import permutations

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, Rejected, RequestProblem
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit
from oaa_bitbucket_async.collect.ledger import Entry, Ledger, Outcome
from oaa_bitbucket_async.collect.outcome_text import entry_of, missing_scopes
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.settings import Scope
from tests.collect.test_snapshot import INSTANCE, PROJECTS, REPOSITORIES

DENIED = Denied("/rest/x", "not permitted", status=401, request_id="@1")
FAULT = Fault("/rest/x", "busy", reason=FaultReason.UNAVAILABLE, status=503, request_id="@2x9")
REJECTED = Rejected("/rest/x", "what?", status=400)
USERS_OF_10 = Unit(kinds.REPOSITORY_USERS, "10")


def snapshot() -> Snapshot:
    found = Snapshot(INSTANCE)
    for project in PROJECTS:
        found.add_project(project)
    for repository in REPOSITORIES:
        found.add_repository(repository)
    return found


def entry(unit: Unit, problem: RequestProblem | None = DENIED) -> Entry:
    return entry_of(unit, snapshot(), problem)


# --- the ledger -----------------------------------------------------------------------------------------------------


def test_an_empty_ledger_is_complete() -> None:
    ledger = Ledger()
    assert ledger.complete
    assert ledger.listings_complete
    assert ledger.missing() == []


def test_only_ok_and_gone_are_complete() -> None:
    for problem, outcome in ((None, Outcome.GONE), (DENIED, Outcome.DENIED), (FAULT, Outcome.FAILED)):
        ledger = Ledger()
        ledger.ok()
        ledger.record(entry(USERS_OF_10, problem))
        assert (ledger.count(Outcome.OK), ledger.count(outcome)) == (1, 1)
        assert ledger.complete is (outcome is Outcome.GONE)
        assert [e.unit for e in ledger.gone()] == ([USERS_OF_10] if outcome is Outcome.GONE else [])


def test_a_second_try_replaces_the_first() -> None:
    ledger = Ledger()
    ledger.record(entry(USERS_OF_10, FAULT))
    ledger.record(entry(USERS_OF_10, DENIED))
    assert (ledger.count(Outcome.FAILED), ledger.count(Outcome.DENIED)) == (0, 1)
    assert [e.outcome for e in ledger.missing()] == [Outcome.DENIED]
    ledger.forget(USERS_OF_10)
    ledger.forget(USERS_OF_10)
    ledger.ok()
    assert ledger.complete
    assert ledger.count(Outcome.DENIED) == 0


def test_what_is_missing_is_told_in_the_same_order_whatever_the_crawl_s() -> None:
    units = [USERS_OF_10, Unit(kinds.REPOSITORY_USERS, "9"), Unit(kinds.USERS), Unit(kinds.PROJECT_USERS, "1")]
    orders = set()
    for order in permutations(units):
        ledger = Ledger()
        for unit in order:
            ledger.record(entry(unit))
        orders.add(tuple(e.unit for e in ledger.missing()))
    assert len(orders) == 1


@pytest.mark.parametrize("kind", list(kinds.ALL))
def test_a_listing_that_is_missing_is_more_than_a_part(kind: AnyKind) -> None:
    ledger = Ledger()
    ledger.record(entry(Unit(kind, "1")))
    assert not ledger.complete
    assert ledger.listings_complete is (not kind.listing)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "what"),
    [
        (Unit(kinds.USERS), "listing of users"),
        (Unit(kinds.MEMBERS, "R&D {0} %s"), "members of group R&D {0} %s"),
        (Unit(kinds.EFFECTIVE, "ADMIN"), "users who hold ADMIN"),
        (Unit(kinds.PROJECT_USERS, "3"), "user permissions of project ~USER6"),
        (Unit(kinds.PROJECT_DEFAULT, "1/PROJECT_READ"), "default permission of project ALPHA (PROJECT_READ)"),
        (Unit(kinds.PROJECT_GROUPS, "99"), "group permissions of project with id 99"),
        (Unit(kinds.REPOSITORY_USERS, "11"), "user permissions of repository BETA/repo1"),
        (Unit(kinds.REPOSITORY_GROUPS, "99"), "group permissions of repository with id 99"),
    ],
)
def test_a_unit_is_named_as_people_know_it(unit: Unit, what: str) -> None:
    assert entry(unit).what == what


@pytest.mark.parametrize("kind", list(kinds.ALL))
@pytest.mark.parametrize(
    ("problem", "outcome"), [(DENIED, Outcome.DENIED), (FAULT, Outcome.FAILED), (REJECTED, Outcome.FAILED)]
)
def test_every_end_says_why_and_what_to_do(kind: AnyKind, problem: RequestProblem, outcome: Outcome) -> None:
    found = entry(Unit(kind, "1"), problem)
    assert (found.outcome, found.reason) == (outcome, str(problem))
    assert found.advice.endswith(".")
    if problem is DENIED:
        assert "Admin" in found.advice
    if problem is FAULT:
        assert "@2x9" in found.advice


def test_a_denied_repository_names_the_right_of_a_repository() -> None:
    assert "Repository admin" in entry(USERS_OF_10).advice
    assert "Project admin" in entry(Unit(kinds.PROJECT_USERS, "1")).advice


def test_what_is_missing_is_marked_by_scope() -> None:
    ledger = Ledger()
    for unit in (
        USERS_OF_10,
        Unit(kinds.PROJECT_DEFAULT, "2/PROJECT_READ"),
        Unit(kinds.MEMBERS, "Zürich"),
        Unit(kinds.EFFECTIVE, "ADMIN"),
        Unit(kinds.USERS),
    ):
        ledger.record(entry(unit, FAULT))
    ledger.record(entry(Unit(kinds.PROJECT_USERS, "3"), None))
    assert missing_scopes(ledger) == {
        Missing("repository", 10),
        Missing("project", 2),
        Missing("group", "zürich"),
        Missing("global", ""),
    }


# --- which part --------------------------------------------------------------------------------------------------


def project(key: str) -> rows.Project:
    return rows.Project(1, key, key)


@pytest.mark.parametrize(
    ("scope", "wanted", "unwanted"),
    [
        (Scope(), ["A", "~ADA", "a"], []),
        (Scope(projects=("A", "team-*")), ["A", "a", "TEAM-X", "Team-"], ["B", "AB", "~A"]),
        (Scope(projects=("[AB]?",)), ["A1", "b2"], ["C1", "A"]),
        (Scope(exclude_projects=("old*",)), ["NEW", "BOLD"], ["OLD", "Older"]),
        (Scope(projects=("A*",), exclude_projects=("AB",)), ["AA"], ["AB", "ab", "B"]),
        (Scope(personal_projects=False), ["A"], ["~ADA"]),
        (Scope(projects=("~*",)), ["~ADA", "~ada.l"], ["ADA"]),
        (Scope(projects=("~*",), personal_projects=False), [], ["~ADA", "A"]),
        (Scope(projects=("~ada",)), ["~ADA"], ["~BOB"]),
    ],
)
def test_projects_by_pattern_whatever_their_case(scope: Scope, wanted: list[str], unwanted: list[str]) -> None:
    decides = ScopeFilter(scope)
    assert [key for key in wanted + unwanted if decides.project(project(key))] == wanted
    for key in wanted + unwanted:
        for archived in (True, False):
            repository = rows.Repository(1, "s", "s", project(key), archived=archived)
            assert decides.repository(repository) is (key in wanted)


def test_archived_repositories_can_be_left_out() -> None:
    decides = ScopeFilter(Scope(archived=False))
    assert decides.project(project("A"))
    assert decides.repository(rows.Repository(1, "s", "s", project("A")))
    assert not decides.repository(rows.Repository(1, "s", "s", project("A"), archived=True))
