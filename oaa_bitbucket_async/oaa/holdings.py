"""Regroups grants: they come in by project and repository, and go out by holder.

Most of the collected data are grants. Regrouping them in one dictionary accesses memory at random, and each grant takes
longer the more there are. So the grants are first split into parts by their holder's number, and one part at a time is
regrouped. A part fits into the processor's cache. Until then a grant takes twelve bytes.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from oaa_bitbucket_async.collect.grant_codec import BELOW_HOLDER, GROUP_BIT, GrantCodec

Held = Mapping[str, list[str]]
"""Keys of projects and repositories by permission, both in the payload's order."""
_SHIFT = BELOW_HOLDER + 9
"""The holders of a part have their numbers in common except for so many bits of a grant."""
_NOTHING: Held = MappingProxyType({})


class _Part:
    """Grants in the order in which they came, and the resource that each is on."""

    __slots__ = ("codes", "resources")

    def __init__(self) -> None:
        self.codes = array("Q")
        self.resources = array("I")


class Holdings:
    """Take in what is held on one resource after the other, in the payload's order; then ask for each holder.

    Users are best asked for in the order of their ids. `codec` is the one whose numbers come in.
    """

    def __init__(self, codec: GrantCodec) -> None:
        self._codec = codec
        self._users: defaultdict[int, _Part] = defaultdict(_Part)
        self._groups: defaultdict[int, _Part] = defaultdict(_Part)
        self.resources = 0
        """How many were taken in. The first has the number 0."""
        self._of_users: tuple[int, dict[int, Held]] = (-1, {})
        self._of_groups: dict[int, Held] | None = None

    def add(self, codes: Iterable[int]) -> int:
        """Take in the grants on the next resource; each once. Gives the resource's number."""
        number = self.resources
        self.resources += 1
        users, groups = self._users, self._groups
        for code in codes:
            part = groups[code >> _SHIFT] if code & GROUP_BIT else users[code >> _SHIFT]
            part.codes.append(code)
            part.resources.append(number)
        return number

    def codes(self) -> Iterator[set[int]]:
        """Every grant, some at a time. What a holder may on several resources comes once."""
        for parts in (self._users, self._groups):
            for part in parts.values():
                yield set(part.codes)

    def of_user(self, user: int, keys: Sequence[str]) -> Held:
        """What the user with this id holds; `keys` are those of the resources, by number."""
        code = self._codec.user(user, "PROJECT_ADMIN")
        number, held = self._of_users
        if code >> _SHIFT != number:
            part = self._users.get(code >> _SHIFT)
            held = self._lay_out(part, keys) if part is not None else {}
            self._of_users = code >> _SHIFT, held
        return held.get(self._codec.holder_of(code), _NOTHING)

    def of_group(self, folded_name: str, keys: Sequence[str]) -> Held:
        """What the group of this folded name holds; `keys` are those of the resources, by number."""
        if self._of_groups is None:
            self._of_groups = {}
            for part in self._groups.values():
                self._of_groups |= self._lay_out(part, keys)
        code = self._codec.group(folded_name, "PROJECT_ADMIN")
        return self._of_groups.get(self._codec.holder_of(code), _NOTHING)

    def _lay_out(self, part: _Part, keys: Sequence[str]) -> dict[int, Held]:
        by_code: defaultdict[int, list[str]] = defaultdict(list)
        for code, number in zip(part.codes, part.resources, strict=True):
            by_code[code].append(keys[number])
        found: defaultdict[int, dict[str, list[str]]] = defaultdict(dict)
        for permission, codes in self._codec.by_permission(by_code):
            for code in codes:
                found[self._codec.holder_of(code)][permission] = by_code[code]
        return dict(found)
