"""Cells of a CSV file that somebody opens in a spreadsheet."""

from collections.abc import Callable, Iterator

from oaa_bitbucket_async.text import escape

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cells(*values: object, clean: Callable[[str], str] = escape) -> Iterator[object]:
    """Puts an apostrophe before text that a spreadsheet would take for a formula.

    `clean` is applied to each text at the end.
    """
    for value in values:
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, str):
            yield clean(f"'{value}" if value.startswith(_FORMULA) else value)
        else:
            yield value
