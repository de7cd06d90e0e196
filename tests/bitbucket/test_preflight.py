"""Preflight: each thing that can be wrong with a login or a server gets its own end and its own words."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.preflight import Capabilities, RateFinding, examine
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer
from oaa_bitbucket_async.bitbucket.rows import RateSettings
from oaa_bitbucket_async.errors import (
    CollectorError,
    ConfigurationError,
    CredentialError,
    TemporaryError,
    WrongAddressError,
)
from tests.bitbucket.answers import API, HTML, ME, Wire, answer, client_of, error, ok, page
from tests.virtual_clock import run_virtual

URL = "https://git.example.com"
ROOT = "/rest/api/1.0"
RATE = "/rest/api/latest/admin/rate-limit/settings"
PROOF = "/users?limit=1"
MYSELF = {"id": 5, "name": "Collector", "slug": "collector"}
PROJECT = {"id": 1, "key": "A", "name": "A"}
DENIED = error(401, "You are not permitted", exception="x.AuthorisationException")
Changes = dict[str, Answer | Exception]


def server(changes: Changes, user: str | None = ME) -> Callable[[str], Answer]:
    """An administrator's view of a healthy server, but for `changes`, by path (with what tells two questions apart)."""
    content: Changes = {
        PROOF: ok(page([MYSELF]), user=user),
        "/application-properties": ok({"version": "9.4.0"}, user=user),
        "/users?filter": ok(page([{"id": 4, "name": "collector2"}, MYSELF]), user=user),
        "/users?permission": ok(page([MYSELF]), user=user),
        "/users": ok(page([MYSELF]) | {"limit": 100}, user=user),
        "/admin/permissions/users": ok(page([]), user=user),
        "/admin/users": ok(page([MYSELF]), user=user),
        "/admin/groups": ok(page([]), user=user),
        "/projects?permission": ok(page([PROJECT]), user=user),
        "/projects": ok(page([PROJECT]), user=user),
        "/projects/A/permissions/REPO_CREATE/all": ok({"permitted": False}, user=user),
        RATE: ok({"enabled": False}, user=user),
        **changes,
    }

    def serve(path: str) -> Answer:
        parts = urlsplit(path)
        where = parts.path.removeprefix(ROOT)
        query = parse_qs(parts.query)
        if path == ROOT + PROOF:
            where = PROOF
        elif "permission" in query:
            where += "?permission"
        elif "filter" in query:
            where += "?filter"
        given = content.get(where, error(404, f"{where} is not there", user=user))
        if isinstance(given, Exception):
            raise given
        return given

    return serve


def examined(changes: Changes, *, kind: str = "basic", user: str | None = ME) -> tuple[Capabilities, Wire]:
    wire = Wire(server(changes, user))

    async def main() -> Capabilities:
        login = Account(kind=kind, given_name=ME if kind == "basic" else None)
        return await examine(client_of(wire, login=login, max_attempts=3), API, URL, 1000, known_to_be_bitbucket)

    return run_virtual(main()), wire


async def known_to_be_bitbucket() -> bool:
    return True


def fails(
    changes: Changes,
    error_type: type[CollectorError],
    *,
    kind: str = "basic",
    is_bitbucket: Callable[[], Awaitable[bool]] = known_to_be_bitbucket,
) -> tuple[str, int]:
    wire = Wire(server(changes))

    async def main() -> str:
        login = Account(kind=kind, given_name=ME if kind == "basic" else None)
        with pytest.raises(error_type) as caught:
            await examine(client_of(wire, login=login, max_attempts=3), API, URL, 1000, is_bitbucket)
        assert caught.value.advice
        return str(caught.value)

    return run_virtual(main()), len(wire.paths)


def test_an_administrator_s_login() -> None:
    capabilities, wire = examined({})
    assert wire.paths[0] == ROOT + PROOF, "the login is proven before anything else is asked"
    assert (capabilities.user, capabilities.version, capabilities.login) == ("Collector", "9.4.0", "basic")
    assert capabilities.administrator is True
    assert capabilities.global_permissions == "explicit"
    assert capabilities.detailed_users
    assert capabilities.detailed_groups
    assert capabilities.detailed_members
    assert not capabilities.header_stripped
    assert capabilities.rate == RateFinding(readable=True)
    assert capabilities.warnings() == []


def test_a_token_of_an_administrator() -> None:
    capabilities, _ = examined({"/admin/permissions/users": DENIED}, kind="token")
    assert capabilities.global_permissions == "effective"
    assert capabilities.administrator is True
    assert capabilities.effective_page == 50, "half of the server's cap"
    (warning,) = capabilities.warnings()
    assert "effective holders" in warning


def test_a_user_who_is_no_administrator_is_told_what_is_missing() -> None:
    capabilities, _ = examined({"/admin/permissions/users": DENIED, "/users?permission": ok(page([]))})
    assert capabilities.administrator is False
    assert any("is no Bitbucket administrator: projects" in warning for warning in capabilities.warnings())


def test_the_name_is_compared_exactly_but_for_case() -> None:
    capabilities, _ = examined({"/users?filter": ok(page([{"id": 4, "name": "collector2", "slug": "collector2"}]))})
    assert capabilities.user == ME


@pytest.mark.parametrize(
    ("header", "name"),
    [("svc+veza", "svc+veza"), ("svc%2Bveza", "svc+veza"), ("svc+veza", "svc veza"), ("svc%20veza", "svc veza")],
)
def test_a_name_with_a_plus_or_a_space_is_found(header: str, name: str) -> None:
    mine = ok(page([{"id": 4, "name": name, "slug": "svc_veza"}]), user=header)
    denied = error(401, "You are not permitted", exception="x.AuthorisationException", user=header)
    changes = {"/users?filter": mine, "/users?permission": mine, "/admin/permissions/users": denied}
    capabilities, _ = examined(changes, kind="token", user=header)
    assert (capabilities.user, capabilities.administrator) == (name, True)


def test_an_account_that_is_not_listed_may_be_no_administrator() -> None:
    capabilities, _ = examined({"/admin/permissions/users": DENIED, "/users?filter": ok(page([]))}, kind="token")
    assert capabilities.administrator is None
    assert any("is unknown: no user named collector is listed" in warning for warning in capabilities.warnings())


def test_an_old_server_without_detailed_listings() -> None:
    gone = error(404, "null for uri")
    capabilities, _ = examined({"/admin/users": gone, "/admin/groups": gone, RATE: gone})
    assert not capabilities.detailed_users
    assert not capabilities.detailed_groups
    assert capabilities.rate == RateFinding(readable=False)


def test_a_proxy_that_strips_the_name_is_noticed() -> None:
    capabilities, wire = examined({"/admin/permissions/users": error(401, user=None)}, kind="token", user=None)
    assert capabilities.header_stripped
    assert capabilities.user is None
    assert capabilities.administrator is None
    assert any("X-AUSERNAME" in warning for warning in capabilities.warnings())
    assert any("is unknown: answers do not contain its name" in warning for warning in capabilities.warnings())
    assert wire.paths.count(ROOT + PROOF) == 2, "a refusal behind such a proxy may be a lost login"


# --- what ends it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (error(401, "wrong", exception="x.IncorrectPasswordAuthenticationException", user=None), "refused the user"),
        (error(403, X_Authentication_Denied_Reason="CAPTCHA_CHALLENGE; login-url=x", user=None), "CAPTCHA"),
        (answer(403, b'{"message":"Basic Authentication has been disabled on this instance."}'), "switched off"),
        (DENIED, "LICENSED_USER"),
        (answer(401, b"<html>who are you?</html>", content_type=HTML), "HTML page"),
    ],
)
def test_a_login_that_is_refused_costs_one_request(proof: Answer, words: str) -> None:
    message, requests = fails({PROOF: proof}, CredentialError)
    assert words in message
    assert requests == 1


def test_a_sign_on_page_in_the_way() -> None:
    for page_of_it in (
        answer(200, b"<html>sign in</html>", content_type=HTML),
        answer(302, b"", {"Location": "https://sso.example.com/"}, content_type=None),
    ):
        message, requests = fails({PROOF: page_of_it}, CredentialError)
        assert "single sign-on" in message
        assert requests == 3


@pytest.mark.parametrize(
    "strange",
    [
        answer(401, b"<html>who are you?</html>", content_type=HTML),
        answer(401, b'{"message": "401 Unauthorized"}'),
        answer(403, b"<html>no</html>", content_type=HTML),
        answer(200, b"<html>sign in</html>", content_type=HTML),
        answer(404, b"<html>what?</html>", content_type=HTML),
        answer(302, b"", {"Location": "https://sso.example.com/"}, content_type=None),
    ],
)
def test_whether_it_is_a_bitbucket_is_looked_at_before_the_login_is_judged(strange: Answer) -> None:
    async def is_none() -> bool:
        return False

    message, _ = fails({PROOF: strange}, WrongAddressError, is_bitbucket=is_none)
    assert URL in message
    assert "--bitbucket-url" in message
    fails({PROOF: strange}, CredentialError)


def test_a_refusal_in_bitbucket_s_own_words_is_not_doubted() -> None:
    async def is_none() -> bool:
        raise AssertionError("nothing more is asked")

    refusal = error(401, "wrong", exception="x.IncorrectPasswordAuthenticationException", user=None)
    fails({PROOF: refusal}, CredentialError, is_bitbucket=is_none)


@pytest.mark.parametrize("path", [PROOF, "/application-properties", "/projects?permission"])
def test_json_of_something_else_is_a_wrong_address(path: str) -> None:
    for other in ([], {"ok": True}, {"values": 3}):
        message, _ = fails({path: ok(other)}, ConfigurationError)
        assert URL in message
        assert "that is not Bitbucket's" in message
        assert "--bitbucket-url" in message


def test_a_token_that_administers_nothing_is_of_no_use() -> None:
    changes: Changes = {"/admin/permissions/users": DENIED, "/projects?permission": ok(page([]))}
    message, _ = fails(changes, CredentialError, kind="token")
    assert "Project admin" in message


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_an_empty_page_of_projects_that_is_not_the_last_is_read_on(kind: str) -> None:
    """What we may not see is left out of a page after it was cut (BITBUCKET.md section 11)."""
    project = ok(page([PROJECT], start=2))
    serve = server({})

    def serve_pages(path: str) -> Answer:
        if "permission=PROJECT_ADMIN" not in path:
            return serve(path)
        return project if "start=2" in path else ok(page([], following=2 if "start=1" in path else 1))

    wire = Wire(serve_pages)

    async def main() -> Capabilities:
        login = Account(kind=kind, given_name=ME if kind == "basic" else None)
        return await examine(client_of(wire, login=login, max_attempts=3), API, URL, 1000, known_to_be_bitbucket)

    assert "REPO_CREATE" in run_virtual(main()).default_levels
    asked = [path.partition("?")[2] for path in wire.paths if "permission=PROJECT_ADMIN" in path]
    assert [query.removeprefix("permission=PROJECT_ADMIN&") for query in asked] == [
        "limit=1",
        "limit=1000&start=1",
        "limit=1000&start=2",
    ]


def test_empty_pages_to_the_end_are_no_project() -> None:
    nothing = ok(page([], following=1))
    ends = ok(page([], start=1))
    serve = server({"/admin/permissions/users": DENIED})

    def serve_pages(path: str) -> Answer:
        if "permission=PROJECT_ADMIN" not in path:
            return serve(path)
        return ends if "start=1" in path else nothing

    async def main() -> None:
        with pytest.raises(CredentialError, match="administers no project"):
            await examine(
                client_of(Wire(serve_pages), login=Account(kind="token")), API, URL, 1000, known_to_be_bitbucket
            )

    run_virtual(main())


def test_an_instance_without_projects_is_fine() -> None:
    capabilities, _ = examined({"/projects?permission": ok(page([])), "/projects": ok(page([]))})
    assert capabilities.user == "Collector"


@pytest.mark.parametrize(
    "trouble",
    [
        Fault("/x", "no connection", reason=FaultReason.CONNECT),
        Fault("/x", "slow", reason=FaultReason.TIMEOUT),
        error(503, "starting"),
    ],
)
def test_a_server_that_does_not_answer_is_given_up_after_all_attempts(trouble: Answer | Exception) -> None:
    _, requests = fails({PROOF: trouble}, TemporaryError)
    assert requests == 3


def test_a_certificate_that_nobody_knows_needs_a_setting() -> None:
    untrusted = ConfigurationError("self-signed certificate", "--ca-file")
    message, requests = fails({PROOF: untrusted}, ConfigurationError)
    assert "--ca-file" in message
    assert requests == 1


@pytest.mark.parametrize("proof", [error(404), error(400), answer(301, b"", {"Location": "/scm/rest/x"})])
def test_what_is_no_bitbucket_is_a_wrong_address(proof: Answer) -> None:
    message, requests = fails({PROOF: proof}, ConfigurationError)
    assert "--bitbucket-url" in message
    assert requests == 1


def test_a_login_forgotten_during_preflight() -> None:
    message, _ = fails({"/projects": ok(page([]), user=None), "/projects?permission": ok(page([]), user=None)},
                       CredentialError)  # fmt: skip
    assert "as if nobody were signed in" in message


# --- the server's rate limit ------------------------------------------------------------------------------------------

BUCKET = {"enabled": True, "defaultSettings": {"capacity": 60, "fillRate": 5}}
MINE = f"{RATE}/users/collector"


@pytest.mark.parametrize(
    ("settings", "mine", "found"),
    [
        (BUCKET, None, RateFinding(readable=True, enabled=True, bucket=RateSettings(60, 5))),
        (BUCKET, {"whitelisted": True}, RateFinding(readable=True, enabled=True, exempt=True)),
        (
            BUCKET,
            {"settings": {"capacity": 9, "fillRate": 2}},
            RateFinding(readable=True, enabled=True, bucket=RateSettings(9, 2)),
        ),
        ({"enabled": True}, None, RateFinding(readable=True)),
        ({**BUCKET, "enabled": False}, None, RateFinding(readable=True)),
        ({"enabled": "yes"}, None, RateFinding(readable=False)),
        (DENIED, None, RateFinding(readable=False)),
        (answer(404, b"<html>", content_type=HTML), None, RateFinding(readable=False)),
        (
            {"enabled": True, "defaultSettings": {"capacity": 0, "fillRate": 0}},
            None,
            RateFinding(readable=False),
        ),
        (BUCKET, {"settings": {"capacity": 5, "fillRate": -1}}, RateFinding(readable=False)),
        (
            BUCKET,
            {"settings": {"capacity": 10**30, "fillRate": 1}},
            RateFinding(readable=True, enabled=True, bucket=RateSettings(60, 5)),
        ),
        (
            BUCKET,
            answer(404, b"<html>", content_type=HTML),
            RateFinding(readable=True, enabled=True, bucket=RateSettings(60, 5)),
        ),
    ],
)
def test_the_rate_limit_that_is_in_force(settings: object, mine: object, found: RateFinding) -> None:
    changes: Changes = {RATE: settings if isinstance(settings, Answer) else ok(settings)}
    if mine is not None:
        changes[MINE] = mine if isinstance(mine, Answer) else ok(mine)
    capabilities, _ = examined(changes)
    assert capabilities.rate == found
