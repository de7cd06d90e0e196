"""The building blocks of units: subjects with their ids, kinds of rows, and compact lists of keys."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

from oaa_bitbucket_async.settings import Include

RowT = TypeVar("RowT", bound=msgspec.Struct)

Owner = Literal["instance", "group", "project", "repository", "user"]
"""Whose rows are told."""

_LONGEST_ID = 18


class Subject(NamedTuple):
    """A thing that units are about. It has an id, and a path or name for requests."""

    kind: Literal["project", "repository", "user"]
    id: int


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Kind(Generic[RowT]):
    """A kind of rows. `name` stands in the journal, in logs and in statistics."""

    name: str
    row: type[RowT]
    of: Owner
    include: Include | None = None
    """The flag's word by which they are asked for; None: always. A login that may not see what `--include` adds lacks
    nothing that a payload has to have."""
    packed: "msgspec.msgpack.Decoder[list[RowT]]" = field(init=False)
    """Reads rows back from the journal or from memory."""

    def __post_init__(self) -> None:
        """Makes the decoder."""
        rows = list[self.row]  # type: ignore[name-defined]
        object.__setattr__(self, "packed", msgspec.msgpack.Decoder(rows))

    def __repr__(self) -> str:
        return self.name

    def __lt__(self, other: "Kind[RowT]") -> bool:
        return self.name < other.name


class Keys:
    """Keys of units. Ids take eight bytes each."""

    __slots__ = ("_ids", "_names")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._ids = array("q")
        self._names: list[str] = []
        for key in keys:
            self.add(key)

    def __len__(self) -> int:
        return len(self._ids) + len(self._names)

    def __iter__(self) -> Iterator[str]:
        yield from map(str, self._ids)
        yield from self._names

    def add(self, key: str) -> None:
        """Adds the key at the end."""
        if key.isascii() and key.isdecimal() and key[0] != "0" and len(key) <= _LONGEST_ID:
            self._ids.append(int(key))
        else:
            self._names.append(key)

    def discard(self, key: str) -> None:
        """Removes the key, if it is in the list."""
        if key in self._names:
            self._names.remove(key)
        elif key.isdecimal() and len(key) <= _LONGEST_ID and int(key) in self._ids:
            self._ids.remove(int(key))

    def take(self, share: float) -> str:
        """Removes and returns the key at this share of the list (0 is the start)."""
        keys: array[int] | list[str] = self._ids or self._names
        at = int(share * len(keys))
        keys[at], keys[-1] = keys[-1], keys[at]  # type: ignore[assignment]
        return str(keys.pop())
