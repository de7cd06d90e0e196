"""Keys and tokens as access credentials. There may be one for each repository, so they are made one at a time, twice.

An access key, or a token of a project or repository, holds its own grants. A user's key or token holds none: it is
attached to the user and has the user's rights.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from oaaclient.templates import AccessCred, CustomApplication, OAAPropertyType

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import AccessKey, GpgKey, Included, SshKey, Token
from oaa_bitbucket_async.collect.kinds import AnyKind
from oaa_bitbucket_async.collect.snapshot import Snapshot, UserRecord
from oaa_bitbucket_async.collect.units import Kind
from oaa_bitbucket_async.oaa.holdings import Held
from oaa_bitbucket_async.oaa.notes import Code, Notes
from oaa_bitbucket_async.oaa.permissions import highest
from oaa_bitbucket_async.oaa.resources import Numbers
from oaa_bitbucket_async.oaa.values import PropertyValue, named, properties, timestamp

CREDENTIAL_PROPERTIES = {
    "kind": OAAPropertyType.STRING,
    "label": OAAPropertyType.STRING,
    "fingerprint": OAAPropertyType.STRING,
    "algorithm": OAAPropertyType.STRING,
    "bits": OAAPropertyType.NUMBER,
    "never_expires": OAAPropertyType.BOOLEAN,
    "never_used": OAAPropertyType.BOOLEAN,
    "permission_levels": OAAPropertyType.STRING_LIST,
}
_LEVELS = ("READ", "WRITE", "ADMIN")
_CREATE = "REPO_CREATE"
"""A right on a project, in spite of its name."""
_AS_ON_REPOSITORY = {
    "PROJECT_READ": "REPO_READ",
    "PROJECT_WRITE": "REPO_WRITE",
    _CREATE: "REPO_WRITE",
    "PROJECT_ADMIN": "REPO_ADMIN",
}
_OF_USERS: dict[AnyKind, str] = {
    kinds.USER_TOKENS: "user-token",
    kinds.USER_SSH_KEYS: "ssh-key",
    kinds.USER_GPG_KEYS: "gpg-key",
}
_PERMISSION_BITS = 16
_Row = AccessKey | Token | SshKey | GpgKey
_RowT = TypeVar("_RowT", bound=_Row)


class Credentials:
    """All credentials of a snapshot, in the payload's order: by kind, then by whom or what they belong to, then id."""

    def __init__(
        self,
        app: CustomApplication,
        snapshot: Snapshot,
        users: Mapping[int, UserRecord],
        numbers: Numbers,
        notes: Notes,
    ) -> None:
        """Finds those of `users`, and defines the properties of all."""
        self._snapshot = snapshot
        self._numbers = numbers
        self._users = users
        self._permissions: list[str] = []
        self._keys, self._opens = self._access_keys()
        self.of_several: set[AnyKind] = set()
        """Kinds for which the server listed the same key for several users, so the owner of such keys is unknown."""
        self._not_theirs = {kind: self._shared(kind, notes) for kind in _OF_USERS}
        self._tells_use = self._who_tells_use()
        for name, kind in CREDENTIAL_PROPERTIES.items():
            app.property_definitions.define_access_cred_property(name, kind)
        self.of_users: defaultdict[int, list[str]] = defaultdict(list)
        """Ids of each user's own keys and tokens."""
        for unit_kind, kind in _OF_USERS.items():
            for place, row in self._each(unit_kind):
                if place in users and row.id not in self._not_theirs[unit_kind]:
                    self.of_users[place].append(f"{kind}:{row.id}")

    def met(self) -> set[str]:
        """Every permission that a credential holds on something."""
        found: set[str | None] = set(self._permissions)
        for _, row in self._each(kinds.PROJECT_TOKENS):
            found |= {_on_project(row), _on_repository(row)}
        for _, row in self._each(kinds.REPOSITORY_TOKENS):
            found.add(_on_repository(row))
        return {permission for permission in found if permission}

    def __iter__(self) -> Iterator[AccessCred]:
        """Every credential, without what it holds."""
        for key in self._keys.values():
            yield self._made("access-key", key)
        for unit_kind, kind in (
            (kinds.PROJECT_TOKENS, "project-token"),
            (kinds.REPOSITORY_TOKENS, "repository-token"),
        ):
            for _, token in self._each(unit_kind):
                yield self._made(kind, token)
        for unit_kind, kind in _OF_USERS.items():
            for place, row in self._each(unit_kind):
                if place in self._users and row.id not in self._not_theirs[unit_kind]:
                    yield self._made(kind, row, active=self._users[place].active)

    def holding(self, keys: Sequence[str]) -> Iterator[tuple[str, Held]]:
        """Each credential's id, and what it holds, sorted by permission; `keys` are those of the resources."""
        for identifier, held in self._held():
            yield identifier, {name: [keys[number] for number in numbers] for name, numbers in sorted(held.items())}

    # --- what is held -------------------------------------------------------------------------------------------

    def _held(self) -> Iterator[tuple[str, Mapping[str, Sequence[int]]]]:
        """Each credential's id, and the numbers of what it holds."""
        for key in self._keys.values():
            yield f"access-key:{key.id}", self._opened(key.id)
        for place, row in self._each(kinds.PROJECT_TOKENS):
            if place in self._snapshot.projects:
                yield f"project-token:{row.id}", self._of_project_token(place, row)
        for place, row in self._each(kinds.REPOSITORY_TOKENS):
            if place in self._snapshot.repositories:
                held = _on_repository(row)
                yield f"repository-token:{row.id}", {held: [self._numbers.repositories[place]]} if held else {}

    def _access_keys(self) -> tuple[dict[int, AccessKey], "dict[int, array[int]]"]:
        """Each key once, and what it opens, packed: the place, whether it is a repository, and the permission."""
        keys: dict[int, AccessKey] = {}
        opens: dict[int, array[int]] = {}
        numbers: dict[str, int] = {}
        for kind, known in (
            (kinds.PROJECT_ACCESS_KEYS, self._snapshot.projects.keys()),
            (kinds.REPOSITORY_ACCESS_KEYS, self._snapshot.repositories.keys()),
        ):
            repository = kind is kinds.REPOSITORY_ACCESS_KEYS
            for place, row in self._each(kind):
                if place not in known:
                    continue
                number = numbers.setdefault(row.permission, len(numbers))
                old = keys.get(row.id)
                if old is None or _newer(row) > _newer(old):
                    keys[row.id] = row
                opens.setdefault(row.id, array("q")).append((place << 1 | repository) << _PERMISSION_BITS | number)
        self._permissions = list(numbers)
        return dict(sorted(keys.items())), opens

    def _opened(self, key: int) -> Mapping[str, Sequence[int]]:
        numbers = self._numbers
        found: defaultdict[str, list[int]] = defaultdict(list)
        for code in self._opens[key]:
            place, repository = code >> (_PERMISSION_BITS + 1), code >> _PERMISSION_BITS & 1
            number = numbers.repositories[place] if repository else numbers.projects[place]
            found[self._permissions[code & ((1 << _PERMISSION_BITS) - 1)]].append(number)
        return found

    def _of_project_token(self, project: int, token: Token) -> Mapping[str, Sequence[int]]:
        """On the project, and where its right on repositories is the higher one, on each of them."""
        on_project, on_repositories = _on_project(token), _on_repository(token)
        held: dict[str, Sequence[int]] = {on_project: [self._numbers.projects[project]]} if on_project else {}
        repositories = self._numbers.below[project]
        if on_repositories and repositories and _level(on_repositories) > _level(on_project):
            held[on_repositories] = repositories
        return held

    # --- what is told -------------------------------------------------------------------------------------------

    def _made(self, kind: str, row: _Row, *, active: bool = True) -> AccessCred:
        label = _label(row)
        fallback = f"{kind} {row.id}"
        cred = AccessCred(f"{kind}:{row.id}", named(label, fallback))
        cred.is_active = active
        cred.expires_at = _time(row.expires)
        cred.can_expire = row.expires is not None
        told: dict[str, PropertyValue | None] = {"kind": kind, "label": label, "never_expires": row.expires is None}
        if not isinstance(row, GpgKey):
            cred.created_at = _time(row.created)
            cred.last_used_at = _time(row.last_used)
            if (Token if isinstance(row, Token) else SshKey) in self._tells_use:
                told["never_used"] = row.last_used is None
        if isinstance(row, Token):
            told["permission_levels"] = list(row.permissions)
        else:
            told["fingerprint"] = row.fingerprint
        if isinstance(row, SshKey):
            told["algorithm"], told["bits"] = row.algorithm, row.bits
        cred.properties = properties(told)
        return cred

    def _who_tells_use(self) -> set[type[_Row]]:
        """Some servers don't report when a key or token was last used. If one is reported, all are."""
        found: set[type[_Row]] = set()
        if any(key.last_used is not None for key in self._keys.values()):
            found.add(SshKey)
        for kind in (kinds.PROJECT_TOKENS, kinds.REPOSITORY_TOKENS, kinds.USER_TOKENS):
            if any(row.last_used is not None for _, row in self._each(kind)):
                found.add(Token)
        if any(row.last_used is not None for _, row in self._each(kinds.USER_SSH_KEYS)):
            found.add(SshKey)
        return found

    def _shared(self, kind: AnyKind, notes: Notes) -> set[int | str]:
        """A key belongs to one user. If several users have the same one, the server ignored who was asked for."""
        shared = of_several_users(self._snapshot.included, kind)
        if shared:
            self.of_several.add(kind)
            for identifier in sorted(map(str, shared)):
                notes.add(Code.KEYS_OF_SEVERAL, f"{_OF_USERS[kind]} {identifier}")
        return shared

    def _each(self, kind: Kind[_RowT]) -> Iterator[tuple[int, _RowT]]:
        for place, rows in self._snapshot.included.each(kind):
            for row in sorted(rows, key=_by_id):
                yield place, row


def of_several_users(included: Included, kind: AnyKind) -> set[int | str]:
    """The ids of keys and tokens that the server lists for more than one user. Their owner is unknown."""
    owners = Counter(row.id for _, rows in included.each(kind) for row in rows)
    return {identifier for identifier, count in owners.items() if count > 1}


def _by_id(row: _Row) -> tuple[int, str]:
    """Numbers by their value, and texts apart from them."""
    return (row.id, "") if isinstance(row.id, int) else (len(row.id), row.id)


def _newer(key: AccessKey) -> tuple[object, ...]:
    """Orders two rows of one key, read at two places, so that the choice does not depend on which came first."""
    return (key.last_used or -1, key.created or -1, key.expires or -1, key.label, key.fingerprint, key.bits or -1)


def _label(row: _Row) -> str:
    match row:
        case Token():
            return row.name
        case GpgKey():
            return row.email
        case _:
            return row.label


def _on_project(token: Token) -> str | None:
    return highest(name for name in token.permissions if name == _CREATE or name.startswith("PROJECT_"))


def _on_repository(token: Token) -> str | None:
    """What it may do with a repository, by a right on repositories or one on their project."""
    by_project = (_AS_ON_REPOSITORY[name] for name in token.permissions if name in _AS_ON_REPOSITORY)
    return highest(
        chain((name for name in token.permissions if name != _CREATE and name.startswith("REPO_")), by_project)
    )


def _level(permission: str | None) -> int:
    """READ, WRITE and ADMIN are the same of a project and of a repository; nothing and anything unknown is below."""
    word = _AS_ON_REPOSITORY.get(permission or "", permission or "").rpartition("_")[2]
    return _LEVELS.index(word) if word in _LEVELS else -1


def _time(milliseconds: int | None) -> str:
    return (timestamp(milliseconds) or "") if milliseconds is not None else ""
