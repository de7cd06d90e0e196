"""Bitbucket's table of audit rows: what is written into it, and how it is searched."""

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from oaa_bitbucket_async.demo.bitbucket.audit.actions import ACTIONS, AREAS, ATTRIBUTES, CHANGED_VALUES, Action
from oaa_bitbucket_async.demo.happening import Happening, Replaced, Thing
from oaa_bitbucket_async.demo.model import Estate

ROW_LIMIT = 10_000_000
ADMINISTRATOR = Thing("NORMAL", "admin", "2")
SYSTEM = Thing("system", "System", "-1")
NODE = "8767044c-0000-4000-8000-000000000001"


class Named(NamedTuple):
    """An attribute, or a changed value: its key, and its name in the language of the site."""

    key: str
    name: str
    value: str | None
    old: str | None = None


class Row(NamedTuple):
    """One row, in the words of the time at which it was written. Rows sort by time (milliseconds), then id.

    From `arrived` (milliseconds) on a search finds it.
    """

    time: int
    id: int
    arrived: int
    action: Action
    author: Thing
    things: Sequence[Thing]
    attributes: Sequence[Named]
    changed: Sequence[Named]
    node: str


class AuditLog:
    """The audit log of all nodes of one Bitbucket. It outlives a server that is started anew.

    `clock` gives seconds since 1970. `coverage` is the level of each area ('off' writes nothing), `denied` the texts
    of actions that are not written. A subclass can override each step of writing a row.
    """

    def __init__(self, estate: Estate, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.coverage = dict.fromkeys(AREAS, "base")
        self.denied: list[str] = []
        self.retention_days = 3 * 365
        self.row_limit = ROW_LIMIT
        self._rows: list[Row] = []
        self._last_id = 0
        estate.listeners.append(self.write)

    def now(self) -> int:
        """Milliseconds since 1970."""
        return round(self.clock() * 1000)

    # --- settings ---------------------------------------------------------------------------------------------

    def set_coverage(self, area: str, level: str) -> None:
        """Sets the coverage level of an area: off, base, advanced or full."""
        name, old = area.replace("-", "_"), self.coverage[area]
        self.coverage[area] = level
        self._tell_settings(Replaced("coverage", f"{name} : {old}", f"{name} : {level}"))

    def set_denied(self, texts: Sequence[str]) -> None:
        """Writes no more rows of actions with these texts."""
        old, self.denied = self.denied, list(texts)
        self._tell_settings(Replaced("deny list", ", ".join(old), ", ".join(texts)))

    def set_retention(self, days: int) -> None:
        """Keeps rows so long."""
        self.retention_days = days
        years, rest = divmod(days, 365)
        self._tell_settings(Replaced("retention", None, f"{days} Days" if rest else f"{years} Years"))

    def _tell_settings(self, replaced: Replaced) -> None:
        self.write(Happening("audit log configured", replaced=[replaced]))

    # --- writing ----------------------------------------------------------------------------------------------

    def write(self, happening: Happening) -> None:
        """Writes a row of something that was done, unless its kind is not covered."""
        action = ACTIONS[happening.what]
        if self.coverage[action.area] == "off" or self.text(action.text) in self.denied or self.loses(happening):
            return
        self._last_id += 1
        author = happening.by or ADMINISTRATOR
        attributes = [Named(*self._words(ATTRIBUTES[told.about]), told.value) for told in happening.told]
        changed = [Named(*self._words(CHANGED_VALUES[r.about]), r.new, r.old) for r in happening.replaced]
        words = action._replace(text=self.text(action.text), category=self.text(action.category))
        node = self.node()
        now = self.now()
        row = Row(
            now + self.skew(node),
            self._last_id,
            now + self.delay(happening),
            words,
            author,
            tuple(happening.things),
            attributes,
            changed,
            node,
        )
        insort(self._rows, row, key=_place)

    def loses(self, happening: Happening) -> bool:
        """Whether the row is lost on its way into the table, as when a node is killed."""
        return False

    def delay(self, happening: Happening) -> int:
        """Milliseconds until a search finds the row."""
        return 0

    def node(self) -> str:
        """The node that writes the next row."""
        return NODE

    def skew(self, node: str) -> int:
        """Milliseconds by which the clock of a node is fast."""
        return 0

    def text(self, english: str) -> str:
        """A text in the language of the site."""
        return english

    def _words(self, key_and_text: tuple[str, str]) -> tuple[str, str]:
        key, text = key_and_text
        return key, self.text(text)

    # --- reading ----------------------------------------------------------------------------------------------

    def search(
        self, since: int | None = None, until: int | None = None, before: tuple[int, int] | None = None
    ) -> Iterator[Row]:
        """Rows from the newest to the oldest: from `since` to `until`, both included, and below `before`, excluded.

        Times are milliseconds; `before` is the time and id of a row, which need not exist any more.
        """
        self._forget()
        now = self.now()
        first = bisect_left(self._rows, (since, 0), key=_place) if since is not None else 0
        last = bisect_left(self._rows, ((now if until is None else until) + 1, 0), key=_place)
        if before is not None:
            last = min(last, bisect_left(self._rows, before, key=_place))
        for at in range(last - 1, first - 1, -1):
            row = self._rows[at]
            if row.arrived <= now:
                yield row

    def usage(self) -> float:
        """The share of the row limit that is used, in hundredths."""
        return round(len(self._rows) / self.row_limit, 2)

    def _forget(self) -> None:
        """Drops rows that are too old, or beyond the limit."""
        oldest = self.now() - self.retention_days * 86_400_000
        old = bisect_right(self._rows, (oldest, 0), key=_place)
        too_many = len(self._rows) - self.row_limit
        if too_many > 0:
            old = max(old, too_many + min(1000, self.row_limit))
        if old > 0:
            del self._rows[:old]


def _place(row: Row) -> tuple[int, int]:
    return row.time, row.id
