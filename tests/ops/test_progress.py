import asyncio
import io
import logging
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.ops.expected import Expected
from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.ops.progress import Meter, fields, line, picture, progress
from oaa_bitbucket_async.ops.terminal import QuietConsole, error_console, shows_progress
from oaa_bitbucket_async.settings import Output
from tests.virtual_clock import run_virtual


@dataclass
class StillRate:
    rate: float | None = None
    own: bool = False


@dataclass
class StillPacer:
    limit: int = 64
    in_flight: int = 60
    waiting: int = 3
    pause_left: float = 0.0
    in_outage: bool = False
    rate: StillRate = field(default_factory=StillRate)


def _meter(last: int | None = None) -> Meter:
    requests = RequestStats()
    counts = CrawlCounts()
    expected = Expected(
        {"group": 1, "project": 5, "repository": 2}, {"repository-users": "repository", "members": "group"}, last
    )
    meter = Meter(requests, counts, StillPacer(), 100.0, expected)
    requests.sent["repository-users"] += 5000
    requests.answered["repository-users"] += 5000
    requests.retries["timeout"] += 12
    counts.users, counts.users_complete = 50_000, True
    counts.groups, counts.groups_done = 5_000, 1_203
    counts.projects, counts.projects_done, counts.projects_complete = 2_000, 500, True
    counts.repositories, counts.repositories_done = 45_000, 2_500
    meter.sample(105.0)
    return meter


def _text(meter: Meter, now: float, width: int) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    console.print(picture(meter, now, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 40, 120])
def test_the_picture_fits_and_shows_the_figures(width: int) -> None:
    meter = _meter()
    text = _text(meter, 105.0, width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for figure in ("50,000", "1,203 of 5,000+", "500 of 2,000", "2,500 of 45,000+", "1,000 requests/s", "12 retries"):
        assert figure in words
    assert ("━" in text) == (width >= 60)


def test_keys_of_users_are_shown_where_they_are_asked_for() -> None:
    meter = _meter()
    assert "eys of users" not in _text(meter, 105.0, 80) + line(meter, 105.0)
    meter.counts.user_questions, meter.counts.user_questions_done = 100_000, 1_250
    assert "Keys of users 1,250 of 100,000" in " ".join(_text(meter, 105.0, 80).split())
    assert "1,250 of 100,000 keys of users" in line(meter, 105.0)


def test_time_left_once_the_listing_is_complete() -> None:
    meter = _meter()
    assert meter.left is None
    meter.counts.repositories_complete = meter.counts.groups_complete = True
    assert meter.total == (5_000 + 2_000 * 5 + 2 * 45_000, True)
    assert meter.left == pytest.approx(100.0)
    assert "5,000 of 105,000\n" in _text(meter, 105.0, 80)
    assert _text(meter, 105.0, 80).splitlines()[0].strip("━╸ ") == ""
    assert "about 1 min 40 s left" in _text(meter, 105.0, 80)
    assert "about 1 min 40 s left" in line(meter, 105.0)


def test_until_the_listings_are_complete_the_last_run_tells_how_many_to_expect() -> None:
    meter = _meter(last=120_000)
    assert meter.total == (120_000, True)
    assert meter.left == pytest.approx(115.0)
    meter = _meter(last=7_000)  # the instance has grown: this is too few already
    assert meter.total == (105_000, False)
    assert meter.left is None
    assert "5,000 of 105,000+" in _text(meter, 105.0, 80)


def test_a_resumed_run_counts_what_it_has() -> None:
    meter = _meter()
    meter.counts.groups = meter.counts.repositories = 0
    meter.counts.groups_done = 8
    meter.counts.resumed = 1_000
    text = " ".join(_text(meter, 105.0, 80).split())
    assert "Groups 8 of 8+" in text
    assert "Requests 6,000 of " in text
    assert meter.done == 6_000


@pytest.mark.parametrize(("own", "whose"), [(False, "Bitbucket's rate limit"), (True, "--rate-limit")])
def test_a_rate_limit_is_told_in_words(own: bool, whose: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oaa_bitbucket_async")
    pacer = StillPacer(rate=StillRate(4.96719, own))
    stats = RequestStats()
    meter = Meter(stats, CrawlCounts(), pacer, 0.0)
    for second in range(1, 4):
        stats.sent["projects"] += 5
        meter.sample(float(second))
    assert meter.trouble(3.0) == f"held to 5 requests/s by {whose}"

    async def crawl() -> None:
        async with progress(Console(file=io.StringIO()), requests=stats, counts=CrawlCounts(), pacer=pacer, live=False):
            for _ in range(20):
                await asyncio.sleep(1)
                stats.sent["projects"] += 5

    run_virtual(crawl())
    said = [record.getMessage() for record in caplog.records if "exempt" in record.getMessage()]
    assert len(said) == (0 if own else 1)


def test_rates_are_of_the_last_seconds() -> None:
    meter = _meter()
    for second in range(106, 140):
        meter.requests.sent["projects"] += 10
        meter.sample(float(second))
    assert meter.rate == pytest.approx(10.0)


def test_a_pause_and_silence_are_shown() -> None:
    meter = _meter()
    assert meter.trouble(105.0) is None
    meter.pacer.pause_left = 12.0  # type: ignore[misc]
    assert meter.trouble(105.0) == "the server asked for a pause: 12.0 s left"
    assert "asked for a pause" in _text(meter, 105.0, 40).replace("\n", " ")
    meter.pacer.pause_left = 0.0  # type: ignore[misc]
    assert meter.trouble(118.0) == "no answer for 13.0 s"
    meter.pacer.in_outage = True  # type: ignore[misc]
    assert meter.trouble(118.0) == "the server has not answered for 13.0 s: asking now and then"
    meter.pacer.in_outage = False  # type: ignore[misc]
    meter.counts.set_aside.add("user permissions of repositories")
    assert meter.trouble(118.0) == "not answered, one is tried now and then: user permissions of repositories"
    meter.counts.set_aside.clear()
    meter.pacer.in_flight = meter.pacer.waiting = 0  # type: ignore[misc]
    assert meter.trouble(118.0) is None


def test_fields_for_machines() -> None:
    assert fields(_meter())["requests_per_second"] == 1000.0


def test_no_terminal_a_line_every_half_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oaa_bitbucket_async")

    async def crawl() -> None:
        async with progress(
            Console(file=io.StringIO()), requests=RequestStats(), counts=CrawlCounts(), pacer=StillPacer(), live=False
        ):
            await asyncio.sleep(100)

    run_virtual(crawl())
    assert len(caplog.records) == 3


def test_live_it_comes_and_goes_and_log_lines_stay_whole() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=80, height=30)
    counts = CrawlCounts(users=7)

    async def crawl() -> None:
        async with progress(console, requests=RequestStats(), counts=counts, pacer=StillPacer(), live=True):
            await asyncio.sleep(1)
            logging.getLogger("oaa_bitbucket_async").info("a long line %s", "x" * 200)
            counts.users = 8
            await asyncio.sleep(1)

    with logging_to(console, Output(), redact=str):
        run_virtual(crawl())
    text = stream.getvalue()
    assert text.count("Repositories") in range(7, 12)
    assert "a long line " + "x" * 200 in text
    assert "7+" in text
    assert "8+" in text
    assert text.endswith("\x1b[2K")  # erased


def test_an_error_in_the_block_is_not_hidden() -> None:
    async def crawl() -> None:
        async with progress(
            Console(file=io.StringIO()), requests=RequestStats(), counts=CrawlCounts(), pacer=StillPacer(), live=False
        ):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(crawl())


class _Gone(io.StringIO):
    def write(self, text: str, /) -> int:
        raise BrokenPipeError(text[:0])


def test_a_terminal_that_went_away_does_not_end_the_crawl() -> None:
    async def crawl() -> str:
        console = QuietConsole(file=_Gone(), force_terminal=True, width=80)
        async with progress(console, requests=RequestStats(), counts=CrawlCounts(), pacer=StillPacer(), live=True):
            await asyncio.sleep(1)
        return "done"

    assert run_virtual(crawl()) == "done"


def test_when_a_display_is_shown() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True)
    assert shows_progress(Output(), terminal)
    assert not shows_progress(Output(progress=False), terminal)
    assert not shows_progress(Output(log_format="json"), terminal)
    assert not shows_progress(Output(progress=True), Console(file=io.StringIO()))
    assert error_console().stderr


def test_the_bar_is_yellow_only_while_something_holds_the_run_up() -> None:
    meter = _meter()

    def coloured() -> str:
        console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
        console.print(picture(meter, 105.0, 80))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().splitlines()[0]

    assert "\x1b[33m" not in coloured()
    assert "\x1b[90m" in coloured(), "what is left is the terminal's own grey, also on a light one"
    meter.pacer.pause_left = 12.0  # type: ignore[misc]
    assert "\x1b[33m" in coloured()
