"""The run's report: one HTML page that shows what was found and how it went, or a folder with that page and tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.errors import IncompleteError
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.folders import write_folder
from oaa_bitbucket_async.ops.report.analysis import Analysis
from oaa_bitbucket_async.ops.report.tables import (
    MISSING_CSV,
    UNEXPLAINED_CSV,
    csv_name,
    of_finding,
    of_missing,
    of_unexplained,
)
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.text import escape

_PAGE_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The report of a run. Without `analysis` it shows only how the run went, and nothing about Bitbucket.

    A folder needs an analysis that still has its snapshot.

    The report of a failed run is written beside the last good one. Writing blocks: call it off the event loop.
    """

    result: RunResult
    analysis: Analysis | None = None
    samples: Sequence[Sample] = ()
    run_id: str = ""
    redact: Callable[[str], str]

    def write_page(self, path: Path) -> Path:
        """Writes the page, whole, for its owner only; gives where to. Raises as `files.write_whole`."""
        there = path if stands(self.result) else failed_page(path)
        write_whole(there, self._page(in_folder=False))
        return there

    def write_folder(self, folder: Path) -> Path:
        """Writes the page, a table for each finding, of what is missing and of unexplained changes; gives where to.

        Raises as `folders.write_folder`.
        """
        there = folder if stands(self.result) else failed_folder(folder)
        write_folder(there, chain([("index.html", (self._page(in_folder=True),))], self._tables()))
        return there

    def _tables(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        if self.result.missing:
            yield MISSING_CSV, of_missing(self.result.missing, self._clean)
        if unexplained := self.result.freshness.unexplained:
            yield UNEXPLAINED_CSV, of_unexplained(unexplained, self._clean)
        evidence = None if self.analysis is None else self.analysis.evidence()
        if self.analysis is None or evidence is None:
            return
        for found in self.analysis.findings:
            if found.asked:
                yield csv_name(found.finding), of_finding(found.finding, evidence, self._clean)

    def _page(self, *, in_folder: bool) -> bytes:
        from oaa_bitbucket_async.ops.report.page import render  # the plotting library takes its time to load

        return render(
            self.result, self.analysis, self.samples, run_id=self.run_id, in_folder=in_folder, clean=self._clean
        )

    def _clean(self, text: str) -> str:
        return escape(self.redact(text))


def stands(result: RunResult) -> bool:
    """Whether the run succeeded, so that its report replaces the last one."""
    return result.exit_code == 0 or (result.exit_code == IncompleteError.exit_code and result.uploaded)


def failed_page(path: Path) -> Path:
    """Beside the page: `bitbucket.html` becomes `bitbucket.failed.html`."""
    if path.suffix.lower() in _PAGE_SUFFIXES:
        return path.with_name(f"{path.stem}.failed{path.suffix}")
    return path.with_name(f"{path.name}.failed.html")


def failed_folder(path: Path) -> Path:
    """Beside the folder: `report` becomes `report.failed`."""
    return path.with_name(f"{path.name}.failed")
