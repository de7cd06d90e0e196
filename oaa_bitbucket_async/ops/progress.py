"""How far the crawl is: a live display on a terminal, or a log line now and then.

It reads plain numbers a few times a second, and never slows the crawl down.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.ops.expected import Expected
from oaa_bitbucket_async.ops.formats import duration_text, rate_text

_log = logging.getLogger(__name__)

REFRESH = 0.25
LOG_EVERY = 30.0
_WINDOW = 10.0
"""Rates are averages over this many seconds."""
_QUIET = 5.0
"""After so many seconds without an answer the display says so."""
_HELD_FROM = 0.5
"""From this share of the rate limit on, if requests are waiting, the limit slows the run down."""
_BAR_FROM = 60
"""A terminal of so many columns has room for bars."""


class Meter:
    """The figures of the display: rates over the last seconds, the time that is left, what holds things up."""

    def __init__(
        self, requests: RequestStats, counts: CrawlCounts, pacer: Pacer, now: float, expected: Expected | None = None
    ) -> None:
        self.requests = requests
        self.counts = counts
        self.pacer = pacer
        self._expected = expected or Expected()
        self._start = now
        self._samples: deque[tuple[float, int, int]] = deque()
        self._answered = 0
        self._answered_at = now
        self.advised = False
        """Whether it was said how to get rid of the rate limit."""
        self.sample(now)

    def sample(self, now: float) -> None:
        """Look at the numbers; `now` is the loop's clock."""
        self._samples.append((now, self.requests.total, self.done - self.counts.resumed - self.counts.based))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()
        answered = sum(self.requests.answered.values()) + sum(self.requests.refused.values())
        if answered != self._answered:
            self._answered, self._answered_at = answered, now

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._samples[-1][0] - self._start

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self._per_second(1)

    @property
    def left(self) -> float | None:
        """Seconds until everything is asked, at the present rate. None while that is not known."""
        rate = self._per_second(2)
        total, known = self.total
        todo = total - self.done
        return todo / rate if rate > 0 and known and todo > 0 else None

    @property
    def done(self) -> int:
        """Questions with an answer, including those of an earlier run that this run continues."""
        return self._expected.done(self.requests, self.counts)

    @property
    def total(self) -> tuple[int, bool]:
        """Questions in all, and whether to rely on it."""
        return self._expected.total(self.requests, self.counts)

    @property
    def held(self) -> str | None:
        """Which rate limit holds the run back, if one does."""
        rate = self.pacer.rate.rate
        if rate is None or not self.pacer.waiting or self.rate < _HELD_FROM * rate:
            return None
        whose = "--rate-limit" if self.pacer.rate.own else "Bitbucket's rate limit"
        return f"held to {rate_text(rate)} requests/s by {whose}"

    def trouble(self, now: float) -> str | None:
        """What holds things up, if something does."""
        if self.pacer.pause_left > 0:
            return f"the server asked for a pause: {duration_text(self.pacer.pause_left)} left"
        quiet = now - self._answered_at
        if self.pacer.in_outage:
            return f"the server has not answered for {duration_text(quiet)}: asking now and then"
        if self.counts.set_aside:
            return f"not answered, one is tried now and then: {', '.join(sorted(self.counts.set_aside))}"
        if quiet > _QUIET and (self.pacer.in_flight or self.pacer.waiting):
            return f"no answer for {duration_text(quiet)}"
        return self.held

    def _per_second(self, column: int) -> float:
        first, last = self._samples[0], self._samples[-1]
        seconds = last[0] - first[0]
        return (last[column] - first[column]) / seconds if seconds > 0 else 0.0


@asynccontextmanager
async def progress(
    console: Console,
    *,
    requests: RequestStats,
    counts: CrawlCounts,
    pacer: Pacer,
    live: bool,
    expected: Expected | None = None,
) -> AsyncIterator[None]:
    """Shows progress while the block runs: as a display that disappears at the end if `live`, else as log lines."""
    loop = asyncio.get_running_loop()
    meter = Meter(requests, counts, pacer, loop.time(), expected)
    show = _show(console, meter) if live else _tell(meter)
    task = loop.create_task(show, name="progress")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _advise(meter: Meter) -> None:
    """Says once how to get rid of the server's rate limit, when it has shown that it is what holds the run back."""
    if meter.advised or meter.held is None or meter.pacer.rate.own or meter.elapsed < _QUIET:
        return
    meter.advised = True
    rate = meter.pacer.rate.rate or 0.0
    _log.info(
        "Bitbucket's rate limit holds this run to %s requests a second. An administrator can exempt the account: "
        "Administration, Rate limiting, Exemptions, Add exemption, Allow unlimited requests",
        rate_text(rate),
        extra=event(Event.HELD_BACK, requests_per_second=round(rate, 2)),
    )


async def _tell(meter: Meter) -> None:
    loop = asyncio.get_running_loop()
    told = loop.time()
    while True:
        await asyncio.sleep(1.0)
        now = loop.time()
        meter.sample(now)
        _advise(meter)
        if now - told >= LOG_EVERY - 0.5:
            told = now
            _log.info("%s", line(meter, now), extra=event(Event.PROGRESS, **fields(meter)))


async def _show(console: Console, meter: Meter) -> None:
    loop = asyncio.get_running_loop()
    display = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        get_renderable=lambda: picture(meter, loop.time(), console.width),
    )
    try:
        with display:
            while True:
                meter.sample(loop.time())
                _advise(meter)
                display.refresh()
                await asyncio.sleep(REFRESH)
    except OSError as error:  # the terminal is gone; the crawl is not
        _log.debug("the progress display has stopped: %s", error)


def picture(meter: Meter, now: float, width: int) -> RenderableType:
    """The display, for a terminal `width` columns wide: one bar for the run, yellow while something holds it up."""
    counts = meter.counts
    trouble = meter.trouble(now)
    done, (total, known) = meter.done, meter.total
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    lines: list[tuple[str, int | None, int, bool]] = [
        ("Requests", done, total, known),
        ("Users", None, counts.users, counts.users_complete),
        ("Groups", counts.groups_done, counts.groups, counts.groups_complete),
        ("Projects", counts.projects_done, counts.projects, counts.projects_complete),
        ("Repositories", counts.repositories_done, counts.repositories, counts.repositories_complete),
    ]
    if counts.user_questions:
        lines.append(("Keys of users", counts.user_questions_done, counts.user_questions, True))
    for name, part, listed, complete in lines:
        grid.add_row(Text(name), Text(_amount(part, listed, complete=complete)))
    status = [
        f"{meter.pacer.in_flight} of {meter.pacer.limit} in flight",
        f"{meter.rate:,.0f} requests/s",
        f"{meter.requests.total_retries:,} retries",
    ]
    left = "" if meter.left is None else f", about {duration_text(meter.left)} left"
    style = "yellow" if trouble else "default"
    bar = ProgressBar(
        total=max(total, 1),
        completed=done,
        width=min(width, 80),
        style="bright_black",  # rich's own grey is as dark as the letters of a light terminal
        complete_style=style,
        finished_style=style,
    )
    rows: list[RenderableType] = [
        *([_in_a_line(bar)] if width >= _BAR_FROM else []),
        grid,
        Text(" · ".join(status), style="dim"),
        Text(f"{duration_text(meter.elapsed)}{left}", style="dim"),
    ]
    if trouble:
        rows.append(Text(trouble, style="yellow"))
    return Group(*rows)


def _in_a_line(bar: ProgressBar) -> Table:
    """A bar does not end its line."""
    grid = Table.grid()
    grid.add_row(bar)
    return grid


def line(meter: Meter, now: float) -> str:
    """The same in one line for the log."""
    counts = meter.counts
    total, known = meter.total
    parts = [
        f"{_amount(meter.done, total, complete=known)} requests",
        f"{_amount(None, counts.users, complete=counts.users_complete)} users",
        f"{_amount(counts.groups_done, counts.groups, complete=counts.groups_complete)} groups",
        f"{_amount(counts.projects_done, counts.projects, complete=counts.projects_complete)} projects",
        f"{_amount(counts.repositories_done, counts.repositories, complete=counts.repositories_complete)} repositories",
        f"{meter.rate:,.0f} requests/s",
        f"{meter.pacer.in_flight} of {meter.pacer.limit} in flight",
        f"{meter.requests.total_retries:,} retries",
    ]
    if counts.user_questions:
        parts.append(f"{counts.user_questions_done:,} of {counts.user_questions:,} keys of users")
    if meter.left is not None:
        parts.append(f"about {duration_text(meter.left)} left")
    trouble = meter.trouble(now)
    return ", ".join([*parts, trouble] if trouble else parts)


def fields(meter: Meter) -> dict[str, object]:
    """The same for a log record in JSON."""
    counts = meter.counts
    return {
        "users": counts.users,
        "groups": counts.groups,
        "groups_done": counts.groups_done,
        "projects": counts.projects,
        "projects_done": counts.projects_done,
        "repositories": counts.repositories,
        "repositories_done": counts.repositories_done,
        "user_questions": counts.user_questions,
        "user_questions_done": counts.user_questions_done,
        "requests": meter.requests.total,
        "questions_done": meter.done,
        "questions": meter.total[0],
        "requests_per_second": round(meter.rate, 1),
        "retries": meter.requests.total_retries,
        "limit": meter.pacer.limit,
        "in_flight": meter.pacer.in_flight,
    }


def _amount(done: int | None, listed: int, *, complete: bool) -> str:
    """`1,200 of 4,500+`: done of listed; the plus says that the listing goes on."""
    listed = max(listed, done or 0)  # what an earlier run has answered is known before it is listed again
    total = f"{listed:,}" if complete else f"{listed:,}+"
    return total if done is None else f"{done:,} of {total}"
