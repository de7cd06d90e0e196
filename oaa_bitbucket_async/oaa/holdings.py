"""Regroups grants: they come in by project and repository, and go out by holder.

Most of the collected data are grants. Regrouping them in one dictionary accesses memory at random, and each grant takes
longer the more there are. So the grants of users are first split into parts by the user's number, and one part at a
time is regrouped. A part fits into the processor's cache. Until then a grant takes twelve bytes.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from oaa_bitbucket_async.collect.grant_codec import BELOW_USER, GROUP_BIT, GrantCodec

Held = Mapping[str, list[str]]
"""Keys of projects and repositories by permission, both in the payload's order."""
_PARTS_BITS = 7
"""At most so many parts, as a power of two."""
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

    def __init__(self, codec: GrantCodec, highest_user: int) -> None:
        """`highest_user`: the highest id of a user who holds anything."""
        self._codec = codec
        self._shift = BELOW_USER + max(0, highest_user.bit_length() - _PARTS_BITS)
        self._users = tuple(_Part() for _ in range(1 << _PARTS_BITS))
        self._groups = _Part()
        self._put = tuple((part.codes.append, part.resources.append) for part in self._users)
        self._keys: list[str] = []
        self._laid_out: tuple[_Part, dict[int, dict[str, list[str]]]] = (_Part(), {})

    def add(self, key: str, codes: Iterable[int]) -> None:
        """Take in the grants on the resource with this key; each once."""
        number = len(self._keys)
        self._keys.append(key)
        put, shift, groups = self._put, self._shift, self._groups
        for code in codes:
            if code & GROUP_BIT:
                groups.codes.append(code)
                groups.resources.append(number)
            else:
                put_code, put_resource = put[code >> shift]
                put_code(code)
                put_resource(number)

    def of_user(self, user: int) -> Held:
        """What the user with this id holds."""
        code = self._codec.user(user, "PROJECT_ADMIN")
        return self._of(self._users[code >> self._shift], code)

    def of_group(self, folded_name: str) -> Held:
        """What the group of this folded name holds."""
        return self._of(self._groups, self._codec.group(folded_name, "PROJECT_ADMIN"))

    def _of(self, part: _Part, code: int) -> Held:
        laid_out, held = self._laid_out
        if laid_out is not part:
            held = self._lay_out(part)
            self._laid_out = part, held
        return held.get(self._codec.holder_of(code), _NOTHING)

    def _lay_out(self, part: _Part) -> dict[int, dict[str, list[str]]]:
        by_code: defaultdict[int, list[str]] = defaultdict(list)
        keys = self._keys
        for code, number in zip(part.codes, part.resources, strict=True):
            by_code[code].append(keys[number])
        found: defaultdict[int, dict[str, list[str]]] = defaultdict(dict)
        for permission, codes in self._codec.by_permission(by_code):
            for code in codes:
                found[self._codec.holder_of(code)][permission] = by_code[code]
        return found
