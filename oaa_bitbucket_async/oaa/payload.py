"""The payload: built once, compressed once, and kept as those bytes only.

JSON is made in pieces that go straight into the compressor, so that the application's objects, its dictionaries, its
text and its compressed form never exist whole at the same time.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.encode import GZIP, compress, pieces
from oaa_bitbucket_async.oaa.gc_pause import gc_paused
from oaa_bitbucket_async.oaa.grant_count import credential_grants_of, grants_of
from oaa_bitbucket_async.oaa.integrity import ReferenceCheck
from oaa_bitbucket_async.oaa.mapping import map_snapshot
from oaa_bitbucket_async.oaa.node_types import NodeTypes, PropertyDefinition, node_types, saved_node_types
from oaa_bitbucket_async.oaa.notes import Notes
from oaa_bitbucket_async.oaa.saved import NOT_A_PAYLOAD, not_a_payload, read_saved
from oaa_bitbucket_async.oaa.target import SavedTarget, Target
from oaa_bitbucket_async.settings import Identity

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """An OAA application payload, ready to be pushed or saved."""

    compressed: bytes
    """gzip; the same state gives the same bytes."""
    raw_size: int
    """Bytes of the JSON within."""
    application: str
    """The application's name."""
    base_url: str | None
    """Bitbucket's, as the payload's application says it; a payload of another origin may lack it."""
    counts: Counts
    warnings: tuple[str, ...] = ()
    """One line for each kind of thing that a reader should know."""
    node_types: NodeTypes = field(default_factory=dict)
    """What it brings to Veza's graph."""
    target: Target | None = None
    """Where it goes and of what it is, as the payload itself says it; one of another origin does not."""

    def json_chunks(self, size: int = _CHUNK) -> Iterator[bytes]:
        """The payload as JSON in pieces of at most `size` bytes: to write it to a file without having it whole."""
        decompress = zlib.decompressobj(GZIP)
        rest = self.compressed
        while rest:
            if chunk := decompress.decompress(rest, size):
                yield chunk
            rest = decompress.unconsumed_tail
        if chunk := decompress.flush():
            yield chunk


class LostGrantsError(CollectorError):
    """The payload holds fewer grants than the snapshot: a bug of ours. `payload` is what must not be uploaded."""

    def __init__(self, payload: Payload, holders: str, held: int, expected: int) -> None:
        super().__init__(
            f"The payload holds {held:,} grants of {holders}, and {expected:,} were collected: not uploaded.",
            "This is a bug of this program: please report it with this line.",
        )
        self.payload = payload


class _SavedProperties(SavedTarget):
    base_url: str | None = None


class _SavedResource(msgspec.Struct):
    name: str
    sub_resources: tuple[msgspec.Raw, ...] = ()


class _SavedApplication(msgspec.Struct):
    """What is read of a saved payload's application; the lists only to be counted."""

    name: str
    application_type: str
    local_users: list[msgspec.Raw]
    local_groups: list[msgspec.Raw]
    resources: list[_SavedResource]
    custom_properties: _SavedProperties
    local_access_creds: tuple[msgspec.Raw, ...] = ()


class _SavedPermission(msgspec.Struct):
    permission: str
    resources: tuple[msgspec.Raw, ...] = ()
    apply_to_application: bool = False


class _SavedIdentity(msgspec.Struct):
    identity: str
    application_permissions: tuple[_SavedPermission, ...] = ()


class _Saved(msgspec.Struct):
    custom_property_definition: msgspec.Raw
    applications: Annotated[list[_SavedApplication], msgspec.Meta(min_length=1, max_length=1)]
    permissions: list[msgspec.Raw]
    identity_to_permissions: list[_SavedIdentity]


def build_payload(snapshot: Snapshot, *, identity: Identity = "email", target: Target | None = None) -> Payload:
    """Maps, checks and compresses a snapshot; the payload says that it is for `target`.

    Takes seconds for a large one: call it off the event loop.
    LostGrantsError if a grant of the snapshot is not in the payload.
    """
    notes = Notes()
    with gc_paused():
        mapped = map_snapshot(snapshot, identity=identity, notes=notes, target=target)
        app, check = mapped.app, ReferenceCheck(mapped.app)
        compressed, raw_size = compress(pieces(mapped, check))
    counts = Counts(
        users=len(app.local_users),
        groups=len(app.local_groups),
        projects=check.project_count,
        repositories=check.repository_count,
        grants=check.grant_count,
        credentials=check.credential_count,
    )
    payload = Payload(
        compressed=compressed,
        raw_size=raw_size,
        application=app.name,
        base_url=snapshot.instance.base_url,
        counts=counts,
        warnings=tuple(notes.lines()),
        node_types=node_types(msgspec.convert(app.property_definitions.to_dict(), PropertyDefinition), counts),
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
    content, text = file = read_saved(path)
    try:
        saved = msgspec.json.decode(text, type=_Saved)
        (application,) = saved.applications
        target = application.custom_properties.target()
    except NOT_A_PAYLOAD as error:
        raise not_a_payload(path, error) from None
    counts = Counts(
        users=len(application.local_users),
        groups=len(application.local_groups),
        projects=len(application.resources),
        credentials=len(application.local_access_creds),
        repositories=sum(len(resource.sub_resources) for resource in application.resources),
        grants=sum(
            len(entry.resources) + entry.apply_to_application
            for identity in saved.identity_to_permissions
            for entry in identity.application_permissions
        ),
    )
    return Payload(
        compressed=content if file.compressed else compress([text])[0],
        raw_size=len(text),
        application=application.name,
        base_url=application.custom_properties.base_url,
        target=target,
        node_types=saved_node_types(saved.custom_property_definition, counts),
        counts=counts,
    )
