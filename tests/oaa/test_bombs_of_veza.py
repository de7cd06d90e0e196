"""Answers of Veza that are made to fill memory: refused, in little of it, in a process of its own."""

import zlib
from pathlib import Path

import pytest

from oaa_bitbucket_async.oaa.payload import Payload
from tests.servers.veza import RiggedVeza, Scripted
from tests.test_bombs import MOST_MEMORY, linux, measured, packed


def of(begin: bytes, piece: bytes, megabytes: int) -> bytes:
    """gzip of an answer that fits what is read of one."""
    packer = zlib.compressobj(6, wbits=31)
    return packer.compress(begin + piece * (megabytes * 1_000_000 // len(piece)) + b"0]}") + packer.flush()


BOMBS = {
    "gigabytes": Scripted(200, packed(b"{", b" ", 2), packed=True),
    "gigabytes of a refusal": Scripted(400, packed(b'{"message": "', b"x", 2), packed=True),
    "objects": Scripted(200, of(b'{"values":[', b'{"a":1},', 30), packed=True),
}


@linux
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_the_push_in_little_memory(server: RiggedVeza, payload: Payload, tmp_path: Path, name: str) -> None:
    file = tmp_path / "payload.json.gz"
    file.write_bytes(payload.compressed)
    server.fail(BOMBS[name], 100, "check")
    code, said, peak = measured(
        *("push", str(file), "--state-dir", str(tmp_path)),
        VEZA_URL=server.url,
        VEZA_API_KEY=server.api_key,
        REQUESTS_CA_BUNDLE=str(server.ca_file),
        OAA_API_RETRIES="0",
    )
    assert code in (5, 75)
    assert "Traceback" not in said
    assert peak < MOST_MEMORY
