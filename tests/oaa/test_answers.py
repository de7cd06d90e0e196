"""What an answer of Veza means, whatever its body looks like."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.oaa.answers import LONGEST_DEBUG, CallError, VezaAnswer, accepted, heard
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.text import LONGEST_QUOTE
from tests.examples import examples

KEY = "k3y-of-this-tenant-0123456789"
REDACT = Redactor([Secret(KEY)])
DEEP = b"[" * 20_000
ODD = [b"", b"null", b"[]", b'"ok"', b"5", b"<html>Sign in</html>", b"\xff\xfe", DEEP, b'{"details": null}', b"{}"]
PASSING = {408, 425, 429, 500, 502, 503, 504}


def answer(status: int, body: bytes | object, **headers: str) -> VezaAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return VezaAnswer(status, "Reason", headers, raw)


def refused(status: int, body: bytes | object, **headers: str) -> CallError:
    with pytest.raises(CallError) as raised:
        accepted(answer(status, body, **headers), REDACT)
    return raised.value


@pytest.mark.parametrize(
    "body", [{}, {"warnings": []}, {"values": [1]}, {"code": "OK", "message": "x"}, {"error": None}]
)
def test_a_json_object_without_error_is_accepted(body):
    assert accepted(answer(200, body), REDACT) == accepted(answer(202, body), REDACT) == body


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"ok"', b"5", b"<html>Sign in</html>", b"\xff\xfe", DEEP])
def test_anything_else_is_no_success(body):
    error = refused(200, body)
    assert error.passes
    assert "not a JSON object" in error.said


def test_an_error_in_a_success_is_a_refusal():
    error = refused(200, {"error": "quota exceeded", "warnings": []})
    assert (error.passes, error.said) == (False, "quota exceeded (HTTP 200)")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_a_refusal_that_names_its_target(status):
    error = refused(status, b"", Location="http://elsewhere.example.com/x")
    assert not error.passes
    assert "http://elsewhere.example.com/x" in error.said
    assert "--veza-url" in error.advice


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418, 501, 429, 500, 503])
def test_the_status_decides_whatever_the_body(status, body):
    error = refused(status, body)
    assert error.passes == (status in PASSING)
    assert error.status == status
    assert f"HTTP {status}" in error.said


@pytest.mark.parametrize("details", [None, [], {}, "all of it", [None, {"violation": "no name"}, 5], {"a": [1]}])
def test_details_of_any_shape(details):
    error = refused(400, {"code": "InvalidArgument", "message": "invalid payload", "details": details})
    assert error.said.startswith("InvalidArgument: invalid payload (HTTP 400)")
    for known in ("all of it", "no name"):
        assert (known in error.said) == (known in json.dumps(details))


NAMES = st.sampled_from(["code", "message", "details", "request_id", "error"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(st.integers(200, 599), JSON | st.binary())
@examples(100)
def test_no_answer_is_a_bug_of_ours(status, body):
    try:
        said = str(accepted(answer(status, body), REDACT).get("error"))
    except CallError as error:
        said = error.said
    assert said.isprintable()
    assert len(said) < 2 * LONGEST_QUOTE


# --- what is repeated of it -------------------------------------------------------------------------------


def test_megabytes_are_cut_to_a_line_and_the_debug_log_is_bounded_too(caplog):
    caplog.set_level(logging.DEBUG)
    long = "x" * 5_000_000
    error = refused(400, {"code": "C", "message": long, "details": [long] * 3, "request_id": long})
    assert len(error.said) < 2 * LONGEST_QUOTE
    assert max(len(record.getMessage()) for record in caplog.records) < LONGEST_DEBUG + 100
    assert "x" * 1000 in caplog.text


def test_what_fits_is_not_repeated_in_the_debug_log(caplog):
    caplog.set_level(logging.DEBUG)
    assert heard("short", REDACT) == "short"
    assert not caplog.records


def test_it_is_one_line_and_steers_no_terminal():
    error = refused(400, {"code": "A\x1b]0;x\x07", "message": "one\r\ntwo\u202e", "details": ["\x9b2J"]})
    assert error.said.isprintable()


@pytest.mark.parametrize("before", range(LONGEST_QUOTE - 40, LONGEST_QUOTE + 5))
def test_a_key_that_is_echoed_is_masked_wherever_the_cut_falls(before):
    error = refused(400, {"code": "C", "message": "x" * before + KEY})
    assert KEY[:8] not in error.said
    assert KEY not in refused(302, b"", Location=f"https://h/?k={KEY}").said


def test_a_refusal_says_for_how_long_to_wait():
    """A date that is `-0000` from UTC is in UTC, wherever this machine is."""
    assert refused(503, b"", **{"Retry-After": "7"}).retry_after == 7.0
    dates = {"Retry-After": "Tue, 14 Nov 2023 22:14:50 -0000", "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert refused(429, b"", **dates).retry_after == 90.0
    assert refused(429, b"").retry_after is None
