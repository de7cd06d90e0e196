import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oaa_bitbucket_async.redaction import CUT, MASK, Redactor, proxy_secrets, redactor_of
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Veza
from oaa_bitbucket_async.text import LONGEST_QUOTE
from oaa_bitbucket_async.text import quote as quoted
from tests.examples import examples

_secrets = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters="\x7f*"), min_size=8)
SECRET = "NjU0MjQ3/Tc+g hé&'\"<x>\\n%41"
"""Something of everything that is escaped somewhere."""


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        quote(quote(secret, safe=""), safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        html.escape(secret),
        html.escape(html.escape(secret)),
        secret.encode("ascii", "xmlcharrefreplace").decode(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        base64.b64encode(b"me:" + raw).decode(),
        quote(base64.b64encode(b"me:" + raw).decode(), safe=""),
        raw.hex(),
        raw.hex().upper(),
    ]


@examples(100)
@given(_secrets, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_the_secret_is_left(secret: str, before: str, after: str) -> None:
    assume(secret == secret.strip() and secret not in "Password: ")
    redact = Redactor([Secret(secret)], user="me")
    for form in forms(secret):
        assert form not in redact(f"{before}{form}{after}")
        assert redact(f"Password: {form}") == f"Password: {MASK}"


@pytest.mark.parametrize("space", ["\n", "\r\n", "\t", "  ", "\xa0", "\n    "])
@pytest.mark.parametrize("escape", [str, html.escape, lambda text: json.dumps(text)[1:-1]])
def test_white_space_inside_may_have_become_any_other(space: str, escape: "type[str]") -> None:
    redact = Redactor([Secret("correct horse battery")])
    assert redact(f"got {escape(f'correct{space}horse{space}battery')}.") == f"got {MASK}."


@pytest.mark.parametrize("around", [" {} ", "{}\t", "\xa0{}"])
def test_a_secret_is_known_with_the_space_around_it_and_without(around: str) -> None:
    redact = Redactor([Secret(around.format("hunter2-hunter2"))])
    assert redact("<hunter2-hunter2>") == f"<{MASK}>"
    assert redact(around.format("hunter2-hunter2")).strip() == MASK
    for text in ("hunter2-hunter2", around.format("hunter2-hunter2")):
        assert redact(base64.b64encode(text.encode()).decode()) == MASK


@pytest.mark.parametrize("mark", [CUT, "..."])
@pytest.mark.parametrize("length", range(8, len(SECRET)))
def test_where_a_text_was_cut_the_beginning_of_a_secret_goes_too(length: int, mark: str) -> None:
    redact = Redactor([Secret(SECRET)], user="me")
    part = SECRET[:length].rstrip()
    assert redact(f"refused {part}{mark} and more") == f"refused {MASK}{mark} and more"
    assert redact(f"refused {html.escape(part)}{mark}") == f"refused {MASK}{mark}"
    assert redact(f"refused {part} in the middle") == f"refused {part} in the middle"


@pytest.mark.parametrize("length", range(24, 63))
def test_a_cut_through_an_escaped_character(length: int) -> None:
    cut = quote(SECRET, safe="")[:length]
    assert Redactor([Secret(SECRET)])(f"at /x?y={cut}{CUT}") == f"at /x?y={MASK}{CUT}"


def test_fewer_than_eight_characters_are_no_part() -> None:
    assert Redactor([Secret("password1")])("the passwor…, a word") == "the passwor…, a word"
    assert Redactor([Secret("password1")])("the password") == "the password"


@pytest.mark.parametrize("filler", range(LONGEST_QUOTE - 45, LONGEST_QUOTE + 2))
def test_a_secret_across_the_cut_of_a_quotation_leaves_nothing(filler: int) -> None:
    """Secrets go before anything is cut or collapsed."""
    token = "MTIzNDU2Nzg5MDEyOpqrstuvwxyzABCDEFGHIJKL"
    said = quoted(f"{'x' * filler} {token} was refused", Redactor([Secret(token)]))
    assert len(said) <= LONGEST_QUOTE
    assert not any(token[at : at + 5] in said for at in range(len(token) - 4))


def test_what_somebody_else_has_cut_already() -> None:
    redact = Redactor([Secret("MTIzNDU2Nzg5MDEyOpqrst")])
    assert quoted("invalid token MTIzNDU2Nzg5", redact) == f"invalid token {MASK}"
    assert quoted("x" * 100 * LONGEST_QUOTE, redact) == "x" * (LONGEST_QUOTE - 1) + CUT


def test_a_quotation_is_one_line_of_printable_characters() -> None:
    assert quoted("a\r\nb\x1b[2J\u202ec\x07 \x9bd  e") == "a b [2J c d e"


@pytest.mark.parametrize("text", ["\\" * 30_000, " " * 30_000, "&amp;" * 6_000, "%25" * 10_000, "NjU0MjQ3" * 4_000])
def test_no_text_takes_long(text: str) -> None:
    redact = Redactor([Secret(SECRET), Secret('"' + SECRET), Secret("% " * 10 + "x")], user="me")
    began = time.process_time()
    redact(text + CUT)
    assert time.process_time() - began < 2.0, "milliseconds, unless it is quadratic"


@pytest.mark.parametrize("port", [3128, 99999])
def test_the_passwords_of_proxies_are_secrets(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:h%C3%BCsh-hush@proxy.example.com:{port}")
    assert [secret.reveal() for secret in proxy_secrets()] == ["h%C3%BCsh-hush", "hüsh-hush", "me:hüsh-hush"]
    redact = redactor_of(Login(user="ann", secret=Secret("p4ssw0rd-p4ssw0rd")), Veza(api_key=Secret("v3za-v3za-v3za")))
    login = base64.b64encode("me:hüsh-hush".encode()).decode()
    for text in ("h%C3%BCsh-hush", "hüsh-hush", login, "v3za-v3za-v3za", "p4ssw0rd-p4ssw0rd"):
        assert redact(f"<{text}>") == f"<{MASK}>"


def test_without_secrets_and_with_tiny_ones_the_text_stays() -> None:
    assert Redactor()("as it is") == "as it is"
    assert Redactor([Secret(""), Secret("it")])("as it is") == "as it is"


def test_it_does_not_show_what_it_hides() -> None:
    assert "hunter2" not in repr(Redactor([Secret("hunter2")]))
