"""Figures of a run as a file: tables and plots can be made from it at any time."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.figures import Figure
from benchmarks.records import Answer


class Taken(msgspec.Struct, frozen=True):
    """An answer, and what it was taken with: the command, the day (UTC), the machine and the versions."""

    answer: Answer
    command: str
    day: str
    facts: list[str]


class Results(msgspec.Struct, frozen=True):
    """By question."""

    taken: dict[str, Taken] = {}

    def with_(self, fresh: "Results") -> "Results":
        """These, and the fresh ones instead of older ones to the same question."""
        return Results({**self.taken, **fresh.taken})

    def in_order(self, names: list[str]) -> "Results":
        """Those of these names, in their order."""
        return Results({name: self.taken[name] for name in names if name in self.taken})

    @property
    def figures(self) -> list[Figure]:
        """Of all questions."""
        return [figure for taken in self.taken.values() for figure in taken.answer.figures]

    @property
    def circumstances(self) -> Iterator[str]:
        """Machine, versions, day and command; each combination of them once."""
        groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
        for name, taken in self.taken.items():
            groups.setdefault((taken.command, taken.day, tuple(taken.facts)), []).append(name)
        for (command, day, facts), names in groups.items():
            which = "" if len(groups) == 1 else f"{', '.join(names)}: "
            yield f"{which}`{command}` on {day}: {'; '.join(facts)}."


def load(path: Path) -> Results:
    """Reads what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def save(results: Results, path: Path) -> None:
    """Writes a file that people can read, and that differs only where figures do."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
