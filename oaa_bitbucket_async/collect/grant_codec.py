"""A grant as one integer: who holds it, and which permission it is.

Grants are most of the data. Code that looks at all of them works on the integers, and unpacks once for each holder or
each permission.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

_PERMISSION_BITS = 16
_MAX_PERMISSIONS = 1 << _PERMISSION_BITS
GROUP_BIT = 1 << _PERMISSION_BITS
"""Set in a group's grant, and not in a user's."""
BELOW_HOLDER = _PERMISSION_BITS + 1
"""Bits of a grant below the user's id, or below the group's number."""


class TooManyPermissionsError(ValueError):
    """More names of permissions than a grant's number has room for; Bitbucket has about a dozen."""


class Principal(NamedTuple):
    """Who holds a grant: a user by id, or a group by its folded name."""

    kind: Literal["user", "group"]
    key: int | str


class GrantCodec:
    """Packs a grant into one integer, by small numbers for its holder and its permission."""

    def __init__(self) -> None:
        self._groups: dict[str, int] = {}
        self._group_names: list[str] = []
        # what an owner holds, whether or not an answer names it: there is always room for it
        self._permissions: dict[str, int] = {"PROJECT_ADMIN": 0}
        self._permission_names = ["PROJECT_ADMIN"]

    def user(self, user_id: int, permission: str) -> int:
        """A user's grant. Raises TooManyPermissionsError."""
        index = self._permissions.get(permission)
        if index is None:
            index = self._new_permission(permission)
        return user_id << 1 + _PERMISSION_BITS | index

    def group(self, folded_name: str, permission: str) -> int:
        """A group's grant. Raises TooManyPermissionsError."""
        index = self._permissions.get(permission)
        if index is None:
            index = self._new_permission(permission)
        group = self._groups.get(folded_name)
        if group is None:
            group = self._groups[folded_name] = len(self._group_names)
            self._group_names.append(folded_name)
        return (group << 1 | 1) << _PERMISSION_BITS | index

    def unpack(self, code: int) -> tuple[Principal, str]:
        """Who, and which permission."""
        return self._principal(code >> _PERMISSION_BITS), self._permission_names[code & (_MAX_PERMISSIONS - 1)]

    def principals(self, codes: Iterable[int]) -> dict[int, Principal]:
        """Who holds these grants, by the number that `holder_of` gives."""
        return {number: self._principal(number) for number in {code >> _PERMISSION_BITS for code in codes}}

    def holders(self, codes: Iterable[int]) -> tuple[set[int], set[str]]:
        """Who holds these grants: ids of users, and folded names of groups."""
        numbers = {code >> _PERMISSION_BITS for code in codes}
        groups = {number for number in numbers if number & 1}
        return {number >> 1 for number in numbers - groups}, {self._group_names[number >> 1] for number in groups}

    @staticmethod
    def holder_of(code: int) -> int:
        """A number for who holds a grant."""
        return code >> _PERMISSION_BITS

    def by_permission(self, codes: Iterable[int]) -> list[tuple[str, list[int]]]:
        """Grants grouped by permission. Permissions are sorted by name; grants of one keep their order."""
        parted: defaultdict[int, list[int]] = defaultdict(list)
        for code in codes:
            parted[code & (_MAX_PERMISSIONS - 1)].append(code)
        return sorted((self._permission_names[index], found) for index, found in parted.items())

    def permissions(self, codes: Iterable[int]) -> set[str]:
        """The permissions that these grants are of."""
        return {self._permission_names[index] for index in {code & (_MAX_PERMISSIONS - 1) for code in codes}}

    def _principal(self, number: int) -> Principal:
        return Principal("group", self._group_names[number >> 1]) if number & 1 else Principal("user", number >> 1)

    def _new_permission(self, name: str) -> int:
        if len(self._permission_names) == _MAX_PERMISSIONS:
            raise TooManyPermissionsError(f"more than {_MAX_PERMISSIONS:,} different permissions")
        index = self._permissions[name] = len(self._permission_names)
        self._permission_names.append(name)
        return index
