"""What makes an incremental run doubt the audit log, when it loses its trust in it, and what a cascade changes."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oaa_bitbucket_async.demo import changes
from oaa_bitbucket_async.demo.credentials import ModelAccessToken
from oaa_bitbucket_async.run import incremental
from tests.examples import first
from tests.integration.conftest import Sites
from tests.integration.harness import QUICK
from tests.integration.site import (
    HOUR,
    Site,
    everyone_without,
    group_vanishes,
    moved,
    path,
    silent,
    site,
    user_vanishes,
)
from tests.servers import Fault, RiggedOptions
from tests.servers.veza import RiggedVeza

ONCE = replace(QUICK, max_attempts=1)
Act = Callable[[Site], object]
THOROUGH = pytest.mark.thorough


def _no_own_row(here: Site) -> None:
    here.log.losing = lambda happening: happening.what == "audit log searched"


def _anchor_gone(here: Site) -> None:
    here.passes(-7.2)
    changes.look_around(here.estate, random.Random(1), 20)
    here.passes(7.2)
    here.log.forget(what="audit log searched")


def _too_many(here: Site) -> None:
    changes.look_around(here.estate, random.Random(1), 1001)


def _denied(here: Site) -> None:
    here.log.denied.append("Project permission granted")


def _on_and_off(here: Site) -> None:
    here.log.set_coverage("ecosystem", "off")
    here.log.set_coverage("ecosystem", "base")


def _clock_goes_back(here: Site) -> None:
    here.log.clock = lambda: here.date() - 10 * HOUR


def _busy(here: Site) -> None:
    here.server.faults.append(Fault("too-many-searches", match="audit-events"))


DOUBTS: dict[str, tuple[Act, str]] = {
    "own row": (_no_own_row, "did not log our own search"),
    "anchor": (_anchor_gone, "is gone, though older ones are there"),
    "reach": (lambda here: here.log.forget(), "does not reach back to the last run"),
    "too many pages": (_too_many, "more than 1 pages since the last run"),
    "coverage": (lambda here: here.log.coverage.update({"permissions": "off"}), "coverage is off for permissions"),
    "deny list": (_denied, "deny list has 1 actions"),
    "settings": (_on_and_off, "settings were changed since the last run"),
    "node start": (lambda here: changes.start_node(here.estate), "A Bitbucket node started"),
    "clock": (_clock_goes_back, "clock went back"),
    "not read": (_busy, "could not be read this time"),
}


@pytest.mark.parametrize("what", first("node start", of=DOUBTS))
def test_in_doubt_more_is_read_again_once(begun: Sites, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "too many pages":
        monkeypatch.setattr(incremental, "PAGES", 1)
    here = begun(pace=replace(QUICK, max_attempts=2, own_row_waits=(0.001, 0.002)))
    act, words = DOUBTS[what]
    here.passes(7)
    act(here)
    ran = here.incremental()
    assert any(words in said for said in ran.freshness.doubts), ran.freshness
    assert len(here.asked(ran)) == 21, "all of it is older than a quarter of --max-age"
    assert here.is_true(ran)
    here.server.faults.clear()
    here.passes(1)
    assert len(here.asked(here.incremental())) < 5, "even if the doubt stays"


@THOROUGH
def test_without_doubt_so_little_is_read_again(begun: Sites) -> None:
    here = begun()
    here.passes(7)
    ran = here.incremental()
    assert not ran.freshness.doubts
    assert len(here.asked(ran)) < 8


@THOROUGH
def test_a_base_of_a_run_that_read_no_log_is_doubted(veza: RiggedVeza, tmp_path: Path) -> None:
    with site(veza, tmp_path) as here:
        assert here.full().code == 0
        here.passes(7)
        ran = here.incremental()
        assert "a run that did not read the audit log" in ran.freshness.doubts[0]
        assert len(here.asked(ran)) == 21
        here.passes(7)
        assert not here.incremental().freshness.doubts


# --- never ------------------------------------------------------------------------------------------------------------

NEVER: dict[str, tuple[RiggedOptions, list[Fault], bool, str]] = {
    "right": (RiggedOptions(audit_right="SYS_ADMIN"), [], True, "may not read the audit log"),
    "version": (RiggedOptions(version="6.10.0"), [], True, "it exists from 7.0 on"),
    "edition": (RiggedOptions(missing=frozenset({"audit-events"})), [], True, "no audit log that can be read"),
    "licence": (
        RiggedOptions(),
        [Fault("other-answer", match="audit-events", status=400, body=b'{"errors":[{"message":"no licence"}]}')],
        True,
        "refuses to show its audit log",
    ),
    "token": (RiggedOptions(audit_by_token=False), [], False, "may not read the audit log"),
}


@pytest.mark.parametrize("what", first("token", of=NEVER))
def test_a_log_that_can_never_be_read_is_a_fact_and_age_alone_decides(
    veza: RiggedVeza, tmp_path: Path, what: str
) -> None:
    options, faults, basic, words = NEVER[what]
    with site(veza, tmp_path, options=options, faults=faults, basic=basic) as here:
        if what == "right":
            here.estate.global_users = [one._replace(permission="ADMIN") for one in here.estate.global_users]
            here.estate.changed()
        assert here.full().code == 0
        for hours in (7, 7):
            here.passes(hours)
            changes.grant(here.estate, "REPO_ADMIN", here.repository, user=here.server.user)
            ran = here.incremental()
            assert words in (ran.freshness.log_unusable or "")
            assert not ran.freshness.doubts
            assert not ran.freshness.log_read
            assert 3 <= len(here.asked(ran)) <= 10  # 18 answers: six of a project, two of a repository
        here.passes(24.5)
        assert here.is_true(here.incremental())


# --- trust ------------------------------------------------------------------------------------------------------------


@THOROUGH
def test_trust_is_lost_and_regained(begun: Sites) -> None:
    here = begun()
    faithful = here.log.losing
    silent(here)
    for repository in here.estate.repositories[:4]:
        changes.grant(here.estate, "REPO_ADMIN", repository, user=everyone_without(here, repository))
    here.log.losing = faithful
    here.passes(24.5)
    found = here.incremental()
    assert len(found.freshness.unexplained) == 4
    assert not found.freshness.doubts
    for _ in range(3):
        here.passes(8.1)
        ran = here.incremental()
        assert any("trusted again once" in said for said in ran.freshness.doubts)
        assert len(here.asked(ran)) == 21
    here.passes(1)
    assert not here.incremental().freshness.doubts, "a whole round has shown none"


def test_a_full_crawl_finds_what_the_log_did_not_name(begun: Sites) -> None:
    here = begun()
    silent(here)
    changes.grant(here.estate, "REPO_ADMIN", here.repository, user=everyone_without(here, here.repository))
    here.passes(1)
    assert here.full().freshness.unexplained == (path(here.repository),)
    assert not here.incremental().freshness.unexplained, "once"


# --- cascades ---------------------------------------------------------------------------------------------------------


def _seven_days_after_a_user(here: Site) -> None:
    changes.delete_user(here.estate, "holder")
    here.passes(1)
    assert here.incremental().code == 0
    here.passes(7 * 24)
    changes.let_seven_days_pass(here.estate)


def _seven_days_after_a_group(here: Site) -> None:
    changes.delete_group(here.estate, "holders")
    here.passes(1)
    assert here.incremental().code == 0
    here.passes(7 * 24)
    changes.let_seven_days_pass(here.estate)


def _seven_days_in_one_window(here: Site) -> None:
    changes.delete_user(here.estate, "holder")
    here.passes(7 * 24)
    changes.let_seven_days_pass(here.estate)


def _deleted_project(here: Site) -> None:
    changes.delete_project(here.estate, here.project.key)


def _token_of_a_service_user(here: Site) -> None:
    token = ModelAccessToken("77", "deploys", ("REPO_READ",))
    changes.create_token(here.estate, here.repository, token, listed=True)
    changes.create_token(here.estate, here.project, ModelAccessToken("78", "builds", ("PROJECT_READ",)), listed=True)


def _deleted_token(here: Site) -> None:
    _token_of_a_service_user(here)
    assert here.incremental().code == 0
    changes.delete_token(here.estate, here.repository, "77")


def _synchronised(here: Site) -> None:
    changes.synchronise_directory(
        here.estate,
        new_users=["from-ldap"],
        gone_users=["holder"],
        gone_groups=["holders"],
        joined=[(here.estate.groups[0].name, "from-ldap")],
        told=False,
    )


def _revoked_all(here: Site) -> None:
    changes.revoke_all(here.estate, here.project)


CASCADES: dict[str, Act] = {
    "group deleted": group_vanishes,
    "user deleted": user_vanishes,
    "seven days after a user": _seven_days_after_a_user,
    "seven days after a group": _seven_days_after_a_group,
    "a user and the seven days": _seven_days_in_one_window,
    "repository moved": moved,
    "project deleted": _deleted_project,
    "token": _token_of_a_service_user,
    "token deleted": _deleted_token,
    "synchronisation": _synchronised,
    "revoke-all": _revoked_all,
}


@pytest.mark.parametrize("what", first("seven days after a user", "revoke-all", of=CASCADES))
def test_a_cascade_is_in_the_next_upload_and_no_unexplained_change(veza: RiggedVeza, tmp_path: Path, what: str) -> None:
    with site(veza, tmp_path) as here:
        changes.create_user(here.estate, "holder")
        changes.create_group(here.estate, "holders", members=["holder"])
        for place in (here.project, here.repository):
            level = "PROJECT_READ" if place is here.project else "REPO_READ"
            changes.grant(here.estate, level, place, user="holder")
            changes.grant(here.estate, level, place, group="holders")
        assert here.full().code == 0
        here.passes(1)
        assert here.incremental().code == 0
        here.passes(1)
        CASCADES[what](here)
        ran = here.incremental()
        assert not ran.freshness.unexplained
        assert not ran.freshness.doubts
        assert here.is_true(ran)


@THOROUGH
def test_revoke_all_without_a_row_is_found_by_age_and_told(begun: Sites) -> None:
    here = begun()
    project = here.project
    places = (project, *here.estate.repositories_of(project))
    held = {path(place) for place in places if place.user_grants or place.group_grants}
    changes.revoke_all(here.estate, project, told=False)
    found: set[str] = set()
    for _ in range(3):
        here.passes(8)
        ran = here.incremental()
        found |= set(ran.freshness.unexplained)
    assert found == held
    assert here.is_true(ran)
