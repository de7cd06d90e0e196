"""Which answers are asked again because of their age, so that none is too old and every run asks about as many.

DESIGN.md section 7, "by age".
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")


def due_by_age(
    read_at: Mapping[T, float],
    *,
    now: float,
    max_age: float,
    bound: float,
    since_last_run: float,
    answers: Callable[[T], float] = lambda _: 1.0,
) -> set[T]:
    """Everything older than `bound`, and of the rest the oldest: as much as `since_last_run` is of `max_age`.

    `read_at` has every subject, also those that are asked for another reason, with the time of its oldest answer
    (seconds since 1970). How much a subject counts is how many `answers` it has: a project has three times as many as
    a repository. Of subjects of the same age the first ones are taken. `now` is when the answers have to be fresh:
    about when the upload is going to be made. `bound` is `max_age`, or a quarter of it in doubt (`doubts.age_bound`).
    All ages are in seconds.

    A time in the future counts as older than the bound: a clock was set, so the age is not known.
    """
    due, rest = set(), []
    for subject, at in read_at.items():
        if 0 <= now - at <= bound:
            rest.append((at, subject))
        else:
            due.add(subject)
    share = min(1.0, max(0.0, since_last_run / max_age)) if max_age > 0 else 1.0
    left = share * sum(map(answers, read_at))
    rest.sort(key=itemgetter(0))
    for _, subject in rest:
        if left <= 0:
            break
        due.add(subject)
        left -= answers(subject)
    return due
