"""The rows of findings as CSV files."""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import chain, islice

from oaa_bitbucket_async.ops.csv_cells import cells
from oaa_bitbucket_async.ops.report.found import Found

_ROWS_AT_ONCE = 1000


def csv_name(found: Found) -> str:
    """`public-repositories.csv`."""
    return f"{found.finding.key}.csv"


def csv_chunks(found: Found, clean: Callable[[str], str]) -> Iterator[bytes]:
    """A heading and all rows, in UTF-8. `clean` is what text goes through."""
    rows = chain([found.finding.columns], found.rows())
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(list(cells(*row, clean=clean)) for row in some)
        yield text.getvalue().encode("utf-8", errors="replace")
