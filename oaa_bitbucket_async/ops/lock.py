"""One run at a time on one instance."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from filelock import BaseFileLock, FileLock, Timeout

from oaa_bitbucket_async.errors import CollectorError, TemporaryError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import PRIVATE_FILE, private_dir, write_whole
from oaa_bitbucket_async.reading import read_ours

_log = logging.getLogger(__name__)


class LockHolder(msgspec.Struct, frozen=True):
    """The process that holds the lock. A run that does not get the lock names it. `since` is UTC."""

    pid: int
    host: str
    since: datetime

    @classmethod
    def this_process(cls) -> "LockHolder":
        """This process, which holds the lock from now on."""
        return cls(pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC).replace(microsecond=0))


@contextlib.contextmanager
def hold(path: Path, holder: LockHolder | None = None) -> Iterator[None]:
    """Hold the instance's lock at `path` (`state.state_paths`) as long as the block runs.

    The operating system frees the lock when the process ends, even if it is killed. A file next to it (`.holder`)
    only says who holds it: a stale one means nothing. If the folder can't be written to there is no lock. A warning
    says so, and the run goes on.

    Raises:
        TemporaryError: another run holds it.
    """
    lock = _acquire(path)
    if lock is None:
        yield
        return
    about = _about(path)
    try:
        _introduce(about, holder or LockHolder.this_process())
        yield
    finally:
        with contextlib.suppress(OSError):  # the lock is what counts
            about.unlink()
        lock.release()


def _acquire(path: Path) -> BaseFileLock | None:
    try:
        private_dir(path.parent)
        lock = FileLock(path, mode=PRIVATE_FILE, timeout=0)
        lock.acquire()
    except Timeout:
        raise TemporaryError(
            f"Another run is working on this instance: {_describe(_about(path))}.",
            f"Wait until it ends, or end it, then run again. The lock is {path}.",
        ) from None
    except (OSError, NotImplementedError, CollectorError) as error:
        _log.warning(
            "no lock at %s (%s): nothing stops a second run from working on this instance",
            path,
            error,
            extra=event(Event.LOCK_UNAVAILABLE),
        )
        return None
    return lock


def _about(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _introduce(about: Path, holder: LockHolder) -> None:
    try:
        write_whole(about, msgspec.json.encode(holder))
    except CollectorError as error:
        _log.debug("a second run can't see who holds the lock: %s", error)


def _describe(about: Path) -> str:
    try:
        holder = msgspec.json.decode(read_ours(about), type=LockHolder)
    except (OSError, CollectorError, msgspec.MsgspecError):
        return "it did not leave its name"
    return f"process {holder.pid} on {holder.host}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
