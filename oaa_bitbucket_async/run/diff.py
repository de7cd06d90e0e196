"""`diff OLD NEW`: what changed from one saved payload to another, on standard output."""

import sys
from pathlib import Path

import msgspec

from oaa_bitbucket_async.oaa.saved import compare_files
from oaa_bitbucket_async.ops.changes_text import show_changes
from oaa_bitbucket_async.ops.terminal import output_console, write_json

SAME = 0
DIFFERENT = 1
LINES = 20
"""Of each kind, for a person."""
_ENOUGH_TO_SORT = 10_000


def show_difference(old: Path, new: Path, *, as_json: bool, limit: int | None) -> int:
    """`limit`: lines of each kind (20), or examples of each kind that was added and removed in JSON (all).

    Raises ConfigurationError if one of the files can't be read or is no payload.
    """
    if as_json:
        changes = compare_files(old, new, most_examples=sys.maxsize if limit is None else limit)
        told = {"changed": bool(changes), **changes.kinds()}
        write_json(sys.stdout.buffer, (msgspec.json.format(msgspec.json.encode(told), indent=2), b"\n"))
    else:
        most = LINES if limit is None else limit
        changes = compare_files(old, new, most_examples=max(most, _ENOUGH_TO_SORT))
        if changes:
            show_changes(changes, output_console(), limit=most)
        else:
            output_console().print("Nothing changed.")
    return DIFFERENT if changes else SAME
