"""Renamed, moved and deleted while a run crawls: what is uploaded is what an undisturbed run says after it."""

import re
from collections.abc import Callable

import pytest

from oaa_bitbucket_async.demo.model import NORMAL, Estate, ModelGrant, ModelProject, ModelUser
from oaa_bitbucket_async.settings import State
from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.test_resume import ONCE, truth
from tests.servers import Fault, RiggedOptions
from tests.servers.changes import (
    create_project,
    create_repository,
    delete_project,
    delete_repository,
    move_repository,
    rename_project,
)


def home(estate: Estate, repositories: int = 3) -> ModelProject:
    """A project with some repositories."""
    return next(
        p for p in estate.projects if p.type == NORMAL and len(estate.repositories_of(p)) >= repositories
    )  # fmt: skip


def rename_the_project(estate: Estate) -> None:
    rename_project(estate, home(estate).key, "FRESH")


def rename_it_without_a_redirect(estate: Estate) -> None:
    rename_project(estate, home(estate).key, "FRESH", redirect=False)


def rename_a_repository(estate: Estate) -> None:
    last = estate.repositories_of(home(estate))[-1]
    move_repository(estate, last.project.key, last.slug, to_slug="fresh", redirect=False)


def move_into_a_new_project(estate: Estate) -> None:
    new = create_project(estate, "NEW", user_grants=[ModelGrant(estate.users[3].name, "PROJECT_WRITE")])
    new.defaults = ("PROJECT_READ",)
    last = estate.repositories_of(home(estate))[-1]
    move_repository(estate, last.project.key, last.slug, to_key="NEW")


def delete_the_project(estate: Estate) -> None:
    delete_project(estate, home(estate).key)


CHANGES = [
    rename_the_project, rename_it_without_a_redirect, rename_a_repository, move_into_a_new_project, delete_the_project
]  # fmt: skip


@pytest.mark.parametrize("cap", first(7, of=[7, 1000]))
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_in_the_middle_is_uploaded_as_it_is_at_the_end(
    bench: Benches, change: Callable[[Estate], None], cap: int
) -> None:
    made = bench(RiggedOptions(page_cap=cap))
    middle = truth(made).requests // 2
    made.bitbucket.change_at(middle, change)
    ran = made.run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth(made).raw


def test_a_move_that_was_followed_survives_a_resume(bench: Benches) -> None:
    """The first run follows the moves and then fails; the second has all answers, and uploads the same bytes."""
    made = bench()
    requests = truth(made).requests
    made.bitbucket.change_at(requests // 2, rename_the_project)
    made.bitbucket.change_at(requests // 2, move_into_a_new_project)
    fault = Fault("lost-right", match=re.escape("admin/permissions/groups"))
    made.bitbucket.faults.append(fault)
    assert made.run(pace=ONCE).code == 3
    made.bitbucket.faults.clear()
    ran = made.run()
    assert ran.code == 0, ran.error
    unbroken = truth(made)
    assert ran.raw == unbroken.raw
    assert ran.requests < unbroken.requests / 2


def test_a_resume_lists_everything_as_it_is_now(bench: Benches) -> None:
    """Created, deleted, renamed and moved between two runs, though the first had ended every listing."""
    made = bench()
    estate = made.bitbucket.estate
    made.veza.fail("refused")
    assert made.run().code == 5
    project = home(estate)
    first, second, *_ = estate.repositories_of(project)
    delete_repository(estate, project.key, first.slug)
    create_repository(estate, project.key, "brand-new", group_grants=[ModelGrant(estate.groups[0].name, "REPO_WRITE")])
    move_repository(estate, project.key, second.slug, to_slug="renamed", redirect=False)
    other = next(p for p in estate.projects if p.type == NORMAL and p is not project)
    rename_project(estate, other.key, "FRESH")
    estate.users.append(ModelUser(9_999, "newcomer"))
    estate.groups.pop()
    estate.global_groups.append(ModelGrant(estate.groups[0].name, "PROJECT_CREATE"))
    estate.changed()
    ran = made.run()
    assert ran.code == 0, ran.error
    assert ran.raw == truth(made).raw
    assert ran.requests < made.run(state=State(directory=made.state / "new", resume=False)).requests
