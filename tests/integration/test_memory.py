"""What a server sends is data: no answer, and no number of them, takes the memory of the machine.

Each bomb meets a process of its own, whose peak the kernel tells.
"""

import re
import sys
import zlib
from dataclasses import dataclass

import pytest

from tests.integration.conftest import Benches
from tests.integration.process import ended
from tests.servers import Fault

MEGABYTE = 1024 * 1024
MOST = 400
"""Megabytes at the peak, whatever comes."""
TELL_PEAK = """
import atexit, sys
def tell():
    status = open("/proc/self/status").read()
    print("peak", int(status.partition("VmHWM:")[2].split()[0]) // 1024, "MB", file=sys.stderr)
atexit.register(tell)
"""

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")]


def packed(megabytes: int) -> bytes:
    """JSON's beginning and so many megabytes of spaces, as gzip: a thousandth of them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begin = packer.compress(b'{"isLastPage":true,"values":[') + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * (16 * MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(7) + begin + block * (megabytes // 16) + packer.flush()


def page_of(row: bytes, megabytes: int) -> bytes:
    """A page with as many of the same row as fit."""
    return b'{"isLastPage":true,"values":[' + b",".join([row] * (megabytes * MEGABYTE // (len(row) + 1))) + b"]}"


@dataclass(frozen=True)
class Bomb:
    """What comes in place of an answer, and for which questions."""

    name: str
    body: bytes
    match: str = r"/repos/[^/]+/permissions/users\?"
    status: int = 200
    packed: bool = False
    times: int = 1


PADDED = b'{"isLastPage":true,"values":[]' + b" " * (31 * MEGABYTE)
BOMBS = [
    Bomb("gzip", packed(1024), packed=True, times=8),
    Bomb("large-and-whole", PADDED + b"}", times=16),
    Bomb("large-and-not-whole", PADDED, times=16),
    Bomb("many-rows", page_of(b'{"id":1,"name":"a"}', 31), match=r"/more-members\?", times=6),
    Bomb("many-rows-that-fit", page_of(b'{"id":1,"name":"a"}', 4), match=r"/more-members\?", times=12),
    Bomb("many-tokens", page_of(b'{"id":1}', 31), match="/access-tokens/", times=6),
    Bomb("error-of-many-parts", b'{"errors":[' + b",".join([b"{}"] * (10 * MEGABYTE)) + b"]}", status=500, times=6),
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb_costs_no_more_than_the_bound(bench: Benches, bomb: Bomb) -> None:
    headers = {"Content-Encoding": "gzip"} if bomb.packed else {}
    fault = Fault("other-answer", bomb.match, status=bomb.status, headers=headers, body=bomb.body, times=bomb.times)
    ran = ended(
        bench(faults=[fault]),
        first=TELL_PEAK,
        OAA_CONCURRENCY="64",
        OAA_MAX_ATTEMPTS="3",
        OAA_MAX_OUTAGE="5",
        OAA_INCLUDE="tokens",
    )
    assert fault.struck == bomb.times, ran.err
    assert ran.code in (0, 3, 75), ran.err
    assert "Traceback" not in ran.err
    peak = int(re.search(r"peak (\d+) MB", ran.err)[1])  # type: ignore[index]
    assert peak < MOST, ran.err
