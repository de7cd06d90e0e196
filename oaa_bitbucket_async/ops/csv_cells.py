"""Cells of a CSV file that somebody opens in a spreadsheet."""

from collections.abc import Callable, Iterator

from oaa_bitbucket_async.text import escape

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cells(*values: object, clean: Callable[[str], str] = escape) -> Iterator[object]:
    """A spreadsheet takes a cell that begins like a formula for one: such a text gets an apostrophe in front.

    `clean` is what text goes through in the end.
    """
    for value in values:
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, str):
            yield clean(f"'{value}" if value.startswith(_FORMULA) else value)
        else:
            yield value
