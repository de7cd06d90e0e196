"""Payloads in files: as they were written (plain JSON or gzip), and what is in them.

All calls block, for a large payload a second or two; call them off the event loop.
"""

import contextlib
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from oaa_bitbucket_async.collect.snapshot import PublicAccess
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.oaa.changes import MOST_EXAMPLES, Changes
from oaa_bitbucket_async.oaa.comparing import compare_payloads
from oaa_bitbucket_async.oaa.payload_stream import PayloadStream
from oaa_bitbucket_async.oaa.schema import SavedResource, decode_payload
from oaa_bitbucket_async.oaa.side_by_side import Source
from oaa_bitbucket_async.oaa.target import Target
from oaa_bitbucket_async.reading import OversizedError, open_ours, read_bounded, unpack_pieces
from oaa_bitbucket_async.settings import STANDARD_INPUT

_MAGIC = b"\x1f\x8b"
MOST_TEXT = 1 << 30
"""Bytes of JSON in a payload: five times that of 300,000 repositories."""
MOST_PACKED = 128 << 20
"""Bytes of a gzip file: more than Veza takes in one upload (100 MB)."""
_SHORTEST = 6
"""Bytes of a value and its comma, on the average. Payloads have 25, what is made to fill memory 2: each takes 80."""
_SLACK = 4 << 20
_PART = 1 << 20
"""Bytes of plain JSON that are looked at at one time."""
_NOT_A_PAYLOAD = (ValueError, RecursionError)
"""What decoding something else can end in: msgspec's errors are ValueErrors, and JSON can be nested without end."""
HIGHEST_RATIO = 50
"""Payloads have 10 to 15, what is made to fill memory 1,000."""


class Head(NamedTuple):
    """What a saved payload is of, without its users and grants."""

    target: Target | None
    project_keys: frozenset[str]
    """In capitals."""
    public_access: PublicAccess | None = None


def head_of_ours(path: Path) -> Head:
    """Where the payload of an earlier run went, its projects, and what it says of public access.

    Raises as `open_saved`, and ConfigurationError if the file is no payload.
    """
    _, source = open_saved(path, ours=True)
    stream = PayloadStream(source.pieces())
    projects: set[str] = set()
    decoder = msgspec.json.Decoder(SavedResource)
    with source.told():
        for section in stream.sections():
            if section.name == "resources":
                projects.update(decoder.decode(entry).project_key.upper() for entry in section.entries)
        about = decode_payload(stream.outline).application.about
        return Head(about.target(), frozenset(projects), msgspec.convert(about.public_access, PublicAccess | None))


def _content(path: Path, *, ours: bool) -> bytes:
    with _opened(path, ours=ours) as file:
        begin = file.read(len(_MAGIC))
        return read_bounded(file, MOST_PACKED if begin == _MAGIC else MOST_TEXT, begin)


@contextlib.contextmanager
def _explained(path: Path, *, ours: bool) -> Iterator[None]:
    """Turns the errors of reading into our own. FileNotFoundError stays if the file must be ours."""
    try:
        yield
    except OversizedError as error:
        raise ConfigurationError(f"{path} is refused: {error}.", "Check where it comes from.") from None
    except zlib.error as error:
        raise ConfigurationError(f"{path} is damaged: {error}.", "Save the payload again.") from None
    except OSError as error:
        if ours and isinstance(error, FileNotFoundError):
            raise
        raise ConfigurationError(
            f"Can't read {path}: {error.strerror or error}.", "Give the file of a saved payload."
        ) from None


def _opened(path: Path, *, ours: bool) -> AbstractContextManager[BinaryIO]:
    if path == STANDARD_INPUT and not ours:
        return contextlib.nullcontext(sys.stdin.buffer)
    return open_ours(path) if ours else path.open("rb")


def compare_files(old: Path, new: Path, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """From one saved payload to another. ConfigurationError if one of them is none, or can't be read."""
    return compare_payloads(open_saved(old)[1], open_saved(new)[1], most_examples=most_examples)


def compare_with_file(old: Path, compressed: bytes, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """From a payload that an earlier run has kept to one that was just made (gzip). Raises as `open_saved`."""
    made = Source(lambda: unpack_pieces(compressed, most=sys.maxsize), contextlib.nullcontext)
    return compare_payloads(open_saved(old, ours=True)[1], made, most_examples=most_examples)


def open_saved(path: Path, *, ours: bool = False) -> tuple[bytes, Source]:
    """The bytes of a saved payload as they are, and its JSON, piece by piece and as often as it takes.

    The payload is plain JSON or gzip, within `MOST_TEXT` and `MOST_PACKED`; `-` is the standard input. `ours`: the run
    believes what stands there, so the file must be one that only we can have written (`open_ours`).

    What is wrong with the JSON shows when it is read, in the same errors.

    Raises:
        FileNotFoundError: it must be ours, and there is none.
        ConfigurationError: it can't be read, is damaged, too large, or not ours.
    """
    with _explained(path, ours=ours):
        content = _content(path, ours=ours)
    return content, Source(lambda: _pieces(path, content), lambda: _told(path, content))


@contextlib.contextmanager
def _told(path: Path, content: bytes) -> Iterator[None]:
    """While the block decodes what is in `path`: ConfigurationError that names it if that is no payload.

    That a file is damaged or too large comes before what is wrong with the part that was read.
    """
    try:
        yield
    except _NOT_A_PAYLOAD as error:
        for _ in _pieces(path, content):
            pass
        raise ConfigurationError(
            f"{path} is not an OAA application payload: {error}.", "Give a file that --save-json has written."
        ) from None


def is_packed(content: bytes) -> bool:
    """Whether these are the bytes of a gzip file."""
    return content[: len(_MAGIC)] == _MAGIC


def _pieces(path: Path, content: bytes) -> Iterator[bytes]:
    """The JSON of `content`, checked on the way."""
    with _explained(path, ours=True):
        yield from _checked(content)


def _checked(content: bytes) -> Iterator[bytes]:
    size = values = 0
    unpacked = unpack_pieces(content, most=MOST_TEXT, ratio=HIGHEST_RATIO) if is_packed(content) else _parts(content)
    for piece in unpacked:
        size += len(piece)
        values += piece.count(b",")
        _refuse_dense(values, size, 3 * _SLACK)  # what unpacks to too much has been told by then
        yield piece
    _refuse_dense(values, size, _SLACK)


def _refuse_dense(values: int, size: int, slack: int) -> None:
    """OversizedError for more values than a payload of that size has: in memory each takes many times its bytes."""
    if values * _SHORTEST > size + slack:
        raise OversizedError("it contains far more values than a payload of its size")


def _parts(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), _PART):
        yield content[at : at + _PART]
