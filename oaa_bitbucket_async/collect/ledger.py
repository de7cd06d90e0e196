"""How every unit of work ended. A unit that is not *ok*, *gone* or *hidden* makes a run incomplete."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.units import Keys


class Outcome(StrEnum):
    """Complete means that every unit ended *ok*, *gone* or *hidden*."""

    OK = "ok"
    GONE = "gone"
    """Deleted meanwhile, confirmed by asking for the thing itself."""
    HIDDEN = "hidden"
    """The login may not see it, and a payload does not need it: some of what `--include` asks for."""
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit that did not end *ok*. `what` is for people: `user permissions of repository KEY/slug`."""

    unit: Unit
    outcome: Outcome
    what: str
    reason: str
    """What came back, on which path, with the request id for the server's log."""
    advice: str
    """What to do: the right to grant, the setting to change."""
    keys: Keys | None = None
    """If the entry stands for many units of a kind: their keys."""
    cause: str = ""
    """What it has in common with others: the status (`401`), or the word for a fault (`timeout`)."""

    @property
    def units(self) -> int:
        """For how many units it stands."""
        return 1 if self.keys is None else len(self.keys)


class Ledger:
    """Counts what ended well, remembers what did not (memory stays flat: *ok* is only a number)."""

    def __init__(self) -> None:
        self._ok = 0
        self._counts: Counter[Outcome] = Counter()
        """Of all that did not end *ok*."""
        self._entries: dict[Unit, Entry] = {}

    def ok(self) -> None:
        """A unit was answered in full."""
        self._ok += 1

    def hidden(self) -> None:
        """A unit was refused that a payload does not need. The snapshot knows which one."""
        self._counts[Outcome.HIDDEN] += 1

    def record(self, entry: Entry) -> None:
        """Records a unit that did not end *ok*. A second attempt of the same unit replaces the first."""
        before = self._entries.get(entry.unit)
        if before is not None:
            self._counts[before.outcome] -= before.units
        self._entries[entry.unit] = entry
        self._counts[entry.outcome] += entry.units

    def forget(self, unit: Unit) -> None:
        """A unit is going to be tried again."""
        if not self._entries:  # as nearly always
            return
        before = self._entries.pop(unit, None)
        if before is not None:
            self._counts[before.outcome] -= before.units

    def count(self, outcome: Outcome) -> int:
        """Units that ended this way."""
        return self._ok if outcome is Outcome.OK else self._counts[outcome]

    def missing(self) -> list[Entry]:
        """What makes the run incomplete, in a fixed order."""
        return sorted(self.each_missing(), key=lambda e: (e.unit.kind, e.what, e.unit.key))

    def each_missing(self) -> Iterator[Entry]:
        """The same in no particular order. There can be as many as repositories."""
        return (e for e in self._entries.values() if e.outcome in (Outcome.DENIED, Outcome.FAILED))

    def gone(self) -> Iterator[Entry]:
        """What was deleted during the crawl."""
        return (e for e in self._entries.values() if e.outcome is Outcome.GONE)

    @property
    def complete(self) -> bool:
        """True if every unit ended *ok*, *gone* or *hidden*."""
        return not (self._counts[Outcome.DENIED] or self._counts[Outcome.FAILED])

    @property
    def listings_complete(self) -> bool:
        """True if no listing is missing. Without all listings not even a partial payload may be uploaded."""
        return not any(e.unit.kind.listing for e in self.each_missing())
