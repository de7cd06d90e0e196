"""What a run tells at its end: nothing that goes wrong there changes how the run ended."""

import asyncio
import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from oaa_bitbucket_async.ops.summary import Summary
from oaa_bitbucket_async.run.reporting import Report
from oaa_bitbucket_async.settings import Output


def test_each_part_is_made_whatever_becomes_of_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed = io.StringIO()
    closed.close()  # writing to it is a ValueError, which nothing foresees
    metrics, page = tmp_path / "m.prom", tmp_path / "no-folder" / "r.html"
    output = Output(metrics_file=metrics, report=page, progress=False)
    report = Report(Console(file=closed, force_terminal=True), output, Summary(instance="h"), {})
    report.shown = True
    with caplog.at_level(logging.WARNING):
        asyncio.run(report.finish(3))
    assert 'oaa_bitbucket_exit_code{bitbucket="h"} 3.0' in metrics.read_text()
    assert report.figures["instance"] == "h"
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("the summary could not be made. The run's result stands.")
    assert said[1].startswith(f"--report (OAA_REPORT): {page} could not be written")


def test_a_metrics_file_that_ends_as_a_bug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = Output(metrics_file=tmp_path / "m\0.prom", progress=False)
    asyncio.run(Report(Console(file=io.StringIO()), output, Summary(instance="h"), {}).finish(0))
    assert "--metrics-file (OAA_METRICS_FILE) could not be made" in caplog.text
