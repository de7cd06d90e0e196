"""A folder of ours is there whole or not at all, and nobody's other files go with it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.folders import MARK, prove_folder, write_folder

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")


def content(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name != MARK}


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_folder(folder, [("a", [b"1"]), ("b", [b"2", b"3"])])
    assert content(folder) == {"a": b"1", "b": b"23"}
    write_folder(folder, [("c", [b"4"])])
    assert content(folder) == {"c": b"4"}
    assert names(tmp_path) == ["report"], "nothing is left beside it"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    write_folder(tmp_path / "report", [("a", [b"1"])])
    assert content(tmp_path / "report") == {"a": b"1"}


@posix
@pytest.mark.parametrize("umask", [0, 0o277])
def test_only_the_owner_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_folder(tmp_path / "report", [("a", [b"1"])])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "report").iterdir()} == {0o600}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_ends_the_writing_early_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    folder = tmp_path / "report"
    write_folder(folder, [("a", [b"old"])])

    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise error

    with pytest.raises(error):
        write_folder(folder, [("a", [b"new"]), ("b", chunks())])
    assert content(folder) == {"a": b"old"}
    assert names(tmp_path) == ["report"]


@pytest.mark.parametrize("ours", [False, True])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, ours: bool) -> None:
    folder = tmp_path / "report"
    if ours:
        write_folder(folder, [("a", [b"1"])])
    else:
        folder.mkdir()
    (folder / "thesis.csv").write_text("years of work")
    for act in (prove_folder, lambda path: write_folder(path, [("a", [b"2"])])):
        with pytest.raises(ConfigurationError, match=r"thesis\.csv"):
            act(folder)
    assert (folder / "thesis.csv").read_text() == "years of work"
    assert names(tmp_path) == ["report"]


def test_a_file_that_comes_while_we_write_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_folder(folder, [("a", [b"1"])])

    def chunks() -> Iterator[bytes]:
        (folder / "thesis.csv").write_text("years of work")
        yield b"2"

    write_folder(folder, [("a", chunks())])
    assert content(folder) == {"a": b"2"}
    (kept,) = tmp_path.glob(".report.*.old/thesis.csv")
    assert kept.read_text() == "years of work"


def test_what_can_not_be_a_folder_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (Path("/"), Path(), Path(".."), tmp_path / "file", tmp_path / "none" / "report"):
        with pytest.raises(ConfigurationError):
            prove_folder(path)
    prove_folder(tmp_path / "report")
    assert names(tmp_path) == ["file"]


@posix
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "report").symlink_to(tmp_path / "there")
    with pytest.raises(ConfigurationError):
        prove_folder(tmp_path / "report")


def test_a_mark_that_somebody_wrote_removes_nothing_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (tmp_path / "mine").write_text("mine")
    (folder / MARK).write_text("../mine\n" + str(tmp_path / "mine"))
    write_folder(folder, [("a", [b"1"])])
    assert (tmp_path / "mine").read_text() == "mine"
