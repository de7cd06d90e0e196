"""What a run tells of itself: the log and progress while it goes on, summary and metrics at its end."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.snapshot import Instance, Snapshot
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, Figures, event
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.ops.metrics import write_metrics
from oaa_bitbucket_async.ops.report import write_report
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.analysis import Analysis
from oaa_bitbucket_async.ops.report.run_report import RunReport
from oaa_bitbucket_async.ops.summary import LimitWay, Summary, render
from oaa_bitbucket_async.ops.terminal import error_console
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.settings import CREDENTIALS, Identity, Output

_log = logging.getLogger(__name__)
REPORT = "--report (OAA_REPORT)"


@dataclass(slots=True)
class Report:
    """Collects what summary and metrics tell; `finish` shows them, whatever the run's end."""

    console: Console
    output: Output
    summary: Summary
    figures: Figures
    """Filled by `finish` for whoever writes the last record of the log."""
    began: float = field(default_factory=time.monotonic)
    counts: CrawlCounts = field(default_factory=CrawlCounts)
    session: Session | None = None
    shown: bool = False
    """Whether there was anything to sum up: a run that ends in preflight has nothing to show."""
    redact: Redactor = field(default_factory=Redactor)
    error: BaseException | None = None
    """What ended the run early."""
    identity: Identity = "email"
    instance: Instance | None = None
    found: Analysis | None = None
    timeline: list[Sample] = field(default_factory=list)

    def collected(self, snapshot: Snapshot, payload: Payload | None) -> None:
        """The crawl is over; `payload` is what came of it."""
        if self.summary.crawl_duration is None:
            self.summary.crawl_duration = time.monotonic() - self.began
        self.summary.users = len(snapshot.users)
        self.summary.groups = len(snapshot.groups)
        self.summary.projects = len(snapshot.projects)
        self.summary.repositories = len(snapshot.repositories)
        self.summary.grants = snapshot.grant_count()
        if payload is not None:
            self.summary.warnings += Counter(payload.warnings)
            self.summary.payload_bytes = payload.raw_size
            if snapshot.included.asked_for & CREDENTIALS:
                self.summary.credentials = payload.counts.credentials

    async def study(self, snapshot: Snapshot, identity: Identity) -> None:
        """Finds out what the HTML report tells of the snapshot, if one is wanted."""
        if self.output.report is None:
            return
        self.instance, self.identity = snapshot.instance, identity
        self._take_samples()
        with _not_worth_the_run(REPORT, Event.REPORT_FAILED):
            self.found = await asyncio.to_thread(analyse, snapshot, identity=identity)

    async def finish(self, exit_code: int) -> None:
        """Shows the summary and writes metrics and report. Never raises: the run's result stands already."""
        with _not_worth_the_run("the summary", Event.REPORT_FAILED):
            self._sum_up()
            if self.shown:
                render(self.summary, self.console, self.output)
        if (metrics_file := self.output.metrics_file) is not None:
            with _not_worth_the_run("--metrics-file (OAA_METRICS_FILE)", Event.METRICS_FAILED):
                await asyncio.to_thread(
                    write_metrics, metrics_file, self.summary, exit_code=exit_code, finished_at=time.time()
                )
        if (report := self.output.report) is not None and self.shown:
            with _not_worth_the_run(REPORT, Event.REPORT_FAILED):
                if not self.timeline:
                    self._take_samples()
                await asyncio.to_thread(write_report, report, self._run_report(exit_code), self.redact)
                _log.info("the report is in %s", report, extra=event(Event.REPORT_SAVED, path=str(report)))

    def _take_samples(self) -> None:
        if self.session is not None and self.session.timeline is not None:
            with _not_worth_the_run("the timeline of the report", Event.REPORT_FAILED):
                self.timeline = self.session.timeline.samples()

    def _sum_up(self) -> None:
        summary = self.summary
        summary.duration = time.monotonic() - self.began
        summary.resumed = self.counts.resumed
        if self.session is not None:
            summary.requests = self.session.stats
            _take_pacing(summary, self.session.pacer)
        self.figures |= summary.fields()

    def _run_report(self, exit_code: int) -> RunReport:
        error = self.error
        return RunReport(
            summary=self.summary,
            exit_code=exit_code,
            finished_at=time.time(),
            run_id=self.output.run_id,
            message=error.message if isinstance(error, CollectorError) else "",
            advice=error.advice if isinstance(error, CollectorError) else "",
            instance=self.instance,
            identity=self.identity,
            found=self.found,
            timeline=self.timeline,
        )


@contextmanager
def _not_worth_the_run(what: str, name: Event) -> Iterator[None]:
    """What can't be shown or written is a warning: what was collected and uploaded stands."""
    try:
        yield
    except CollectorError as error:
        _log.warning("%s: %s The run's result stands.", what, error, extra=event(name))
    except Exception:
        _log.exception(
            "%s could not be made. The run's result stands. This is a bug: please report it with these lines.",
            what,
            extra=event(name),
        )


@contextmanager
def reporting(instance: str, output: Output, redact: Redactor, figures: Figures | None = None) -> Iterator[Report]:
    """The log goes to standard error, without what `redact` knows, while the block runs."""
    console = error_console()
    with logging_to(console, output, redact=redact):
        yield Report(console, output, Summary(instance=instance), {} if figures is None else figures, redact=redact)


def _take_pacing(summary: Summary, pacer: Pacer) -> None:
    history = list(pacer.history)
    start = history[0].old if history else pacer.limit
    summary.limit = LimitWay(
        start=start,
        peak=max([start, pacer.limit, *(change.new for change in history)]),
        end=pacer.limit,
        changes=len(history),
    )
    summary.throttled = pacer.throttled
    summary.pauses = pacer.pauses
    summary.paused_seconds = pacer.paused_seconds
    summary.outages = pacer.outages
    summary.outage_seconds = pacer.outage_seconds
    summary.rate = pacer.rate
    summary.rate_learned = pacer.rate_learned
