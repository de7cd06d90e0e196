"""The report's lists as CSV files: the rows of each finding, and what could not be collected."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.ops.csv_cells import cells
from oaa_bitbucket_async.ops.report.access_rows import Row
from oaa_bitbucket_async.ops.report.evidence import Evidence
from oaa_bitbucket_async.ops.report.findings import Finding

MISSING_CSV = "missing.csv"
UNEXPLAINED_CSV = "unexplained-changes.csv"
_ROWS_AT_ONCE = 1000


def csv_name(finding: Finding) -> str:
    """`public-repositories.csv`."""
    return f"{finding.key}.csv"


def of_finding(finding: Finding, evidence: Evidence, clean: Callable[[str], str]) -> Iterator[bytes]:
    """All rows of a finding. `clean` is what text goes through."""
    return _chunks(finding.columns, finding.rows(evidence), clean)


def of_missing(missing: Iterable[Entry], clean: Callable[[str], str]) -> Iterator[bytes]:
    """Everything that could not be collected."""
    rows = ((entry.what, str(entry.outcome), entry.reason, entry.advice) for entry in missing)
    return _chunks(("part", "outcome", "why", "what to do"), rows, clean)


def of_unexplained(paths: Iterable[str], clean: Callable[[str], str]) -> Iterator[bytes]:
    """Where grants changed although the audit log does not say so."""
    return _chunks(("project or repository",), ((path,) for path in paths), clean)


def _chunks(columns: Sequence[str], rows: Iterable[Row], clean: Callable[[str], str]) -> Iterator[bytes]:
    """A heading and all rows, in UTF-8."""
    lines = chain([tuple(columns)], rows)
    while some := list(islice(lines, _ROWS_AT_ONCE)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(list(cells(*row, clean=clean)) for row in some)
        yield text.getvalue().encode("utf-8", errors="replace")
