"""What `--include` added: keys, tokens, restrictions and settings, by what they belong to.

There can be one or more of each for every repository, so the rows of one place are one bytes object, and places with
the same rows (nothing, above all, and what a project gives all of its repositories) share it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import cast

import msgspec

from oaa_bitbucket_async.bitbucket.branch_permissions import BranchModel, DefaultBranch, MergeChecks, Restriction
from oaa_bitbucket_async.bitbucket.credentials import AccessKey, GpgKey, SshKey, Token
from oaa_bitbucket_async.collect.units import INCLUDED, OF_PROJECT, OF_REPOSITORY, UnitKind
from oaa_bitbucket_async.settings import Include

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

AnyIncluded = AccessKey | Token | SshKey | GpgKey | Restriction | DefaultBranch | BranchModel | MergeChecks

INCLUDED_ROWS: dict[UnitKind, type[AnyIncluded]] = {
    UnitKind.PROJECT_ACCESS_KEYS: AccessKey,
    UnitKind.PROJECT_TOKENS: Token,
    UnitKind.REPOSITORY_ACCESS_KEYS: AccessKey,
    UnitKind.REPOSITORY_TOKENS: Token,
    UnitKind.REPOSITORY_RESTRICTIONS: Restriction,
    UnitKind.REPOSITORY_DEFAULT_BRANCH: DefaultBranch,
    UnitKind.REPOSITORY_BRANCH_MODEL: BranchModel,
    UnitKind.REPOSITORY_SETTINGS: MergeChecks,
    UnitKind.USER_TOKENS: Token,
    UnitKind.USER_SSH_KEYS: SshKey,
    UnitKind.USER_GPG_KEYS: GpgKey,
}

_ALIKE = frozenset(
    kind for kind, include in INCLUDED.items() if include in (Include.BRANCH_RESTRICTIONS, Include.SETTINGS)
)
"""Kinds of which many places have the same rows; keys and tokens differ from place to place."""

_encoder = msgspec.msgpack.Encoder()
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])
_decoders = {
    kind: msgspec.msgpack.Decoder(list[row])  # type: ignore[valid-type]
    for kind, row in INCLUDED_ROWS.items()
}


class Included:
    """Rows by kind of unit and by the id of the user, project or repository that they are of."""

    def __init__(self, asked_for: Collection[Include] = ()) -> None:
        self.asked_for = frozenset(asked_for)
        self.hidden: dict[UnitKind, set[int]] = {}
        """Places whose rows the login may not see."""
        self._rows: dict[UnitKind, dict[int, bytes]] = {}
        self._same: dict[bytes, bytes] = {}

    def add(self, kind: UnitKind, place: int, rows: Sequence[AnyIncluded]) -> None:
        """A place was read; also an empty answer counts. In any order, or twice, it is the same."""
        if place in self.hidden.get(kind, ()):  # a part of it could not be seen
            return
        table = self._rows.setdefault(kind, {})
        parts = {_encoder.encode(row) for row in rows}
        if before := table.get(place):
            parts.update(map(bytes, _parts.decode(before)))
        packed = _encoder.encode(list(map(msgspec.Raw, sorted(parts))))
        table[place] = self._same.setdefault(packed, packed) if not parts or kind in _ALIKE else packed

    def hide(self, kind: UnitKind, place: int) -> None:
        """The login may not see what is there, or not all of it."""
        self._rows.get(kind, {}).pop(place, None)
        self.hidden.setdefault(kind, set()).add(place)

    def told(self, kind: UnitKind, place: int) -> bool:
        """Whether the server has answered for this place, if only that we may not see it."""
        return place in self._rows.get(kind, ()) or place in self.hidden.get(kind, ())

    def drop(self, kinds: Iterable[UnitKind], place: int) -> None:
        """What was read of one place does not count."""
        for kind in kinds:
            self._rows.get(kind, {}).pop(place, None)
            self.hidden.get(kind, set()).discard(place)

    def places(self, kind: UnitKind) -> list[int]:
        """Ids of what was read, sorted."""
        return sorted(self._rows.get(kind, ()))

    def rows(self, kind: UnitKind, place: int) -> list[AnyIncluded] | None:
        """The rows of one place; None if it was not read."""
        packed = self._rows.get(kind, {}).get(place)
        return None if packed is None else cast("list[AnyIncluded]", _decoders[kind].decode(packed))

    def each(self, kind: UnitKind) -> Iterator[tuple[int, list[AnyIncluded]]]:
        """Every place that was read, with its rows, sorted by its id."""
        for place in self.places(kind):
            yield place, self.rows(kind, place) or []

    def count(self, kind: UnitKind) -> int:
        """How many places were read."""
        return len(self._rows.get(kind, ()))

    def keep_only(self, projects: Collection[int], repositories: Collection[int]) -> None:
        """What was deleted meanwhile goes."""
        for kind in INCLUDED:
            known = projects if kind in OF_PROJECT else repositories if kind in OF_REPOSITORY else None
            if known is None:
                continue
            table = self._rows.get(kind, {})
            for orphan in [place for place in table if place not in known]:
                del table[orphan]
            self.hidden.get(kind, set()).intersection_update(known)
