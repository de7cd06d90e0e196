"""How many requests a run expects: what the last one like it came to, else nothing."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from oaa_bitbucket_async.run.expecting import expected_of, keep_number
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Include, Login, Settings, State
from tests.collect.instance import CAPABILITIES


def settings(state: Path) -> Settings:
    return Settings(bitbucket_url="http://h", login=Login(secret=Secret("s")), state=State(directory=state))


def test_the_last_number_is_that_of_a_run_like_this_one(tmp_path: Path) -> None:
    one = settings(tmp_path)
    assert asyncio.run(expected_of(one, CAPABILITIES)).last is None
    asyncio.run(keep_number(one, 2_462))
    assert asyncio.run(expected_of(one, CAPABILITIES)).last == 2_462
    other = replace(one, include=frozenset({Include.ACCESS_KEYS}))
    found = asyncio.run(expected_of(other, CAPABILITIES))
    assert found.last is None
    assert found.each["repository"] == 3
    assert found.owners["repository-access-keys"] == "repository"


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"requests": -1, "of": []}'])
def test_a_damaged_file_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = paths_of(settings(tmp_path)).requests
    path.write_bytes(content)
    path.chmod(0o600)
    assert asyncio.run(expected_of(settings(tmp_path), CAPABILITIES)).last is None


def test_a_folder_that_takes_nothing_is_no_reason_to_fail(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    asyncio.run(keep_number(settings(blocked), 1))
    assert asyncio.run(expected_of(settings(blocked), CAPABILITIES)).last is None
