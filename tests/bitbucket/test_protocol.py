"""The verdict table: what each kind of answer means."""

import json
import math
from email.utils import formatdate

import msgspec
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
    MOST_ROWS,
    MOST_VALUES,
    Account,
    Answer,
    error_text,
    is_json,
    next_start,
    parse_response,
)
from oaa_bitbucket_async.bitbucket.rows import Page, UserGrant
from oaa_bitbucket_async.errors import CredentialError
from tests.bitbucket.answers import API, HTML, JSON, ME, answer, error, ok, page

PATH = "/scm/rest/api/1.0/projects/A/permissions/users?limit=1000"
GRANTS = msgspec.json.Decoder(Page[UserGrant])
EMPTY = page([])
LOGIN_PAGE = b"<!DOCTYPE html><html><form></form></html>"


def known() -> Account:
    return Account(kind="basic", given_name=ME, user_header=ME)


def unproven(kind: str = "basic") -> Account:
    return Account(kind=kind, given_name=ME if kind == "basic" else None)


def stripped() -> Account:
    return Account(kind="token", stripped=True)


def read(given: Answer, login: Account | None = None, now: float = 0.0) -> Page[UserGrant]:
    return parse_response(PATH, given, GRANTS, login or known(), now)


def fault(given: Answer, login: Account | None = None, now: float = 0.0) -> Fault:
    with pytest.raises(Fault) as caught:
        read(given, login, now)
    return caught.value


def lost(given: Answer, login: Account | None = None) -> str:
    with pytest.raises(CredentialError) as caught:
        read(given, login)
    assert caught.value.exit_code == 4
    assert caught.value.advice
    return caught.value.message


# --- 200 ------------------------------------------------------------------------------------------------------


def test_an_answer_of_ours_is_decoded() -> None:
    row = {"user": {"id": 7, "name": "ada", "extra": [1, {"x": None}]}, "permission": "PROJECT_READ", "more": 1}
    assert read(ok(page([row]))).values == [UserGrant(rows.User(7, "ada"), "PROJECT_READ")]


@pytest.mark.parametrize("content_type", [JSON, "application/json", "Application/JSON ; charset=utf-8"])
def test_any_charset_of_json_is_json(content_type: str) -> None:
    assert is_json({"Content-Type": content_type})
    given = answer(200, json.dumps(EMPTY).encode(), {"x-ausername": ME}, content_type=content_type)
    assert read(given).is_last_page


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


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"values": [ <%= rows %>',
        json.dumps(EMPTY).encode()[:-1],
        json.dumps(EMPTY).encode() + b"{}",
        LOGIN_PAGE,
        b"\xff\xfe",
        b'{"values":[{"user":{"id":1,"name":"\xff"},"permission":"P"}],"isLastPage":true}',
        b'{"values":[{"user":{"id":1,"name":"\\ud800"},"permission":"P"}],"isLastPage":true}',
        b'{"values":[NaN],"isLastPage":true}',
        b'{"values":' + b"[" * 100_000,
        b'{"x":' * 100_000,
    ],
)
def test_what_is_not_whole_valid_json_can_pass(body: bytes) -> None:
    found = fault(answer(200, body, {"X-AUSERNAME": ME, "X-AREQUESTID": "@1x2"}))
    assert found.reason in (FaultReason.NOT_JSON, FaultReason.BAD_SHAPE)
    assert (found.status, found.request_id) == (200, "@1x2")


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        7,
        {},
        {"values": None, "isLastPage": True},
        {"values": {}, "isLastPage": True},
        {"values": []},
        {"values": [], "isLastPage": "true"},
        {"values": [None], "isLastPage": True},
        page([{"user": {"name": "ada"}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": "7", "name": "ada"}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": 7}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": 7, "name": ""}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": 7, "name": "ada"}}]),
        page([{"user": {"id": 7, "name": "ada"}, "permission": None}]),
        page([{"user": {"id": 7, "name": "ada"}, "permission": ""}]),
        page([{"user": {"id": 7.5, "name": "ada"}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": -1, "name": "ada"}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": 2**63, "name": "ada"}, "permission": "PROJECT_READ"}]),
        page([{"user": {"id": 10**400, "name": "ada"}, "permission": "PROJECT_READ"}]),
        {**EMPTY, "nextPageStart": 10**400},
        {**EMPTY, "nextPageStart": "3"},
    ],
)
def test_json_of_another_shape_is_a_fault(content: object) -> None:
    assert fault(ok(content)).reason is FaultReason.BAD_SHAPE


@pytest.mark.parametrize("content_type", [HTML, "text/plain", None, "application/octet-stream"])
def test_status_200_with_something_else_than_json_is_a_fault(content_type: str | None) -> None:
    found = fault(answer(200, LOGIN_PAGE, {"X-AUSERNAME": ME}, content_type=content_type))
    assert found.reason is FaultReason.NOT_JSON
    assert "HTML page" in found.detail


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer_is_a_fault(status: int) -> None:
    found = fault(answer(status, b"", {"X-AUSERNAME": ME}, content_type=None))
    assert found.reason is FaultReason.NOT_JSON
    assert "empty" in found.detail


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
    with pytest.raises(Fault, match="a success of another kind"):
        read(error(status, "limit is wrong"))


# --- too much -----------------------------------------------------------------------------------------------------


def test_an_answer_with_more_values_than_any_page_is_not_decoded() -> None:
    groups = API.groups(detailed=True)
    rows = b'{"isLastPage":true,"values":[' + b",".join([b'{"name":"a"}'] * (MOST_VALUES - 1))
    headers = {"X-AUSERNAME": ME}
    found = parse_response(
        groups.path, answer(200, rows + b"]}", headers), groups.decoder, Account(kind="basic", user_header=ME)
    )
    assert len(found.values) == MOST_VALUES - 1
    with pytest.raises(Fault, match="no page") as caught:
        parse_response(
            groups.path,
            answer(200, rows + b"," * 2 + b"]}", headers),
            groups.decoder,
            Account(kind="basic", user_header=ME),
        )
    assert caught.value.reason is FaultReason.BAD_SHAPE


def test_a_page_with_more_rows_than_can_be_asked_for_is_no_page() -> None:
    assert next_start("/x", Page(values=[1] * MOST_ROWS, is_last_page=True), 0) is None
    with pytest.raises(Fault, match="more than were asked for") as caught:
        next_start("/x", Page(values=[1] * (MOST_ROWS + 1), is_last_page=True), 0)
    assert caught.value.reason is FaultReason.BAD_SHAPE


def test_the_message_of_an_error_is_looked_for_only_where_it_may_be() -> None:
    assert fault(answer(500, b'{"message":"broken"}')).detail == "broken"
    assert "broken" not in fault(answer(500, b'{"message":"broken"' + b" " * 2**20 + b"}")).detail


# --- 429, 408, 5xx ----------------------------------------------------------------------------------------------

NOW = 1_700_000_000.0
AT = {"Retry-After": formatdate(NOW + 90, usegmt=True)}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "99999999999"}, 99999999999.0),
        ({"Retry-After": "9e999"}, math.inf),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Sun, 06 Nov 99999999999 08:49:37 GMT"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 +99999999"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        (AT, 90.0),
        ({**AT, "Date": formatdate(NOW + 60, usegmt=True)}, 30.0),
        ({**AT, "Date": "the day before yesterday"}, 90.0),
        ({**AT, "Date": "Sun, 06 Nov 99999999999 08:49:37 GMT"}, 90.0),
        ({"Retry-After": "Tue Nov 14 22:14:50 2023"}, 90.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:14:50 -0000"}, 90.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        found = fault(error(429, **{name.replace("-", "_"): value for name, value in headers.items()}), now=NOW)
    finally:
        monkeypatch.undo()
        if hasattr(time, "tzset"):
            time.tzset()
    assert found.reason is FaultReason.THROTTLED
    assert found.retry_after == seconds


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


# --- pages, texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("following", "start"), [(1000, 0), (7, 3), (4, 3), (10**9, 3)])
def test_the_next_page_begins_where_this_one_says(following: int, start: int) -> None:
    assert next_start(PATH, Page([], is_last_page=False, next_page_start=following), start) == following


@pytest.mark.parametrize("following", [None, 0, 3, 25, -1])
def test_after_the_last_page_there_is_none(following: int | None) -> None:
    assert next_start(PATH, Page([], is_last_page=True, next_page_start=following), 3) is None


@pytest.mark.parametrize("following", [None, 3, 2, 0, -1])
def test_a_page_that_leads_nowhere_is_a_fault(following: int | None) -> None:
    with pytest.raises(Fault) as caught:
        next_start(PATH, Page([], is_last_page=False, next_page_start=following), 3)
    assert caught.value.reason is FaultReason.PAGING


def test_both_forms_of_an_error_are_read() -> None:
    assert error_text(b'{"message": "off"}') == ("off", "")
    assert error_text(b'{"errors": [{"message": "a"}, {"message": "b", "exceptionName": "x.y.ZException"}]}') == (
        "a; b",
        "ZException",
    )
    for nothing in (b"", b"[]", b"<html>", b'{"errors": null}', b'{"errors": [null]}', b"[" * 100_000, b"\xff"):
        assert error_text(nothing) == ("", "")


def test_what_a_server_says_is_shown_short_and_plain() -> None:
    found = fault(error(500, "bad\r\n\x1b[31mthing\u202e\u2028" + "x" * 10_000, X_AREQUESTID="@1\x1b[2J" + "y" * 9999))
    assert found.detail.startswith("bad [31mthing x")
    for text in (found.detail, found.request_id or ""):
        assert len(text) <= 300
        assert text.isprintable()
    assert str(found).isprintable()
    found = fault(answer(500, b"", {}, content_type="text/\x1b[31m" + "x" * 5000))
    assert len(found.detail) <= 300
    assert found.detail.isprintable()


def test_a_problem_says_where_and_finds_itself_in_the_log() -> None:
    problem = RequestProblem("/rest/x", "broken", status=500, request_id="@1")
    assert str(problem) == "/rest/x: status 500, broken, request id @1"
    assert str(RequestProblem("/rest/x", "broken")) == "/rest/x: broken"


# --- null ---------------------------------------------------------------------------------------------------------


def test_null_where_something_may_be_absent_is_absence() -> None:
    user = {"id": 7, "name": "a", "slug": None, "displayName": None, "emailAddress": None, "type": None, "active": None}
    nulls = rows.User(7, "a")
    answered = parse_response("/x", ok(page([user])), msgspec.json.Decoder(rows.Page[rows.User]), known())
    assert answered.values == [nulls]
    row = {"id": 1, "slug": "s", "name": "n", "state": None, "archived": None, "public": None, "origin": None}
    row["project"] = {"id": 2, "key": "P", "name": "p", "type": None, "public": None, "owner": user}
    repository = parse_response("/x", ok(row), msgspec.json.Decoder(rows.Repository), known())
    assert repository == rows.Repository(1, "s", "n", rows.Project(2, "P", "p", owner=nulls))


@pytest.mark.parametrize("content", [page([{"id": None, "name": "a"}]), page([{"id": 1, "name": None}]), page([None])])
def test_null_where_something_has_to_be_is_a_fault(content: object) -> None:
    with pytest.raises(Fault, match="expected shape"):
        parse_response("/x", ok(content), msgspec.json.Decoder(rows.Page[rows.User]), known())
