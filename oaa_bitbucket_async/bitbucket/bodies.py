"""Limits how much of an answer's body is read, unpacked and held in memory, whatever the server sends.

DESIGN.md section 4, rule 11.
"""

import zlib
from collections.abc import AsyncIterator

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason

LARGEST = 32 * 1024 * 1024
"""The largest body in bytes, both as sent and unpacked. A page of 1000 rows has less than 4 MB."""
LARGEST_TOGETHER = 96 * 1024 * 1024
"""The most bytes of all bodies that are still arriving. 256 pages at a time have less, and packed ones much less."""
ENCODINGS = "gzip"
"""The encoding that we ask for. Unpacking it can be stopped in time."""
_MOST_MEMBERS = 16
"""The most members of a gzip stream. Servers send one."""


class Bodies:
    """Reads bodies as they arrive, and limits their total size."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, path: str, chunks: AsyncIterator[bytes], announced: int | None) -> bytes:
        """Reads one body. `announced` is its Content-Length. Raises Fault if it, or all of them, are too large."""
        if (announced or 0) > LARGEST:
            raise too_large(path)
        body = bytearray()
        try:
            async for chunk in chunks:
                body += chunk
                self._held += len(chunk)
                if len(body) > LARGEST:
                    raise too_large(path)
                if self._held > LARGEST_TOGETHER:
                    detail = f"answers that arrive at one time have more than {LARGEST_TOGETHER >> 20} MB"
                    raise Fault(path, detail, reason=FaultReason.BAD_SHAPE)
            return bytes(body)
        finally:
            self._held -= len(body)


def unpacked(path: str, body: bytes, encoding: str) -> bytes:
    """Unpacks a body that came with a Content-Encoding. Raises Fault if it is too large or damaged."""
    encoding = encoding.strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Fault(path, "packed in a way that was not asked for", reason=FaultReason.NOT_JSON)
    found = b""
    try:
        for _ in range(_MOST_MEMBERS):
            member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            found += member.decompress(body, LARGEST + 1 - len(found))
            if len(found) > LARGEST:
                raise too_large(path)
            if not member.eof:
                break
            body = member.unused_data
            if not body:
                return found
    except zlib.error as error:
        raise Fault(path, f"not valid gzip: {error}", reason=FaultReason.DROPPED) from None
    raise Fault(path, "not a whole gzip stream, or one of many parts", reason=FaultReason.DROPPED)


def too_large(path: str) -> Fault:
    """The fault for a body that is larger than any page can be."""
    return Fault(
        path, f"the answer is larger than {LARGEST >> 20} MB, too large for one page", reason=FaultReason.BAD_SHAPE
    )
