"""Reads files safely. Someone could have planted a file of an earlier run, and any file can unpack to gigabytes.

All calls block; call them off the event loop (`asyncio.to_thread`).
"""

import contextlib
import errno
import io
import logging
import math
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import PRIVATE_FILE

_log = logging.getLogger(__name__)
_OURS = (
    "*.journal",
    "*.journal-*",
    "*.lock",
    "*.lock.holder",
    "*.last-payload.gz",
    "*.json.gz",
    "*.missing.txt",
    "*.requests",
    "*.pace",
)
"""What the collector keeps in a state folder, which may hold what others put there."""
_PIECE = 1 << 20
"""Bytes read or unpacked at a time."""
_FED = 1 << 14
"""Packed bytes that are unpacked at a time."""
_SLACK = 4 << 20
"""Bytes by which a part may unpack to more than its ratio allows."""
SMALL = 1 << 20
"""Bytes. Small files that describe another file (a lock's holder, the notes beside a payload) are always shorter."""


class OversizedError(ValueError):
    """A file is larger, or unpacks to more, than it may."""


class UntrustedFileError(ConfigurationError):
    """A file of an earlier run that someone else may have written, or that we don't write."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not trusted: {reason}.", "Check where it comes from. Delete it if nobody knows.")
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
    """Open a file that an earlier run wrote, for reading. A run trusts only files that it opens this way.

    The file must be a regular one, not a symbolic link, belong to this user, and not be writable by everyone. The
    descriptor is checked, not the name. Opening never waits, so a pipe under that name can't hold up the run.

    A file that a group of this process may write is accepted. Its permissions become `mode`, and a warning is logged.
    Kubernetes adds that right to every file of a volume with an `fsGroup`. Windows has no such permissions.

    Raises:
        FileNotFoundError: there is none.
        UntrustedFileError: it is not a file that only we can have written.
        ConfigurationError: it can't be opened.
    """
    file, group = _opened(path, mode)
    if group is not None:
        _tell_mended(group, path, [path])
    return file


def secure(folder: Path) -> None:
    """Take from groups the right to write the collector's files in a state folder, with one warning for all of them.

    Warn once, too, if anyone except this user, root and this process' groups may write to the folder. A run does not
    trust their files (`open_ours`), but they can delete and rename ours.
    """
    _warn_of_neighbours(folder)
    mended, group = [], None
    for path in sorted(path for name in _OURS for path in folder.glob(name)):
        with contextlib.suppress(ConfigurationError, OSError):  # whoever needs the file will say what is wrong with it
            file, writers = _opened(path, PRIVATE_FILE)
            file.close()
            if writers is not None:
                mended.append(path)
                group = writers
    if group is not None:
        _tell_mended(group, folder, mended)


def _opened(path: Path, mode: int) -> tuple[BinaryIO, int | None]:
    """The file, and the group whose right to write it was taken away. Raises as `open_ours`."""
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
        group = _check_ours(descriptor, path, mode)
        return os.fdopen(descriptor, "rb"), group
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
    """The unpacked content of zlib or gzip data, as a whole. Raises the errors of `unpack_pieces`."""
    text = io.BytesIO()  # its buffer is handed over by `getvalue`, not copied
    for piece in unpack_pieces(packed, most=most, ratio=ratio):
        text.write(piece)
    return text.getvalue()


def unpack_pieces(packed: bytes, *, most: int, ratio: float = math.inf) -> Iterator[bytes]:
    """The unpacked content of zlib or gzip data, in pieces. Each piece is checked while it is unpacked.

    No part of it may unpack to more than `ratio` times its size, but for 4 MiB of slack. Deflate can make 1,032 bytes
    of one; a payload is 10 to 15 times the size of its gzip file.

    Raises:
        OversizedError: it unpacks to more than `most` bytes, or to more than `ratio` allows.
        zlib.error: it is damaged.
    """
    size, slack = 0, float(_SLACK)
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
            size += len(part)
            if ratio < math.inf:
                slack = min(slack + used * ratio, _SLACK) - len(part)
            if slack < 0:
                raise OversizedError(f"it unpacks to more than {ratio:g} times its size")
            if size > most:
                raise OversizedError(f"it unpacks to more than {most:,} bytes")
            yield part
        while at < len(view) and view[at] == 0:  # gzip allows zeros after its end
            at += 1
        if at == len(view):
            return


def _check_ours(descriptor: int, path: Path, mode: int) -> int | None:
    """Raises UntrustedFileError. Gives the group whose right to write was taken away, if there was one."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise UntrustedFileError(path, "it is not a regular file")
    if not hasattr(os, "geteuid"):
        return None
    if found.st_uid != os.geteuid():
        raise UntrustedFileError(path, "it belongs to another user")
    if found.st_mode & stat.S_IWOTH:
        raise UntrustedFileError(path, "every user of this machine may write it")
    if not found.st_mode & stat.S_IWGRP:
        return None
    if found.st_gid not in {os.getegid(), *os.getgroups()}:
        raise UntrustedFileError(path, "a group that this process is not in may write it")
    # Some file systems have no rights of their own: there the warning comes in each run, and the file is taken.
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, mode)
    return found.st_gid


def _tell_mended(group: int, where: Path, files: list[Path]) -> None:
    _log.warning(
        "group %d could write %s%s; this right was taken away, where the file system has such rights. With Kubernetes, "
        "set fsGroupChangePolicy: OnRootMismatch",
        group,
        f"{len(files)} files in " if len(files) > 1 else "",
        where if len(files) > 1 else files[0],
        extra=event(Event.FILE_MENDED, path=str(where), files=[str(file) for file in files]),
    )


def _warn_of_neighbours(folder: Path) -> None:
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
            "--state-dir (OAA_STATE_DIR): other users can write to %s (mode %o, owner %d) and delete "
            "what an unfinished run and the last upload have left there; use a folder that only this user may write to",
            folder,
            stat.S_IMODE(found.st_mode),
            found.st_uid,
            extra=event(Event.STATE_DIR_SHARED, folder=str(folder)),
        )
