"""The units that an earlier run has answers for."""

import sys
from array import array
from collections.abc import Iterator

from oaa_bitbucket_async.collect.kinds import ALL, AnyKind, Unit
from oaa_bitbucket_async.collect.rows_by_id import RowsById

_OF_REPOSITORIES = tuple(kind for kind in ALL if kind.of == "repository")
_DISCARDED = len(_OF_REPOSITORIES)
_RECENT = 10_000
"""So many paths are looked at to share their text: the units of one repository come near each other."""


class Answered:
    """Units with the path of their request. Add all, then ask.

    Most are about repositories, hundreds of thousands of them: those are not kept as objects.
    """

    def __init__(self) -> None:
        self._others: dict[AnyKind, dict[str, str]] = {}
        self._kinds = array("B")
        self._paths: list[str] = []
        self._rows = RowsById(self._kinds, self._paths)
        self._discarded = 0
        self._recent: dict[str, str] = {}

    def __len__(self) -> int:
        return sum(map(len, self._others.values())) + len(self._kinds) - self._discarded

    def __iter__(self) -> Iterator[Unit]:
        for kind, paths in self._others.items():
            yield from (Unit(kind, key) for key in paths)
        for key, rows in self._rows.each():
            for row in rows:
                if (number := self._kinds[row]) != _DISCARDED:
                    yield Unit(_OF_REPOSITORIES[number], str(key))

    def add(self, unit: Unit, path: str) -> None:
        """Once. A project and its units share their keys and paths."""
        if unit.kind.of == "repository":
            if len(self._recent) == _RECENT:
                self._recent.clear()
            self._rows.add(int(unit.key), _OF_REPOSITORIES.index(unit.kind), self._recent.setdefault(path, path))
        else:
            self._others.setdefault(unit.kind, {})[sys.intern(unit.key)] = sys.intern(path)

    def get(self, unit: Unit, default: str) -> str:
        """The unit's path, `default` if it is not in here."""
        if unit.kind.of != "repository":
            return self._others.get(unit.kind, {}).get(unit.key, default)
        return next((self._paths[row] for row in self._rows_of(unit)), default)

    def discard(self, unit: Unit) -> bool:
        """Whether it was in here."""
        if unit.kind.of != "repository":
            return self._others.get(unit.kind, {}).pop(unit.key, None) is not None
        found = self._rows_of(unit)
        for row in found:
            self._kinds[row], self._paths[row] = _DISCARDED, ""
        self._discarded += len(found)
        return bool(found)

    def _rows_of(self, unit: Unit) -> list[int]:
        number = _OF_REPOSITORIES.index(unit.kind)
        return [row for row in self._rows.places(int(unit.key)) if self._kinds[row] == number]
