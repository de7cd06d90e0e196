"""What `--include` added: keys, tokens, restrictions and settings, by the thing that they belong to.

Every repository can have some of each, so the rows of one place are one bytes object. Places with the same rows
share it: most often places without rows, and repositories with only their project's rows.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from oaa_bitbucket_async.bitbucket.branch_permissions import BranchModel, DefaultBranch, MergeChecks, Restriction
from oaa_bitbucket_async.bitbucket.credentials import AccessKey, GpgKey, SshKey, Token
from oaa_bitbucket_async.collect.units import Kind, RowT, Subject
from oaa_bitbucket_async.settings import CREDENTIALS, Include

__all__ = [
    "AccessKey",
    "BranchModel",
    "DefaultBranch",
    "GpgKey",
    "Included",
    "MergeChecks",
    "Restriction",
    "SshKey",
    "Token",
]

AnyRows = Kind[Any]
"""A kind of any rows. Its `row` has the type."""

_encoder = msgspec.msgpack.Encoder()
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])


class Included:
    """Rows by kind of unit, and by the id of the user, project or repository that they belong to."""

    def __init__(self, asked_for: Collection[Include] = ()) -> None:
        self.asked_for = frozenset(asked_for)
        self.hidden: dict[AnyRows, set[int]] = {}
        """Places whose rows the login may not see."""
        self._rows: dict[AnyRows, dict[int, bytes]] = {}
        self._same: dict[bytes, bytes] = {}

    def add(self, kind: Kind[RowT], place: int, rows: Sequence[RowT]) -> None:
        """A place was read. An empty answer counts too. The order of calls does not matter, nor do repeated calls."""
        if place in self.hidden.get(kind, ()):  # a part of it could not be seen
            return
        table = self._rows.setdefault(kind, {})
        parts = {_encoder.encode(row) for row in rows}
        if before := table.get(place):
            parts.update(map(bytes, _parts.decode(before)))
        packed = _encoder.encode(list(map(msgspec.Raw, sorted(parts))))
        alike = not parts or kind.include not in CREDENTIALS  # keys and tokens differ from place to place
        table[place] = self._same.setdefault(packed, packed) if alike else packed

    def hide(self, kind: AnyRows, place: int) -> None:
        """The login may not see what is there, or not all of it."""
        self._rows.get(kind, {}).pop(place, None)
        self.hidden.setdefault(kind, set()).add(place)

    def told(self, kind: AnyRows, place: int) -> bool:
        """Whether the server has answered for this place. A refusal counts too."""
        return place in self._rows.get(kind, ()) or place in self.hidden.get(kind, ())

    def drop(self, subject: Subject) -> None:
        """Drops all rows of one place."""
        for kind in {*self._rows, *self.hidden}:
            if kind.of == subject.kind:
                self.drop_kind(kind, subject.id)

    def drop_kind(self, kind: AnyRows, place: int) -> None:
        """Drops the rows of one kind for one place."""
        self._rows.get(kind, {}).pop(place, None)
        self.hidden.get(kind, set()).discard(place)

    def places(self, kind: AnyRows) -> list[int]:
        """Ids of what was read, sorted."""
        return sorted(self._rows.get(kind, ()))

    def rows(self, kind: Kind[RowT], place: int) -> list[RowT] | None:
        """The rows of one place; None if it was not read."""
        packed = self._rows.get(kind, {}).get(place)
        return None if packed is None else kind.packed.decode(packed)

    def each(self, kind: Kind[RowT]) -> Iterator[tuple[int, list[RowT]]]:
        """Every place that was read, with its rows, sorted by its id."""
        for place in self.places(kind):
            yield place, self.rows(kind, place) or []

    def count(self, kind: AnyRows) -> int:
        """How many places were read."""
        return len(self._rows.get(kind, ()))

    def keep_only(self, projects: Collection[int], repositories: Collection[int]) -> None:
        """Drops the rows of deleted projects and repositories."""
        for table in (self._rows, self.hidden):
            for kind, places in table.items():
                known = {"project": projects, "repository": repositories}.get(kind.of)
                if known is not None:
                    for orphan in [place for place in places if place not in known]:
                        places.pop(orphan) if isinstance(places, dict) else places.discard(orphan)
