"""Runs a coroutine to its end on the fastest loop that the system has, and picks the error to report."""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from oaa_bitbucket_async.errors import (
    CollectorError,
    CredentialError,
    InterruptedRunError,
    TemporaryError,
)

_WEIGHT: tuple[type[BaseException], ...] = (CredentialError, InterruptedRunError, TemporaryError, CollectorError)


def run_to_end(main: Coroutine[object, object, int]) -> int:
    """The coroutine's result. If several errors ended it together, raises the most important one."""
    try:
        with _rare_collections(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main)
    except BaseExceptionGroup as group:
        raise weightiest(group) from None
    finally:
        main.close()  # a signal may have come before it began


@contextmanager
def _rare_collections() -> Iterator[None]:
    """The cyclic garbage collector comes less often, and does not look at modules and their classes again.

    A crawl keeps most of what it makes and makes few cycles: at Python's thresholds, which are meant for small
    programs, a seventh of its processor time went into looking through it.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    try:
        import uvloop
    except ImportError:  # the standard loop serves, only slower
        return None
    return uvloop.new_event_loop


def exit_code_of(error: BaseException) -> int:
    """The exit code with which `error` ends the process."""
    return error.exit_code if isinstance(error, CollectorError) else 1


def weightiest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The most important error: a bug first, then what the user has to know first."""
    leaves = list(_leaves(group))
    for error in leaves:
        if not isinstance(error, (CollectorError, asyncio.CancelledError)):
            return error
    for kind in _WEIGHT:
        for error in leaves:
            if isinstance(error, kind):
                return error
    return leaves[0]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
