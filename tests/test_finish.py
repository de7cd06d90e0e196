"""What a run tells at its end: nothing that goes wrong there changes how the run ended."""

import asyncio
import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from oaa_bitbucket_async.bitbucket.stats import Latencies
from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.run.reporting import Reporter
from oaa_bitbucket_async.run.session import open_session
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Output, Settings, State


def test_each_part_is_made_whatever_becomes_of_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed = io.StringIO()
    closed.close()  # writing to it is a ValueError, which nothing foresees
    metrics, page = tmp_path / "m.prom", tmp_path / "no-folder" / "r.html"
    output = Output(metrics_file=metrics, report=page, progress=False)
    report = Reporter(Console(file=closed, force_terminal=True), output, RunResult(instance="h"), {})
    report.shown = True
    with caplog.at_level(logging.WARNING):
        asyncio.run(report.finish(3))
    assert 'oaa_bitbucket_exit_code{bitbucket="h"} 3.0' in metrics.read_text()
    assert report.figures["instance"] == "h"
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("the summary could not be made. The result of the run is not affected.")
    assert said[1].startswith(f"--report (OAA_REPORT): {page.with_name('r.failed.html')} could not be written")


def test_a_metrics_file_that_ends_as_a_bug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = Output(metrics_file=tmp_path / "m\0.prom", progress=False)
    asyncio.run(Reporter(Console(file=io.StringIO()), output, RunResult(instance="h"), {}).finish(0))
    assert "--metrics-file (OAA_METRICS_FILE) could not be made" in caplog.text


def test_a_log_that_takes_nothing_any_more(tmp_path: Path) -> None:
    closed = io.StringIO()
    console = Console(file=closed)
    output = Output(metrics_file=tmp_path / "m.prom", progress=False)
    report = Reporter(console, output, RunResult(instance="h"), {})
    report.shown = True
    with logging_to(console, output, redact=str):
        closed.close()
        asyncio.run(report.finish(3))
    assert 'oaa_bitbucket_exit_code{bitbucket="h"} 3.0' in output.metrics_file.read_text()  # type: ignore[union-attr]


def settings(report: Path | None) -> Settings:
    return Settings(
        bitbucket_url="http://127.0.0.1:1",
        login=Login(secret=Secret("")),
        state=State(directory=Path("unused")),
        output=Output(report=report, progress=False),
    )


def test_without_a_report_nobody_looks_at_the_timeline() -> None:
    async def run() -> bool:
        async with open_session(settings(None)) as session:
            return session.timeline is None

    assert asyncio.run(run())


def test_a_timeline_that_fails_costs_the_report_its_lines_and_the_run_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = settings(tmp_path / "r.html")

    async def run() -> None:
        failed = asyncio.Event()
        handler = logging.Handler()
        handler.emit = lambda _: failed.set()  # type: ignore[method-assign]
        logger = logging.getLogger("oaa_bitbucket_async.run.session")
        logger.addHandler(handler)
        async with open_session(whole) as session:
            session.stats.latencies["odd"] = Latencies()
            del session.stats.latencies["odd"].count  # nothing foresees that
            await asyncio.wait_for(failed.wait(), 10)
            logger.removeHandler(handler)
            report = Reporter(Console(file=io.StringIO()), whole.output, RunResult(instance="h"), {}, session=session)
            report.shown = True
            await report.finish(0)

    asyncio.run(run())
    assert "the report will not show the whole run" in caplog.text
    assert "the timeline of the report could not be made" in caplog.text
    assert ">How it went</h2>" in (tmp_path / "r.html").read_text(encoding="utf-8")
