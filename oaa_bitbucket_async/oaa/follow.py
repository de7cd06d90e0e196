"""Tells whether a data source's status belongs to the upload that was just made, or to an earlier one.

Veza answers first and parses later. Until then a data source may show its old status, such as yesterday's SUCCESS.
A status belongs to this upload if the row differs from the row before the push: `parsed_at` has moved, or another
status came in between. No clock is involved. One mistake is possible: an upload that Veza was still parsing when this
one arrived is taken for this one.
"""

import re
from typing import Literal

from oaa_bitbucket_async.oaa.answers import Json

Verdict = Literal["on its way", "as before", "parsed", "failed"]


class Following:
    """One upload being followed. `before` is the data source's row before the push, None if this run made it."""

    def __init__(self, before: Json | None) -> None:
        self._parsed_before = _parsed_at(before or {})
        self._ours = before is None or (self._parsed_before is None and not _ended(status_of(before)))

    def look(self, row: Json) -> Verdict:
        """What the row says. `as before`: it ended, but nothing shows that it is this upload that did."""
        ended = _ended(status_of(row))
        if not ended or _parsed_at(row) not in (None, self._parsed_before):
            self._ours = True
        if not ended:
            return "on its way"
        if not self._ours:
            return "as before"
        return "parsed" if ended == "SUCCESS" else "failed"


def status_of(row: Json) -> str:
    """The row's status, for people too."""
    return str(row.get("status", "unknown"))


def has_failed(row: Json) -> bool:
    """True if Veza could not parse or take what came last."""
    return _ended(status_of(row)) not in (None, "SUCCESS")


def synced_at(row: Json) -> str | None:
    """The time of the last push, as Veza writes it."""
    return _time_of(row, "synced_at")


def tells_times(row: Json) -> bool:
    """True if the row says when Veza last parsed something."""
    return _parsed_at(row) is not None


def _ended(status: str) -> str | None:
    if status == "SUCCESS" or re.search("fail|error", status, re.IGNORECASE):
        return status
    return None


def _parsed_at(row: Json) -> str | None:
    return _time_of(row, "parsed_at")


def _time_of(row: Json, name: str) -> str | None:
    time = row.get(name)
    return time if isinstance(time, str) and time else None
