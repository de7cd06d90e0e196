"""What a run reports: the log during the run, and summary, metrics and report at its end."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, Figures, event
from oaa_bitbucket_async.oaa.counts import counts_of
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.ops.figures import fields
from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.ops.report import RunReport
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.analysis import Analysis
from oaa_bitbucket_async.ops.result import PacingSummary, RunResult
from oaa_bitbucket_async.ops.summary import render
from oaa_bitbucket_async.ops.terminal import error_console, step
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.settings import Identity, Output

_log = logging.getLogger(__name__)
REPORT = "--report (OAA_REPORT)"
REPORT_DIR = "--report-dir (OAA_REPORT_DIR)"


@dataclass(slots=True)
class Reporter:
    """Collects what happens in a run. `finish` writes all outputs that are wanted, however the run ended."""

    console: Console
    output: Output
    result: RunResult
    figures: Figures
    """Filled by `finish` for the last record of the log."""
    redact: Redactor = field(default_factory=Redactor)
    counts: CrawlCounts = field(default_factory=CrawlCounts)
    session: Session | None = None
    shown: bool = False
    """Whether there is anything to show. A run that ends in preflight has nothing."""
    began: float = field(default_factory=time.monotonic)
    analysis: Analysis | None = None
    """What the report says of the snapshot. None until the crawl has ended, or if no report is wanted."""
    samples: Sequence[Sample] = ()
    """The run's timeline, for the report."""

    async def crawled(self, snapshot: Snapshot, identity: Identity) -> None:
        """The crawl is over."""
        self.result.crawl_duration = time.monotonic() - self.began
        self.result.counts = await asyncio.to_thread(counts_of, snapshot)
        if self.output.wants_report:
            self._take_samples()
            with _not_worth_the_run(REPORT, Event.REPORT_FAILED):
                analysis = await asyncio.to_thread(analyse, snapshot, identity=identity, now=time.time())
                self.analysis = analysis if self.output.report_dir is not None else replace(analysis, snapshot=None)

    def built(self, payload: Payload) -> None:
        """There is a payload: from now on its own counts hold."""
        self.result.counts = payload.counts
        self.result.payload_bytes = payload.raw_size
        self.result.warnings += payload.warnings

    async def finish(self, exit_code: int) -> None:
        """Shows the summary and writes metrics and report. Never raises, since the run has ended already."""
        with _not_worth_the_run("the summary", Event.REPORT_FAILED):
            self._sum_up(exit_code)
            if self.shown:
                render(self.result, self.console, self.output)
        if (metrics_file := self.output.metrics_file) is not None:
            with _not_worth_the_run("--metrics-file (OAA_METRICS_FILE)", Event.METRICS_FAILED):
                from oaa_bitbucket_async.ops.metrics import write_metrics  # its library takes a while to load

                await asyncio.to_thread(write_metrics, metrics_file, self.result)
        if self.output.wants_report and self.shown:
            if not self.samples:
                self._take_samples()
            report = RunReport(
                result=self.result,
                analysis=self.analysis,
                samples=self.samples,
                run_id=self.output.run_id,
                redact=self.redact,
            )
            await self._write(REPORT, report.write_page, self.output.report)
            await self._write(REPORT_DIR, report.write_folder, self.output.report_dir)

    async def _write(self, flag: str, write: Callable[[Path], Path], wanted: Path | None) -> None:
        if wanted is None:
            return
        with _not_worth_the_run(flag, Event.REPORT_FAILED):
            with step(self.console, self.output, "Writing the report"):
                there = await asyncio.to_thread(write, wanted)
            aside = "" if there == wanted else f"; {wanted} stays as it was"
            _log.info("the report is in %s%s", there, aside, extra=event(Event.REPORT_SAVED, path=str(there)))

    def _sum_up(self, exit_code: int) -> None:
        result = self.result
        result.exit_code, result.finished_at = exit_code, time.time()
        result.duration = time.monotonic() - self.began
        counts = self.counts
        result.resumed = counts.resumed
        result.repositories_listed, result.repositories_done = counts.repositories, counts.repositories_done
        result.repositories_complete = counts.repositories_complete
        if self.session is not None:
            result.requests = self.session.stats
            result.pacing = PacingSummary.of(self.session.pacer)
        self.figures |= fields(result)

    def _take_samples(self) -> None:
        if self.session is not None and self.session.timeline is not None:
            with _not_worth_the_run("the timeline of the report", Event.REPORT_FAILED):
                self.samples = self.session.timeline.samples()


@contextmanager
def _not_worth_the_run(what: str, name: Event) -> Iterator[None]:
    """What can't be shown or written causes a warning. The result of the run is not affected."""
    try:
        yield
    except CollectorError as error:
        _log.warning("%s: %s The result of the run is not affected.", what, error, extra=event(name))
    except Exception:
        _log.exception(
            "%s could not be made. The result of the run is not affected. This is a bug: please report it with these "
            "lines.",
            what,
            extra=event(name),
        )


@contextmanager
def reporting(instance: str, output: Output, redact: Redactor, figures: Figures | None = None) -> Iterator[Reporter]:
    """While the block runs the log goes to standard error, without the secrets that `redact` knows."""
    console = error_console()
    with logging_to(console, output, redact=redact):
        yield Reporter(console, output, RunResult(instance=instance), {} if figures is None else figures, redact)
