"""Reads a payload's JSON piece by piece: its long lists entry by entry, and the short rest as a whole.

A payload's text alone can take more memory than the run that made it, so only a tenth or less is read at a time. The
text may come from anywhere. The order of keys and the layout affect only how much memory the reading takes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

_LONG = {
    ("applications", "local_users"): "users",
    ("applications", "local_groups"): "groups",
    ("applications", "local_access_creds"): "credentials",
    ("applications", "resources"): "resources",
    ("identity_to_permissions",): "grants",
}
"""Where the long lists are, and what they are called here."""
_ENOUGH = 1 << 19
"""Bytes that are decoded at one time, if there are entries that end in them."""
_DEEPEST = 200
"""Nesting of what is not in a long list."""
_NEAR = 2_000
"""Ends of objects that are looked at before all of them are."""
_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""Nothing in it is tried a second way (`*+`): what could be would be remembered, for each letter of a long text."""
_WORD = re.compile(rb"[^\s,:\[\]{}\"]+")
_INSIDE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)
_AFTER_OBJECT = re.compile(rb"\}[ \t\n\r]*(?:,[ \t\n\r]*(?=\{)|(?=\]))")
_entries = msgspec.json.Decoder(list[msgspec.Raw])


class Section(NamedTuple):
    """Some entries of one long list: `users`, `groups`, `credentials`, `resources` or `grants`."""

    name: str
    entries: list[msgspec.Raw]


class PayloadStream:
    """Walk `sections` to the end; then `outline` is the payload with empty lists in place of the long ones.

    What is held comes last, wherever it stands in the text. ValueError (msgspec's are) or RecursionError if the text is
    not JSON, or has one of the long lists twice.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.outline = b""
        self.application = b""
        """The application of the outline, once it has been read; before what is held comes."""
        self._text = _Text(pieces)
        self._met: set[str] = set()
        self._held_early: list[Section] = []

    def sections(self) -> Iterator[Section]:
        """The entries of the long lists."""
        out = bytearray()
        if self._text.peek() == b"{":
            yield from self._object((), out)
            self._text.end()
        else:  # something else, which the decoder of the outline will refuse
            out += self._text.value()
        self.outline = bytes(out)
        yield from self._held_early

    def _object(self, path: tuple[str, ...], out: bytearray) -> Iterator[Section]:
        text = self._text
        out += text.take(b"{")
        if text.peek() != b"}":
            while True:
                key = text.string()
                out += key + text.take(b":")
                inner = (*path, msgspec.json.decode(key, type=str))
                if text.peek() != b"[" or len(inner) > 2:
                    out += text.value()
                elif inner in _LONG:
                    out += b"[]"
                    yield from self._long(_LONG[inner])
                elif inner == ("applications",):
                    yield from self._applications(out)
                else:
                    out += text.value()
                if text.peek() != b",":
                    break
                out += text.take(b",")
        out += text.take(b"}")

    def _applications(self, out: bytearray) -> Iterator[Section]:
        text = self._text
        if self.application:
            raise ValueError("it has the applications twice")
        out += text.take(b"[")
        first = True
        while text.peek() != b"]":
            if not first:
                out += text.take(b",")
            if first and text.peek() == b"{":
                begin = len(out)
                yield from self._object(("applications",), out)
                self.application = bytes(out[begin:])
            else:
                out += text.value()
            first = False
        out += text.take(b"]")

    def _long(self, name: str) -> Iterator[Section]:
        if name in self._met:
            raise ValueError(f"it has the {name} twice")
        self._met.add(name)
        early = name == "grants" and not self.application
        for entries in self._text.entries():
            if early:
                self._held_early.append(Section(name, entries))
            else:
                yield Section(name, entries)


class _Text:
    """JSON of which only the beginning is known. Everything taken is bytes as they stand in the text."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._buffer = b""
        self._at = 0

    def _more(self, wanted: int = 1) -> bool:
        """Reads on, until at least as much as `wanted` is there that was not; False if there is no more."""
        parts, size = [self._buffer[self._at :]], 0
        while size < wanted and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            size += len(piece)
        self._buffer = b"".join(parts)
        self._at = 0
        return size > 0

    @property
    def _ahead(self) -> int:
        """Bytes that are there and not taken. To read as many again makes the time for a long value linear."""
        return len(self._buffer) - self._at

    def peek(self) -> bytes:
        """The next byte that is no space; nothing at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._buffer) or not self._more():
                return self._buffer[self._at : self._at + 1]

    def take(self, byte: bytes) -> bytes:
        """The next byte, which has to be this one."""
        if self.peek() != byte:
            raise _malformed(self._buffer[self._at : self._at + 20])
        self._at += 1
        return byte

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise _malformed(self._buffer[self._at : self._at + 20])

    def string(self) -> bytes:
        """A string with its quotes."""
        self.peek()
        while True:
            if match := _STRING.match(self._buffer, self._at):
                self._at = match.end()
                return match[0]
            if self._buffer[self._at : self._at + 1] != b'"' or not self._more(self._ahead):
                raise _malformed(self._buffer[self._at : self._at + 20])

    def value(self) -> bytes:
        """A value of any kind."""
        first = self.peek()
        if first == b'"':
            return self.string()
        if first in (b"{", b"["):
            return self._nested()
        while match := _WORD.match(self._buffer, self._at):
            if match.end() < len(self._buffer) or not self._more(self._ahead):
                self._at += len(match[0])
                return match[0]
        raise _malformed(self._buffer[self._at : self._at + 20])

    def _nested(self) -> bytes:
        depth, scanned = 0, 0  # from the beginning of the value
        while True:
            match = _INSIDE.search(self._buffer, self._at + scanned)
            if match is None or match[0] == b'"':
                scanned = (match.start() if match else len(self._buffer)) - self._at
                if not self._more(self._ahead):
                    raise _malformed(self._buffer[self._at : self._at + 20])
                continue
            scanned = match.end() - self._at
            if match[0] in (b"{", b"["):
                depth += 1
                if depth > _DEEPEST:
                    raise RecursionError("it is nested too deeply")
            elif match[0] in (b"}", b"]"):
                depth -= 1
            if not depth:
                value = self._buffer[self._at : self._at + scanned]
                self._at += scanned
                return value

    def entries(self) -> Iterator[list[msgspec.Raw]]:
        """The entries of an array, in parts of about `_ENOUGH` bytes. One that is larger comes whole.

        That a part ends where an entry does is not guessed: what begins with an entry, and with `]` behind it is an
        array, is one or more whole entries.
        """
        self.take(b"[")
        if self.peek() == b"]":
            self.take(b"]")
            return
        ended, wanted = False, _ENOUGH
        while not ended:
            more = self._ahead >= wanted or self._more(wanted - self._ahead)
            found = _split(self._buffer, self._at)
            if found is not None:
                entries, self._at, ended = found
                wanted = _ENOUGH
                yield entries
            elif more:
                wanted = 2 * self._ahead
            else:
                yield self._rest()
                ended = True
        self.take(b"]")

    def _rest(self) -> list[msgspec.Raw]:
        """Entries that are no objects, or an array without an end."""
        self._buffer = b"[" + self._buffer[self._at :]
        self._at = 0
        whole = self._nested()
        self._at -= 1  # the bracket at the end is taken by whoever took the first one
        return _entries.decode(whole)


def _split(buffer: bytes, begin: int) -> tuple[list[msgspec.Raw], int, bool] | None:
    """Whole entries from `begin` on, where they end, and whether the array does; None if no end of one is in sight."""
    nearest = _last_between(buffer, begin)
    if nearest is not None and (entries := _decoded(buffer, begin, nearest)) is not None:
        return entries, nearest + 1, False
    bare = _without_texts(buffer, begin)
    found: re.Match[bytes] | None = None
    depth = at = 0
    for match in _AFTER_OBJECT.finditer(bare):
        depth += bare.count(b"{", at, match.start()) - bare.count(b"}", at, match.start())
        at = match.start()
        if depth == 1:  # its own brace is not counted yet
            found = match
            if bare[match.end() : match.end() + 1] == b"]":
                break
    if found is None or (entries := _decoded(buffer, begin, begin + found.start() + 1)) is None:
        return None
    return entries, begin + found.end(), bare[found.end() : found.end() + 1] == b"]"


def _without_texts(buffer: bytes, begin: int) -> bytes:
    """The same length without what stands in quotes, as far as the quotes are closed: braces in texts don't count."""
    bare = _STRING.sub(lambda text: b"_" * len(text[0]), buffer[begin:])
    cut = bare.find(b'"')
    return bare if cut < 0 else bare[:cut]


def _last_between(buffer: bytes, begin: int) -> int | None:
    """Where the last entry ends that another one follows, as far as that can be seen quickly."""
    depth = buffer.count(b"{", begin) - buffer.count(b"}", begin)
    end = len(buffer)
    for _ in range(_NEAR):
        at = buffer.rfind(b"},{", begin, end)
        if at < 0:
            return None
        depth -= buffer.count(b"{", at + 1, end) - buffer.count(b"}", at + 1, end)
        if not depth:
            return at + 1
        end = at + 1
    return None


def _decoded(buffer: bytes, begin: int, end: int) -> list[msgspec.Raw] | None:
    """The entries from `begin` to `end`; None if these are not whole ones."""
    try:
        return _entries.decode(b"".join((b"[", memoryview(buffer)[begin:end], b"]")))
    except msgspec.DecodeError:
        return None


def _malformed(near: bytes) -> msgspec.DecodeError:
    what = f"is malformed near {near.decode(errors='replace')!r}" if near else "ends too early"
    return msgspec.DecodeError(f"JSON {what}")
