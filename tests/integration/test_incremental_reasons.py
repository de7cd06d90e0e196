"""What an incremental run asks again, each reason by a change that gives no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oaa_bitbucket_async.collect.incremental.plan import Reason
from oaa_bitbucket_async.demo import changes
from oaa_bitbucket_async.demo.model import ModelGrant
from tests.examples import first
from tests.integration.conftest import Sites
from tests.integration.harness import QUICK, Ran
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
from tests.servers import Fault
from tests.servers.veza import RiggedVeza

ONCE = replace(QUICK, max_attempts=1)
Act = Callable[[Site], object]
THOROUGH = pytest.mark.thorough


def by(ran: Ran) -> set[Reason]:
    """For which reasons something was asked again, but for age: a little always is."""
    return {reason for reason, number in ran.freshness.renewed.items() if number} - {Reason.AGE}


def test_what_the_log_names(begun: Sites) -> None:
    here = begun()
    changes.grant(here.estate, "REPO_ADMIN", here.repository, group=here.estate.groups[-1].name)
    ran = here.incremental()
    asked = here.asked(ran)
    assert path(here.repository) in asked
    assert len(asked) <= 2, "and one because of its age"
    assert by(ran) == {Reason.NAMED}
    assert (ran.freshness.named_changes, ran.freshness.unexplained) == (1, ())
    assert here.is_true(ran)
    assert not by(here.incremental()), "what was seen is no reason again, and neither is what was read since"


def _new_repository(here: Site) -> list[str]:
    new = changes.create_repository(here.estate, here.project.key, "brand-new")
    new.group_grants.append(ModelGrant(here.estate.groups[0].name, "REPO_WRITE"))
    return [path(new)]


def _new_project(here: Site) -> list[str]:
    return [changes.create_project(here.estate, "NEWKEY", creator=here.server.user).key]


def _renamed(here: Site) -> list[str]:
    repository = here.repository
    changes.move_repository(here.estate, here.project.key, repository.slug, to_slug="renamed")
    return [path(repository)]


def _renamed_project(here: Site) -> list[str]:
    project = here.project
    changes.rename_project(here.estate, project.key, "RENAMED")
    return [project.key, *map(path, here.estate.repositories_of(project))]


def _public(here: Site) -> list[str]:
    changes.set_public(here.estate, here.repository, not here.repository.public)
    return [path(here.repository)]


def _public_project(here: Site) -> list[str]:
    changes.set_public(here.estate, here.project, not here.project.public)
    return [here.project.key]


def _archived(here: Site) -> list[str]:
    changes.archive(here.estate, here.repository, not here.repository.archived)
    return [path(here.repository)]


@pytest.mark.parametrize(
    "act",
    first(
        moved,
        of=[_new_repository, _new_project, _renamed, moved, _renamed_project, _public, _public_project, _archived],
    ),
)
def test_what_a_listing_shows_though_no_row_tells(begun: Sites, act: Callable[[Site], list[str]]) -> None:
    here = begun()
    silent(here)
    expected = act(here)
    here.estate.changed()
    ran = here.incremental()
    assert set(expected) <= set(here.asked(ran))
    assert by(ran) == {Reason.CHANGED}
    assert not ran.freshness.unexplained
    assert here.is_true(ran)


def _user_is_renamed(here: Site) -> None:
    changes.rename_user(here.estate, "holder", "somebody")


def _user_comes_back(here: Site) -> None:
    user_vanishes(here)
    assert here.incremental().code == 0
    changes.create_user(here.estate, "holder")


def _group_comes_back(here: Site) -> None:
    group_vanishes(here)
    assert here.incremental().code == 0
    changes.create_group(here.estate, "holders", members=["holder"])


@pytest.mark.parametrize(
    "act",
    first(user_vanishes, of=[user_vanishes, _user_is_renamed, _user_comes_back, group_vanishes, _group_comes_back]),
)
def test_what_is_held_by_somebody_who_is_not_who_they_were(veza: RiggedVeza, tmp_path: Path, act: Act) -> None:
    with site(veza, tmp_path) as here:
        changes.create_user(here.estate, "holder")
        changes.create_group(here.estate, "holders", members=["holder"])
        for place in (here.project, here.repository):
            level = "PROJECT_READ" if place is here.project else "REPO_READ"
            changes.grant(here.estate, level, place, user="holder")
            changes.grant(here.estate, level, place, group="holders")
        assert here.full().code == 0
        assert here.incremental().code == 0
        silent(here)
        act(here)
        ran = here.incremental()
        assert {path(here.repository), here.project.key} <= set(here.asked(ran))
        assert by(ran) == {Reason.HOLDER}
        assert not ran.freshness.unexplained
        assert here.is_true(ran)


@THOROUGH
def test_what_was_not_answered_last_time(begun: Sites) -> None:
    here = begun()
    silent(here)
    here.passes(25)
    fault = Fault("lost-right", match=f"/repos/{here.repository.slug}/permissions/users")
    here.server.faults.append(fault)
    assert here.incremental(allow_partial=True, pace=ONCE).code == 3
    here.server.faults.clear()
    here.paths.journal.unlink()  # the base alone tells what it lacks
    ran = here.incremental()
    assert path(here.repository) in here.asked(ran)
    assert by(ran) == {Reason.UNANSWERED}
    assert here.is_true(ran)


@pytest.mark.parametrize(
    ("hours", "least", "most"),
    [
        pytest.param(0.0, 1, 1, marks=THOROUGH),
        (6.0, 3, 9),
        pytest.param(12.0, 6, 17, marks=THOROUGH),
        pytest.param(24.5, 21, 21, marks=THOROUGH),
    ],
)
def test_by_age_as_many_as_the_time_is_of_max_age(begun: Sites, hours: float, least: int, most: int) -> None:
    """It goes by answers: a quarter of them is three projects or eight repositories."""
    here = begun()
    here.passes(hours)
    ran = here.incremental()
    assert least <= len(here.asked(ran)) <= most
    assert not by(ran)
    assert (ran.freshness.oldest or 0) <= 24 * HOUR


@THOROUGH
def test_after_a_clock_was_set_back_nobody_knows_how_old_an_answer_is(begun: Sites) -> None:
    here = begun()
    here.passes(-2)
    changes.grant(here.estate, "REPO_ADMIN", here.repository, user=everyone_without(here, here.repository))
    ran = here.incremental()
    assert len(here.asked(ran)) == 21
    assert here.is_true(ran)
    here.passes(1)
    assert len(here.asked(here.incremental())) < 4


@THOROUGH
def test_hourly_runs_leave_no_answer_older_than_max_age(begun: Sites) -> None:
    here = begun(max_age=4.0)
    silent(here)
    changes.grant(here.estate, "REPO_ADMIN", here.repository, group=here.estate.groups[-1].name)
    found = 0
    for _ in range(4):
        here.passes(1)
        ran = here.incremental()
        assert (ran.freshness.oldest or 0) <= 4 * HOUR
        found += ran.freshness.unexplained == (path(here.repository),)
    assert found == 1
    assert here.is_true(ran)
