import json
import os
from collections.abc import Iterator

import pytest

from oaa_bitbucket_async.ops.terminal import write_json

JSON = '{\n  "name": "ünïcode \u009b2J\u202e\x7f"\n}\n'
CHUNKS = [JSON.encode()[:12], JSON.encode()[12:15], JSON.encode()[15:]]
"""Cut in the middle of a character."""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    pty = pytest.importorskip("pty")
    outside, inside = pty.openpty()
    yield outside, inside
    os.close(outside)


def test_json_on_a_terminal_does_not_steer_it(terminal: tuple[int, int]) -> None:
    outside, inside = terminal
    with os.fdopen(inside, "wb") as file:
        write_json(file, CHUNKS)
        shown = os.read(outside, 4096).decode().replace("\r\n", "\n")
    assert shown == '{\n  "name": "ünïcode \\u009b2J\\u202e\\u007f"\n}\n'
    assert json.loads(shown) == json.loads(JSON)


def test_json_in_a_pipe_stays_what_it_is() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        write_json(file, CHUNKS)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == JSON.encode()
