"""Who may list which keys, tokens and restrictions, and what is shown of them."""

from typing import Any

import pytest

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from tests.demo.asking import Asker, Reply, ask
from tests.servers import Fault, RiggedOptions
from tests.servers.changes import delete_repository, move_repository

OF_PROJECT = {
    "keys/1.0/projects/PRIV/ssh",
    "access-tokens/1.0/projects/PRIV",
    "branch-permissions/2.0/projects/PRIV/restrictions",
}
OF_REPOSITORY = {
    "keys/1.0/projects/PRIV/repos/tool/ssh",
    "access-tokens/1.0/projects/PRIV/repos/tool",
    "branch-permissions/2.0/projects/PRIV/repos/tool/restrictions",
}
READABLE = {
    "api/1.0/projects/PRIV/repos/tool/default-branch",
    "api/1.0/projects/PRIV/repos/tool/branches/default",
    "api/1.0/projects/PRIV/repos/tool/settings/pull-requests",
    "api/1.0/projects/PRIV/settings/pull-requests/git",
    "default-reviewers/latest/projects/PRIV/conditions",
    "default-reviewers/latest/projects/PRIV/repos/tool/conditions",
}
OF_ANN = {"access-tokens/1.0/users/ann", "ssh/1.0/keys?user=Ann", "gpg/1.0/keys?user=ANN", "ssh/1.0/keys?userName=ann"}
EVERYTHING = OF_PROJECT | OF_REPOSITORY | READABLE | OF_ANN


async def permitted(asker: Asker, **login: Any) -> set[str]:
    """What of EVERYTHING is answered; all else is refused as Bitbucket refuses it."""
    found = set()
    for path in EVERYTHING:
        reply = await asker.get(f"{asker.server.url}/rest/{path}", **login)
        assert reply.status in (200, 401), path
        if reply.status == 200:
            found.add(path)
        else:
            assert reply.exception == "AuthorisationException"
    return found


async def rest(asker: Asker, path: str) -> Reply:
    return await asker.admin(f"{asker.server.url}/rest/{path}")


def test_who_may_list_what() -> None:
    async def check(asker: Asker) -> None:
        server = asker.server
        for name in ("Ann", "ben+x@example.com", "cleo"):
            server.add_account(name, password=f"{name}'s", token=f"token of {name}")
        assert await permitted(asker, token=None) == set()
        assert await permitted(asker, basic=(server.user, server.password)) == EVERYTHING
        assert await permitted(asker) == EVERYTHING - OF_ANN, "a token never carries the right of an administrator"
        assert await permitted(asker, token="token of Ann") == EVERYTHING, "Ann administers PRIV, and what is hers"
        assert await permitted(asker, token="token of ben+x@example.com") == OF_REPOSITORY | READABLE
        assert await permitted(asker, basic=("cleo", "cleo's")) == READABLE

    ask(check)


def test_who_asks_for_nobody_is_shown_the_own_keys() -> None:
    async def check(asker: Asker) -> None:
        asker.server.add_account("Ann", token="t")
        for kind in ("ssh", "gpg"):
            own = await asker.get(f"{asker.server.url}/rest/{kind}/1.0/keys", token="t")
            assert own.values == (await rest(asker, f"{kind}/1.0/keys?user=ann")).values != []
            assert (await rest(asker, f"{kind}/1.0/keys")).values == []

    ask(check)


@pytest.mark.parametrize("version", ["7.17.0", "7.21.0"])
def test_servers_before_8_tell_less(version: str) -> None:
    async def check(asker: Asker) -> None:
        (key,) = (await rest(asker, "ssh/1.0/keys?user=Ann")).values
        assert key.keys() == {"id", "text", "label"}
        assert (await rest(asker, "ssh/1.0/keys?userName=Ann")).values == [], "those of the account that asks"
        (access,) = (await rest(asker, "keys/1.0/projects/PRIV/ssh")).values
        assert access["key"].keys() == {"id", "text", "label"}
        status = 404 if version == "7.17.0" else 200
        for place in ("PRIV", "PRIV/repos/tool"):
            assert (await rest(asker, f"access-tokens/1.0/projects/{place}")).status == status
        assert (await rest(asker, "access-tokens/1.0/users/ann")).status == 200

    ask(check, options=RiggedOptions(version=version))


def test_keys_of_a_repository_with_and_without_those_of_its_project() -> None:
    async def check(asker: Asker) -> None:
        async def rows(query: str) -> list[tuple[int, str, str]]:
            reply = await rest(asker, f"keys/1.0/projects/PRIV/repos/tool/ssh{query}")
            return [
                (row["key"]["id"], row["permission"], "project" if "project" in row else row["repository"]["slug"])
                for row in reply.values
            ]

        assert await rows("") == [(1, "REPO_WRITE", "tool"), (2, "REPO_READ", "tool")]
        assert await rows("?effective=true") == [*await rows(""), (1, "PROJECT_READ", "project")]
        assert await rows("?minimumPermission=REPO_WRITE") == [(1, "REPO_WRITE", "tool")]
        assert await rows("?filter=BACK") == [(2, "REPO_READ", "tool")]
        assert await rows("?filter=ack") == []
        assert (await rest(asker, "keys/1.0/projects/PRIV/repos/tool/ssh?permission=X")).status == 400

    ask(check)


def test_dates_that_never_came_are_not_there() -> None:
    async def check(asker: Asker) -> None:
        used, unused = (row["key"] for row in (await rest(asker, "keys/1.0/projects/PRIV/repos/tool/ssh")).values)
        assert (used["expiryDays"], used["lastAuthenticated"]) == (90, 1_720_000_000_000)
        assert not {"expiryDays", "lastAuthenticated"} & unused.keys()
        (token,) = (await rest(asker, "access-tokens/1.0/users/ann")).values
        assert token["expiryDate"] == 1_800_000_000_000
        assert token["user"]["name"] == "Ann"
        assert "lastAuthenticated" not in token
        (mirror,) = (await rest(asker, "access-tokens/1.0/projects/PRIV")).values
        assert (mirror["project"]["key"], mirror["permissions"]) == ("PRIV", ["PROJECT_READ", "REPO_READ"])
        assert "expiryDate" not in mirror

    ask(check)


def test_dates_as_the_documentation_shows_them() -> None:
    async def check(asker: Asker) -> None:
        (key,) = (await rest(asker, "ssh/1.0/keys?user=Ann")).values
        assert key["createdDate"] == "2023-11-14T22:13:20.000Z"
        (token,) = (await rest(asker, "access-tokens/1.0/users/ann")).values
        assert token["expiryDate"] == "2027-01-15T08:00:00.000Z"

    ask(check, options=RiggedOptions(dates_as_text=True))


def test_restrictions_of_a_repository_and_those_it_inherits() -> None:
    async def check(asker: Asker) -> None:
        async def ids(query: str = "", place: str = "PRIV/repos/tool") -> list[int]:
            reply = await rest(asker, f"branch-permissions/2.0/projects/{place}/restrictions{query}")
            return [row["id"] for row in reply.values]

        assert await ids() == [3, 4, 5, 1, 2]
        assert await ids(place="PRIV") == await ids(place="PRIV/repos/old") == [1, 2]
        assert await ids("?type=read-only") == [3]
        assert await ids("?matcherType=MODEL_BRANCH&matcherId=development") == [2]
        for query in ("type=x", "matcherType=x", "matcherId=x"):
            reply = await rest(asker, f"branch-permissions/2.0/projects/PRIV/restrictions?{query}")
            assert reply.status == 400
        first = (await rest(asker, "branch-permissions/2.0/projects/PRIV/repos/tool/restrictions?start=3")).values[0]
        assert first["scope"] == {"type": "PROJECT", "resourceId": 1}
        assert [user["name"] for user in first["users"]] == ["Ann"], "not the one who was deleted"
        assert first["groups"] == ["inner"]
        assert [access["key"]["id"] for access in first["accessKeys"]] == [1]

    ask(check)


def test_a_moved_repository_leads_on_and_one_that_is_gone_is_404() -> None:
    async def check(asker: Asker) -> None:
        move_repository(asker.server.estate, "PRIV", "tool", to_slug="kit")
        reply = await rest(asker, "keys/1.0/projects/PRIV/repos/tool/ssh?effective=true")
        assert reply.status == 301
        assert reply.headers["Location"].endswith("/rest/keys/1.0/projects/PRIV/repos/kit/ssh?effective=true")
        assert [r["key"]["id"] for r in (await asker.admin(reply.headers["Location"])).values] == [1, 2, 1]
        delete_repository(asker.server.estate, "PRIV", "kit")
        assert (await rest(asker, "keys/1.0/projects/PRIV/repos/kit/ssh")).exception == "NoSuchRepositoryException"
        assert (await rest(asker, "ssh/1.0/keys?user=gone")).exception == "NoSuchUserException"
        assert (await rest(asker, "access-tokens/1.0/users/gone")).status == 404

    ask(check)


@pytest.mark.parametrize("path", sorted(EVERYTHING))
def test_faults_strike_here_too(path: str) -> None:
    async def check(asker: Asker) -> None:
        assert (await rest(asker, path)).status == 503
        reply = await rest(asker, path)
        assert reply.status == 200
        asker.server.faults = [Fault("bad-shape")]
        spoiled = [(await rest(asker, path)).json for _ in range(3)]
        if "values" in reply.json:
            assert all(one["values"] != reply.values for one in spoiled)

    ask(check, faults=[Fault("unavailable", times=1)])


def test_an_app_that_is_switched_off() -> None:
    async def check(asker: Asker) -> None:
        gone = await rest(asker, "gpg/1.0/keys?user=Ann")
        assert (gone.status, gone.json["status-code"]) == (404, 404)
        assert (await rest(asker, "ssh/1.0/keys?user=Ann")).status == 200

    ask(check, options=RiggedOptions(missing=frozenset({"user-gpg-keys"})))


def test_vanishing_under_the_question() -> None:
    async def check(asker: Asker) -> None:
        assert (await rest(asker, "keys/1.0/projects/PRIV/repos/tool/ssh")).status == 404
        assert (await rest(asker, "branch-permissions/2.0/projects/PRIV/restrictions")).status == 404
        assert (await asker.admin("projects/PRIV")).status == 404

    ask(check, faults=[Fault("vanished", "repository-access-keys"), Fault("vanished", "project-restrictions")])


def test_paths_that_are_not_there() -> None:
    async def check(asker: Asker) -> None:
        for path in ("keys/2.0/projects/PRIV/ssh", "branch-permissions/1.0/projects/PRIV/restrictions", "ssh/1.0/x"):
            assert (await rest(asker, path)).status == 404

    ask(check)


def test_every_row_of_a_synthetic_estate_can_be_shown() -> None:
    """Also where everything is cut into small pages with gaps."""
    estate = generate(EstateShape(users=30, groups=9, projects=5, repositories=40, seed=4))

    async def check(asker: Asker) -> None:
        base = f"{asker.server.url}/rest"
        for project in estate.projects:
            rows = await asker.pages(f"{base}/keys/1.0/projects/{project.key}/ssh")
            assert [r["key"]["text"] for r in rows] == [access.key.text for access in project.access_keys]
            rows = await asker.pages(f"{base}/branch-permissions/2.0/projects/{project.key}/restrictions")
            assert [r["id"] for r in rows] == [restriction.id for restriction in project.restrictions]
        for repository in estate.repositories:
            place = f"projects/{repository.project.key}/repos/{repository.slug}"
            rows = await asker.pages(f"{base}/keys/1.0/{place}/ssh?effective=true")
            assert len(rows) == len(repository.access_keys) + len(repository.project.access_keys)
            rows = await asker.pages(f"{base}/access-tokens/1.0/{place}")
            assert [r["id"] for r in rows] == [token.id for token in repository.tokens]
            branch = await asker.admin(f"{base}/api/latest/{place}/default-branch")
            assert branch.json["id"] == repository.default_branch
            settings = await asker.admin(f"{base}/api/latest/{place}/settings/pull-requests")
            assert settings.json["requiredApprovers"] == repository.checks.required_approvers
        for user in (user for user in estate.users if not user.deleted):
            rows = await asker.pages(f"{base}/gpg/1.0/keys?user={user.slug}") if user.slug == user.name else []
            assert user.slug != user.name or [r["id"] for r in rows] == [key.id for key in user.gpg_keys]

    ask(check, estate, RiggedOptions(page_cap=2, gaps=2, empty_pages=True))
