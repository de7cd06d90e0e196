"""The table of faults: what each does to a run at its beginning, in its middle and at its end.

For every named fault of the embedded Bitbucket: the exit code, whether anything was uploaded, and what it cost.
"""

import re
from dataclasses import dataclass, replace
from itertools import product

import pytest

from oaa_bitbucket_async.bitbucket import client as client_module
from oaa_bitbucket_async.errors import IncompleteError
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Bench, Ran
from tests.servers import FAULTS, Fault, RiggedOptions

PLACES = ("beginning", "middle", "end")
PASSING = (
    "rate-limited", "unavailable", "error", "reset", "half-body", "login-page", "sso-redirect", "not-json", "bad-shape",
    "other-answer",
)  # fmt: skip
MIDDLE = "repository-users"


def placed(name: str, place: str, requests: int, **more: object) -> Fault:
    """A fault that strikes the first request, one in the middle or the last one that carries a login.

    After that one comes a question about public access, asked as nobody.
    """
    first = {"beginning": 0, "middle": requests // 2, "end": requests - 2}[place]
    return Fault(name, first=first, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, "middle") for name in PASSING),
        *product(("reset", "login-page"), ("beginning", "end")),
        *first(of=product(("rate-limited", "unavailable"), ("beginning", "end"))),
    ],
)
def test_a_fault_that_passes_costs_requests_and_nothing_else(bench: Benches, truth: Ran, name: str, place: str) -> None:
    struck = placed(name, place, truth.requests, times=2, retry_after=0)
    ran = bench(faults=[struck]).run()
    assert struck.struck == 2 if place != "end" else struck.struck >= 1
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw
    assert truth.requests < ran.requests <= truth.requests + 2


@pytest.mark.parametrize(
    "name",
    first(
        "unavailable", "reset", "login-page", "not-json", "bad-shape", of=(x for x in PASSING if x != "rate-limited")
    ),
)
def test_a_fault_that_stays_on_one_unit_makes_the_run_incomplete(bench: Benches, truth: Ran, name: str) -> None:
    """A rate limit is the server's and not a unit's, so it is not in this table."""
    made = bench()
    unlucky = made.bitbucket.estate.repositories[7]
    path = f"/projects/{unlucky.project.key}/repos/{unlucky.slug}/permissions/groups"
    made.bitbucket.faults.append(Fault(name, match=re.escape(path), retry_after=0))
    ran = made.run(pace=replace(QUICK, max_attempts=3))
    assert ran.code == 3, ran.error
    assert not ran.pushed
    assert ran.requests == truth.requests + 5, "three attempts, and three in the second round, in place of one"
    assert ran.error is not None
    assert f"group permissions of repository {unlucky.project.key}/{unlucky.slug}" in ran.error.message
    assert "1 parts" in ran.error.message


def test_hanging_costs_one_timeout_each(bench: Benches, truth: Ran) -> None:
    hanging = placed("hanging", "middle", truth.requests, times=3)
    ran = bench(faults=[hanging]).run(pace=replace(QUICK, request_timeout=0.5))
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw
    assert ran.requests == truth.requests + 3


def test_slow_is_only_slow(bench: Benches, truth: Ran) -> None:
    ran = bench(faults=[Fault("slow", match=MIDDLE, times=20, seconds=0.05)]).run()
    assert (ran.code, ran.raw, ran.requests) == (0, truth.raw, truth.requests)


@pytest.mark.parametrize(
    "match", first("admin/users", "/repos", of=["admin/users", "admin/groups", "/projects", "/repos"])
)
def test_stuck_paging_ends_the_listing_and_the_upload(bench: Benches, match: str) -> None:
    ran = bench(faults=[Fault("stuck-paging", match=rf"{match}\?(archived=ALL&)?limit=1000")]).run()
    assert ran.code == 3, ran.error
    assert not ran.pushed
    assert ran.error is not None
    assert "listing of" in ran.error.message


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
@pytest.mark.parametrize("match", ["admin/users", "/repos"])
def test_a_listing_without_an_end_ends_in_a_run_and_in_a_check(
    bench: Benches, check: bool, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_BARREN_PAGES", 20)
    made = bench(faults=[Fault("endless-paging", match=rf"{match}\?(archived=ALL&)?limit=1000")])
    if check:
        with pytest.raises(IncompleteError, match=r"A listing can't be read.*no end"):
            made.check()
        assert len(made.bitbucket.requests) < 120
        return
    ran = made.run()
    assert ran.code == 3, ran.error
    assert not ran.pushed
    assert ran.error is not None
    assert "no end" in ran.error.message


def test_rows_that_vanish_from_a_listing_in_every_pass_are_all_found(bench: Benches, truth: Ran) -> None:
    faults = [
        Fault("shifted-rows", match=rf"/repos\?archived=ALL&limit=1000&start={start}$", first=number, times=1)
        for number, start in enumerate((7, 21, 14))
    ]
    ran = bench(options=RiggedOptions(page_cap=7), faults=faults).run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw


@pytest.mark.parametrize("name", ["duplicate-rows", "shifted-rows"])
def test_rows_that_move_between_pages_are_neither_lost_nor_doubled(bench: Benches, truth: Ran, name: str) -> None:
    ran = bench(options=RiggedOptions(page_cap=7), faults=[Fault(name, match="repositories", times=1)]).run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw


@dataclass(frozen=True)
class Lost:
    """A way to lose the login."""

    name: str
    words: str


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "lost", [Lost("forgotten", "nobody"), Lost("revoked", "login"), Lost("captcha", "CAPTCHA")], ids=lambda x: x.name
)
def test_a_login_lost_stops_everything_at_once(bench: Benches, truth: Ran, lost: Lost, place: str) -> None:
    struck = placed(lost.name, place, truth.requests)
    ran = bench(faults=[struck]).run()
    assert ran.code == 4, ran.error
    assert not ran.pushed
    assert ran.requests <= struck.first + 1 + 256, "what was in flight may end, nothing new may begin"
    if place == "beginning":
        assert ran.requests == 1, "one request, not a lockout"


def test_a_right_lost_on_some_units_names_each_once(bench: Benches) -> None:
    ran = bench(faults=[Fault("lost-right", match=r"/repos/[^/]+/permissions/users", first=3, times=4)]).run()
    assert ran.code == 3
    assert not ran.pushed
    assert ran.error is not None
    assert "4 parts" in ran.error.message
    assert "Admin" in ran.error.advice


def test_allow_partial_uploads_with_what_is_missing_marked(bench: Benches) -> None:
    ran = bench(faults=[Fault("lost-right", match=r"/repos/[^/]+/permissions/users", times=1)]).run(allow_partial=True)
    assert ran.code == 3
    repositories = [
        repository
        for project in ran.payload["applications"][0]["resources"]
        for repository in project.get("sub_resources", [])
    ]
    marked = [r for r in repositories if r["custom_properties"]["collected"] is False]
    assert len(marked) == 1


def test_allow_partial_never_accepts_a_missing_listing(bench: Benches) -> None:
    ran = bench(faults=[Fault("lost-right", match="repositories")]).run(allow_partial=True)
    assert ran.code == 3
    assert not ran.pushed


def test_what_vanishes_while_it_is_asked_for_is_gone_not_missing(bench: Benches) -> None:
    made: Bench = bench(faults=[Fault("vanished", match="repository-users", times=3)])
    ran = made.run()
    assert ran.code == 0, ran.error
    names = {
        repository["id"]
        for project in ran.payload["applications"][0]["resources"]
        for repository in project.get("sub_resources", [])
    }
    assert names == {str(repository.id) for repository in made.bitbucket.estate.repositories}
    assert len(names) == 37


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("unavailable", "beginning"),
        ("rate-limited", "middle"),
        *first(of=[("reset", "middle"), ("reset", "end")]),
    ],
)
def test_without_patience_for_outages_a_fault_that_passes_still_costs_requests_only(
    bench: Benches, truth: Ran, name: str, place: str
) -> None:
    struck = placed(name, place, truth.requests, times=2, retry_after=0)
    ran = bench(faults=[struck]).run(pace=replace(QUICK, max_outage=0.0))
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw


@pytest.mark.usefixtures("short_probe_delays")
@pytest.mark.parametrize("place", PLACES)
def test_a_server_that_goes_down_ends_the_run_as_temporary(bench: Benches, truth: Ran, place: str) -> None:
    ran = bench(faults=[placed("down", place, truth.requests)]).run(pace=replace(QUICK, max_outage=0.3))
    assert ran.code == 75, ran.error
    assert not ran.pushed


def test_an_audit_log_that_others_search_costs_an_incremental_run_its_certainty_only(bench: Benches) -> None:
    """A full run does not need the log. What an incremental run does in doubt, its own tests say."""
    made = bench(faults=[Fault("too-many-searches", match="audit-events")])
    assert (made.run().code, made.bitbucket.faults[0].struck) == (0, 0)
    ran = made.run(incremental=True)
    assert ran.code == 0, ran.error
    assert made.bitbucket.faults[0].struck > 0
    assert any("could not be read this time" in said for said in ran.freshness.doubts), ran.freshness


def test_every_fault_is_in_this_table() -> None:
    covered = {
        *PASSING, "hanging", "slow", "stuck-paging", "endless-paging", "duplicate-rows", "shifted-rows", "forgotten",
        "revoked", "captcha", "lost-right", "vanished", "down", "too-many-searches",
    }  # fmt: skip
    assert covered == set(FAULTS)
