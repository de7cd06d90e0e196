"""Payloads in files: as they were written (plain JSON or gzip), and what is in them.

All calls block, for a large payload a second or two; call them off the event loop.
"""

import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.oaa.changes import MOST_EXAMPLES, Changes, compare
from oaa_bitbucket_async.oaa.contents import Contents, Names, read_contents
from oaa_bitbucket_async.settings import STANDARD_INPUT

_MAGIC = b"\x1f\x8b"
_HIGHEST_RATIO = 1032
"""What deflate can make of one byte at the very most."""


class Saved(NamedTuple):
    """A file's bytes as they are, and the JSON in them; one and the same where it is plain."""

    content: bytes
    text: bytes

    @property
    def compressed(self) -> bool:
        """Whether the file is gzip."""
        return self.content is not self.text


def read_saved(path: Path) -> Saved:
    """A saved payload, plain or gzip; `-` is the standard input. ConfigurationError if it can't be read."""
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"Can't read {path}: {error.strerror or error}.", "Give the file of a saved payload."
        ) from None
    if not content.startswith(_MAGIC):
        return Saved(content, content)
    try:
        return Saved(content, inflate(content))
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{path} is damaged: {error}.", "Save the payload again.") from None


def not_a_payload(path: Path, error: Exception) -> ConfigurationError:
    """Tells that a file which can be read holds something else."""
    return ConfigurationError(
        f"{path} is not an OAA application payload: {error}.", "Give a file that --save-json has written."
    )


def inflate(content: bytes) -> bytes:
    """What was compressed with gzip. OSError, EOFError or zlib.error if it is damaged.

    The size stands in the last four bytes. Room made for it at once spares a second copy of a large text.
    """
    size = int.from_bytes(content[-4:], "little")
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        text = file.read(size if size <= _HIGHEST_RATIO * len(content) else 0)
        rest = file.read()  # of further parts, and the check of the sum
    return text + rest if rest else text


def contents_of_file(path: Path, names: Names, like: Contents | None = None) -> Contents:
    """What a saved payload holds. ConfigurationError if the file is none, or can't be read."""
    text = read_saved(path).text
    try:
        return read_contents(text, names, like)
    except msgspec.MsgspecError as error:
        raise not_a_payload(path, error) from None


def compare_files(old: Path, new: Path, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """From one saved payload to another. ConfigurationError if one of them is none, or can't be read."""
    names = Names()
    before = contents_of_file(old, names)
    return compare(before, contents_of_file(new, names, before), most_examples=most_examples)


def compare_with_file(old: Path, compressed: bytes, *, most_examples: int = MOST_EXAMPLES) -> Changes:
    """From a saved payload to one that was just made (gzip). ConfigurationError if `old` can't be read.

    One after the other, and of each only what it holds: there is room for one text beside a run.
    """
    names = Names()
    before = contents_of_file(old, names)
    return compare(before, read_contents(inflate(compressed), names, before), most_examples=most_examples)
