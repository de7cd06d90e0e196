"""The content of a journal: turns a unit's rows into bytes, and bytes into rows again.

Most rows of a crawl are users, and the same users appear again and again. So each distinct user row is written
once, and records refer to it by number. A batch is what one transaction writes: new users, and records.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, cast

import msgspec

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import AnyKind, AnyRow, Unit
from oaa_bitbucket_async.settings import Include, Scope

JOURNAL_VERSION = 3
"""Raise it if the same rows are written in another way. If the rows change, `layout` changes by itself."""


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what a crawl collects. A run trusts only a journal with the same fingerprint."""

    base_url: str
    authentication: Literal["basic", "token"]
    user: str
    """The user name that the server has proven, not the one that was set."""
    server_version: str
    global_permissions: Literal["explicit", "effective"]
    projects: tuple[str, ...]
    exclude_projects: tuple[str, ...]
    personal_projects: bool
    archived: bool
    include: tuple[Include, ...] = ()
    collector: str = __version__

    @classmethod
    def of(
        cls,
        *,
        base_url: str,
        authentication: Literal["basic", "token"],
        user: str,
        server_version: str,
        global_permissions: Literal["explicit", "effective"],
        scope: Scope,
        include: Iterable[Include] = (),
    ) -> "Fingerprint":
        """Makes a fingerprint. Order, repetition and case of patterns do not matter."""
        return cls(
            base_url=base_url,
            authentication=authentication,
            user=user,
            server_version=server_version,
            global_permissions=global_permissions,
            projects=tuple(sorted({p.lower() for p in scope.projects})),
            exclude_projects=tuple(sorted({p.lower() for p in scope.exclude_projects})),
            personal_projects=scope.personal_projects,
            archived=scope.archived,
            include=tuple(sorted(include)),
        )

    def differences(self, other: "Fingerprint") -> list[str]:
        """The names of the settings in which two runs differ."""
        return [name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)]


class Replayed(NamedTuple):
    """A page of a unit that an earlier run finished.

    The unit's kind says the type of `rows`. `read_at` (epoch seconds) and `place` (the path under which it was
    asked) belong to the whole unit and are the same on each page. `last` is true on the final page.
    `hidden`: the login may not see it, or this server has no such thing.
    """

    unit: Unit
    rows: Sequence[AnyRow]
    read_at: float
    place: str
    last: bool
    hidden: bool = False


Mark = Literal["page", "done", "hidden", "forget"]
"""Hidden: the login may not see the unit, and a payload does not need it. Forget: what was written of the unit so far
does not count."""


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record as it is on the disk. The kind's own decoder reads `body`."""

    kind: str
    key: str
    mark: Mark
    read_at: float
    place: str
    body: msgspec.Raw

    @property
    def unit(self) -> Unit:
        """Whose record it is."""
        return Unit(kinds.BY_NAME[self.kind], self.key)


class Batch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one transaction wrote: users that no earlier batch had, encoded, and records."""

    people: list[msgspec.Raw]
    records: list[Record]


_encoder = msgspec.msgpack.Encoder()
_batches = msgspec.msgpack.Decoder(Batch)
# A user is written as the tuple of its fields: half the size of a map with their names.
_person: msgspec.msgpack.Decoder[tuple[object, ...]] = msgspec.msgpack.Decoder(
    tuple[tuple(field.type for field in msgspec.structs.fields(rows.User))]  # type: ignore[misc]
)
_user_lists = msgspec.msgpack.Decoder(list[int])
_user_grants = msgspec.msgpack.Decoder(list[tuple[int, str]])
_group_grants = msgspec.msgpack.Decoder(list[tuple[str, str]])


def layout() -> str:
    """What the rows look like: fields and their types. Another layout is another version of the journal."""
    seen: dict[str, str] = {}
    types: set[type[AnyRow]] = {*(kind.row for kind in kinds.ALL), rows.Origin}
    for row in types:
        seen[row.__name__] = ", ".join(f"{f.name}: {f.type}" for f in msgspec.structs.fields(row))
    return f"{JOURNAL_VERSION} " + "; ".join(f"{name}({seen[name]})" for name in sorted(seen))


class Packer:
    """Turns records into batches and back, and knows the users that the journal holds.

    Not thread-safe, but the decoding of rows may go on in another thread.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._new: list[msgspec.Raw] = []
        self._records: list[msgspec.Raw] = []
        self._known = 0
        """How many users the batches hold."""
        self._people: list[bytes] = []
        """While batches are read again: the users so far. Encoded, which takes a fifth of the memory."""

    def add(self, unit: Unit, mark: Mark, page: Sequence[AnyRow], read_at: float, place: str) -> None:
        """Adds a record to the next batch.

        It is encoded at once, in the event loop: if another thread did it later, the rows would take memory until then,
        and the change between two threads that need the interpreter costs more than the encoding.

        Raises OverflowError or ValueError for rows that can't be encoded. The batch must not be used then.
        """
        kind, key = unit
        record = (kind.name, key, mark, read_at, place, self._body(kind, page))
        self._records.append(msgspec.Raw(_encoder.encode(record)))

    def take(self) -> bytes:
        """The next batch: all records since the last one."""
        new, records = self._new, self._records
        self._new, self._records = [], []
        return _encoder.encode((new, records))

    def unpack(self, body: bytes) -> Batch:
        """Decode one batch. Raises msgspec.ValidationError or msgspec.DecodeError if it is not one."""
        batch = _batches.decode(body)
        if unknown := {record.kind for record in batch.records} - kinds.BY_NAME.keys():
            raise msgspec.ValidationError(f"no such kinds: {unknown}")
        return batch

    def check_people(self, people: Iterable[msgspec.Raw], *, to_write: bool) -> None:
        """Check the users of the next batch, one batch after the other, before its records.

        `to_write`: more will be written, so their numbers are kept. Raises as `unpack`.
        """
        for raw in people:
            _person.decode(raw)
            if to_write:
                self._numbers[bytes(raw)] = self._known
            self._known += 1

    def take_people(self, people: Iterable[msgspec.Raw]) -> None:
        """Take up the users of the next batch, one batch after the other, before its records are decoded."""
        self._people += map(bytes, people)

    def decode(self, record: Record) -> Sequence[AnyRow]:
        """Decode one record's rows. Raises msgspec.ValidationError or IndexError if it does not hold such rows."""
        kind = kinds.BY_NAME[record.kind]
        if kind.row is rows.User:
            return [self._user(number) for number in _user_lists.decode(record.body)]
        if kind.row is rows.UserGrant:
            return [rows.UserGrant(self._user(n), permission) for n, permission in _user_grants.decode(record.body)]
        if kind.row is rows.GroupGrant:
            return [rows.GroupGrant(rows.Group(name), p) for name, p in _group_grants.decode(record.body)]
        return kind.packed.decode(record.body)

    def check(self, record: Record) -> None:
        """Raises as `decode` does, but is faster: users were checked when they were read first."""
        kind = kinds.BY_NAME[record.kind]
        if kind.row is rows.User:
            self._check(_user_lists.decode(record.body))
        elif kind.row is rows.UserGrant:
            self._check([number for number, _ in _user_grants.decode(record.body)])
        else:
            self.decode(record)

    def _check(self, numbers: Sequence[int]) -> None:
        if numbers and not 0 <= min(numbers) <= max(numbers) < self._known:
            raise IndexError(max(numbers))

    def _body(self, kind: AnyKind, page: Sequence[AnyRow]) -> Sequence[object]:
        wanted = kind.row
        if wanted is rows.User:
            return [self._number(user) for user in cast("Sequence[rows.User]", page)]
        if wanted is rows.UserGrant:
            return [(self._number(g.user), g.permission) for g in cast("Sequence[rows.UserGrant]", page)]
        if wanted is rows.GroupGrant:
            return [(g.group.name, g.permission) for g in cast("Sequence[rows.GroupGrant]", page)]
        return page

    def _number(self, user: rows.User) -> int:
        person = _encoder.encode(msgspec.structs.astuple(user))
        number = self._numbers.get(person)
        if number is None:
            number = self._numbers[person] = self._known
            self._known += 1
            self._new.append(msgspec.Raw(person))
        return number

    def _user(self, number: int) -> rows.User:
        if number < 0:
            raise IndexError(number)
        return rows.User(*_person.decode(self._people[number]))  # type: ignore[arg-type]  # of the fields' types

    def forget_people(self) -> None:
        """Frees memory when the batches have been read again. They can be read once more, from the first one on."""
        self._people = []
