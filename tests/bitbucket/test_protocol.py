"""The verdict table: what each kind of answer means."""

import json

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.faults import (
    Denied,
    Fault,
    FaultReason,
    Gone,
    Moved,
    Rejected,
    RequestProblem,
)
from oaa_bitbucket_async.bitbucket.protocol import (
    Account,
    Answer,
)
from oaa_bitbucket_async.bitbucket.rows import UserGrant
from tests.bitbucket.answers import HTML, ME, answer, error, ok, page
from tests.bitbucket.verdicts import EMPTY, LOGIN_PAGE, PATH, fault, known, lost, read, stripped, unproven

# --- 200 ------------------------------------------------------------------------------------------------------


def test_an_answer_of_ours_is_decoded() -> None:
    row = {"user": {"id": 7, "name": "ada", "extra": [1, {"x": None}]}, "permission": "PROJECT_READ", "more": 1}
    assert read(ok(page([row]))).values == [UserGrant(rows.User(7, "ada"), "PROJECT_READ")]


def test_before_the_login_is_proven_any_name_or_none_will_do() -> None:
    assert read(ok(EMPTY, user=None), unproven()).values == []
    assert read(ok(EMPTY, user="someone"), unproven()).values == []


def test_where_a_proxy_strips_the_name_none_is_asked_for() -> None:
    assert read(ok(EMPTY, user=None), stripped()).values == []


def test_an_answer_for_nobody_is_never_data() -> None:
    assert "as if nobody were signed in" in lost(ok(EMPTY, user=None))


def test_an_answer_for_another_user_is_never_data() -> None:
    message = lost(ok(EMPTY, user="m%C3%BCller%1B%5B31m"))
    assert "as müller" in message
    assert message.isprintable()


def test_the_name_is_compared_as_it_came() -> None:
    login = Account(kind="basic", user_header="j%2Bdoe%40example.com")
    assert login.user == "j+doe@example.com"
    assert read(ok(EMPTY, user="j%2Bdoe%40example.com"), login).values == []
    lost(ok(EMPTY, user="J%2BDOE%40example.com"), login)


# --- 401, 403 -------------------------------------------------------------------------------------------------

REFUSED = "com.atlassian.bitbucket.AuthorisationException"
WRONG = "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("login", [known(), unproven()])
def test_with_our_name_on_it_a_right_is_missing(status: int, login: Account) -> None:
    with pytest.raises(Denied, match="You are not permitted") as caught:
        read(error(status, "You are not permitted", exception=REFUSED, X_AREQUESTID="@9"), login)
    assert (caught.value.status, caught.value.request_id) == (status, "@9")


def test_a_401_without_a_name_is_a_login_lost() -> None:
    message = lost(error(401, "Authentication failed.", exception=WRONG, user=None))
    assert "no longer accepts the login" in message
    assert 'It said: "Authentication failed".' in message


@pytest.mark.parametrize(("kind", "words"), [("basic", "user name or password"), ("token", "HTTP access token")])
def test_at_the_start_a_401_without_a_name_is_a_wrong_credential(kind: str, words: str) -> None:
    assert f"refused the {words}" in lost(error(401, "wrong", exception=WRONG, user=None), unproven(kind))


@pytest.mark.parametrize("login", [known(), unproven()])
def test_a_401_of_a_sign_on_page_is_not_asked_again(login: Account) -> None:
    """Who answers 401 has checked the credential and may count failures: a second one could lock the account."""
    assert "HTML page" in lost(answer(401, LOGIN_PAGE, content_type=HTML), login)


@pytest.mark.parametrize("login", [known(), unproven()])
def test_a_403_of_a_page_without_a_name_can_pass(login: Account) -> None:
    assert fault(answer(403, LOGIN_PAGE, content_type=HTML), login).reason is FaultReason.NOT_JSON


def test_a_403_without_a_name_denies_only_this() -> None:
    with pytest.raises(Denied):
        read(error(403, "Forbidden", user=None))


@pytest.mark.parametrize("status", [401, 403])
def test_without_names_on_answers_a_refusal_may_be_a_missing_right(status: int) -> None:
    with pytest.raises(Denied):
        read(error(status, user=None), stripped())


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_for_another_user_ends_the_run(status: int) -> None:
    assert "as someone" in lost(error(status, user="someone"))


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("login", [known(), unproven(), stripped()])
@pytest.mark.parametrize("user", [ME, None])
def test_a_captcha_ends_the_run(status: int, login: Account, user: str | None) -> None:
    header = error(status, user=user, X_Authentication_Denied_Reason="CAPTCHA_CHALLENGE; login-url=https://git/login")
    assert "CAPTCHA" in lost(header, login)
    name = "com.atlassian.bitbucket.auth.CaptchaRequiredAuthenticationException"
    assert "CAPTCHA" in lost(error(status, user=user, exception=name), login)


@pytest.mark.parametrize("login", [known(), unproven(), stripped()])
def test_basic_switched_off_says_so(login: Account) -> None:
    body = json.dumps({"message": "Basic Authentication has been disabled on this instance."}).encode()
    assert "Basic authentication is switched off" in lost(answer(403, body), login)


# --- 404 and other 4xx ----------------------------------------------------------------------------------------


def test_404_is_gone() -> None:
    name = "com.atlassian.bitbucket.project.NoSuchProjectException"
    with pytest.raises(Gone, match="Project A does not exist"):
        read(error(404, "Project A does not exist.", exception=name))


def test_a_404_page_is_a_proxy_s() -> None:
    assert fault(answer(404, LOGIN_PAGE, content_type=HTML)).reason is FaultReason.NOT_JSON


def test_a_404_that_only_an_anonymous_caller_gets_is_a_login_lost() -> None:
    lost(error(404, user=None))


@pytest.mark.parametrize("login", [known(), stripped()])
def test_an_empty_404_without_a_name_is_nobody_s_word(login: Account) -> None:
    """A proxy without a route says so of everything; believing it would delete what exists."""
    assert fault(answer(404, b"", content_type=None), login).reason is FaultReason.NOT_JSON


def test_an_empty_404_with_our_name_is_gone() -> None:
    with pytest.raises(Gone):
        read(answer(404, b"", {"X-AUSERNAME": ME}, content_type=None))


@pytest.mark.parametrize("status", [400, 405, 409, 410, 422])
def test_other_answers_are_the_last_word_on_a_question(status: int) -> None:
    with pytest.raises(Rejected, match="limit is wrong"):
        read(error(status, "limit is wrong"))


@pytest.mark.parametrize("status", [201, 203, 206])
def test_a_success_of_another_kind_is_a_proxy_s_and_is_tried_again(status: int) -> None:
    with pytest.raises(Fault, match="in place of 200"):
        read(error(status, "limit is wrong"))


# --- 429, 408, 5xx ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "seconds"), [("7", 7.0), ("Tue, 14 Nov 2023 22:14:50 GMT", 90.0)])
def test_too_many_requests_come_with_the_time_to_wait(asked: str, seconds: float) -> None:
    found = fault(error(429, Retry_After=asked), now=1_700_000_000.0)
    assert (found.reason, found.retry_after) == (FaultReason.THROTTLED, seconds)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (101, FaultReason.SERVER_ERROR),
        (408, FaultReason.SERVER_ERROR),
        (500, FaultReason.SERVER_ERROR),
        (501, FaultReason.SERVER_ERROR),
        (502, FaultReason.UNAVAILABLE),
        (503, FaultReason.UNAVAILABLE),
        (504, FaultReason.UNAVAILABLE),
        (599, FaultReason.SERVER_ERROR),
    ],
)
@pytest.mark.parametrize("user", [ME, None])
def test_a_server_s_failure_can_pass_whoever_it_is_for(status: int, reason: FaultReason, user: str | None) -> None:
    found = fault(error(status, "busy", user=user, Retry_After="12"))
    assert (found.reason, found.retry_after, found.detail) == (reason, 12.0, "busy")
    assert fault(answer(status, LOGIN_PAGE, content_type=HTML)).reason is reason
    assert fault(answer(status, b"", content_type=None)).reason is reason


# --- 3xx --------------------------------------------------------------------------------------------------------


def redirect(location: str | None, status: int = 301) -> Answer:
    return answer(status, b"", {} if location is None else {"Location": location}, content_type=None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/scm/rest/api/1.0/projects/B/permissions/users?limit=1000",) * 2,
        ("groups?limit=5", "/scm/rest/api/1.0/projects/A/permissions/groups?limit=5"),
    ],
)
def test_a_redirect_within_the_interface_is_a_move(status: int, location: str, target: str) -> None:
    with pytest.raises(Moved) as caught:
        read(redirect(location, status))
    assert caught.value.location == target


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        PATH,
        "https://sso.example.com/saml?back=/rest/api",
        "//sso.example.com/rest/api/1.0/users",
        "http://[/rest/",
        "javascript:alert(1)",
        "/scm/login?next=x",
        "/scm/rest/\x1b[31m",
        "/scm/rest/" + "x" * 5000,
    ],
)
def test_a_redirect_to_anywhere_else_is_a_sign_on_page_s(location: str | None) -> None:
    found = fault(redirect(location, 302))
    assert found.reason is FaultReason.NOT_JSON
    assert found.detail.startswith("redirected to ")
    assert found.detail.isprintable()


def test_not_modified_leads_nowhere() -> None:
    assert fault(redirect(None, 304)).reason is FaultReason.NOT_JSON


def test_a_problem_says_where_and_finds_itself_in_the_log() -> None:
    problem = RequestProblem("/rest/x", "broken", status=500, request_id="@1")
    assert str(problem) == "/rest/x: status 500, broken, request id @1"
    assert str(RequestProblem("/rest/x", "broken")) == "/rest/x: broken"
