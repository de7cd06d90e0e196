"""The payload: built once, compressed once, and kept as those bytes only.

JSON is made in pieces that go straight into the compressor, so that the application's objects, its dictionaries, its
text and its compressed form never exist whole at the same time.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.counts import Counts, credential_grants_of, grants_of
from oaa_bitbucket_async.oaa.encode import compress, pieces
from oaa_bitbucket_async.oaa.gc_pause import gc_paused
from oaa_bitbucket_async.oaa.integrity import ReferenceCheck
from oaa_bitbucket_async.oaa.mapping import map_snapshot
from oaa_bitbucket_async.oaa.node_types import NodeTypes, node_types, saved_node_types
from oaa_bitbucket_async.oaa.notes import Note, Notes
from oaa_bitbucket_async.oaa.payload_stream import PayloadStream, Section
from oaa_bitbucket_async.oaa.saved import is_packed, open_saved
from oaa_bitbucket_async.oaa.schema import PropertyDefinition, SavedHolder, SavedResource, decode_payload
from oaa_bitbucket_async.oaa.target import Target
from oaa_bitbucket_async.reading import unpack_pieces
from oaa_bitbucket_async.settings import Identity

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """An OAA application payload, ready to be pushed or saved."""

    compressed: bytes
    """gzip; the same state gives the same bytes."""
    raw_size: int
    """Bytes of the JSON within."""
    base_url: str | None
    """Bitbucket's, as the payload's application says it; a payload of another origin may lack it."""
    counts: Counts
    warnings: tuple[Note, ...] = ()
    """One line for each kind of warning."""
    node_types: NodeTypes = field(default_factory=dict)
    """The node types that it adds to Veza's graph."""
    target: Target | None = None
    """Where it goes and what it covers, as the payload says itself. Payloads of other programs don't."""

    def json_chunks(self, size: int = _CHUNK) -> Iterator[bytes]:
        """The payload as JSON in pieces of at most `size` bytes: to write it to a file without having it whole."""
        text = bytearray()
        for piece in unpack_pieces(self.compressed, most=sys.maxsize):
            text += piece
            while len(text) >= size:
                yield bytes(text[:size])
                del text[:size]
        if text:
            yield bytes(text)


class LostGrantsError(CollectorError):
    """The payload holds fewer grants than the snapshot: a bug of ours. `payload` is what must not be uploaded."""

    def __init__(self, payload: Payload, holders: str, held: int, expected: int) -> None:
        super().__init__(
            f"The payload holds {held:,} grants of {holders}, and {expected:,} were collected: not uploaded.",
            "This is a bug in this program. Please report it with this line.",
        )
        self.payload = payload


def build_payload(snapshot: Snapshot, *, identity: Identity = "email", target: Target | None = None) -> Payload:
    """Maps, checks and compresses a snapshot; the payload says that it is for `target`.

    Takes seconds for a large one: call it off the event loop.
    LostGrantsError if a grant of the snapshot is not in the payload.
    """
    notes = Notes()
    with gc_paused():
        mapped = map_snapshot(snapshot, identity=identity, notes=notes, target=target)
        check = ReferenceCheck(mapped.app)
        compressed, raw_size = compress(pieces(mapped, check))
    counts = Counts(
        users=check.user_count,
        groups=check.group_count,
        projects=check.project_count,
        repositories=check.repository_count,
        grants=check.grant_count,
        credentials=None if mapped.credentials is None else check.credential_count,
    )
    payload = Payload(
        compressed=compressed,
        raw_size=raw_size,
        base_url=snapshot.instance.base_url,
        counts=counts,
        warnings=tuple(notes.all()),
        node_types=node_types(msgspec.convert(mapped.app.property_definitions.to_dict(), PropertyDefinition), counts),
        target=target,
    )
    of_credentials = check.credential_grant_count
    for holders, held, expected in (
        ("users and groups", check.grant_count - of_credentials, grants_of(snapshot)),
        ("keys and tokens", of_credentials, 0 if mapped.credentials is None else credential_grants_of(snapshot)),
    ):
        if held < expected:
            raise LostGrantsError(payload, holders, held, expected)
    return payload


def load_payload(path: Path) -> Payload:
    """Reads a saved payload, plain or gzip. ConfigurationError if the file is no OAA application payload.

    Whether all that it refers to exists is left to Veza: a payload of ours was checked before it was saved.
    """
    content, source = open_saved(path)
    lists, size = _Lists(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in source.pieces():
            size += len(piece)
            yield piece

    stream = PayloadStream(pieces())
    with source.told():
        for section in stream.sections():
            lists.take(section)
        saved = decode_payload(stream.outline)
        about = saved.application.about
        target = about.target()
        counts = lists.counts()
    return Payload(
        compressed=content if is_packed(content) else compress(source.pieces())[0],
        raw_size=size,
        base_url=about.base_url,
        target=target,
        node_types=saved_node_types(saved.custom_property_definition, counts),
        counts=counts,
    )


class _Lists:
    """Counts what a saved payload holds while it is read."""

    def __init__(self) -> None:
        self._entries: Counter[str] = Counter()
        self._repositories = self._grants = 0
        self._resource = msgspec.json.Decoder(SavedResource)
        self._holder = msgspec.json.Decoder(SavedHolder)

    def take(self, section: Section) -> None:
        """Some more entries."""
        self._entries[section.name] += len(section.entries)
        if section.name == "resources":
            self._repositories += sum(len(self._resource.decode(raw).sub_resources) for raw in section.entries)
        elif section.name == "grants":
            self._grants += sum(
                len(grant.resources) + grant.apply_to_application
                for raw in section.entries
                for grant in self._holder.decode(raw).application_permissions
            )

    def counts(self) -> Counts:
        """All that was taken."""
        entries = self._entries
        return Counts(
            users=entries["users"],
            groups=entries["groups"],
            projects=entries["resources"],
            repositories=self._repositories,
            grants=self._grants,
            credentials=entries["credentials"] or None,
        )
