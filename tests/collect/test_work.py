"""One unit to its end: asked, confirmed if it is gone, tried once more if it failed."""

import asyncio
import re
from dataclasses import replace

import pytest

from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, REPO_CREATE
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.endpoints import Endpoints
from oaa_bitbucket_async.collect.existence import Existence, Whereabouts
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.ledger import Outcome
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter
from oaa_bitbucket_async.collect.snapshot import Missing
from oaa_bitbucket_async.collect.work import Work
from oaa_bitbucket_async.errors import CredentialError
from oaa_bitbucket_async.settings import Pace, Scope
from tests.bitbucket.answers import API, error
from tests.collect.instance import (
    CAPABILITIES,
    Run,
    Server,
    at,
    by_group,
    by_user,
    estate,
    project,
    repository,
    run_of,
    same,
)
from tests.collect.test_snapshot import content
from tests.virtual_clock import run_virtual

ONE = project(1)
REPO = repository(100, ONE)
PLACE = "/projects/P1/repos/r100"
USERS, GROUPS = Unit(kinds.REPOSITORY_USERS, "100"), Unit(kinds.REPOSITORY_GROUPS, "100")
DOWN = Fault("/x", "reset", reason=FaultReason.DROPPED)
GONE = error(404, "does not exist", exception="x.NoSuchRepositoryException")
DENIED = error(401, "You are not permitted", exception="x.AuthorisationException")


def crawled(server: Server, **pace: object) -> Run:
    """A whole crawl, with few attempts so that faults last."""

    async def main() -> Run:
        run = run_of(server, max_attempts=2, **pace)
        await run.crawl.run()
        assert run.client.pacer.in_flight == 0
        return run

    return run_virtual(main())


def only(users: object = None, groups: object = None, **more: object) -> Server:
    """An instance of one project and one repository."""
    found = same(estate(1, 0))
    found["/repos"] = [REPO]
    found |= at(REPO, [by_user(1, "REPO_READ")], [by_group("a", "REPO_READ")])
    if users is not None:
        found[f"{PLACE}/permissions/users"] = users
    if groups is not None:
        found[f"{PLACE}/permissions/groups"] = groups
    return Server(found | more)


def reasons(run: Run) -> dict[Unit, str]:
    return {entry.unit: entry.reason for entry in run.ledger.missing()}


def test_more_permissions_than_there_is_room_for_are_a_bad_shape_and_no_bug() -> None:
    """A grant's number has 16 bits for its permission."""
    server = only(users=[by_user(1, f"P{number}") for number in range(65_536)])
    run = crawled(server)
    assert "more than 65,536 different permissions" in reasons(run)[USERS]
    assert 100 not in run.snapshot.repository_grants or not run.snapshot.repository_grants[100].codes
    assert run.snapshot.codec.user(1, "PROJECT_ADMIN"), "there is always room for what an owner holds"


@pytest.mark.parametrize(
    ("listing", "row"),
    [
        ("/projects", {"id": 9, "key": "..", "name": "x"}),
        ("/projects", {"id": 9, "key": ".", "name": "x"}),
        ("/repos", {"id": 9, "slug": "..", "name": "x", "project": ONE}),
        ("/repos", {"id": 9, "slug": "x", "name": "x", "project": {"id": 9, "key": "..", "name": "x"}}),
        ("/admin/users", {"id": 9, "name": "x", "slug": ".."}),
    ],
)
def test_a_key_or_slug_that_leads_to_another_path_is_a_bad_shape(listing: str, row: dict[str, object]) -> None:
    server = only()
    server.content[listing] = [row]
    run = crawled(server)
    assert all("expected shape" in reason for reason in reasons(run).values())
    assert len(reasons(run)) == 1
    assert not [path for path in server.asked if "/." in path]


# --- groups --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detailed", [True, False])
@pytest.mark.parametrize(("name", "found"), [("Dev", Whereabouts.THERE), ("de", Whereabouts.GONE)])
def test_a_group_is_looked_for_on_all_pages_and_compared_exactly(detailed: bool, name: str, found: Whereabouts) -> None:
    names = [f"dev {number}" for number in range(9)] + ["DEV"]
    listed: list[object] = [{"name": found} for found in names] if detailed else list(names)
    server = Server({f"{'/admin' if detailed else ''}/groups?{name}": listed}, cap=3)

    async def main() -> None:
        run = run_of(server)
        existence = Existence(run.client, API, run.snapshot, ScopeFilter(Scope()), detailed_groups=detailed)
        assert await existence.group(name) is found

    run_virtual(main())


def test_a_group_that_is_gone_keeps_the_grants_that_name_it() -> None:
    server = only()
    server.content["/admin/groups"] = [{"name": "A"}, {"name": "B"}]
    server.content |= {"/admin/groups?A": [], "/admin/groups?B": []}
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 2
    assert not run.snapshot.groups["a"].listed
    assert "b" not in run.snapshot.groups


# --- faults and refusals -------------------------------------------------------------------------------------------


def test_a_fault_that_lasted_is_tried_once_more_at_the_end() -> None:
    server = only()
    server.trouble[f"{PLACE}/permissions/users"] = [DOWN] * 2
    server.trouble["/projects/P1/permissions/PROJECT_READ/all"] = [error(500)] * 3
    run = crawled(server)
    assert run.ledger.complete
    assert run.snapshot.missing == set()
    assert server.asked[f"{PLACE}/permissions/users"] == 3
    assert run.snapshot.default_permissions[1] == {"PROJECT_READ"}


def test_a_fault_that_stays_fails_the_unit_and_no_other() -> None:
    server = only(users=error(500, "broken", X_AREQUESTID="@7"))
    run = crawled(server)
    assert list(reasons(run)) == [USERS]
    assert "request id @7" in reasons(run)[USERS]
    assert server.asked[f"{PLACE}/permissions/users"] == 4, "two attempts in each of two rounds"
    assert run.keeper.ended[GROUPS][1] == "P1/r100"
    assert run.snapshot.missing == {Missing("repository", 100)}


def test_what_is_denied_is_not_tried_again() -> None:
    server = only(users=DENIED)
    run = crawled(server)
    assert run.ledger.count(Outcome.DENIED) == 1
    assert server.asked[f"{PLACE}/permissions/users"] == 1
    assert run.keeper.ended[GROUPS][1] == "P1/r100"


@pytest.mark.parametrize("listing", ["/admin/users", "/admin/groups", "/projects", "/repos"])
def test_a_listing_that_failed_is_read_anew_and_all_that_follows_from_it(listing: str) -> None:
    whole = crawled(Server(estate(), cap=3))
    server = Server(estate(), cap=3)
    server.trouble[listing] = [DOWN] * 2
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.OK) == whole.ledger.count(Outcome.OK)
    assert timeless(run) == timeless(whole)
    assert len(run.keeper.forgotten) == 1
    assert set(run.keeper.ended) == set(whole.keeper.ended)


def test_all_listings_may_fail_at_one_time() -> None:
    whole = crawled(Server(estate()))
    server = Server(estate())
    for listing in ("/admin/users", "/admin/groups", "/projects", "/repos"):
        server.trouble[listing] = [DOWN, error(500)]
    run = crawled(server, concurrency=1)
    assert run.ledger.complete
    assert timeless(run) == timeless(whole)


def test_a_listing_that_is_denied_is_missing_and_not_tried_again() -> None:
    server = Server(estate() | {"/projects": DENIED})
    run = crawled(server)
    assert not run.ledger.listings_complete
    assert server.asked["/projects"] == 1
    assert [entry.what for entry in run.ledger.missing()] == ["listing of projects"]


def test_a_lost_login_ends_everything_at_once() -> None:
    server = Server(estate())
    server.trouble["/projects/P2/permissions/users"] = [error(401, user=None)]

    async def main() -> None:
        run = run_of(server)
        with pytest.raises(ExceptionGroup) as caught:
            await run.crawl.run()
        assert caught.group_contains(CredentialError)
        assert (run.client.pacer.in_flight, run.client.pacer.waiting) == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert Unit(kinds.PROJECT_USERS, "2") not in run.keeper.ended

    run_virtual(main())


# --- many pages, resuming, stopping -----------------------------------------------------------------------------------


def test_grants_over_many_pages_come_whole() -> None:
    run = crawled(Server(estate(), cap=2))
    whole = crawled(Server(estate()))
    assert timeless(run) == timeless(whole)
    for rows, _ in run.keeper.ended.values():
        assert len(set(map(str, rows))) == len(rows)


def test_what_an_earlier_run_was_answered_is_not_asked_again() -> None:
    whole = crawled(Server(estate()))
    server = Server(estate())

    async def main() -> Run:
        run = run_of(server)
        pages = dict(whole.keeper.pages)
        for number, (unit, (rows, place)) in enumerate(whole.keeper.ended.items()):
            if number % 3:
                run.crawl.resume(Replayed(unit, pages.get(unit, rows), 5.0, place, last=True), now=10.0)
        await run.crawl.run()
        return run

    run = run_virtual(main())
    assert run.ledger.complete
    assert run.ledger.count(Outcome.OK) == whole.ledger.count(Outcome.OK)
    assert timeless(run) == timeless(whole)
    assert run.counts.resumed > 0
    assert len(run.wire.paths) + run.counts.resumed == len(whole.wire.paths)


@pytest.mark.parametrize("after", [0, 1, 5, 17, 40])
def test_told_to_stop_it_ends_with_what_is_in_flight(after: int) -> None:
    server = Server(estate())

    async def main() -> Run:
        run = run_of(server, concurrency=3)
        serve = server.__call__

        async def counted(path: str) -> Answer:
            if len(run.wire.paths) > after:
                run.client.pacer.stop()
            await asyncio.sleep(1.0)
            return await serve(path)

        run.wire._serve = counted
        await run.crawl.run()
        return run

    run = run_virtual(main())
    assert run.crawl.stopped
    assert after < len(run.wire.paths) <= after + 3
    assert run.ledger.complete, "what was not begun is not a failure"
    assert run.client.pacer.in_flight == 0


def test_work_that_has_not_begun_is_left_once_stopped() -> None:
    async def main() -> None:
        run = run_of(Server({}))
        existence = Existence(run.client, API, run.snapshot, ScopeFilter(Scope()), detailed_groups=True)
        questions = Endpoints(API, CAPABILITIES, run.snapshot, existence)
        work = Work(run.client, questions, run.snapshot, run.ledger, run.counts, run.keeper, Pace())
        begun: list[int] = []

        async def function(item: int) -> None:
            begun.append(item)

        call = work.unless_stopped(function)
        await call(1)
        work.stopped = True
        await call(2)
        assert begun == [1]

    run_virtual(main())


def timeless(run: Run) -> dict[str, object]:
    """The snapshot's content without the times at which it was read."""
    return {
        name: {key: found[0] for key, found in part.items()}  # type: ignore[attr-defined]
        if name.endswith(" grants")
        else part[0]  # type: ignore[index]
        if name == "global"
        else part
        for name, part in content(run.snapshot).items()
    }


# --- default permissions that a server does not know ------------------------------------------------------------------


def defaults(*absent: str, levels: tuple[str, ...] = (*DEFAULT_LEVELS, REPO_CREATE)) -> Run:
    """A crawl in which the default permissions at these paths are 404, although their projects are there."""
    content = same(estate(4, 10))
    for number in ("P1", "P2", "P3", "P4", "~USER3"):
        content[f"/projects/{number}/permissions/REPO_CREATE/all"] = {"permitted": False}
    for path in list(content):
        if any(re.fullmatch(pattern, path) for pattern in absent):
            content[path] = error(404, "null for uri")

    async def main() -> Run:
        run = run_of(Server(content), capabilities=replace(CAPABILITIES, default_levels=levels))
        await run.crawl.run()
        return run

    return run_virtual(main())


@pytest.mark.parametrize("absent", ["/projects/~USER3/permissions/.*/all", "/projects/.*/permissions/REPO_CREATE/all"])
def test_a_default_permission_that_is_not_known_here_is_none(absent: str) -> None:
    whole, run = defaults(), defaults(absent)
    assert run.ledger.complete
    hidden = run.ledger.count(Outcome.HIDDEN)
    assert hidden in (4, 5)
    assert run.ledger.count(Outcome.OK) == whole.ledger.count(Outcome.OK) - hidden
    normal = {1, 2, 3, 4}
    assert {p: run.snapshot.default_permissions[p] for p in normal} == {p: {"PROJECT_READ"} for p in normal}


def test_of_a_normal_project_it_is_missing() -> None:
    run = defaults("/projects/P2/permissions/PROJECT_READ/all")
    assert [entry.what for entry in run.ledger.missing()] == ["default permission of project P2 (PROJECT_READ)"]
