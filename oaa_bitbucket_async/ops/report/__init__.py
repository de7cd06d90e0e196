"""The run's report: one HTML page that shows what was found and how it went."""

from collections.abc import Callable
from pathlib import Path

from oaa_bitbucket_async.files import write_private
from oaa_bitbucket_async.ops.report.run_report import RunReport
from oaa_bitbucket_async.text import escape


def write_report(path: Path, report: RunReport, redact: Callable[[str], str]) -> None:
    """Writes the page, whole, for its owner only. Blocks: call it off the event loop.

    Raises as `files.write_whole`.
    """
    from oaa_bitbucket_async.ops.report.page import render  # the plotting library takes its time to load

    write_private(path, render(report, clean=lambda text: escape(redact(text))))
