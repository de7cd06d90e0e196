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
from oaa_bitbucket_async.oaa.changes import MOST_EXAMPLES, Changes, compare
from oaa_bitbucket_async.oaa.payload_index import Interner, PayloadIndex, index_payload
from oaa_bitbucket_async.oaa.schema import SavedResource, decode_payload
from oaa_bitbucket_async.oaa.target import Target
from oaa_bitbucket_async.reading import OversizedError, open_ours, read_bounded, unpack_bounded
from oaa_bitbucket_async.settings import STANDARD_INPUT

_MAGIC = b"\x1f\x8b"
MOST_TEXT = 1 << 30
"""Bytes of JSON in a payload: five times that of 300,000 repositories."""
MOST_PACKED = 128 << 20
"""Bytes of a gzip file: more than Veza takes in one upload (100 MB)."""
_SHORTEST = 6
"""Bytes of a value and its comma, on the average. Payloads have 25, what is made to fill memory 2: each takes 80."""
_SLACK = 4 << 20
_NOT_A_PAYLOAD = (ValueError, RecursionError)
"""What decoding something else can end in: msgspec's errors are ValueErrors, and JSON can be nested without end."""
HIGHEST_RATIO = 50
"""Payloads have 10 to 15, what is made to fill memory 1,000."""


class SavedFile(NamedTuple):
    """A file's bytes as they are, and the JSON in them; one and the same where it is plain."""

    content: bytes
    text: bytes

    @property
    def compressed(self) -> bool:
        """Whether the file is gzip."""
        return self.content is not self.text


class Head(NamedTuple):
    """What a saved payload is of, without its users and grants."""

    target: Target | None
    project_keys: frozenset[str]
    """In capitals."""
    public_access: PublicAccess | None = None


def head_of_ours(path: Path) -> Head:
    """Where the payload of an earlier run went, its projects, and what it says of public access.

    Raises as `read_saved`, and ConfigurationError if the file is no payload.
    """
    text = read_saved(path, ours=True).text
    with naming(path):
        application = decode_payload(text).application
        about = application.about
        projects = map(msgspec.json.Decoder(SavedResource).decode, application.resources)
        return Head(
            about.target(),
            frozenset(project.project_key.upper() for project in projects),
            msgspec.convert(about.public_access, PublicAccess | None),
        )


def read_saved(path: Path, *, ours: bool = False) -> SavedFile:
    """A saved payload, plain or gzip, within `MOST_TEXT` and `MOST_PACKED`; `-` is the standard input.

    `ours`: the run believes what stands there, so the file must be one that only we can have written (`open_ours`).

    Raises:
        FileNotFoundError: it must be ours, and there is none.
        ConfigurationError: it can't be read, is damaged, too large, or not ours.
    """
    try:
        with _opened(path, ours=ours) as file:
            begin = file.read(len(_MAGIC))
            most = MOST_PACKED if begin == _MAGIC else MOST_TEXT
            content = read_bounded(file, most, begin)
        packed = begin == _MAGIC
        text = unpack_bounded(content, most=MOST_TEXT, ratio=HIGHEST_RATIO) if packed else content
        if text.count(b",") * _SHORTEST > len(text) + _SLACK:
            raise OversizedError("it contains far more values than a payload of its size")
        return SavedFile(content, text)
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


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """While the block decodes what is in `path`: ConfigurationError that names it if that is no payload."""
    try:
        yield
    except _NOT_A_PAYLOAD as error:
        raise ConfigurationError(
            f"{path} is not an OAA application payload: {error}.", "Give a file that --save-json has written."
        ) from None


def inflate(content: bytes) -> bytes:
    """What this run has compressed itself, or checked before: of any size. zlib.error if it is damaged."""
    return unpack_bounded(content, most=sys.maxsize)


def index_of_file(path: Path, names: Interner, like: PayloadIndex | None = None, *, ours: bool = False) -> PayloadIndex:
    """What a saved payload holds. Raises as `read_saved`, and ConfigurationError if the file is no payload."""
    text = read_saved(path, ours=ours).text
    with naming(path):
        return index_payload(text, names, like)


def compare_files(old: Path, new: Path, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """From one saved payload to another. ConfigurationError if one of them is none, or can't be read."""
    names = Interner()
    before = index_of_file(old, names)
    return compare(before, index_of_file(new, names, before), most_examples=most_examples)


def compare_with_file(old: Path, compressed: bytes, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """From a payload that an earlier run has kept to one that was just made (gzip). Raises as `read_saved`.

    One after the other, and of each only what it holds: there is room for one text beside a run.
    """
    names = Interner()
    before = index_of_file(old, names, ours=True)
    return compare(before, index_payload(inflate(compressed), names, before), most_examples=most_examples)
