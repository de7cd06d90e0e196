"""What the embedded Bitbucket answers once something was renamed, moved, swapped or made anew."""

import pytest

from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelProject, ModelRepository, ModelUser
from tests.demo.asking import Asker, ask
from tests.servers.changes import (
    create_personal_project,
    create_project,
    create_repository,
    delete_project,
    delete_repository,
    move_repository,
    rename_project,
    swap_projects,
    swap_repositories,
)

USER = ModelUser(1, "ann")


def estate() -> Estate:
    one, two = ModelProject(1, "ONE"), ModelProject(2, "TWO")
    return Estate([USER], [], [one, two], [ModelRepository(1, one, "a"), ModelRepository(2, two, "b")])


async def place(asker: Asker, path: str) -> tuple[int, object]:
    """The status, and the id of what is there or where a redirect leads."""
    reply = await asker.get(path)
    if reply.status == 301:
        return 301, reply.headers["Location"].partition("/rest/api/1.0/")[2]
    return reply.status, reply.json.get("id")


@pytest.mark.parametrize("redirect", [True, False])
def test_a_project_with_another_key_redirects_for_all_below_it_or_is_not_found(redirect: bool) -> None:
    async def check(asker: Asker) -> None:
        rename_project(asker.server.estate, "ONE", "FRESH", redirect=redirect)
        assert await place(asker, "projects/FRESH/repos/a") == (200, 1)
        for below in ("", "/repos/a", "/permissions/users?limit=5", "/repos/a/permissions/groups?limit=5"):
            status, where = await place(asker, f"projects/ONE{below}")
            assert (status, where) == ((301, f"projects/FRESH{below}") if redirect else (404, None))

    ask(check, estate())


@pytest.mark.parametrize("redirect", [True, False])
def test_a_repository_in_another_project_redirects_or_is_not_found(redirect: bool) -> None:
    async def check(asker: Asker) -> None:
        kept = asker.server.estate
        create_project(kept, "NEW", user_grants=[ModelGrant("ann", "PROJECT_READ")])
        move_repository(kept, "ONE", "a", to_key="NEW", to_slug="c", redirect=redirect)
        assert await place(asker, "projects/NEW/repos/c") == (200, 1)
        assert await place(asker, "projects/ONE/repos/a") == (
            (301, "projects/NEW/repos/c") if redirect else (404, None)
        )
        move_repository(kept, "TWO", "b", to_key=create_personal_project(kept, USER).key, redirect=redirect)
        assert await place(asker, "projects/~ANN/repos/b") == (200, 2)

    ask(check, estate())


def test_two_things_swap_their_paths() -> None:
    async def check(asker: Asker) -> None:
        swap_repositories(asker.server.estate, ("ONE", "a"), ("TWO", "b"))
        assert await place(asker, "projects/ONE/repos/a") == (200, 2)
        assert await place(asker, "projects/TWO/repos/b") == (200, 1)
        swap_projects(asker.server.estate, "ONE", "TWO")
        assert await place(asker, "projects/ONE") == (200, 2)
        assert await place(asker, "projects/ONE/repos/b") == (200, 1)

    ask(check, estate())


def test_what_is_made_anew_at_an_old_path_has_another_id() -> None:
    async def check(asker: Asker) -> None:
        kept = asker.server.estate
        ids = {2}

        async def is_new(path: str) -> None:
            status, made = await place(asker, path)
            assert (status, made in ids) == (200, False)
            ids.add(int(str(made)))

        delete_repository(kept, "TWO", "b")
        create_repository(kept, "TWO", "b")
        await is_new("projects/TWO/repos/b")
        delete_project(kept, "TWO")
        create_project(kept, "TWO")
        create_repository(kept, "TWO", "b")
        await is_new("projects/TWO")
        await is_new("projects/TWO/repos/b")
        move_repository(kept, "ONE", "a", to_slug="c")
        create_repository(kept, "ONE", "a")
        await is_new("projects/ONE/repos/a")

    ask(check, estate())


def test_a_change_happens_before_the_request_that_was_named() -> None:
    async def check(asker: Asker) -> None:
        server = asker.server
        server.change_at(2, lambda kept: move_repository(kept, "ONE", "a", to_slug="x"))
        server.change_at(2, lambda kept: move_repository(kept, "ONE", "x", to_slug="y"))
        assert (await place(asker, "projects/ONE/repos/a"))[0] == 200
        assert await place(asker, "projects/ONE/repos/a") == (301, "projects/ONE/repos/y")
        server.change_at(1, lambda kept: delete_project(kept, "ONE"))
        assert (await place(asker, "projects/ONE/repos/y"))[0] == 404

    ask(check, estate())
