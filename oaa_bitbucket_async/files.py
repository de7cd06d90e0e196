"""Files that hold what an instance looks like: written whole or not at all, readable by their owner only.

`reading` is the way back.

All calls block; call them off the event loop (`asyncio.to_thread`).
"""

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from oaa_bitbucket_async.errors import CollectorError, ConfigurationError, TemporaryError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_PASSING = frozenset({errno.ENOSPC, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)})


def write_whole(path: Path, chunks: bytes | Iterable[bytes], *, mode: int = PRIVATE_FILE) -> None:
    """Write `chunks` to `path`. At any moment the whole old file or the whole new file is there.

    The chunks go to a temporary file in the same folder. It is synced to the disk and then renamed. An error, a
    signal or an exception of the iterable leaves the old file and no temporary file.
    The new file's permissions are `mode` (POSIX), regardless of the old file and the umask. A symbolic link
    at `path` is replaced, not followed.

    Raises:
        ConfigurationError: the folder is missing or not ours to write in, or `path` is a folder or a device.
        TemporaryError: the disk is full or failing.
    """
    path = Path(path)
    with _explained(path):
        _refuse_what_is_no_file(path)
        temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, mode & PRIVATE_FILE)
    try:
        # Without a buffer: closing one that a full disk does not take raises an error that hides ours.
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123  # the descriptor is what makes it private
            for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
                with _explained(path):
                    _write_all(file, chunk)
            with _explained(path):
                if hasattr(os, "fchmod"):
                    os.fchmod(descriptor, mode)
                os.fsync(descriptor)
                file.close()
        with _explained(path):
            replace_durably(temporary, path)
    except BaseException:
        # After the replacement there is nothing to remove; before it, failing to remove must not hide the cause.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def replace_durably(new: Path, path: Path) -> None:
    """Give `new` the name of `path`, so that it survives a power cut. Raises OSError."""
    os.replace(new, path)  # noqa: PTH105  # replaces on Windows too
    _sync_folder(path.parent)


def _write_all(file: io.FileIO, chunk: bytes) -> None:
    """Write all of it. A nearly full disk accepts a part and refuses the rest at the next call."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def prove_writable(path: Path) -> None:
    """Raise what `write_whole` would, as far as that can be known before there is anything to write."""
    with _explained(path):
        _refuse_what_is_no_file(path)
        temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
        temporary.unlink()


def private_dir(path: Path) -> Path:
    """Make the folder, for its owner only, if there is none; one that exists keeps its permissions.

    Others may use the folder (`/tmp`), so its permissions are left alone. The files in it are private.

    Raises:
        ConfigurationError: it can't be made, or something else has the name.
        TemporaryError: the disk is full or failing.
    """
    with _explained(path):
        path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    return path


def _refuse_what_is_no_file(path: Path) -> None:
    """Replacing `/dev/null` or a pipe by a file would break it for everyone; to replace a folder is impossible."""
    try:
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            kind = path.stat().st_mode
    except FileNotFoundError:  # nothing there, or a link to nothing
        return
    if stat.S_ISDIR(kind):
        raise ConfigurationError(f"{path} is a folder.", "Give the name of a file.")
    if not stat.S_ISREG(kind):
        raise ConfigurationError(f"{path} is not a regular file.", "Give the name of a file.")


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, if the system and the file system support that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # some network file systems have none
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's error into advice for the user."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def explain(error: OSError, path: Path) -> CollectorError:
    """Our own error for what went wrong while writing `path`."""
    what = f"{path} could not be written: {error.strerror or error}."
    if error.errno in _PASSING:
        return TemporaryError(what, f"Free space on the disk of {path.parent}, or check the disk, and run again.")
    if error.errno == errno.ENOENT:
        return ConfigurationError(what, f"Create the folder {path.parent} first, or choose another one.")
    return ConfigurationError(
        what, f"Choose a place that this user can write to, or give the user that right on {path.parent}."
    )
