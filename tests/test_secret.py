"""No way that a value leaves a program by accident gives a secret out, in any encoding."""

import base64
import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import traceback
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Settings, State, Veza

VALUE = "NjU0/3+geh=im \"nis'\nß"
LOGIN = Login(secret=Secret(VALUE), user="collector")
SETTINGS = Settings(
    bitbucket_url="https://git.example.com",
    login=LOGIN,
    state=State(directory=Path("state")),
    veza=Veza(url="https://veza.example.com", api_key=Secret(VALUE)),
)
HOLDERS = [Secret(VALUE), LOGIN, SETTINGS, [Secret(VALUE)], {"key": Secret(VALUE)}, (Secret(VALUE), SETTINGS)]


def encodings(value: str) -> set[str]:
    """A secret as it could appear in a text, in part too: eight letters of it in a row are a find."""
    raw = value.encode()
    whole = {
        value,
        repr(value)[1:-1],
        ascii(value)[1:-1],
        json.dumps(value)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        raw.hex(),
        raw.decode("latin-1"),
    }
    return {text[i : i + 8] for text in whole for i in range(max(1, len(text) - 7))}


def assert_hidden(text: str, value: str = VALUE) -> None:
    for part in encodings(value):
        assert part not in text


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda h: type(h).__name__)
@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        ascii,
        format,
        pprint.pformat,
        pretty_repr,
        lambda h: f"{h} {h!r} {h!s} {h!a}",
        lambda h: "%s %r %a" % (h, h, h),  # noqa: UP031
        lambda h: "{} {!r} {!s}".format(h, h, h),  # noqa: UP032
        lambda h: json.dumps({"h": h}, default=str),
        lambda h: json.dumps({"h": h}, default=repr),
    ],
)
def test_printing(holder: object, shown: Callable[[object], str]) -> None:
    text = shown(holder)
    assert_hidden(text)
    assert "***" in text


@pytest.mark.parametrize("spec", ["", ">10", "*^20", "s", ".2"])
def test_formatting(spec: str) -> None:
    assert_hidden(format(Secret(VALUE), spec))


@pytest.mark.parametrize(
    "use",
    [
        pickle.dumps,
        lambda s: pickle.dumps(s, protocol=0),
        lambda s: pickle.dumps([s], protocol=2),
        copy.copy,
        copy.deepcopy,
        lambda s: copy.deepcopy(SETTINGS),
        lambda s: dataclasses.asdict(SETTINGS),
        lambda s: dataclasses.astuple(SETTINGS),
        json.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        lambda s: msgspec.json.encode(SETTINGS),
        hash,
        lambda s: hash(LOGIN),
        vars,
        lambda s: s + "",
        lambda s: "" + s,
        lambda s: "".join([s]),  # noqa: FLY002
        lambda s: s < Secret("x"),
        lambda s: s[0],
        len,
        iter,
        bytes,
        int,
        lambda s: format(s, "d"),
        lambda s: setattr(s, "other", 1),
        lambda s: Secret.__init__(s),
    ],
)
def test_what_is_refused_does_not_tell_why(use: Callable[[Secret], object]) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
        use(Secret(VALUE))
    assert_hidden("".join(traceback.format_exception(caught.value)))
    assert_hidden(repr(caught.value.__dict__) + repr(caught.value.args))


@pytest.mark.parametrize("shown_locals", [True, False])
def test_a_traceback_with_locals(shown_locals: bool) -> None:
    def fails(secret: Secret, login: Login) -> None:
        raise RuntimeError(f"{secret} {login}")

    try:
        fails(Secret(VALUE), LOGIN)
    except RuntimeError as error:
        plain = "".join(traceback.TracebackException.from_exception(error, capture_locals=shown_locals).format())
        screen = io.StringIO()
        Console(file=screen, width=200).print(
            Traceback.from_exception(type(error), error, error.__traceback__, show_locals=shown_locals)
        )
    for text in (plain, screen.getvalue()):
        assert "fails" in text
        assert_hidden(text)


def test_logging() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s %(extra)s"))
    log = logging.Logger("test", logging.DEBUG)
    log.addHandler(handler)
    log.debug("%s %r %s", Secret(VALUE), Secret(VALUE), SETTINGS, extra={"extra": Secret(VALUE)})
    assert stream.getvalue().count("***") >= 4
    assert_hidden(stream.getvalue())


@given(st.text(), st.text())
def test_comparing(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) == Secret(one)
    assert Secret(one).reveal() == one
    assert bool(Secret(one)) is bool(one)


@pytest.mark.parametrize("other", [VALUE, VALUE.encode(), None, 1])
def test_a_secret_is_equal_to_no_open_text(other: object) -> None:
    assert Secret(VALUE) != other
    assert not Secret(VALUE) == other  # noqa: SIM201


@pytest.mark.parametrize("value", ["\udcff-not-utf-8", "\ud800"])
def test_an_environment_that_is_not_utf_8(value: str) -> None:
    """An error about its encoding would carry all of it along."""
    assert Secret(value) == Secret(value)
    assert Secret(value) != Secret(value + "x")
    assert repr(Secret(value)) == "Secret(***)"
