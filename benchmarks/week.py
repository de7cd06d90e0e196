"""A simulated week of hourly incremental runs beside nightly full ones: requests, time, and when a change shows.

Nothing is crawled. The requests of a run are counted by kind, and the product's own `due_by_age` decides what is
renewed by age. The audit log is taken to name every change. Subjects are put together into cohorts, so that a week
takes a second.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from statistics import median

from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.rate_limit import allowed_seconds
from benchmarks.records import Answer, Week
from oaa_bitbucket_async.collect.incremental.age import due_by_age

HOUR, DAY = 3600.0, 86_400.0
PAGE = 1000
PER_PROJECT, PER_REPOSITORY = 6, 2
"""Requests for the permissions of one."""
FEW = 12
"""Preflight, global permissions, and the audit log of an hour."""
A_SECOND = 300.0
"""Requests that a server without a rate limit answers in a second."""
COHORTS = 400
CHANGED = (0.001, 0.01, 0.1)
MAX_AGES = (24, 168)
GOALS = {24: 19_000.0, 168: 10_000.0}
"""DESIGN.md section 6: requests of an hourly run, 1,000 repositories changed since the last one."""
_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Size:
    """An instance: a project for fifteen repositories, a group for twenty, a user for two."""

    repositories: int

    @property
    def always(self) -> int:
        """Requests that every run makes: listings, twice those of what can move, and the members of groups."""
        projects, groups, users = self.repositories // 15, self.repositories // 20, self.repositories // 2
        moving = ceil(projects / PAGE) + ceil(self.repositories / PAGE)
        return FEW + 2 * moving + ceil(groups / PAGE) + ceil(users / PAGE) + groups

    @property
    def cohorts(self) -> list[int]:
        """Requests of each cohort: projects and repositories in turn, as a crawl reads them."""
        share = self.repositories / COHORTS
        return [ceil(share / 15 * PER_PROJECT + share * PER_REPOSITORY)] * COHORTS

    @property
    def full(self) -> int:
        """Requests of a full crawl."""
        return self.always + sum(self.cohorts)


def seconds_of(requests: int, *, rate_limited: bool) -> float:
    """How long a run takes."""
    return max(requests / A_SECOND, allowed_seconds(requests) if rate_limited else 0.0)


@dataclass(frozen=True, slots=True)
class Run:
    """`began` in seconds since the week began; `seconds` is its length."""

    began: float
    seconds: float
    requests: int


def incremental_runs(
    size: Size, max_age: int, changes_an_hour: float, *, rate_limited: bool, until: float
) -> Iterator[Run]:
    """A full crawl and then a run at each hour, unless the one before still goes on."""
    cohorts = size.cohorts
    first = seconds_of(size.full, rate_limited=rate_limited)
    yield Run(0.0, first, size.full)
    read_at = {number: number * first / COHORTS for number in range(COHORTS)}
    before, end = 0.0, first
    while (now := ceil(max(end, before + 1) / HOUR) * HOUR) < until:
        due = due_by_age(
            read_at,
            now=now,
            max_age=max_age * HOUR,
            bound=max_age * HOUR,
            since_last_run=now - before,
            answers=cohorts.__getitem__,
        )
        named = min(size.repositories, changes_an_hour * (now - before) / HOUR)
        requests = ceil(size.always + sum(map(cohorts.__getitem__, due)) + PER_REPOSITORY * named)
        run = Run(now, seconds_of(requests, rate_limited=rate_limited), requests)
        read_at |= dict.fromkeys(due, now)
        before, end = now, now + run.seconds
        yield run


def full_runs(size: Size, *, rate_limited: bool, until: float) -> Iterator[Run]:
    """One every night."""
    seconds = seconds_of(size.full, rate_limited=rate_limited)
    for day in range(int(until / DAY)):
        yield Run(day * DAY, seconds, size.full)


def shown_after(runs: list[Run]) -> list[float]:
    """Hours until a change shows, of changes evenly over the week: at the end of the first run that began after it."""
    ages = []
    for last, run in itertools.pairwise(runs):
        for sample in range(_SAMPLES):
            changed = last.began + (run.began - last.began) * (sample + 0.5) / _SAMPLES
            ages.append((run.began + run.seconds - changed) / HOUR)
    return ages


def week_of(size: Size, changed: float, max_age: int | None, *, rate_limited: bool) -> Week:
    """One week. `changed`: share of the repositories that change in a day; `max_age` None: nightly full runs."""
    until = 7 * DAY
    if max_age is None:
        runs = list(full_runs(size, rate_limited=rate_limited, until=until))
    else:
        an_hour = changed * size.repositories / 24
        runs = list(incremental_runs(size, max_age, an_hour, rate_limited=rate_limited, until=until))
    ages = shown_after(runs)
    return Week(
        hourly=max_age is not None,
        repositories=size.repositories,
        changed=changed,
        max_age=max_age,
        rate_limited=rate_limited,
        requests=sum(run.requests for run in runs),
        seconds=median(run.seconds for run in runs),
        shown_after=median(ages),
        shown_after_worst=max(ages),
    )


def even_hour(size: Size, max_age: int, changes: int) -> int:
    """The median requests of an hourly run in the second week, when the load is even."""
    runs = list(incremental_runs(size, max_age, changes, rate_limited=False, until=14 * DAY))
    return round(median(run.requests for run in runs if run.began > 7 * DAY))


async def measure(plan: Plan) -> Answer:
    """Every combination; the figures are of the largest instance."""
    sizes = [Size(n) for n in ((10_000,) if plan.quick else (10_000, 100_000))]
    weeks = [
        week_of(size, changed, max_age, rate_limited=limited)
        for size in sizes
        for limited in (False, True)
        for changed in CHANGED
        for max_age in (None, *MAX_AGES)
    ]
    largest = sizes[-1]
    figures = [
        Figure(
            "requests of an hourly run (simulated)",
            f"{largest.repositories:,} repositories, 1 % changed since the last run, --max-age {max_age}",
            even_hour(largest, max_age, largest.repositories // 100),
            unit="",
            goal=goal if largest.repositories == 100_000 else None,
            note=f"a full run takes {largest.full:,}",
            digits=0,
        )
        for max_age, goal in GOALS.items()
    ]
    for one in weeks:
        if one.repositories == largest.repositories:
            schedule = "nightly full runs" if one.max_age is None else f"hourly, --max-age {one.max_age}"
            limit = ", default rate limit" if one.rate_limited else ""
            figures.append(
                Figure(
                    "a simulated week: requests a day",
                    f"{schedule}, {100 * one.changed:g} % change a day{limit}",
                    one.requests_a_day,
                    unit="",
                    note=f"a run takes {one.seconds / 60:,.0f} min; a change shows after {one.shown_after:.1f} h, "
                    f"at most {one.shown_after_worst:.1f} h",
                    digits=0,
                )
            )
    return Answer(figures, weeks=weeks)
