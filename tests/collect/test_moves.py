"""What is deleted, renamed, moved and taken over while it is crawled: an answer counts only for the id that had its
path at the end."""

import pytest

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.ledger import Outcome
from oaa_bitbucket_async.collect.places import PATHS_HOLD
from oaa_bitbucket_async.collect.snapshot import GrantSet, Missing
from oaa_bitbucket_async.settings import Scope
from tests.bitbucket.answers import answer, error
from tests.collect.instance import (
    ROOT,
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
    user,
)
from tests.virtual_clock import run_virtual

ONE = project(1)
REPO = repository(100, ONE)
PLACE = "/projects/P1/repos/r100"
USERS, GROUPS = Unit(kinds.REPOSITORY_USERS, "100"), Unit(kinds.REPOSITORY_GROUPS, "100")
DOWN = Fault("/x", "reset", reason=FaultReason.DROPPED)
GONE = error(404, "does not exist", exception="x.NoSuchRepositoryException")
LONG = {"/admin/permissions/groups": PATHS_HOLD + 1}
"""What answers late, so that the crawl takes longer than paths hold."""


def moved(path: str) -> Answer:
    return answer(301, b"", {"Location": ROOT + path}, content_type=None)


def crawled(server: Server, *resumed: Replayed, scope: Scope | None = None) -> Run:
    async def main() -> Run:
        run = run_of(server, max_attempts=2, scope=scope, request_timeout=1e6)
        for item in resumed:
            run.crawl.resume(item, now=10.0)
        await run.crawl.run()
        assert run.client.pacer.in_flight == 0
        return run

    return run_virtual(main())


def only(**more: object) -> Server:
    """An instance of one project and one repository."""
    found = same(estate(1, 0))
    found["/repos"] = [REPO]
    found |= at(REPO, [by_user(1, "REPO_READ")], [by_group("a", "REPO_READ")])
    return Server(found | more)


def of_project(row: dict[str, object], *users: object) -> dict[str, object]:
    """The paths of a project on which only users hold anything."""
    place = f"/projects/{row['key']}"
    levels = {f"{place}/permissions/{level}/all": {"permitted": False} for level in ("PROJECT_READ", "PROJECT_WRITE")}
    everyone = {f"{place}/permissions/PROJECT_ADMIN/all": {"permitted": False}}
    return {
        place: row, f"{place}/permissions/users": list(users), f"{place}/permissions/groups": []
    } | levels | everyone  # fmt: skip


def without(server: Server, place: str) -> None:
    """404 there and below."""
    for path in list(server.content):
        if path == place or path.startswith(f"{place}/"):
            del server.content[path]


def held(run: Run, grants: GrantSet | None) -> dict[str, str]:
    return {str(who.key): what for who, what in run.snapshot.grants(grants)}


def on(run: Run, repository: int = 100) -> dict[str, str]:
    return held(run, run.snapshot.repository_grants.get(repository))


def reasons(run: Run) -> dict[Unit, str]:
    return {entry.unit: entry.reason for entry in run.ledger.missing()}


# --- deleted ----------------------------------------------------------------------------------------------------------


def test_a_repository_that_is_gone_leaves_no_trace_once_a_listing_has_proven_it() -> None:
    server = only()
    without(server, PLACE)
    server.then["/repos"] = []
    run = crawled(server)
    assert run.ledger.complete
    assert [(entry.unit, entry.what) for entry in run.ledger.gone()] == [
        (USERS, "user permissions of repository P1/r100")
    ]
    assert USERS not in run.keeper.ended
    assert (server.asked[PLACE], server.asked["/projects"], server.asked["/repos"]) == (1, 2, 2)
    assert server.asked[f"{PLACE}/permissions/groups"] == 0, "of what is gone no more is asked"
    assert 100 not in run.snapshot.repositories
    assert 100 not in run.snapshot.repository_grants
    assert run.snapshot.missing == set()


def test_a_project_that_is_gone_takes_its_repositories_along() -> None:
    server = only()
    without(server, "/projects/P1")
    server.then |= {"/projects": [], "/repos": []}
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 2
    assert not run.snapshot.projects
    assert not run.snapshot.repositories
    assert not run.snapshot.project_grants


def test_what_was_denied_and_is_gone_now_is_not_missing() -> None:
    server = only(**{f"{PLACE}/permissions/users": error(401, exception="x.AuthorisationException")})
    server.takes = LONG
    server.then["/repos"] = []
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 1


def test_a_404_for_a_repository_that_is_there_is_asked_again() -> None:
    server = only()
    server.trouble[f"{PLACE}/permissions/users"] = [GONE]
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 0
    assert on(run) == {"1": "REPO_READ", "a": "REPO_READ"}
    assert (server.asked[f"{PLACE}/permissions/users"], server.asked["/repos"]) == (2, 1)


def test_a_404_that_stays_although_the_repository_is_there_is_a_failure() -> None:
    run = crawled(only(**{f"{PLACE}/permissions/users": GONE}))
    assert run.ledger.count(Outcome.FAILED) == 1
    assert "does not exist" in reasons(run)[USERS]
    assert run.snapshot.missing == {Missing("repository", 100)}
    assert USERS not in run.keeper.ended


def test_what_a_listing_shows_and_is_not_found_there_is_a_failure_and_no_deletion() -> None:
    server = only()
    without(server, PLACE)
    run = crawled(server)
    assert "the listing shows it" in reasons(run)[USERS]
    assert 100 in run.snapshot.repositories
    assert server.asked["/repos"] == 2, "it is not listed again and again"


def test_an_existence_that_can_t_be_found_out_is_a_failure_and_no_deletion() -> None:
    server = only(**{f"{PLACE}/permissions/users": GONE})
    server.trouble[PLACE] = [DOWN] * 4
    run = crawled(server)
    assert run.ledger.count(Outcome.FAILED) == 1
    assert 100 in run.snapshot.repositories


def test_without_the_second_listing_nothing_is_taken_for_gone() -> None:
    server = only()
    without(server, PLACE)
    server.then["/repos"] = error(500)
    run = crawled(server)
    assert not run.ledger.listings_complete
    assert 100 in run.snapshot.repositories
    assert server.asked["/repos"] == 1 + 2 * 2, "it is tried twice, with two attempts each"


def test_a_personal_project_is_not_asked_for_itself() -> None:
    """That would create it, if it was deleted."""
    row = project(90, "~USER3") | {"type": "PERSONAL", "owner": user(3)}
    server = only(**{"/repos": [REPO, repository(101, row)]})
    server.then["/repos"] = [REPO]
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 2
    assert 90 not in run.snapshot.projects
    assert server.asked["/projects/~USER3"] == 0


# --- moved, with a redirect -------------------------------------------------------------------------------------------


def into_a_new_project(status: int) -> Server:
    """The repository moves into a project that no listing has shown."""
    new = project(2, "NEW")
    there = repository(100, new, "renamed")
    server = only()
    server.content |= at(there, [by_user(7, "REPO_ADMIN")], [by_group("b", "REPO_WRITE")])
    server.content |= of_project(new, by_user(5, "PROJECT_WRITE"))
    server.content[PLACE] = moved("/projects/NEW/repos/renamed")
    for what in ("users", "groups"):
        place = f"/projects/NEW/repos/renamed/permissions/{what}?limit=1000"
        server.content[f"{PLACE}/permissions/{what}"] = moved(place) if status == 301 else GONE
    server.then |= {"/projects": [ONE, new], "/repos": [there]}
    return server


@pytest.mark.parametrize("status", [301, 404])
def test_a_repository_that_moved_is_followed_and_its_new_project_crawled(status: int) -> None:
    server = into_a_new_project(status)
    run = crawled(server)
    assert run.ledger.complete
    record = run.snapshot.repositories[100]
    assert (record.project, record.slug, run.snapshot.projects[2].key) == (2, "renamed", "NEW")
    assert on(run) == {"7": "REPO_ADMIN", "b": "REPO_WRITE"}
    assert held(run, run.snapshot.project_grants[2]) == {"5": "PROJECT_WRITE"}
    assert (server.asked[PLACE], server.asked["/repos"]) == (1, 1), "a redirect tells all, no listing is needed"
    assert {place for _, place in run.keeper.ended.values()} == {"", "P1", "NEW", "NEW/renamed"}


@pytest.mark.parametrize("scope", [Scope(projects=("P1",)), Scope(exclude_projects=("NEW",))])
@pytest.mark.parametrize("listed", [False, True])
def test_what_moved_out_of_the_scope_is_left_out(scope: Scope, listed: bool) -> None:
    server = into_a_new_project(301)
    if listed:
        server.takes = LONG
    run = crawled(server, scope=scope)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 0
    assert not run.snapshot.repositories
    assert set(run.snapshot.projects) == {1}
    assert not any("/NEW/permissions" in path for path in run.wire.paths)


def renamed_project(*, redirect: bool) -> Server:
    server = only()
    renamed = project(1, "FRESH")
    for path in list(server.content):
        if path.startswith("/projects/P1"):
            there = path.replace("P1", "FRESH")
            server.content[there] = server.content.pop(path)
            if redirect:
                server.content[path] = moved(there + ("?limit=1000" if "permissions" in path else ""))
    there = repository(100, renamed)
    server.content |= {"/projects/FRESH": renamed, "/projects/FRESH/repos/r100": there}
    server.then |= {"/projects": [renamed], "/repos": [there]}
    return server


@pytest.mark.parametrize("redirect", [True, False])
def test_a_project_whose_key_changed_is_followed_and_all_below_it(redirect: bool) -> None:
    server = renamed_project(redirect=redirect)
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 0
    assert run.snapshot.projects[1].key == "FRESH"
    assert run.snapshot.default_permissions[1] == {"PROJECT_READ"}
    assert on(run) == {"1": "REPO_READ", "a": "REPO_READ"}
    assert {place for _, place in run.keeper.ended.values()} == {"", "FRESH", "FRESH/r100"}
    assert server.asked["/repos"] == (1 if redirect else 2)


# --- moved without one, and taken over --------------------------------------------------------------------------------


def test_a_repository_renamed_without_a_redirect_is_asked_where_the_listing_shows_it() -> None:
    there = repository(100, ONE, "fresh")
    server = only()
    without(server, PLACE)
    server.content |= at(there, [by_user(7, "REPO_ADMIN")], [])
    server.then["/repos"] = [there]
    run = crawled(server)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.GONE) == 0
    assert run.snapshot.repositories[100].slug == "fresh"
    assert on(run) == {"7": "REPO_ADMIN"}


def test_another_repository_in_its_place_is_not_taken_for_it() -> None:
    there = repository(100, ONE, "elsewhere")
    server = only(**{f"{PLACE}/permissions/users": GONE, PLACE: repository(555, ONE, "r100")})
    server.content |= at(there, [by_user(7, "REPO_ADMIN")], [])
    server.then["/repos"] = [there, repository(555, ONE, "r100")]
    run = crawled(server)
    assert run.ledger.complete
    assert on(run) == {"7": "REPO_ADMIN"}
    assert 555 not in run.snapshot.repositories, "what is new is left to the next run"


def swapped() -> Server:
    """Two repositories take each other's name after they were listed; under both paths there is an answer."""
    first, second = repository(100, ONE, "a"), repository(101, ONE, "b")
    server = only(**{"/repos": [first, second]})
    server.content |= at(first, [by_user(1, "REPO_READ")], []) | at(second, [by_user(2, "REPO_ADMIN")], [])
    server.then["/repos"] = [repository(100, ONE, "b"), repository(101, ONE, "a")]
    return server


def test_two_names_that_are_swapped_are_noticed_in_a_long_crawl() -> None:
    server = swapped()
    server.takes = LONG
    run = crawled(server)
    assert run.ledger.complete
    assert (on(run, 100), on(run, 101)) == ({"2": "REPO_ADMIN"}, {"1": "REPO_READ"})
    assert {place for _, place in run.keeper.ended.values()} >= {"P1/a", "P1/b"}
    assert run.keeper.ended[USERS][1] == "P1/b"


def test_a_path_that_was_deleted_and_made_anew_gives_nobody_anything() -> None:
    server = only()
    server.takes = LONG
    server.then["/repos"] = [repository(555, ONE, "r100")]
    run = crawled(server)
    assert run.ledger.complete
    assert not run.snapshot.repositories
    assert not run.snapshot.repository_grants


@pytest.mark.parametrize(("seconds", "listings"), [(PATHS_HOLD - 1, 1), (PATHS_HOLD + 1, 2)])
def test_paths_are_read_again_once_they_are_old(seconds: float, listings: int) -> None:
    server = only()
    server.takes = {"/admin/permissions/groups": seconds}
    crawled(server)
    assert (server.asked["/projects"], server.asked["/repos"]) == (listings, listings)


def test_what_never_stays_anywhere_is_a_failure() -> None:
    server = only()
    without(server, PLACE)
    names = iter(range(1000))

    async def serve(path: str) -> Answer:
        if path.startswith(f"{ROOT}/repos?"):
            server.content["/repos"] = [repository(100, ONE, f"r{next(names)}")]
        return await server(path)

    async def main() -> Run:
        run = run_of(server)
        run.wire._serve = serve
        await run.crawl.run()
        return run

    run = run_virtual(main())
    assert "again and again" in reasons(run)[USERS]
    assert next(names) <= 6


# --- resumed ----------------------------------------------------------------------------------------------------------


def kept(server: Server) -> list[Replayed]:
    """What a whole crawl leaves in the journal."""
    run = crawled(server)
    pages = dict(run.keeper.pages)
    return [
        Replayed(unit, pages.get(unit, rows), 5.0, place, last=True)
        for unit, (rows, place) in run.keeper.ended.items()
    ]  # fmt: skip


def test_listings_and_global_permissions_are_read_again() -> None:
    server = only()
    run = crawled(server, *kept(only()))
    assert run.ledger.complete
    assert set(server.asked) == {
        "/admin/users", "/admin/groups", "/admin/permissions/users", "/admin/permissions/groups", "/projects", "/repos"
    }  # fmt: skip
    assert set(run.keeper.forgotten) == {
        Unit(kind)
        for kind in (
            kinds.USERS, kinds.GROUPS, kinds.PROJECTS, kinds.REPOSITORIES, kinds.GLOBAL_USERS,
            kinds.GLOBAL_GROUPS,
        )
    }  # fmt: skip


@pytest.mark.parametrize(("age", "asked"), [(3599.0, 0), (3601.0, 1)])
def test_members_are_read_again_after_an_hour(age: float, asked: int) -> None:
    server = only()
    crawled(server, *(item._replace(read_at=10.0 - age) for item in kept(only())))
    assert server.asked["/admin/groups/more-members?Admins"] == asked
    assert server.asked[f"{PLACE}/permissions/users"] == 0


def test_what_is_elsewhere_now_is_asked_there() -> None:
    there = repository(100, ONE, "fresh")
    server = only(**{"/repos": [there]})
    server.content |= at(there, [by_user(7, "REPO_ADMIN")], [])
    run = crawled(server, *kept(only()))
    assert run.ledger.complete
    assert on(run) == {"7": "REPO_ADMIN"}
    assert {USERS, GROUPS} <= set(run.keeper.forgotten)
    assert server.asked["/projects/P1/permissions/users"] == 0, "its project is where it was"


def test_an_answer_of_two_places_is_asked_anew_as_a_whole() -> None:
    """The earlier run was cut off after it had followed a move, and before it had asked again at the new place."""
    there = repository(100, ONE, "fresh")
    content = {"/repos": [there]} | at(there, [by_user(7, "REPO_ADMIN")], [by_group("b", "REPO_WRITE")])
    old, new = kept(only()), kept(Server(only().content | content))
    mixed = [item for item in old if item.unit != GROUPS] + [item for item in new if item.unit == GROUPS]
    run = crawled(Server(only().content | content), *mixed)
    assert on(run) == {"7": "REPO_ADMIN", "b": "REPO_WRITE"}


def test_what_is_not_listed_any_more_leaves_no_trace() -> None:
    server = only(**{"/projects": [], "/repos": [], "/admin/groups": [{"name": "Admins"}]})
    run = crawled(server, *kept(only()))
    assert run.ledger.complete
    assert not run.snapshot.projects
    assert not run.snapshot.repository_grants
    assert not run.snapshot.project_grants
    assert set(run.snapshot.members) == {"admins"}
    assert set(run.snapshot.groups) == {"admins", "dev team"}, "a global permission names the other"
    assert 77 not in run.snapshot.users, "only a group that is gone showed this one"
