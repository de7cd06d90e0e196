"""The fan-out: the same snapshot whatever the order of answers, and no question too many."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.api import EFFECTIVE_PERMISSIONS
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.oaa.payload import build_payload
from oaa_bitbucket_async.settings import Scope
from tests.bitbucket.answers import API, error
from tests.collect.instance import CAPABILITIES, Run, Server, estate, run_of, user
from tests.collect.test_work import timeless
from tests.examples import examples
from tests.virtual_clock import run_virtual


def crawled(server: Server, **pace: object) -> Run:
    async def main() -> Run:
        run = run_of(server, **pace)
        run.client.prove_by(API.login_proof())
        watching = asyncio.create_task(run.client.pacer.watch(run.client.probe))  # many faults in a row are an outage
        await run.crawl.run()
        watching.cancel()
        assert run.client.pacer.in_flight == 0
        return run

    return run_virtual(main())


WHOLE = crawled(Server(estate()))
BYTES = build_payload(WHOLE.snapshot).compressed


@examples(60)
@given(
    st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.booleans()
)
def test_the_same_state_gives_the_same_bytes(
    seed: int, concurrency: int, projects: int, repositories: int, cap: int, faults: bool
) -> None:
    rng = random.Random(seed)
    server = Server(estate() | {"/users": []}, cap=cap, seconds=rng)
    if faults:
        for path in list(server.content):
            if rng.random() < 0.3:
                server.trouble[path] = [Fault(path, "reset", reason=FaultReason.DROPPED), error(503)][
                    : rng.randint(1, 2)
                ]
    run = crawled(
        server, concurrency=concurrency, project_concurrency=projects, repo_concurrency=repositories, seed=seed
    )
    assert run.wire.peak <= concurrency
    assert run.ledger.complete
    assert timeless(run) == timeless(WHOLE)
    assert build_payload(run.snapshot).compressed == BYTES


def test_no_question_is_asked_twice() -> None:
    assert set(WHOLE.server.asked.values()) == {1}
    projects, repositories, groups = 4, 12, 4
    assert sum(WHOLE.server.asked.values()) == 4 + groups + 2 + 5 * projects + 2 * repositories
    counts = WHOLE.counts
    assert (counts.users, counts.groups, counts.groups_done) == (8, groups, groups)
    assert (counts.projects, counts.projects_done) == (projects, projects)
    assert (counts.repositories, counts.repositories_done) == (repositories, repositories)
    assert counts.users_complete
    assert counts.groups_complete
    assert counts.projects_complete
    assert counts.repositories_complete
    assert counts.grants == WHOLE.snapshot.grant_count() - projects, "default permissions are no rows"


def test_personal_projects_come_with_the_repositories() -> None:
    record = WHOLE.snapshot.projects[90]
    assert (record.key, record.owner, record.personal) == ("~USER3", 3, True)
    assert not any(path.endswith("/projects/~USER3") for path in WHOLE.wire.paths), "asking for it could create it"


def test_the_first_permissions_do_not_wait_for_the_last_page() -> None:
    server = Server(estate(repositories=40), cap=4, seconds=random.Random(1))
    paths = crawled(server, concurrency=64).wire.paths
    first = next(number for number, path in enumerate(paths) if "/repos/" in path)
    last = max(number for number, path in enumerate(paths) if "/repos?" in path)
    assert first < last


@pytest.mark.parametrize(
    ("scope", "projects", "repositories"),
    [
        (Scope(projects=("p1",)), {1}, 3),
        (Scope(exclude_projects=("P*",)), {90}, 3),
        (Scope(personal_projects=False), {1, 2, 3}, 9),
    ],
)
def test_what_is_left_out_is_not_asked_for(scope: Scope, projects: set[int], repositories: int) -> None:
    run = crawled(Server(estate()), scope=scope)
    assert set(run.snapshot.projects) == projects
    assert len(run.snapshot.repositories) == repositories
    keys = {record.key for record in run.snapshot.projects.values()}
    asked = {path.split("/")[5].partition("?")[0] for path in run.wire.paths if "/projects/" in path}
    assert asked == keys


def test_a_token_s_view_of_groups_and_global_permissions() -> None:
    content = estate()
    content["/groups"] = ["Admins", "dev team"]
    content |= {f"/users?{permission}": [user(1)] for permission in EFFECTIVE_PERMISSIONS}
    findings = replace(CAPABILITIES, global_permissions="effective", detailed_groups=False)
    run = crawled(Server(content), capabilities=findings)
    assert run.ledger.complete
    assert {what for _, what in run.snapshot.grants(run.snapshot.global_grants)} == set(EFFECTIVE_PERMISSIONS)
    assert {record.name for record in run.snapshot.groups.values() if record.listed} == {"Admins", "dev team"}


def test_an_empty_instance_is_crawled_too() -> None:
    content = {path: [] for path in ("/admin/users", "/admin/groups", "/projects", "/repos")}
    content |= {"/admin/permissions/users": [], "/admin/permissions/groups": []}
    run = crawled(Server(dict(content)))
    assert run.ledger.complete
    assert len(run.wire.paths) == 6
