"""Folders of our own, each replaced as a whole or not at all, readable by their owner only.

All calls block; call them off the event loop (`asyncio.to_thread`).
"""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.files import PRIVATE_DIRECTORY, explain, write_whole

MARK = ".oaa-bitbucket-async"
"""A file in each of our folders. It lists the other files, one name a line. Files that it does not list are kept."""


def write_folder(path: Path, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Make the folder hold `files` (names and content) and nothing else.

    The files are written to a folder beside it, which is synced to the disk and then renamed. An error or a signal
    before that leaves the old folder as it was. Between the two renames no folder has the name. If the machine stops
    right there, the old folder is beside it, as `.NAME.….old`.

    Raises:
        ConfigurationError: it is not ours to replace, or its parent is missing or not ours to write in.
        TemporaryError: the disk is full or failing.
    """
    prove_folder(path)
    token = secrets.token_hex(8)
    new, old = (path.with_name(f".{path.name[:40]}.{token}.{end}") for end in ("tmp", "old"))
    names: list[str] = []
    try:
        _make(new, path)
        for name, chunks in files:
            names.append(name)
            write_whole(new / name, chunks)
        write_whole(new / MARK, "".join(f"{name}\n" for name in names).encode())
        try:
            had_one = path.exists()
            if had_one:
                path.rename(old)
            try:
                new.rename(path)
            except BaseException:
                if had_one:
                    old.rename(path)
                raise
        except OSError as error:
            raise explain(error, path) from error
    except BaseException:
        _remove(new, names)
        raise
    if had_one:
        _remove(old, _ours(old) or ())


def prove_folder(path: Path) -> None:
    """Raise the error that `write_folder` would raise, as far as it can be known in advance."""
    if path.name in ("", ".."):
        raise ConfigurationError(f"{path} is not a folder name.", "Give the name of a folder.")
    try:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise ConfigurationError(f"{path} is not a folder.", "Give the name of a folder; it need not exist.")
        present = {one.name for one in path.iterdir()} if path.exists() else set()
    except OSError as error:
        raise explain(error, path) from error
    if foreign := sorted(present - {MARK} - set(_ours(path) or ())):
        raise ConfigurationError(
            f"{path} contains files that no report wrote: {', '.join(foreign[:3])}{' …' if len(foreign) > 3 else ''}.",
            "Give a folder that is empty, or that does not exist.",
        )
    probe = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    _make(probe, path)
    _remove(probe, ())


def _make(folder: Path, path: Path) -> None:
    try:
        folder.mkdir()
        folder.chmod(PRIVATE_DIRECTORY)
    except OSError as error:
        raise explain(error, path) from error


def _ours(path: Path) -> list[str] | None:
    """The names of the files that we wrote there, None if we did not."""
    try:
        names = (path / MARK).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    return [name for name in names if name and os.sep not in name]


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove the folder if it holds only these files. A failure here does not hide another error."""
    for name in (*names, MARK):
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
