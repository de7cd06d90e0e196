"""Bodies of answers: what is JSON, of which shape, how much of it, and what an error's says."""

import json

import msgspec
import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import MOST_VALUES, Account, error_text, is_json, parse_response
from tests.bitbucket.answers import API, HTML, JSON, ME, answer, error, ok, page
from tests.bitbucket.verdicts import EMPTY, LOGIN_PAGE, fault, known, read


@pytest.mark.parametrize("content_type", [JSON, "application/json", "Application/JSON ; charset=utf-8"])
def test_any_charset_of_json_is_json(content_type: str) -> None:
    assert is_json({"Content-Type": content_type})
    given = answer(200, json.dumps(EMPTY).encode(), {"x-ausername": ME}, content_type=content_type)
    assert read(given).is_last_page


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


def test_an_answer_with_more_values_than_any_page_is_not_decoded() -> None:
    groups = API.groups(detailed=True)
    rows = b'{"isLastPage":true,"values":[' + b",".join([b'{"name":"a"}'] * (MOST_VALUES - 1))
    headers = {"X-AUSERNAME": ME}
    found = parse_response(
        groups.path, answer(200, rows + b"]}", headers), groups.decoder, Account(kind="basic", user_header=ME)
    )
    assert len(found.values) == MOST_VALUES - 1
    with pytest.raises(Fault, match="too many for one page") as caught:
        parse_response(
            groups.path,
            answer(200, rows + b"," * 2 + b"]}", headers),
            groups.decoder,
            Account(kind="basic", user_header=ME),
        )
    assert caught.value.reason is FaultReason.BAD_SHAPE


def test_the_message_of_an_error_is_looked_for_only_where_it_may_be() -> None:
    assert fault(answer(500, b'{"message":"broken"}')).detail == "broken"
    assert "broken" not in fault(answer(500, b'{"message":"broken"' + b" " * 2**20 + b"}")).detail


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
