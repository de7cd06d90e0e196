import pytest

from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelUser
from tests.demo.asking import Asker, ask, escaped, small_estate
from tests.servers import Capacity, RiggedBitbucket, RiggedOptions, TokenBucket
from tests.servers.changes import (
    delete_project,
    delete_repository,
    delete_user,
    move_repository,
    rename_project,
    revoke,
)


def names(rows: list[dict[str, str]]) -> list[str]:
    return [row["name"] for row in rows]


def test_users_are_shown_with_and_without_details() -> None:
    async def check(asker: Asker) -> None:
        plain = (await asker.get("users?limit=100")).values
        assert names(plain) == ["Ann", "ben+x@example.com", "cleo", "dora", "collector"]
        assert plain[0]["slug"] == "ann"
        assert plain[1]["slug"] == "ben_x_example.com"
        assert "emailAddress" not in plain[2]
        detailed = (await asker.get("admin/users?limit=100")).values
        assert detailed[0]["lastAuthenticationTimestamp"] == 1_700_000_000_000
        assert "lastAuthenticationTimestamp" not in detailed[1]
        assert "createdTimestamp" not in detailed[0]
        assert (await asker.get("users/ben_x_example.com")).json["name"] == "ben+x@example.com"
        assert (await asker.get("users/gone")).status == 404
        assert names((await asker.get("users?filter=BEN")).values) == ["ben+x@example.com"]

    ask(check)


def test_members_are_flat_and_group_names_are_any_text() -> None:
    async def check(asker: Asker) -> None:
        name = escaped("R&D 100%/süd")
        assert names((await asker.get(f"users?group={name}")).values) == ["cleo"]
        assert names((await asker.get(f"admin/groups/more-members?context={name}")).values) == ["cleo"]
        assert (await asker.get("admin/groups/more-members?context=nobody")).status == 404
        assert (await asker.get("admin/groups/more-members")).status == 400
        assert (await asker.get("groups")).values == ["stash-users", "R&D 100%/süd", "inner"]
        assert names((await asker.get("admin/groups?filter=R%26D")).values) == ["R&D 100%/süd"]

    ask(check)


def test_permission_filters_are_effective_and_all_hold() -> None:
    async def check(asker: Asker) -> None:
        licensed = names((await asker.get("users?permission=LICENSED_USER&limit=250")).values)
        assert licensed == ["Ann", "ben+x@example.com", "cleo", "collector"]
        assert names((await asker.get("users?permission=SYS_ADMIN")).values) == ["collector"]
        on_project = "permission.1=PROJECT_ADMIN&permission.1.projectKey=PRIV"
        assert names((await asker.get(f"users?{on_project}")).values) == ["Ann", "collector"]
        on_tool = "permission.1=REPO_ADMIN&permission.1.projectKey=PRIV&permission.1.repositorySlug=tool"
        assert names((await asker.get(f"users?{on_tool}")).values) == ["Ann", "ben+x@example.com", "collector"]
        both = f"{on_tool}&permission.2=PROJECT_ADMIN&permission.2.projectId=1&permission.4=NONSENSE"
        assert names((await asker.get(f"users?{both}")).values) == ["Ann", "collector"]
        for wrong in ("permission=NONSENSE", "permission=REPO_READ", "permission=REPO_READ&permission.repositoryId=99"):
            assert (await asker.get(f"users?{wrong}")).status == 400

    ask(check)


def test_a_filtered_page_beyond_half_the_cap_loses_users() -> None:
    estate = Estate([ModelUser(n, f"u{n}") for n in range(1, 21)], global_users=[ModelGrant("u1", "SYS_ADMIN")])
    estate.global_users += [ModelGrant(f"u{n}", "LICENSED_USER") for n in range(2, 21)]

    async def check(asker: Asker) -> None:
        assert len(await asker.pages("users?permission=LICENSED_USER", limit=5)) == 21
        assert len(await asker.pages("users?permission=LICENSED_USER", limit=10)) < 21
        assert len(await asker.pages("users", limit=10)) == 21

    ask(check, estate, RiggedOptions(page_cap=10))


def test_projects_are_the_normal_ones_that_one_may_see() -> None:
    async def check(asker: Asker) -> None:
        everything = (await asker.get("projects")).values
        assert [(p["key"], p["public"]) for p in everything] == [("PRIV", False), ("PUB", True)]
        assert [p["key"] for p in (await asker.get("projects", token=None)).values] == ["PUB"]
        assert [p["key"] for p in (await asker.get("projects?name=pri")).values] == ["PRIV"]
        asker.server.add_account("ben+x@example.com", token="of-ben")
        administered = await asker.get("projects?permission=PROJECT_ADMIN", token="of-ben")
        assert administered.values == []
        assert (await asker.get("projects?permission=ADMIN")).status == 400
        personal = (await asker.get("projects/~cleo")).json
        assert (personal["key"], personal["type"], personal["owner"]["name"]) == ("~CLEO", "PERSONAL", "cleo")
        assert "public" not in personal
        assert (await asker.get("projects/priv")).json["key"] == "PRIV"
        assert (await asker.get("projects/NOPE")).exception == "NoSuchProjectException"

    ask(check)


def test_asking_for_a_personal_project_creates_it() -> None:
    async def check(asker: Asker) -> None:
        assert (await asker.get("projects/~CLEO")).status == 200
        assert (await asker.get("projects/~ann/permissions/users")).status == 404
        assert asker.server.created_personal_projects == []
        assert (await asker.get("projects/~ann/repos")).status == 200
        assert asker.server.created_personal_projects == ["~ANN"]
        owner = (await asker.get("projects/~ann/permissions/users")).values[0]
        assert (owner["user"]["name"], owner["permission"]) == ("Ann", "PROJECT_ADMIN")

    ask(check)


def test_repositories_and_their_filters() -> None:
    async def check(asker: Asker) -> None:
        async def slugs(query: str, token: str | None = "") -> list[tuple[str, str]]:
            rows = (await asker.get(f"repos?{query}", token=token)).values
            return [(row["project"]["key"], row["slug"]) for row in rows]

        tools = [("PRIV", "tool"), ("PUB", "tool"), ("~CLEO", "dot.files")]
        assert await slugs("") == tools
        assert await slugs("archived=ALL") == [*tools, ("PRIV", "old")]
        assert await slugs("archived=ARCHIVED") == [("PRIV", "old")]
        assert await slugs("archived=ALL", token=None) == [("PUB", "tool"), ("~CLEO", "dot.files")]
        assert await slugs("visibility=private") == [("PRIV", "tool")]
        assert await slugs("projectkey=priv") == [("PRIV", "tool")]
        old = (await asker.get("projects/PRIV/repos/old")).json
        assert old["archived"] is True
        assert old["origin"]["slug"] == "tool"
        assert len((await asker.get("projects/PRIV/repos")).values) == 2
        assert (await asker.get("projects/PUB/repos/nope")).exception == "NoSuchRepositoryException"

    ask(check)


def test_grants_of_the_deleted_and_the_unknown_are_shown() -> None:
    async def check(asker: Asker) -> None:
        users = (await asker.get("projects/PRIV/permissions/users")).values
        assert [(row["user"]["name"], row["permission"]) for row in users] == [
            ("Ann", "PROJECT_ADMIN"),
            ("gone", "PROJECT_READ"),
        ]
        groups = (await asker.get("projects/PRIV/permissions/groups")).values
        assert {row["group"]["name"] for row in groups} == {"R&D 100%/süd", "no such group"}
        assert (await asker.get("projects/PRIV/permissions/groups?filter=such")).json["size"] == 1
        for level, permitted in (("READ", True), ("WRITE", True), ("ADMIN", False)):
            answer = (await asker.get(f"projects/PRIV/permissions/PROJECT_{level}/all")).json
            assert answer == {"permitted": permitted}
        assert (await asker.get("projects/PRIV/permissions/REPO_READ/all")).status == 400
        tool = (await asker.get("projects/PRIV/repos/tool/permissions/users")).values
        assert tool[0]["permission"] == "REPO_ADMIN"

    ask(check)


def test_a_principal_has_one_row_with_its_highest_permission() -> None:
    estate = small_estate()
    estate.repositories[0].user_grants = [ModelGrant("Ann", "REPO_READ"), ModelGrant("Ann", "REPO_WRITE")]

    async def check(asker: Asker) -> None:
        rows = (await asker.get("projects/PRIV/repos/tool/permissions/users")).values
        assert [row["permission"] for row in rows] == ["REPO_WRITE"]

    ask(check, estate)


def test_what_moved_is_redirected_with_all_that_follows() -> None:
    async def check(asker: Asker) -> None:
        move_repository(asker.server.estate, "PRIV", "tool", to_key="PUB", to_slug="tool 2".replace(" ", "."))
        moved = await asker.get("projects/PRIV/repos/tool/permissions/users?limit=3")
        assert moved.status == 301
        assert moved.headers["Location"] == (
            f"{asker.server.url}/rest/api/1.0/projects/PUB/repos/tool.2/permissions/users?limit=3"
        )
        assert (await asker.get(moved.headers["Location"])).values[0]["permission"] == "REPO_ADMIN"
        rename_project(asker.server.estate, "PUB", "OPEN")
        renamed = await asker.get("projects/pub")
        assert (renamed.status, renamed.headers["Location"]) == (
            301,
            f"{asker.server.url}/rest/api/1.0/projects/OPEN",
        )
        both = await asker.get("projects/PUB/repos/tool.2/permissions/groups")
        assert both.headers["Location"].endswith("/projects/OPEN/repos/tool.2/permissions/groups")

    ask(check, options=RiggedOptions(context_path="/bitbucket"))


def test_the_estate_may_change_while_it_runs() -> None:
    async def check(asker: Asker) -> None:
        estate = asker.server.estate
        revoke(estate, "ben+x@example.com", estate.repository("PRIV", "tool"))
        assert (await asker.get("projects/PRIV/repos/tool/permissions/users")).values == []
        delete_repository(estate, "PRIV", "tool")
        assert (await asker.get("projects/PRIV/repos/tool")).status == 404
        assert "origin" not in (await asker.get("projects/PRIV/repos/old")).json
        delete_project(estate, "PRIV")
        assert (await asker.get("projects/PRIV/permissions/users")).exception == "NoSuchProjectException"
        delete_user(estate, "cleo")
        assert "cleo" not in names((await asker.get("users")).values)

    ask(check)


@pytest.mark.parametrize(
    ("version", "archived", "default_hides", "null_on_last"),
    [("7.21.0", False, False, True), ("8.9.1", True, True, True), ("9.4.0", True, True, False)],
)
def test_versions_differ(version: str, archived: bool, default_hides: bool, null_on_last: bool) -> None:
    async def check(asker: Asker) -> None:
        page = (await asker.get("repos")).json
        assert ("archived" in page["values"][0]) is archived
        assert (len(page["values"]) == 3) is default_hides
        assert ("nextPageStart" in page) is null_on_last
        created = await asker.get("projects/PRIV/permissions/REPO_CREATE/all")
        assert created.status == (400 if version < "8.2" else 200)
        assert (await asker.get("application-properties", token=None)).json["version"] == version

    ask(check, options=RiggedOptions(version=version))


@pytest.mark.parametrize(("version", "shown"), [("8.1.0", "PROJECT_WRITE"), ("8.2.0", "REPO_CREATE")])
def test_before_8_2_nobody_may_create_repositories_only(version: str, shown: str) -> None:
    estate = small_estate()
    estate.projects[1].user_grants = [ModelGrant("Ann", "REPO_CREATE")]

    async def check(asker: Asker) -> None:
        assert (await asker.get("projects/PUB/permissions/users")).values[0]["permission"] == shown

    ask(check, estate, RiggedOptions(version=version))


def test_from_10_on_creation_is_dated() -> None:
    async def check(asker: Asker) -> None:
        assert "createdTimestamp" in (await asker.get("admin/users")).values[0]

    ask(check, options=RiggedOptions(version="10.0.2"))


def test_admin_listings_can_be_closed() -> None:
    async def check(asker: Asker) -> None:
        for path in ("admin/users", "admin/groups", "admin/groups/more-members?context=inner"):
            refused = await asker.admin(path)
            assert refused.status == 401
            assert refused.headers["X-AUSERNAME"] == "collector"
        assert (await asker.get("users")).status == 200

    ask(check, options=RiggedOptions(admin_listings=False))


def test_only_get_is_served_and_all_is_written_down() -> None:
    async def check(asker: Asker) -> None:
        for method in ("POST", "PUT", "DELETE"):
            assert (await asker.request(method, "projects", {})).status == 405
        await asker.get("projects/PRIV?x=1")
        await asker.get("nonsense")
        last = asker.server.requests[-2]
        assert (last.method, last.path, last.query, last.status, last.kind, last.user) == (
            "GET",
            "/rest/api/1.0/projects/PRIV",
            "x=1",
            200,
            "project",
            "collector",
        )
        assert asker.server.counts == {"projects": 3, "project": 1, "unknown": 1}
        assert asker.server.statuses == {405: 3, 200: 1, 404: 1}
        assert (await asker.get(f"{asker.server.url}/-/stats")).json["requests"] == 5

    ask(check, options=RiggedOptions(context_path="/bitbucket"))


def test_the_rate_limit_is_told() -> None:
    bucket = TokenBucket(1000, 7, exempt=frozenset({"Ann"}))

    async def check(asker: Asker) -> None:
        settings = (await asker.get("admin/rate-limit/settings")).json
        assert settings == {"enabled": True, "defaultSettings": {"capacity": 1000, "fillRate": 7}}
        asker.server.add_account("Ann", token="of-ann")
        own = await asker.get("admin/rate-limit/settings/users/ann", token="of-ann")
        assert own.json["whitelisted"] is True
        assert (await asker.get("admin/rate-limit/settings/users/collector")).status == 404
        assert (await asker.get("admin/rate-limit/settings/users/ann")).status == 401
        assert (await asker.admin("admin/rate-limit/settings/users/ann")).status == 200

    ask(check, options=RiggedOptions(bucket=bucket))


def test_two_servers_keep_to_themselves() -> None:
    first, second = RiggedBitbucket(small_estate()), RiggedBitbucket(small_estate())
    assert first.token != second.token
    assert Capacity().slots == 40
    assert repr(first.estate.projects[0]) == "<Project PRIV>"
