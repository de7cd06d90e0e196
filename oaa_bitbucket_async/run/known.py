"""Has a run been there before? Then a name that is gone or a stranger that answers is a trouble that passes."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oaa_bitbucket_async.errors import CollectorError, WrongAddressError
from oaa_bitbucket_async.files import write_whole

_log = logging.getLogger(__name__)


def is_there(path: Path) -> bool:
    """Whether something has this name. A folder that can't be looked into holds nothing that we know of."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


@contextmanager
def passing_if(been_there: Callable[[], bool]) -> Iterator[None]:
    """Ends with the error for an address that was good before, where it was."""
    try:
        yield
    except WrongAddressError as error:
        if been_there():
            raise error.after_success from None
        raise


async def remember(mark: Path) -> None:
    """A run has signed in. The mark is empty, so that it takes no room.

    Never raises: without the mark a later trouble gets exit code 2.
    """
    if is_there(mark):
        return
    try:
        await asyncio.to_thread(write_whole, mark, b"")
    except CollectorError as error:
        _log.debug("the state folder can't remember that this URL works: %s", error)
