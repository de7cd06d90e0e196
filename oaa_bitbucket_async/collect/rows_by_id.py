"""Hundreds of thousands of rows that are found by their ids, without an object for each."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, MutableSequence
from typing import Any


class RowsById:
    """Rows of an id and what belongs to it. Arrays take eight bytes for each value, dictionaries a hundred.

    Rows are added in any order, several of one id too. They are sorted when one is looked for, so add all of them
    first.
    """

    def __init__(self, *columns: MutableSequence[Any]) -> None:
        """`columns`: where to keep what belongs to an id. They are as long as there are rows, in the order of ids."""
        self.ids = array("q")
        self._columns = columns
        self._sorted = True

    def add(self, key: int, *values: float | str) -> None:
        """One more row; a value for each column."""
        self._sorted = self._sorted and (not self.ids or self.ids[-1] <= key)
        self.ids.append(key)
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)

    def places(self, key: int) -> range:
        """Where the rows of this id are."""
        self.sort()
        first = bisect_left(self.ids, key)
        if first == len(self.ids) or self.ids[first] != key:
            return range(0)
        return range(first, bisect_right(self.ids, key, first))

    def each(self) -> Iterator[tuple[int, range]]:
        """Every id, and where its rows are."""
        self.sort()
        first = 0
        while first < len(self.ids):
            key = self.ids[first]
            end = first + 1
            while end < len(self.ids) and self.ids[end] == key:
                end += 1
            yield key, range(first, end)
            first = end

    def sort(self) -> None:
        """By id; rows of one id keep their order."""
        if self._sorted:
            return
        self._sorted = True
        order = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        columns: tuple[MutableSequence[Any], ...] = (self.ids, *self._columns)
        for column in columns:
            values = [column[row] for row in order]
            del column[:]
            column.extend(values)
