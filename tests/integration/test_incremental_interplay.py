"""Incremental runs together with everything else that a run can be told."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oaa_bitbucket_async.demo import changes
from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import ModelGrant
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Include, Login, Output, Scope, State
from tests.integration.conftest import Sites
from tests.integration.harness import QUICK, Ran
from tests.integration.site import TINY, Site, everyone_without, path
from tests.servers import Fault
from tests.servers.veza import RiggedVeza

ONCE = replace(QUICK, max_attempts=1)


@pytest.fixture
def begun(open_site: Sites) -> Sites:
    """A site with the base of a full run."""

    def make(**options: Any) -> Site:
        here = open_site(**options)
        assert here.full().code == 0
        return here

    return make


def change(here: Site, place: Any = None) -> None:
    place = place or here.repository
    level = "REPO_ADMIN" if place is not here.project else "PROJECT_ADMIN"
    changes.grant(here.estate, level, place, user=everyone_without(here, place))


def was_full(ran: Ran) -> bool:
    return not ran.freshness.incremental


def test_a_refusal_because_too_much_is_removed_leaves_the_old_base(begun: Sites) -> None:
    here = begun()
    assert here.incremental().code == 0
    before = here.paths.base.read_bytes()
    kept = here.estate.repositories
    changes.revoke_all(here.estate, here.project)
    ran = here.incremental(max_removed=1.0)
    assert (ran.code, ran.raw) == (3, [])
    assert here.paths.base.read_bytes() == before
    assert not here.paths.journal.exists(), "the next run asks again"
    assert here.estate.repositories == kept
    ran = here.incremental(max_removed=None)
    assert not was_full(ran)
    assert here.is_true(ran)


@pytest.mark.thorough
def test_without_an_upload_there_is_no_new_base(begun: Sites, veza: RiggedVeza) -> None:
    here = begun()
    before = here.paths.base.read_bytes()
    change(here)
    veza.fail("refused")
    assert here.incremental().code == 5
    assert here.paths.base.read_bytes() == before
    assert here.is_true(here.incremental())


@pytest.mark.thorough
def test_what_include_adds_is_named_or_listed_or_found_by_age(begun: Sites) -> None:
    here = begun(include=frozenset(Include), basic=False, estate=generate(TINY))
    assert here.incremental().code == 0
    changes.random_changes(here.estate, random.Random(3), 30)
    ran = here.incremental()
    assert not was_full(ran)
    assert here.is_true(ran)


@pytest.mark.thorough
def test_what_include_adds_has_a_base_of_its_own(begun: Sites) -> None:
    here = begun()
    ran = here.incremental(include=frozenset({Include.TOKENS}), basic=False)
    assert was_full(ran)
    assert ran.freshness.full_because is not None


def test_a_part_of_the_instance_has_a_base_of_its_own(begun: Sites) -> None:
    here = begun()
    part = Scope(projects=(here.project.key,))
    first = here.incremental(scope=part)
    assert was_full(first)
    outside = next(r for r in here.estate.repositories if r.project is not here.project)
    change(here)
    change(here, outside)
    second = here.incremental(scope=part)
    assert not was_full(second)
    assert path(here.repository) in here.asked(second)
    assert path(outside) not in here.asked(second)
    assert here.is_true(second, scope=part)
    whole = here.incremental()
    assert not was_full(whole)
    assert path(outside) in here.asked(whole)


def test_a_partial_upload_is_a_base_and_what_it_lacks_is_asked_each_time(begun: Sites) -> None:
    here = begun()
    for kind in ("users", "groups"):
        match = f"/repos/{here.repository.slug}/permissions/{kind}"
        here.server.faults.append(Fault("lost-right" if kind == "users" else "error", match=match))
    here.passes(25)
    for _ in range(2):
        before = here.paths.base.stat().st_mtime_ns
        ran = here.incremental(allow_partial=True, pace=ONCE)
        assert ran.code == 3
        assert len(ran.raw) == 1
        assert here.paths.base.stat().st_mtime_ns != before, "it is the new base"
        assert here.paths.journal.exists()
        assert path(here.repository) in here.asked(ran)
    here.server.faults.clear()
    ran = here.incremental()
    assert not was_full(ran)
    assert path(here.repository) in here.asked(ran)
    assert here.is_true(ran)
    assert not here.paths.journal.exists()


def test_a_dry_run_uses_a_base_and_leaves_none(begun: Sites, tmp_path: Path) -> None:
    here = begun()
    assert here.incremental().code == 0
    before = here.paths.base.read_bytes()
    change(here)
    saved = tmp_path / "payload.json"
    ran = here.incremental(dry_run=True, output=Output(progress=False, save_json=saved))
    assert (ran.code, ran.raw) == (0, [])
    assert not was_full(ran)
    assert path(here.repository) in here.asked(ran)
    assert here.paths.base.read_bytes() == before
    assert not here.paths.journal.exists()
    assert here.bench.neutral(saved.read_bytes()) == here.truth().raw[0]
    here.paths.base.unlink()
    assert was_full(here.incremental(dry_run=True))
    assert not here.paths.base.exists()


def test_a_push_in_between_changes_nothing_for_the_next_run(begun: Sites, tmp_path: Path, veza: RiggedVeza) -> None:
    here = begun()
    assert here.incremental().code == 0
    saved = tmp_path / "older.json"
    assert here.full(dry_run=True, output=Output(progress=False, save_json=saved)).code == 0
    change(here)
    assert here.bench.push(saved, compares=True) == 0
    ran = here.incremental()
    assert not was_full(ran)
    assert here.is_true(ran)
    pushes = len(veza.pushed)
    assert here.bench.push(saved, compares=True) == 0
    ran = here.incremental()
    assert len(veza.pushed) == pushes + 2, "what another has put there is replaced though nothing changed"
    assert here.is_true(ran)


def test_no_keep_last_leaves_no_base_and_deletes_one(begun: Sites) -> None:
    here = begun()
    forgetful = State(directory=here.bench.state, keep_last=False)
    ran = here.incremental(state=forgetful)
    assert not was_full(ran)
    assert here.is_true(ran)
    assert not here.paths.base.exists()
    assert was_full(here.incremental(state=forgetful))
    assert not here.paths.base.exists()


@pytest.mark.thorough
def test_two_data_sources_of_one_instance_have_bases_of_their_own(begun: Sites) -> None:
    here = begun()
    assert here.incremental().code == 0
    other = replace(here.bench.settings().veza, data_source_name="bitbucket-server - other")
    assert was_full(here.incremental(veza=other))
    change(here)
    for veza in (other, here.bench.settings().veza):
        ran = here.incremental(veza=veza)
        assert not was_full(ran)
        assert path(here.repository) in here.asked(ran)


def test_another_version_of_bitbucket_is_asked_for_everything(begun: Sites) -> None:
    here = begun()
    here.server.options = replace(here.server.options, version="9.5.0")
    here.estate.changed()
    ran = here.incremental()
    assert was_full(ran)
    assert "other settings (server_version)" in (ran.freshness.full_because or "")
    assert not was_full(here.incremental())


def test_another_login_is_asked_for_everything(begun: Sites) -> None:
    here = begun(basic=False)
    name = next(u.name for u in here.estate.users if u.active and not u.deleted and u.name != here.server.user)
    here.estate.global_users.append(ModelGrant(name, "SYS_ADMIN"))
    here.estate.changed()
    here.server.add_account(name, token="another token")
    ran = here.incremental(login=Login(secret=Secret("another token")))
    assert was_full(ran)
    assert "other settings (user)" in (ran.freshness.full_because or "")
