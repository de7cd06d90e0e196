"""Files that hold what an instance looks like: written whole or not at all, readable by their owner only.

What a run believes of an earlier one it reads with `read_ours`: somebody else could have planted the file.

All calls block; call them off the event loop (`asyncio.to_thread`).
"""

import contextlib
import errno
import io
import logging
import math
import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from oaa_bitbucket_async.errors import CollectorError, ConfigurationError, TemporaryError
from oaa_bitbucket_async.events import Event, event

_log = logging.getLogger(__name__)
PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_PIECE = 1 << 20
_FED = 1 << 14
_SLACK = 4 << 20
SMALL = 1 << 20
"""Bytes: more than any file that only describes another one (a lock's holder, what was kept beside a payload) has."""
_PASSING = frozenset({errno.ENOSPC, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)})


def write_private(path: Path, chunks: bytes | Iterable[bytes]) -> None:
    """Write a file that only its owner can read; see `write_whole`."""
    write_whole(path, chunks, mode=PRIVATE_FILE)


def write_whole(path: Path, chunks: bytes | Iterable[bytes], *, mode: int) -> None:
    """Write `chunks` to `path` so that at any moment there is the old file, whole, or the new one, whole.

    They go to a temporary file in the same folder, onto the disk, and only then under the name. Whatever ends
    that early, an error, a signal or an exception of the iterable, leaves the old file and no temporary one.
    The new file's permissions are `mode` (POSIX), whatever the old file's and the umask are; a symbolic link
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
            os.replace(temporary, path)  # noqa: PTH105  # replaces on Windows too
            _sync_folder(path.parent)
    except BaseException:
        # After the replacement there is nothing to remove; before it, failing to remove must not hide the cause.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_all(file: io.FileIO, chunk: bytes) -> None:
    """A disk that is nearly full takes a part, and refuses the rest at the next call."""
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

    It may be a folder that others use (`/tmp`), so tightening it is not ours to do: the files in it are private.

    Raises:
        ConfigurationError: it can't be made, or something else has the name.
        TemporaryError: the disk is full or failing.
    """
    with _explained(path):
        path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    return path


def warn_of_neighbours(folder: Path) -> None:
    """One warning if others than this user, root and this process' groups may write to the folder.

    What they put there is not believed (`open_ours`); but they can delete and rename what is ours.
    """
    if not hasattr(os, "geteuid"):
        return
    try:
        found = folder.stat()
    except OSError:  # whoever needs the folder will say what is wrong with it
        return
    groups = {os.getegid(), *os.getgroups()}
    others = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid not in groups)
    if others or found.st_uid not in (os.geteuid(), 0):
        _log.warning(
            "--state-dir (OAA_STATE_DIR): others than this user may write to %s (mode %o, owner %d): they can delete "
            "what an unfinished run and the last upload have left there; use a folder that only this user may write to",
            folder,
            stat.S_IMODE(found.st_mode),
            found.st_uid,
            extra=event(Event.STATE_DIR_SHARED, folder=str(folder)),
        )


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
    """Make the new name itself survive a power cut, where the system and the file system have a way to."""
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
    """Turn what the operating system says into what the user can do about it."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def explain(error: OSError, path: Path) -> CollectorError:
    """Our own error for what went wrong while writing `path`."""
    what = f"{path} could not be written: {error.strerror or error}."
    if error.errno in _PASSING:
        return TemporaryError(what, f"Make room on the disk of {path.parent}, or check it, and run again.")
    if error.errno == errno.ENOENT:
        return ConfigurationError(what, f"Make the folder {path.parent} first, or choose another one.")
    return ConfigurationError(
        what, f"Choose a place that this user may write to, or give it the right on {path.parent}."
    )


class OversizedError(ValueError):
    """A file is larger, or unpacks to more, than it may."""


class UntrustedFileError(ConfigurationError):
    """A file that this run should believe may have been written by somebody else, or is not what we write."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not believed: {reason}.", "Look where it comes from; remove it if nobody knows.")
        self.reason = reason


def read_ours(path: Path, *, most: int = SMALL, mode: int = PRIVATE_FILE) -> bytes:
    """The content of a file that an earlier run wrote, at most `most` bytes. See `open_ours`.

    Raises:
        FileNotFoundError: there is none.
        UntrustedFileError: it is not a file that only we can have written, or it is larger than `most`.
        ConfigurationError: it can't be read.
    """
    with open_ours(path, mode=mode) as file:
        try:
            return read_bounded(file, most)
        except OversizedError as error:
            raise UntrustedFileError(path, str(error)) from None
        except OSError as error:
            raise ConfigurationError(f"Can't read {path}: {error.strerror or error}.") from None


def open_ours(path: Path, *, mode: int = PRIVATE_FILE) -> BinaryIO:
    """Open a file that an earlier run wrote, for reading. This is the only way to what a run believes.

    The file must be a regular one, not a symbolic link, belong to this user, and not be writable by everyone. The
    descriptor is checked, not the name. Opening never waits, so a pipe under that name can't hold up the run.

    A file that a group of this process may write is taken, and its permissions become `mode`, with a warning:
    Kubernetes adds that right to every file of a volume with an `fsGroup`. Windows has no such permissions.

    Raises:
        FileNotFoundError: there is none.
        UntrustedFileError: it is not a file that only we can have written.
        ConfigurationError: it can't be opened.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EMLINK):
            raise UntrustedFileError(path, "it is not a regular file") from None
        raise ConfigurationError(f"Can't read {path}: {error.strerror or error}.") from None
    try:
        _check_ours(descriptor, path, mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(file: BinaryIO, most: int, begin: bytes = b"") -> bytes:
    """`begin`, which was read already, and the rest of `file`. Memory never holds more than `most` bytes.

    Raises:
        OversizedError: there is more.
        OSError: it can't be read.
    """
    text, size = io.BytesIO(), 0
    text.write(begin)
    with contextlib.suppress(io.UnsupportedOperation):  # no file of the operating system
        size = os.fstat(file.fileno()).st_size  # of a large file not one byte is read
    while text.tell() <= most and size <= most and (part := file.read(_PIECE)):
        text.write(part)
    if max(size, text.tell()) > most:
        raise OversizedError(f"it is larger than {most:,} bytes")
    return text.getvalue()


def unpack_bounded(packed: bytes, *, most: int, ratio: float = math.inf) -> bytes:
    """What zlib or gzip has packed, checked piece by piece while it is unpacked.

    No part of it may unpack to more than `ratio` times its size, but for 4 MiB of slack. Deflate can make 1,032 bytes
    of one; a payload is 10 to 15 times the size of its gzip file.

    Raises:
        OversizedError: it unpacks to more than `most` bytes, or to more than `ratio` allows.
        zlib.error: it is damaged.
    """
    text, slack = io.BytesIO(), float(_SLACK)  # its buffer is handed over by `getvalue`, not copied
    view, at = memoryview(packed), 0
    while True:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        while not unpacker.eof:
            fed = view[at : at + _FED]
            part = unpacker.decompress(fed, _PIECE)
            used = len(fed) - len(unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail)
            at += used
            if not part and not fed and not unpacker.eof:
                raise zlib.error("it ends too early")
            text.write(part)
            if ratio < math.inf:
                slack = min(slack + used * ratio, _SLACK) - len(part)
            if slack < 0:
                raise OversizedError(f"it unpacks to more than {ratio:g} times its size")
            if text.tell() > most:
                raise OversizedError(f"it unpacks to more than {most:,} bytes")
        while at < len(view) and view[at] == 0:  # gzip allows zeros after its end
            at += 1
        if at == len(view):
            return text.getvalue()


def _check_ours(descriptor: int, path: Path, mode: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise UntrustedFileError(path, "it is not a regular file")
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        raise UntrustedFileError(path, "it belongs to another user")
    if found.st_mode & stat.S_IWOTH:
        raise UntrustedFileError(path, "every user of this machine may write it")
    if not found.st_mode & stat.S_IWGRP:
        return
    if found.st_gid not in {os.getegid(), *os.getgroups()}:
        raise UntrustedFileError(path, "a group that this process is not in may write it")
    problem = ""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:  # a file system without permissions of its own
        problem = f", which could not be changed: {error.strerror or error}"
    _log.warning(
        "group %d could write %s (mode %o)%s; with Kubernetes, set fsGroupChangePolicy: OnRootMismatch",
        found.st_gid,
        path,
        stat.S_IMODE(found.st_mode),
        problem or f": only its owner can now (mode {mode:o})",
        extra=event(Event.FILE_MENDED, path=str(path)),
    )
