"""Every request in flight holds a connection, every connection an open file, and a process may have only so many."""

import dataclasses
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

    wanted = pace.concurrency or pace.max_concurrency
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or wanted + _RESERVE <= soft:
        return pace, None
    target = wanted + _RESERVE if hard == resource.RLIM_INFINITY else min(wanted + _RESERVE, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        soft = target
    except (OSError, ValueError):  # some systems have a lower limit of their own: stay within the soft one
        pass
    if wanted + _RESERVE <= soft:
        return pace, None
    possible = max(2, soft - _RESERVE)
    flag = "--max-concurrency (OAA_MAX_CONCURRENCY)" if pace.concurrency is None else "--concurrency (OAA_CONCURRENCY)"
    fitted = (
        dataclasses.replace(pace, max_concurrency=possible)
        if pace.concurrency is None
        else dataclasses.replace(pace, concurrency=possible)
    )
    return fitted, f"{flag} is lowered from {wanted} to {possible}: this process may open {soft} files (`ulimit -n`)."
