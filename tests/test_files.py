"""A file is there whole or not at all, and its owner's alone."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oaa_bitbucket_async.errors import CollectorError, ConfigurationError, TemporaryError
from oaa_bitbucket_async.files import explain, private_dir, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and limits of POSIX")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("chunks", [b"content", [b"con", b"", b"tent"], (c for c in [b"con", b"tent"])])
def test_content(tmp_path: Path, chunks: bytes | list[bytes]) -> None:
    write_whole(tmp_path / "f", chunks)
    assert (tmp_path / "f").read_bytes() == b"content"
    assert names(tmp_path) == ["f"]


@posix
@pytest.mark.parametrize("umask", [0, 0o022, 0o277])
def test_only_the_owner_can_read_it_even_if_the_old_one_was_open_to_all(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o644)
    seen = []

    def chunks() -> Iterator[bytes]:
        seen.extend(mode(p) for p in tmp_path.iterdir() if p != path)
        yield b"new"

    before = os.umask(umask)
    try:
        write_whole(path, chunks())
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert all(m & 0o077 == 0 for m in seen)
    assert len(seen) == 1


@posix
def test_a_file_for_others_is_theirs_to_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"", mode=0o644)
    assert mode(tmp_path / "f") == 0o644


@pytest.mark.parametrize("problem", [ValueError, OSError, KeyboardInterrupt, GeneratorExit])
def test_what_ends_it_early_leaves_the_old_file(tmp_path: Path, problem: type[BaseException]) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def chunks() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise problem

    with pytest.raises(problem):
        write_whole(path, chunks())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@posix
def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    contents = [bytes([65 + n]) * 200_000 for n in range(2)]
    write_whole(path, contents[0])
    end = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not end.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(40):
        write_whole(path, [contents[n % 2][:100_000], contents[n % 2][100_000:]])
    end.set()
    reader.join()
    assert seen <= set(contents)


@posix
def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"theirs")
    (tmp_path / "f").symlink_to("other")
    write_whole(tmp_path / "f", b"ours")
    assert (tmp_path / "other").read_bytes() == b"theirs"
    assert not (tmp_path / "f").is_symlink()
    assert (tmp_path / "f").read_bytes() == b"ours"


@posix
def test_a_link_to_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to("nothing")
    write_whole(tmp_path / "f", b"ours")
    assert names(tmp_path) == ["f"]


@posix
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / kind
    if kind.startswith("link"):
        path.symlink_to("pipe" if "pipe" in kind else os.devnull)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        write_whole(path, b"x")
    assert len(names(tmp_path)) == (1 if kind == "pipe" else 2)


def test_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder"):
        write_whole(tmp_path / "d", b"x")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        write_whole(tmp_path / "missing" / "f", b"x")
    assert str(tmp_path / "missing" / "f") in caught.value.message
    assert "Create the folder" in caught.value.advice


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o500)
    with pytest.raises(ConfigurationError, match="could not be written"):
        write_whole(tmp_path / "d" / "f", b"x")


@posix
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "f"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CollectorError, match="could not be written"):
            write_whole(path, (b"x" * 50_000 for _ in range(10)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, TemporaryError),
        (errno.EIO, TemporaryError),
        (errno.EACCES, ConfigurationError),
        (errno.ENOENT, ConfigurationError),
        (errno.EROFS, ConfigurationError),
    ],
)
def test_every_error_names_the_file_and_tells_what_to_do(number: int, kind: type[CollectorError]) -> None:
    error = explain(OSError(number, os.strerror(number)), Path("some") / "file")
    assert type(error) is kind
    assert str(Path("some") / "file") in error.message
    assert os.strerror(number) in error.message
    assert error.advice


@pytest.mark.parametrize("name", ["x" * 255, "ä" * 127, "\U0001f511" * 63])
def test_a_name_as_long_as_names_can_be(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_whole(path, b"x")
    assert path.read_bytes() == b"x"


@posix
def test_a_new_folder_is_the_owner_s_and_an_old_one_stays_as_it_is(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert mode(private_dir(tmp_path / "a" / "b")) == 0o700
    finally:
        os.umask(before)
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(0o755)
    assert mode(private_dir(tmp_path / "c")) == 0o755


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(ConfigurationError):
        private_dir(tmp_path / "f")
