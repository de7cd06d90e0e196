"""What a run believes of an earlier one: nothing that somebody else could have written."""

import logging
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.reading import UntrustedFileError, open_ours, read_ours, secure

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and permissions of POSIX")
root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file to another user")
NOBODY = 65534


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    write_whole(path, b"content")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_our_own_file(ours: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_ours(ours) == b"content"
    assert not caplog.records


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_ours(tmp_path / "f")


@pytest.mark.parametrize("target", ["f", "nothing"])
def test_a_symbolic_link_is_not_followed(ours: Path, target: str) -> None:
    link = ours.with_name("link")
    link.symlink_to(ours.with_name(target))
    with pytest.raises(UntrustedFileError, match=r"link is not trusted: it is not a regular file"):
        read_ours(link)


def test_a_pipe_does_not_hold_up_the_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    signal.alarm(5)  # opening a pipe waits for a writer, for ever
    try:
        with pytest.raises(UntrustedFileError, match="not a regular file"):
            read_ours(tmp_path / "f")
    finally:
        signal.alarm(0)


def test_a_socket_and_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    (tmp_path / "d").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        for name in ("s", "d"):
            with pytest.raises(UntrustedFileError, match="not a regular file"):
                read_ours(Path(name))


@root
def test_a_file_of_another_user(ours: Path) -> None:
    os.chown(ours, NOBODY, -1)
    with pytest.raises(UntrustedFileError, match="it belongs to another user"):
        read_ours(ours)


def test_a_file_that_everyone_may_write(ours: Path) -> None:
    ours.chmod(0o602)
    with pytest.raises(UntrustedFileError, match="every user of this machine may write it"):
        read_ours(ours)
    assert mode(ours) == 0o602


@root
def test_a_file_that_a_foreign_group_may_write(ours: Path) -> None:
    os.chown(ours, -1, NOBODY)
    ours.chmod(0o660)
    with pytest.raises(UntrustedFileError, match="a group that this process is not in may write it"):
        read_ours(ours)


@pytest.mark.parametrize("wanted", [0o600, 0o644])
def test_a_file_that_our_group_may_write_is_mended(ours: Path, wanted: int, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(ours, -1, os.getegid())
    ours.chmod(0o660)
    for _ in range(2):
        assert read_ours(ours, mode=wanted) == b"content"
    assert mode(ours) == wanted
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(ours) in record.getMessage()
    assert "OnRootMismatch" in record.getMessage()


def test_at_most_so_many_bytes(ours: Path) -> None:
    assert read_ours(ours, most=7) == b"content"
    with pytest.raises(UntrustedFileError, match=r"f is not trusted: it is larger than 6 bytes"):
        read_ours(ours, most=6)


def test_what_can_t_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Can't read"):
        open_ours(tmp_path / ("x" * 300))


@pytest.mark.parametrize(("permissions", "warned"), [(0o700, False), (0o755, False), (0o702, True), (0o1777, True)])
def test_a_folder_that_others_may_write_to(
    tmp_path: Path, permissions: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(permissions)
    try:
        secure(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert [str(tmp_path) in record.getMessage() for record in caplog.records] == [True] * warned


@root
def test_a_folder_of_another_user_or_of_a_foreign_group(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, owner, group in (("a", NOBODY, 0), ("b", 0, NOBODY), ("c", 0, os.getegid())):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, owner, group)
        (tmp_path / name).chmod(0o770)
        secure(tmp_path / name)
    assert [record.args[0].name for record in caplog.records if isinstance(record.args, tuple)] == ["a", "b"]  # type: ignore[union-attr]


def test_all_files_of_ours_in_a_folder_are_mended_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = ["h-1.journal", "h-1.journal-wal", "h-2.lock", "d.last-payload.gz", "d-20260101T000000Z.json.gz"]
    for name in [*ours, "notes.txt"]:
        write_whole(tmp_path / name, b"")
        os.chown(tmp_path / name, -1, os.getegid())
        (tmp_path / name).chmod(0o660)
    os.mkfifo(tmp_path / "h-3.journal")
    (tmp_path / "h-4.journal").symlink_to("notes.txt")
    secure(tmp_path)
    assert {mode(tmp_path / name) for name in ours} == {0o600}
    assert mode(tmp_path / "notes.txt") == 0o660
    (record,) = caplog.records
    assert "could write 5 files in" in record.getMessage()
    secure(tmp_path)
    assert len(caplog.records) == 1
