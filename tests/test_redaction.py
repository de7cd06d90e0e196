import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.redaction import MASK, Redactor
from oaa_bitbucket_async.secret import Secret

_secrets = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f*"), min_size=8)


@given(_secrets, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_the_secret_is_left(secret: str, before: str, after: str) -> None:
    redact = Redactor([Secret(secret)], user="me")
    forms = [
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(f"me:{secret}".encode("latin-1")).decode(),
        secret.encode().hex(),
    ]
    for form in forms:
        assert form not in redact(f"{before}{form}{after}")
        assert redact(f"Authorization: {form}") == f"Authorization: {MASK}" or secret in "Authorization: "


def test_without_secrets_and_with_tiny_ones_the_text_stays() -> None:
    assert Redactor()("as it is") == "as it is"
    assert Redactor([Secret(""), Secret("it")])("as it is") == "as it is"


def test_it_does_not_show_what_it_hides() -> None:
    assert "hunter2" not in repr(Redactor([Secret("hunter2")]))
