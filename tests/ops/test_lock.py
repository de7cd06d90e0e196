"""One run at a time on one instance, and a killed one does not count."""

import logging
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oaa_bitbucket_async.errors import TemporaryError
from oaa_bitbucket_async.ops.lock import LockHolder, hold

ROOT = Path(__file__).parents[2]
HOLDER = LockHolder(pid=4711, host="collector-1", since=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
CHILD = """
import sys
from pathlib import Path
from oaa_bitbucket_async.ops.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "git.example.com-1.lock"


def test_a_second_run_is_told_who_holds_it_and_what_to_do(path: Path) -> None:
    with hold(path, HOLDER), pytest.raises(TemporaryError) as caught, hold(path):
        pytest.fail("two runs at one time")
    assert caught.value.exit_code == 75
    for part in ("process 4711", "collector-1", "2026-03-04 05:06:07 UTC", str(path), "run again"):
        assert part in str(caught.value)


def test_it_is_free_afterwards_however_the_block_ends(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), hold(path):
        raise KeyboardInterrupt
    with hold(path):
        pass
    assert not path.with_name(f"{path.name}.holder").exists()


def test_another_instance_is_another_lock(path: Path) -> None:
    with hold(path), hold(path.with_name("git.example.com-2.lock")):
        pass


def test_a_process_that_is_killed_frees_it(path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline().strip() == b"held"
        with pytest.raises(TemporaryError, match=f"process {child.pid} on "), hold(path):
            pytest.fail("two runs at one time")
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
    assert path.with_name(f"{path.name}.holder").exists(), "the killed process has left its card"
    with hold(path, HOLDER), pytest.raises(TemporaryError, match="process 4711"), hold(path):
        pytest.fail("two runs at one time")


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": "x"}', bytes(range(256))])
def test_a_broken_card_does_not_hide_that_it_is_held(path: Path, content: bytes) -> None:
    with hold(path):
        path.with_name(f"{path.name}.holder").write_bytes(content)
        with pytest.raises(TemporaryError, match="did not leave its name"), hold(path):
            pytest.fail("two runs at one time")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_only_the_owner_can_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        with hold(path):
            modes = {stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
            assert len(list(path.parent.iterdir())) == 2
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_without_a_folder_to_write_to_the_run_goes_on_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    entered = False
    with hold(tmp_path / "file" / "x.lock"):
        entered = True
    assert entered
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
