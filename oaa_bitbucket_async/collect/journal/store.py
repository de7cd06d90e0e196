"""The file of a journal or base: one SQLite database, written in batches, each in a transaction of its own.

Each batch has a digest over its content, its number and the header. So damage or a change by a person is noticed
before anything in the file is used. The write-ahead log is synced at each commit, so after a kill or a power cut
all batches up to some point are there, and none after it.

A base is a journal that was closed off: it says how many batches it has, and holds data for the next run.

Everything here blocks and belongs to one thread.
"""

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.collect.journal.records import Batch, Fingerprint, Packer, Replayed, layout
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.files import PRIVATE_FILE, private_dir, replace_durably, write_whole
from oaa_bitbucket_async.reading import UntrustedFileError, open_ours, unpack_bounded

_APPLICATION_ID = 0x0AAB_17B5
_SCHEMA = (
    "CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL) STRICT",
    "CREATE TABLE batch (number INTEGER PRIMARY KEY, digest BLOB NOT NULL, body BLOB NOT NULL) STRICT",
    "CREATE TABLE closing (batches INTEGER PRIMARY KEY, digest BLOB NOT NULL, body BLOB NOT NULL) STRICT",
)
_COMPANIONS = ("", "-wal", "-shm", "-journal")
_MOST_OF_A_BATCH = 128 << 20
"""Maximum size of an unpacked batch, in bytes: sixteen times the size of 20,000 rows of 400 bytes."""
_CLOSING = -1
"""Used in place of a batch number in the digest of the closing entry."""
NOT_A_JOURNAL = (
    sqlite3.DatabaseError,
    msgspec.MsgspecError,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    RecursionError,
)
"""Errors that reading a damaged file can raise."""
_NOT_ITS_FAULT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)
"""SQLite's codes for a file that may be intact but can't be used right now."""


class _Version(msgspec.Struct, frozen=True):
    """The part of a header that every version of it has."""

    layout: str


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose journal it is and since when (epoch seconds)."""

    layout: str
    started: float
    fingerprint: Fingerprint


class Untrusted(Exception):  # noqa: N818  # a finding, not an error: the file is set aside and the run goes on
    """The file is not a journal that this run may take up; the text says why. `expected`: nothing is wrong with it."""

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class OpenedStore(NamedTuple):
    """The result of opening. `set_aside` tells why an older file was not taken up."""

    store: "Store"
    started: float
    resumed: bool
    set_aside: str | None
    expected: bool


class Store:
    """An open journal. `open_store` makes one."""

    def __init__(self, path: Path, connection: sqlite3.Connection, header: bytes, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._connection = connection
        self._header = header
        self.packer = Packer()
        """Makes the batches that `append` writes."""
        self.verified = 0
        """How many batches `verify` has found; they are numbered from 0 on."""
        self._next = 0
        self._broken = False
        self.unended: list[Unit] = []
        """Units that an earlier run left unfinished. They are asked again from their beginning."""
        self._ended: dict[Unit, tuple[float, str]] = {}
        self._forgotten: dict[Unit, tuple[int, int]] = {}
        """By unit, the place (batch, index) up to which its records don't count."""

    def append(self, batch: bytes) -> None:
        """Write one batch of the packer, onto the disk.

        After a failed batch, no other is written: in a journal with a gap, half a unit could look complete.
        """
        if self._broken:
            return
        self._broken = True
        body = zlib.compress(batch, 1)
        row = (self._next, _digest(self._header, self._next, body), body)
        with self._connection:
            self._connection.execute("INSERT INTO batch VALUES (?, ?, ?)", row)
        self._next += 1
        self._broken = False

    def verify(self) -> None:
        """Read the whole file once, and learn which of its records count.

        Raises one of `NOT_A_JOURNAL` or Untrusted if anything is not as it was written.
        """
        if self._connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise Untrusted("it is damaged: its structure is not valid")
        running: set[Unit] = set()
        count = self._connection.execute("SELECT count(*) FROM batch").fetchone()[0]
        for number in range(count):
            batch = self._read(number)
            self.packer.check_people(batch.people, to_write=not self._read_only)
            for index, record in enumerate(batch.records):
                self.packer.check(record)
                if record.mark == "page":
                    running.add(record.unit)
                elif record.mark == "forget":
                    running.discard(record.unit)
                    self._forgotten[record.unit] = (number, index)
                elif record.unit in running:
                    running.remove(record.unit)
                    self._ended[record.unit] = (record.read_at, record.place)
        self.verified = self._next = count
        self.unended = sorted(running)
        self._forgotten.update(dict.fromkeys(running, (count, 0)))

    def replay(self, number: int, wanted: Callable[[Unit], bool] | None = None) -> list[Replayed]:
        """The valid records of one batch that `verify` has seen. Units that are not `wanted` come without rows.

        Batches have to be asked for one after the other; after the last one it can begin again with the first.
        """
        if number == 0:
            self.packer.forget_people()
        batch = self._read(number)
        self.packer.take_people(batch.people)
        found = []
        for index, record in enumerate(batch.records):
            unit, last = record.unit, record.mark != "page"
            if record.mark == "forget" or self._forgotten.get(unit, (-1, -1)) >= (number, index):
                continue
            read_at, place = (record.read_at, record.place) if last else self._ended[unit]
            rows = self.packer.decode(record) if wanted is None or wanted(unit) else ()
            found.append(Replayed(unit, rows, read_at, place, last=last, hidden=record.mark == "hidden"))
        if number + 1 == self.verified:
            self.packer.forget_people()
        return found

    def replayed(self) -> None:
        """Frees what only `replay` needs. Do not call `replay` afterwards."""
        self._ended.clear()
        self._forgotten.clear()

    def close(self) -> None:
        """Close the file; it stays for the next run."""
        self._connection.close()

    def close_off(self, base: Path, facts: bytes, *, go_on: bool) -> None:
        """Make the base at `base` from everything written. It is replaced as a whole or not at all.

        `go_on`: keep the journal too, for a run that asks for what is missing. Raises OSError or sqlite3.Error.
        """
        if self._broken:
            raise OSError("a part of it could not be written")
        digest = _digest(self._header, _CLOSING, self._next.to_bytes(8, "big") + facts)
        closing = (self._next, digest, facts)
        new = base.with_name(f"{base.name}.new") if go_on else self._path
        connection = self._connection
        try:
            _leave_one_file(connection)
            if go_on:
                connection.close()
                with self._path.open("rb") as journal:
                    write_whole(new, iter(partial(journal.read, 1 << 20), b""))
                connection = sqlite3.connect(new, isolation_level="IMMEDIATE")
                connection.execute("PRAGMA synchronous = FULL")
            with connection:
                connection.execute("INSERT INTO closing VALUES (?, ?, ?)", closing)
        finally:
            connection.close()
        replace_durably(new, base)

    def facts(self) -> bytes:
        """The facts given to `close_off`. Raises Untrusted if the file was not closed off, or not after this batch."""
        rows = self._connection.execute("SELECT batches, digest, body FROM closing").fetchall()
        if len(rows) != 1:
            raise Untrusted("it is not finished")
        batches, digest, facts = rows[0]
        count = self._connection.execute("SELECT count(*) FROM batch").fetchone()[0]
        if batches != count or digest != _digest(self._header, _CLOSING, batches.to_bytes(8, "big") + facts):
            raise Untrusted("it is damaged: a part of it is not as it was written")
        return bytes(facts)

    def put_aside(self) -> None:
        """Close the file and rename it, so that no run takes it up."""
        self.close()
        _set_aside(self._path)

    def _read(self, number: int) -> Batch:
        row = self._connection.execute("SELECT digest, body FROM batch WHERE number = ?", (number,)).fetchone()
        if row is None or row[0] != _digest(self._header, number, row[1]):
            raise Untrusted("it is damaged: a part of it is not as it was written")
        return self.packer.unpack(unpack_bounded(row[1], most=_MOST_OF_A_BATCH))


def open_base(path: Path, fingerprint: Fingerprint) -> tuple[Store, bytes]:
    """The base at `path`, to be read only, and what was kept with it. Its answers are not `verified` yet.

    Raises Untrusted if it is not a base, or of a run with other settings, FileNotFoundError if there is none, OSError
    or sqlite3.Error if it can't be read.
    """
    path.lstat()
    _refuse_what_others_wrote(path)
    connection = None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
        connection.execute("PRAGMA trusted_schema = OFF")
        store, _ = _check(path, connection, fingerprint, read_only=True)
        return store, store.facts()
    except BaseException as error:
        if connection is not None:
            connection.close()
        if _is_damage(error):
            raise Untrusted(f"it is damaged: {error}") from error
        raise


def open_store(path: Path, *, fingerprint: Fingerprint, resume: bool, now: float) -> OpenedStore:
    """Take up the journal at `path`, or set aside what is there and begin another.

    Raises OSError or sqlite3.Error if there can be no journal here: the folder can't be written to, the disk
    is full, another process has the file open.
    """
    private_dir(path.parent)
    set_aside: Untrusted | None = None
    if path.exists() or path.is_symlink():
        try:
            store, started = _take_up(path, fingerprint, resume=resume)
        except Untrusted as finding:
            set_aside = finding
            _set_aside(path)
        else:
            return OpenedStore(store, started, resumed=True, set_aside=None, expected=True)
    store = _begin(path, Header(layout=layout(), started=now, fingerprint=fingerprint))
    if set_aside is None:
        return OpenedStore(store, now, resumed=False, set_aside=None, expected=True)
    return OpenedStore(store, now, resumed=False, set_aside=str(set_aside), expected=set_aside.expected)


def _begin(path: Path, header: Header) -> Store:
    # SQLite gives its log the permissions of the database, so it is enough to make that one private. A log that
    # was left without its database SQLite deletes, as this one is empty.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    connection = _connect(path)
    try:
        encoded = msgspec.json.encode(header)
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # Python begins no transaction of its own for DDL
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO header VALUES (1, ?)", (encoded,))
    except BaseException:
        connection.close()
        raise
    return Store(path, connection, encoded)


def _take_up(path: Path, fingerprint: Fingerprint, *, resume: bool) -> tuple[Store, float]:
    """Open a journal that is there and read it once. Raises Untrusted, or sqlite3.OperationalError if it is in use."""
    _refuse_what_others_wrote(path)
    if not resume:
        raise Untrusted("--no-resume is set", expected=True)
    connection = None
    try:
        connection = _connect(path)
        found = _check(path, connection, fingerprint)
        found[0].verify()
        with connection:  # a run that was killed just before it made the journal the base
            connection.execute("DELETE FROM closing")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if _is_damage(error):
            raise Untrusted(f"it is damaged: {error}") from error
        raise
    return found


def _is_damage(error: BaseException) -> bool:
    """Whether the error means that the file is damaged, and not that it can't be used right now."""
    passing = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_ITS_FAULT
    return isinstance(error, NOT_A_JOURNAL) and not passing


def _check(
    path: Path, connection: sqlite3.Connection, fingerprint: Fingerprint, *, read_only: bool = False
) -> tuple[Store, float]:
    """The journal, not yet verified, and when its first run began. Raises Untrusted or one of `NOT_A_JOURNAL`."""
    schema = tuple(sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema ORDER BY rowid"))
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if not schema and not application:
        raise Untrusted("it is empty", expected=True)  # its run was cut off before it had begun
    if application != _APPLICATION_ID:
        raise Untrusted("it is not a journal of this program")
    if schema != _SCHEMA:
        raise Untrusted("it is from another version of the journal")
    rows = connection.execute("SELECT body FROM header").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], bytes):
        raise Untrusted("it is damaged: it has no header")
    encoded: bytes = rows[0][0]
    if msgspec.json.decode(encoded, type=_Version).layout != layout():
        raise Untrusted("it is from another version of the journal")
    header = msgspec.json.decode(encoded, type=Header)
    different = header.fingerprint.differences(fingerprint)
    if different:
        raise Untrusted(f"it is from a run with other settings ({', '.join(different)})")
    return Store(path, connection, encoded, read_only=read_only), header.started


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database as its only user: then its log needs no memory shared with others, nor a lock per batch."""
    connection = sqlite3.connect(path, timeout=1.0, isolation_level="IMMEDIATE")
    try:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _leave_one_file(connection: sqlite3.Connection) -> None:
    """Move everything from the log into the database itself. Raises sqlite3.Error if that is not possible."""
    if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
        raise sqlite3.OperationalError("its log can't be taken over")


def _refuse_what_others_wrote(path: Path) -> None:
    """Refuse a journal that others could have written: a forged one would be uploaded as the truth.

    SQLite opens files by their names, so they could be swapped after this look: the folder's owner is warned of that
    (`reading.secure`).
    """
    for suffix in _COMPANIONS:
        try:
            open_ours(Path(f"{path}{suffix}")).close()
        except FileNotFoundError:
            continue
        except UntrustedFileError as error:
            raise Untrusted(error.reason) from None


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")


def _set_aside(path: Path) -> None:
    """Keep one file that was not trusted, with its log, so that a person can look at it."""
    for suffix in _COMPANIONS:
        Path(f"{_aside(path)}{suffix}").unlink(missing_ok=True)
    for suffix in _COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{_aside(path)}{suffix}")


def delete(path: Path) -> None:
    """Delete a closed journal or base, and a journal that was set aside before."""
    for suffix in _COMPANIONS:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
        Path(f"{_aside(path)}{suffix}").unlink(missing_ok=True)


def in_use(error: BaseException) -> bool:
    """True if a journal could not be opened because another process has it open."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _digest(header: bytes, number: int, body: bytes) -> bytes:
    """Ties a batch to its content, to its place and to the header."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(header)
    digest.update(number.to_bytes(8, "big", signed=True))
    digest.update(body)
    return digest.digest()
