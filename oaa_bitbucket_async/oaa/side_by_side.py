"""Two payloads read at the same time, entry by entry, each entry beside its counterpart.

Most entries are equal to the next entry of the other payload, byte for byte. If not, both entries wait for their
counterparts. Our payloads are sorted, so only added and removed entries wait, and memory grows with the changes, not
with the instance. A payload in another order works too, but takes more memory.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from oaa_bitbucket_async.oaa.payload_stream import PayloadStream
from oaa_bitbucket_async.oaa.schema import (
    SavedApplication,
    SavedHolder,
    SavedIdentity,
    SavedResource,
    decode_payload,
)

_E = TypeVar("_E", bound=SavedIdentity | SavedResource | SavedHolder)
OLD, NEW = 0, 1
_ORDER = ("users", "groups", "credentials", "resources", "grants")
AT_THE_END = len(_ORDER)
HELD = _ORDER.index("grants")
Key = tuple[str, str]
"""A kind of identity, or nothing, and an id."""
_Waiting = dict[Key, tuple[int, list[bytes]]]
"""The place of the first entry, and all."""


@dataclass(frozen=True, slots=True)
class Source:
    """A payload's text. `pieces` begins anew each time. In the block of `told` what is wrong with it is named."""

    pieces: Callable[[], Iterator[bytes]]
    told: Callable[[], AbstractContextManager[None]]


class Side:
    """One of the two payloads: the entry that is next, and what waits."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stream = PayloadStream(source.pieces())
        self.rank = 0
        """Of the list that the next entry is in; `AT_THE_END` if there is none."""
        self.place = 0
        self.raw = msgspec.Raw()
        self._entries = self._each()
        self._application: SavedApplication | None = None

    def advance(self) -> None:
        """To the next entry."""
        with self.source.told():
            self.rank, self.place, self.raw = next(self._entries, (AT_THE_END, 0, self.raw))

    def _each(self) -> Iterator[tuple[int, int, msgspec.Raw]]:
        for section in self.stream.sections():
            rank = _ORDER.index(section.name)
            for raw in section.entries:
                self.place += 1
                yield rank, self.place, raw
        decode_payload(self.stream.outline)  # is it a payload at all?

    @property
    def public_access(self) -> object:
        """The application's property; None if it has none, or has not been read."""
        if self._application is None and self.stream.application:
            with self.source.told():
                self._application = msgspec.json.decode(self.stream.application, type=SavedApplication)
        return None if self._application is None else self._application.about.public_access


class RepeatedError(Exception):
    """A payload tells of one holder in several entries."""


class PairedList(Generic[_E]):
    """One of the long lists. `pair` is told of each entry of either side, with its counterpart if there is one.

    With `gather` each side is read to its end before that, and the entries of one key become one by it.
    """

    def __init__(
        self,
        decoder: "msgspec.json.Decoder[_E]",
        key: Callable[[_E], Key],
        pair: Callable[[_E | None, _E | None, tuple[int, int]], None],
        *,
        gather: Callable[[list[_E]], _E] | None = None,
        once: bool = False,
    ) -> None:
        """`once`: RepeatedError for a key that has several entries."""
        self._decoder = decoder
        self._key = key
        self._pair = pair
        self._gather = gather
        self._waiting: tuple[_Waiting, _Waiting] = ({}, {})
        self._decoded: list[tuple[msgspec.Raw, _E] | None] = [None, None]
        self._seen: tuple[set[int], set[int]] | None = (set(), set()) if once else None

    def take(self, old: Side, new: Side) -> None:
        """The next entry of each, or of the one side whose counterpart has come already."""
        if self._gather is not None:
            self.take_alone(OLD, old)
            self.take_alone(NEW, new)
            return
        if old.raw == new.raw:
            entry = self._entry(OLD, old)
            self._see(self._key(entry), OLD, NEW)
            self._pair(entry, entry, (old.place, new.place))
            old.advance()
            new.advance()
            return
        ours, theirs = self._entry(OLD, old), self._entry(NEW, new)
        our_key, their_key = self._key(ours), self._key(theirs)
        if our_key == their_key:
            self._see(our_key, OLD, NEW)
            self._pair(ours, theirs, (old.place, new.place))
            old.advance()
            new.advance()
        elif our_key in self._waiting[NEW]:
            self.take_alone(OLD, old)
        elif their_key in self._waiting[OLD]:
            self.take_alone(NEW, new)
        else:
            self.take_alone(OLD, old)
            self.take_alone(NEW, new)

    def take_alone(self, side: int, of: Side) -> None:
        """The next entry of one side: its counterpart is there, or it has to wait."""
        entry = self._entry(side, of)
        key = self._key(entry)
        self._see(key, side)
        waiting, others = self._waiting[side], self._waiting[1 - side]
        if self._gather is not None:
            waiting.setdefault(key, (of.place, []))[1].append(bytes(of.raw))
        elif (found := others.pop(key, None)) is not None:
            self._together(side, entry, of.place, found)
        else:
            if key in waiting:
                self._together(side, *self._alone(waiting.pop(key)), None)
            waiting[key] = of.place, [bytes(of.raw)]
        of.advance()

    def settle(self) -> None:
        """Both sides have been read. Entries that still wait have no counterpart, unless everything was gathered."""
        old, new = self._waiting
        for key, found in old.items():
            self._together(OLD, *self._alone(found), new.pop(key, None))
        for found in new.values():
            self._together(NEW, *self._alone(found), None)
        old.clear()
        new.clear()

    def _entry(self, side: int, of: Side) -> _E:
        """The next entry of a side, decoded once: it may have to wait while the other side goes on."""
        known = self._decoded[side]
        if known is not None and known[0] is of.raw:
            return known[1]
        with of.source.told():
            entry = self._decoder.decode(of.raw)
        self._decoded[side] = of.raw, entry
        return entry

    def _alone(self, found: tuple[int, list[bytes]]) -> tuple[_E, int]:
        place, raws = found
        entries = [self._decoder.decode(raw) for raw in raws]
        return (entries[0] if self._gather is None else self._gather(entries)), place

    def _together(self, side: int, entry: _E, place: int, found: tuple[int, list[bytes]] | None) -> None:
        other, there = (None, 0) if found is None else self._alone(found)
        if side == OLD:
            self._pair(entry, other, (place, there))
        else:
            self._pair(other, entry, (there, place))

    def _see(self, key: Key, *sides: int) -> None:
        if self._seen is None:
            return
        number = hash(key)
        for side in sides:
            before = len(self._seen[side])
            self._seen[side].add(number)
            if len(self._seen[side]) == before:
                raise RepeatedError
