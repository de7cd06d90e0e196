"""Keeps the number of requests in flight within the limit of open files: each needs a connection, which is a file."""

import dataclasses
import math
import sys

from oaa_bitbucket_async.settings import Pace

_RESERVE = 64
"""Files for all the rest: the journal, logs, the lock, libraries, connections that are being closed."""


def fit_to_open_files(pace: Pace) -> tuple[Pace, str | None]:
    """`pace` with no more requests in flight than this process may open connections, and a warning if that is fewer.

    Raises the soft limit of the process where the hard one allows. Windows has no such limit.
    """
    if sys.platform == "win32":
        return pace, None
    import resource

    def number(limit: int) -> float:
        return math.inf if limit == resource.RLIM_INFINITY else limit

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = raised(pace, number(soft), number(hard))
    if wanted is not None:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # some systems have a lower limit of their own: stay within the soft one
            pass
    return fit(pace, number(soft))


def raised(pace: Pace, soft: float, hard: float) -> int | None:
    """The soft limit that `pace` needs, as far as `hard` allows. None if the present limit is enough."""
    wanted = _in_flight(pace) + _RESERVE
    return int(min(wanted, hard)) if soft < min(wanted, hard) else None


def fit(pace: Pace, files: float) -> tuple[Pace, str | None]:
    """`pace` within a limit of so many open files, and a warning if it had to be lowered."""
    wanted = _in_flight(pace)
    if wanted + _RESERVE <= files:
        return pace, None
    possible = max(2, int(files) - _RESERVE)
    if pace.concurrency is None:
        flag, fitted = "--max-concurrency (OAA_MAX_CONCURRENCY)", dataclasses.replace(pace, max_concurrency=possible)
    else:
        flag, fitted = "--concurrency (OAA_CONCURRENCY)", dataclasses.replace(pace, concurrency=possible)
    return (
        fitted,
        f"{flag} is lowered from {wanted} to {possible}: this process may open {files:g} files (`ulimit -n`).",
    )


def _in_flight(pace: Pace) -> int:
    return pace.concurrency or pace.max_concurrency
