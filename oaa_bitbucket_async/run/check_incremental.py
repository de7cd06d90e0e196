"""The part of `--check` about incremental runs: can the log be read, what does a run cost, how often to run."""

import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from oaa_bitbucket_async.bitbucket.audit.log import AuditLog
from oaa_bitbucket_async.bitbucket.audit.reading import Reading, Unreadable
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.incremental.doubts import Reason, doubts
from oaa_bitbucket_async.collect.incremental.keys import is_wanted
from oaa_bitbucket_async.collect.incremental.named import Named, what_is_named
from oaa_bitbucket_async.ops.formats import duration_text, size_text
from oaa_bitbucket_async.run.check_report import CheckReport, Rate
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.settings import Settings
from oaa_bitbucket_async.urls import base_url_parts

HOUR = 3600.0
MOST_PAGES = 100
"""Of the last hour of the log: a hundred thousand rows."""
_STEP = 300.0
"""Seconds to which the shortest interval is rounded up."""


class Told(NamedTuple):
    """The cost of one hour of the audit log."""

    named: float = 0.0
    """Requests to ask again what it names."""
    reading: int = 0
    """Requests that it takes to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of incremental runs, in requests. `named` is per hour, `max_age` is in hours."""

    whole: int
    """Requests of a full run."""
    always: int
    """Listings, members of groups, global permissions, and reading the audit log."""
    named: float
    max_age: float
    rate: Rate

    @property
    def answers(self) -> int:
        """All requests whose answers have to be renewed by age."""
        return max(0, self.whole - self.always)

    def by_age(self, hours: float) -> int:
        """Requests because of age, for a run after this many hours."""
        return math.ceil(self.answers * min(1.0, hours / self.max_age))

    def requests(self, hours: float) -> int:
        """All requests of a run after this many hours."""
        return min(self.always + self.by_age(hours) + math.ceil(self.named * hours), max(self.whole, self.always))

    @property
    def shortest(self) -> float | None:
        """The shortest interval in hours, in 5-minute steps: twice such a run's duration. None: it can't keep up."""
        a_second = self.rate.per_second - 2 * (self.answers / self.max_age + self.named) / HOUR
        if a_second <= 0:
            return None
        seconds = 2 * max(0.0, self.always - self.rate.burst) / a_second
        hours = max(1, math.ceil(seconds / _STEP)) * _STEP / HOUR
        return hours if hours < self.max_age else None


def named_requests(named: Named, settings: Settings, default_levels: int) -> int:
    """About how many requests it takes to ask again what the log names."""
    permissions = {"project": 2 + default_levels, "repository": 2, "user": 0}
    included = Counter(kind.of for include in settings.include for kind in kinds.kinds_of(include))
    return sum(
        permissions[subject.kind] + (included[subject.kind] if subject in named.things else 0)
        for subject in named.subjects
    )


async def look_at_log(session: Session, capabilities: Capabilities, report: CheckReport) -> Told:
    """Reads the last hour of the audit log and says whether it is usable. Raises errors that end a run."""
    settings = session.settings
    log = AuditLog(session.client, base_url_parts(settings.bitbucket_url).path, capabilities.user_id)
    before, now = session.stats.total, time.time()
    reading = await log.read(
        round((now - HOUR) * 1000), now=time.time, sleep=session.clock.sleep, keep=is_wanted, most_pages=MOST_PAGES
    )
    asked = session.stats.total - before
    if isinstance(reading, Unreadable):
        found = {"readable": False, "why": reading.words}
        report.tell("Audit log", f"{reading.words} Incremental runs renew answers by age alone.", audit_log=found)
        return Told(reading=asked)
    reach, retention, used = await log.reach(now), await log.retention(), await log.usage()
    in_doubt = [
        doubt.words
        for doubt in doubts(None, reading, include=settings.include, trust=None)
        if doubt.reason is not Reason.NO_MARK  # this is no run, so nothing is to be expected of the last one
    ]
    hours = _hours(reading)
    rows, size = round(reading.rows / hours), round(reading.bytes / hours)
    words = [f"can be read; {rows:,} rows and {size_text(size)} an hour"]
    if not isinstance(reach, Unreadable):
        words.append(f"rows of {reach} days ago and more" if reach else "no row is older than a day")
    if retention is not None:
        words.append(f"rows are kept for {retention}")
    if used is not None:
        words.append(f"{100 * used:.0f} % of the room is used")
    found = {
        "readable": True,
        "why": None,
        "rows_an_hour": rows,
        "bytes_an_hour": size,
        "reaches_back_days": None if isinstance(reach, Unreadable) else reach,
        "retention": retention,
        "used": used,
        "doubts": in_doubt,
    }
    report.tell("Audit log", "; ".join(words), audit_log=found)
    report.tell("", "covers all that is needed" if not in_doubt else f"in doubt: {' '.join(in_doubt)}")
    named = what_is_named(reading.events, None)
    return Told(named_requests(named, settings, len(capabilities.default_levels)) / hours, asked)


def tell_costs(report: CheckReport, costs: Costs, *, known_rate: bool) -> None:
    """Tells the cost of an incremental run, hourly or as often as is sensible, and of a day of them."""
    shortest = costs.shortest
    hours = max(1.0, shortest or 0.0)
    requests, by_age = costs.requests(hours), costs.by_age(hours)
    seconds = costs.rate.seconds(requests)
    a_day = math.ceil(requests * 24 / hours)
    after = "an hour" if hours == 1 else _interval(hours)
    named = max(0, requests - costs.always - by_age)
    report.tell(
        "Incremental",
        f"after {after} a run takes about {requests:,} requests: {costs.always:,} for listings and groups, "
        f"{by_age:,} by age (--max-age {costs.max_age:g}), {named:,} that the audit log names",
        incremental={
            "max_age_hours": costs.max_age,
            "interval_seconds": round(hours * HOUR),
            "requests": requests,
            "always": costs.always,
            "by_age": by_age,
            "named": named,
            "seconds": round(seconds, 1),
            "shortest_interval_seconds": None if shortest is None else round(shortest * HOUR),
            "requests_a_day": a_day,
            "full_run_requests": costs.whole,
        },
    )
    speed = f"at {costs.rate.per_second:g}/s" if known_rate else "at the pace of this check, a run is quicker"
    if shortest is None:
        report.tell(
            "", f"{duration_text(seconds)} {speed}: too long to keep up. Take a longer --max-age, or run a full crawl."
        )
        return
    report.tell("", f"{duration_text(seconds)} {speed}; shortest sensible interval: {_interval(shortest)}")
    report.tell("", f"{a_day:,} requests a day, beside {costs.whole:,} for a full run every night")


def _hours(reading: Reading) -> float:
    """How much of the last hour was read."""
    if reading.complete or reading.oldest is None or reading.newest is None:
        return 1.0
    return max(reading.newest - reading.oldest, 1) / 1000 / HOUR


def _interval(hours: float) -> str:
    """`40 min`, `2 h`, `1 h 5 min`."""
    whole, minutes = divmod(round(hours * 60), 60)
    return " ".join(part for part in (f"{whole} h" * (whole > 0), f"{minutes} min" * (minutes > 0)) if part)
