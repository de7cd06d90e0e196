"""A payload's text read piece by piece, against the text decoded as a whole."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.oaa.payload_stream import PayloadStream
from tests.examples import examples

TEXTS = st.text(st.sampled_from('{}[],:"\\ aé\n'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=6)
NAMES = {
    "local_users": "users",
    "local_groups": "groups",
    "local_access_creds": "credentials",
    "resources": "resources",
}


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    """Any JSON that has a payload's long lists, with the keys in any order."""
    application = {name: draw(ENTRIES) for name in NAMES} | draw(st.dictionaries(TEXTS, VALUES, max_size=3))
    application = {key: application[key] for key in draw(st.permutations(list(application)))}
    payload = {"applications": [application], "identity_to_permissions": draw(ENTRIES), "permissions": draw(VALUES)}
    return {key: payload[key] for key in draw(st.permutations(list(payload)))}


def _read(text: bytes, size: int) -> tuple[dict[str, list[Any]], Any, list[str]]:
    stream, found, order = (
        PayloadStream(text[at : at + size] for at in range(0, len(text), size)),
        defaultdict(list),
        [],
    )
    for section in stream.sections():
        found[section.name] += [json.loads(bytes(entry)) for entry in section.entries]
        order.append(section.name)
    return found, json.loads(stream.outline), order


@given(payloads(), st.integers(1, 200), st.sampled_from([None, 1]), st.booleans())
@examples(300)
def test_the_lists_come_entry_by_entry_and_the_rest_as_a_whole(
    payload: dict[str, Any], size: int, indent: int | None, ascii_only: bool
) -> None:
    separators = (",", ":") if indent is None else None
    text = json.dumps(payload, indent=indent, ensure_ascii=ascii_only, separators=separators).encode()
    found, outline, order = _read(text, size)
    (application,) = payload["applications"]
    for key, name in NAMES.items():
        assert found[name] == application[key]
        application[key] = []
    assert found["grants"] == payload["identity_to_permissions"]
    payload["identity_to_permissions"] = []
    assert outline == payload
    assert "grants" not in order[: len(order) - order.count("grants")]


@given(payloads(), st.data())
@examples(200)
def test_what_is_cut_off_is_never_a_whole(payload: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(payload, separators=(",", ":")).encode()
    with pytest.raises(ValueError):  # noqa: PT011  # by msgspec's words or ours
        _read(text[: data.draw(st.integers(0, len(text) - 1))], 100)
    with pytest.raises(ValueError, match="malformed"):
        _read(text + b"}", 100)


def _of_parts(sizes: list[int]) -> Iterator[bytes]:
    """A payload whose users take so many bytes each."""
    yield b'{"applications":[{"local_users":['
    for number, size in enumerate(sizes):
        yield b"," * bool(number) + b'{"name":"' + b"{}],[" * (size // 5) + b'","inner":[{"a":1},{"b":2}]}'
    yield b"]}]}"


@pytest.mark.parametrize("sizes", [[10] * 100_000, [3_000_000], [10, 3_000_000, 10], [600_000] * 4])
def test_entries_of_any_size_come_in_parts_of_about_one_size(sizes: list[int]) -> None:
    parts = [section.entries for section in PayloadStream(_of_parts(sizes)).sections()]
    assert sum(map(len, parts)) == len(sizes)
    smallest = min(sizes) + 40
    assert max(map(len, parts)) <= max(1, 1_500_000 // smallest)


@pytest.mark.parametrize("key", ["local_users", "resources"])
def test_a_list_that_is_there_twice_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        _read(f'{{"applications":[{{"{key}":[],"{key}":[]}}]}}'.encode(), 1000)
    with pytest.raises(ValueError, match="twice"):
        _read(b'{"applications":[{}],"applications":[{}]}', 1000)
