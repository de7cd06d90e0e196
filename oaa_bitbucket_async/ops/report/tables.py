"""The rows of findings as CSV files."""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import chain, islice

from oaa_bitbucket_async.ops.csv_cells import cells
from oaa_bitbucket_async.ops.report.evidence import Evidence
from oaa_bitbucket_async.ops.report.findings import Finding

_ROWS_AT_ONCE = 1000


def csv_name(finding: Finding) -> str:
    """`public-repositories.csv`."""
    return f"{finding.key}.csv"


def csv_chunks(finding: Finding, evidence: Evidence, clean: Callable[[str], str]) -> Iterator[bytes]:
    """A heading and all rows, in UTF-8. `clean` is what text goes through."""
    rows = chain([finding.columns], finding.rows(evidence))
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(list(cells(*row, clean=clean)) for row in some)
        yield text.getvalue().encode("utf-8", errors="replace")
