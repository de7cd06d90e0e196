import pytest

from oaa_bitbucket_async.demo.model import ModelGrant
from tests.demo.asking import Asker, ask, small_estate
from tests.servers import RiggedOptions


def test_a_password_reads_global_permissions_and_a_token_never_does() -> None:
    async def check(asker: Asker) -> None:
        server = asker.server
        rows = (await asker.admin("admin/permissions/users")).values
        assert [(row["user"]["name"], row["permission"]) for row in rows] == [("collector", "SYS_ADMIN")]
        for refused in (
            await asker.get("admin/permissions/users"),
            await asker.get("admin/permissions/groups", basic=(server.user, server.token)),
        ):
            assert refused.status == 401
            assert refused.exception == "AuthorisationException"
            assert refused.headers["X-AUSERNAME"] == "collector"
        assert (await asker.get("projects/PRIV/permissions/users")).status == 200
        assert (await asker.get("projects/~cleo/repos/dot.files/permissions/users")).status == 200

    ask(check)


def test_the_name_is_on_each_answer_and_url_encoded() -> None:
    async def check(asker: Asker) -> None:
        asker.server.add_account("ben+x@example.com", password="b", token="of-ben")
        for answer in (
            await asker.get("projects/PUB", token="of-ben"),
            await asker.get("projects/nope", basic=("BEN+x@example.com", "b")),
        ):
            assert answer.headers["X-AUSERNAME"] == "ben%2Bx%40example.com"
            assert answer.headers["X-AUSERID"] == "2"
            assert "X-AREQUESTID" in answer.headers
        assert "X-AUSERNAME" not in (await asker.get("projects/PUB", token=None)).headers

    ask(check)


def test_a_proxy_can_strip_the_name() -> None:
    async def check(asker: Asker) -> None:
        assert "X-AUSERNAME" not in (await asker.get("users")).headers

    ask(check, options=RiggedOptions(strip_username_header=True))


def test_rights_are_those_of_the_user() -> None:
    async def check(asker: Asker) -> None:
        for user in ("Ann", "ben+x@example.com", "cleo"):
            asker.server.add_account(user, token=user)

        async def status(path: str, user: str) -> int:
            answer = await asker.get(path, token=user)
            assert "X-AUSERNAME" in answer.headers
            return answer.status

        assert await status("projects/PRIV/permissions/users", "Ann") == 200
        assert await status("projects/PRIV/permissions/users", "ben+x@example.com") == 401
        assert await status("projects/PRIV/repos/tool/permissions/groups", "ben+x@example.com") == 200
        assert await status("projects/PRIV/repos/old/permissions/groups", "ben+x@example.com") == 401
        assert await status("projects/PRIV/repos/old", "cleo") == 200
        assert await status("projects/~CLEO/permissions/users", "cleo") == 200
        assert await status("projects/~CLEO", "Ann") == 200, "it holds a public repository"
        assert await status("projects/~CLEO/permissions/PROJECT_READ/all", "Ann") == 401
        assert await status("admin/users", "cleo") == 200

    ask(check)


def test_without_a_licence_nobody_gets_in() -> None:
    estate = small_estate()
    estate.global_groups = []
    estate.global_users = [ModelGrant("dora", "ADMIN")]

    async def check(asker: Asker) -> None:
        for user in ("Ann", "dora", "gone"):
            asker.server.add_account(user, token=user)
            refused = await asker.get("projects", token=user)
            assert refused.status == 401
            assert "X-AUSERNAME" not in refused.headers

    ask(check, estate)


def test_wrong_passwords_end_in_a_captcha() -> None:
    async def check(asker: Asker) -> None:
        server = asker.server
        for failures in (1, 2, 3):
            refused = await asker.get("users", basic=("collector", "wrong"))
            assert (refused.status, refused.exception) == (401, "IncorrectPasswordAuthenticationException")
            assert "X-AUSERNAME" not in refused.headers
            assert server.failed_logins["collector"] == failures
        locked = await asker.admin("users")
        assert locked.status == 403
        assert locked.headers["X-Authentication-Denied-Reason"].startswith("CAPTCHA_CHALLENGE; login-url=http")
        assert (await asker.get("users")).status == 200, "tokens go on"

    ask(check)


def test_a_right_password_forgives_wrong_ones() -> None:
    async def check(asker: Asker) -> None:
        await asker.get("users", basic=("collector", "wrong"))
        assert (await asker.admin("users")).status == 200
        assert asker.server.failed_logins["collector"] == 0

    ask(check)


def test_an_unknown_token_is_refused_or_served_as_anonymous() -> None:
    async def check_old(asker: Asker) -> None:
        refused = await asker.get("projects", token="unknown")
        assert refused.status == 401
        assert "X-AUSERNAME" not in refused.headers

    async def check_new(asker: Asker) -> None:
        server = asker.server
        assert len((await asker.get("projects")).values) == 2
        server.revoke(server.token)
        public = await asker.get("projects")
        assert (public.status, len(public.values)) == (200, 1)
        assert "X-AUSERNAME" not in public.headers
        assert (await asker.get("users")).status == 401
        assert (await asker.get("projects/PRIV/permissions/users")).status == 401

    ask(check_old, options=RiggedOptions(version="9.4.0"))
    ask(check_new, options=RiggedOptions(version="10.0.2"))


@pytest.mark.parametrize("version", ["9.4.0", "10.0.2"])
def test_the_switch_decides_what_anonymous_callers_are_shown(version: str) -> None:
    public = ["projects/PUB", "projects/PUB/repos", "projects/PUB/repos/tool", "projects/~CLEO/repos/dot.files"]

    async def check(asker: Asker) -> None:
        for path in public:
            shown = await asker.get(path, token=None)
            assert (shown.status, "X-AUSERNAME" in shown.headers) == (200, False)
        assert len((await asker.get("repos", token=None)).values) == 2
        asker.server.estate.public_access = False
        asker.server.estate.changed()
        for path in public:
            refused = await asker.get(path, token=None)
            assert (refused.status, refused.exception) == (401, "AuthorisationException")
            assert "X-AUSERNAME" not in refused.headers
        assert (await asker.get("repos", token=None)).values == []
        assert len((await asker.get("repos?visibility=public")).values) == 2, "the flags stay"
        assert (await asker.get("projects/PUB")).json["public"] is True

    ask(check, options=RiggedOptions(version=version))


def test_basic_is_off_from_10_on_unless_enabled() -> None:
    async def off(asker: Asker) -> None:
        refused = await asker.admin("users")
        assert refused.status == 403
        assert refused.json == {"message": "Basic Authentication has been disabled on this instance."}

    async def on(asker: Asker) -> None:
        assert (await asker.admin("admin/permissions/users")).status == 200

    ask(off, options=RiggedOptions(version="10.0.2"))
    ask(off, options=RiggedOptions(version="9.4.0", basic_enabled=False))
    ask(on, options=RiggedOptions(version="10.0.2", basic_enabled=True))


def test_sessions_are_offered_in_a_cookie() -> None:
    async def check(asker: Asker) -> None:
        assert "BITBUCKETSESSIONID=" in (await asker.get("users")).headers["Set-Cookie"]

    async def none(asker: Asker) -> None:
        assert "Set-Cookie" not in (await asker.get("users")).headers

    ask(check)
    ask(none, options=RiggedOptions(cookies=False))
