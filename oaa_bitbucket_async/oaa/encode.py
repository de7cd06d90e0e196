"""From an application to compressed JSON, piece by piece."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.integrity import ReferenceCheck
from oaa_bitbucket_async.oaa.mapping import Mapped

GZIP = zlib.MAX_WBITS | 16
"""zlib's sign for the gzip format. Its header has neither time nor name, so the same text gives the same bytes."""

LEVEL = 5
"""Of compression: 6 makes the file 1.5 per cent smaller and takes two thirds longer.

The same state gives the same JSON, whatever packs it, and with one version of zlib the same packed bytes. igzip is ten
times as fast, but its bytes depend on the processor, so that two machines of one schedule would differ: not used.
"""
GRANTS = "identity_to_permissions"
_BATCH = 25
Object = dict[str, Any]
"""A part of a payload as oaaclient lays it out."""


def pieces(mapped: Mapped, check: ReferenceCheck) -> Iterator[bytes]:
    """The JSON of `app.get_payload()` in pieces, checked on the way. Walks the resources, so it works once.

    oaaclient builds everything except the long lists. They are empty in the application and are written in their place
    in its payload. The grants are written last, regardless of the order of oaaclient's keys, because each refers to
    resources that have been written.
    """
    app, credentials = mapped.app, mapped.credentials
    laid_out: Object = app.get_payload()
    payload = {key: value for key, value in laid_out.items() if key != GRANTS} | {GRANTS: laid_out[GRANTS]}
    (application,) = payload["applications"]
    keys: dict[str, Iterable[bytes]] = {}
    if credentials is not None:
        keys["local_access_creds"] = _array(cred.to_dict() for cred in check.credentials(credentials))
    application_parts = _object(
        application,
        {
            **keys,
            "local_users": _array(check.users(mapped.users)),
            "local_groups": _array(check.groups(mapped.groups)),
            "resources": _array(check.projects(mapped.resources)),
        },
    )
    yield from _object(
        payload,
        {
            "applications": chain((b"[",), application_parts, (b"]",)),
            GRANTS: _array(check.grants(mapped.holders)),
        },
    )


def compress(parts: Iterable[bytes], level: int = LEVEL) -> tuple[bytes, int]:
    """gzip of all the parts, and their size before."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, GZIP)
    out = []
    size = 0
    for part in parts:
        size += len(part)
        out.append(compressor.compress(part))
    out.append(compressor.flush())
    return b"".join(out), size


def _object(values: Object, long_values: dict[str, Iterable[bytes]]) -> Iterator[bytes]:
    """A JSON object; a key that `long_values` has gets those parts for its value. CollectorError if it lacks one."""
    if absent := long_values.keys() - values.keys():
        raise CollectorError(
            f"oaaclient makes a payload without {', '.join(sorted(absent))}: not uploaded.",
            "This is a bug in this program. Please report it with this line and the version of oaaclient.",
        )
    before = b"{"
    for key, value in values.items():
        yield before + msgspec.json.encode(key) + b":"
        yield from long_values.get(key) or (msgspec.json.encode(value),)
        before = b","
    yield b"}"


def _array(objects: Iterable[object]) -> Iterator[bytes]:
    before = b"["
    rest = iter(objects)
    while batch := list(islice(rest, _BATCH)):
        yield before + msgspec.json.encode(batch)[1:-1]
        before = b","
    yield b"[]" if before == b"[" else b"]"
