"""Has a run reached this address before? Then an unknown name or an unexpected server is a temporary problem."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oaa_bitbucket_async.errors import CollectorError, WrongAddressError
from oaa_bitbucket_async.files import write_whole

_log = logging.getLogger(__name__)


def is_there(path: Path) -> bool:
    """Whether the path exists. False if its folder can't be read."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


@contextmanager
def passing_if(been_there: Callable[[], bool]) -> Iterator[None]:
    """Raises the error as a temporary one if the address was good before."""
    try:
        yield
    except WrongAddressError as error:
        if been_there():
            raise error.after_success from None
        raise


async def remember(mark: Path) -> None:
    """Notes in an empty file that a run has signed in.

    Never raises: without the file a later problem gets exit code 2.
    """
    if is_there(mark):
        return
    try:
        await asyncio.to_thread(write_whole, mark, b"")
    except CollectorError as error:
        _log.debug("the state folder can't remember that this URL works: %s", error)
