"""The run's report: one HTML page that shows what was found and how it went."""

from collections.abc import Callable, Sequence
from pathlib import Path

from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.ops.report.analysis import Analysis
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.text import escape


def write_report(
    path: Path,
    result: RunResult,
    analysis: Analysis | None,
    samples: Sequence[Sample],
    run_id: str,
    redact: Callable[[str], str],
) -> None:
    """Writes the page, whole, for its owner only. Blocks: call it off the event loop.

    Without `analysis` the page tells how the run went, and nothing of Bitbucket. Raises as `files.write_whole`.
    """
    from oaa_bitbucket_async.ops.report.page import render  # the plotting library takes its time to load

    page = render(result, analysis, samples, run_id=run_id, clean=lambda text: escape(redact(text)))
    write_whole(path, page)
