"""Two payloads that say the same, but for who signed in when, need one upload."""

import gzip
from collections.abc import Iterator

import pytest

from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.unchanged import USES_HOLD, Sent, digests_of, tells_nothing_new

NOTHING = Counts(users=0, groups=0, projects=0, repositories=0, grants=0)
TEXT = (
    b'{"users":[{"name":"a } b","last_login_at":"2026-01-01T00:00:00Z","id":"1"},'
    b'{"name":"c","last_used_at":null,"id":"2"}]}'
)


def payload(text: bytes) -> Payload:
    return Payload(compressed=gzip.compress(text, mtime=0), raw_size=len(text), base_url=None, counts=NOTHING)


def sent(text: bytes) -> Sent:
    return Sent(digests=digests_of(payload(text)), at=1000.0, synced_at="then")


@pytest.mark.parametrize(
    ("old", "new", "soon", "late"),
    [
        (b"", b"", True, True),
        (b"2026-01-01T00", b"2026-01-02T00", True, False),
        (b"null", b'"2026-01-01T00:00:00Z"', True, False),
        (b'"name":"c"', b'"name":"d"', False, False),
        (b"a } b", b"a } c", False, False),
        (b"last_login_at", b"created_at", False, False),
    ],
)
def test_what_differs_in_uses_alone_stands_for_six_hours(old: bytes, new: bytes, soon: bool, late: bool) -> None:
    digests = digests_of(payload(TEXT.replace(old, new) if old else TEXT))
    assert tells_nothing_new(digests, sent(TEXT), 1000.0 + USES_HOLD - 1) is soon
    assert tells_nothing_new(digests, sent(TEXT), 1000.0 + USES_HOLD) is late
    assert tells_nothing_new(digests, sent(TEXT), 999.0) is late, "a clock that was set back tells nothing"


class Pieces(Payload):
    """Comes in pieces of a few bytes, so that a field can begin in one and end in another."""

    def json_chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        return super().json_chunks(7)


def test_where_the_pieces_end_makes_no_difference() -> None:
    whole = payload(TEXT)
    assert digests_of(Pieces(whole.compressed, whole.raw_size, None, NOTHING)) == digests_of(whole)
