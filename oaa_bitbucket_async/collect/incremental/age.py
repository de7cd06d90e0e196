"""Chooses the answers to ask again by age, so that none gets too old and every run asks about the same number.

DESIGN.md section 7, "by age".
"""

from collections.abc import Mapping
from math import ceil
from typing import TypeVar

T = TypeVar("T")


def due_by_age(
    read_at: Mapping[T, float], *, now: float, max_age: float, bound: float, since_last_run: float
) -> set[T]:
    """Everything older than `bound`, and the oldest of the rest: the share that `since_last_run` is of `max_age`.

    `read_at` has all units, also those that are asked for another reason, with the time of each (seconds since 1970).
    Among units of the same age, the first ones are taken. `now` is when the answers have to be fresh: about the time
    of the upload. `bound` is `max_age`, or a quarter of it in doubt (`doubts.age_bound`). All
    ages are in seconds.

    A unit with a time in the future counts as older than the bound: a clock was set, so its age is not known.
    """
    due = {unit for unit, at in read_at.items() if not 0 <= now - at <= bound}
    share = min(1.0, max(0.0, since_last_run / max_age)) if max_age > 0 else 1.0
    count = ceil(share * len(read_at))
    rest = [unit for unit in read_at if unit not in due]
    due.update(sorted(rest, key=read_at.__getitem__)[:count])
    return due
