"""Files that hold a payload: every way in which gzip writes them, and damage."""

import gzip
import io
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.oaa.payload import build_payload, load_payload
from oaa_bitbucket_async.oaa.saved import compare_files, compare_with_file, open_saved
from oaa_bitbucket_async.reading import unpack_bounded
from oaa_bitbucket_async.settings import STANDARD_INPUT
from tests.oaa.estates import snapshot_of, steps_of


def _inflate(content: bytes) -> bytes:
    return unpack_bounded(content, most=10**9)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(0, 9))
def test_whatever_gzip_wrote_is_read_as_gzip_reads_it(parts: list[bytes], level: int) -> None:
    content = b"".join(gzip.compress(part, level) for part in parts)
    assert _inflate(content) == b"".join(parts)


@given(st.binary(max_size=300), st.data())
def test_damage_is_told_or_harmless(text: bytes, data: st.DataObject) -> None:
    content = bytearray(gzip.compress(text))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    try:
        assert _inflate(bytes(content)) == text
    except (OSError, zlib.error):
        pass


@pytest.mark.parametrize("size", [0, 1, 10**6, 2**32 - 1])
def test_a_size_that_is_wrong_makes_no_room_of_that_size(size: int) -> None:
    content = gzip.compress(b"some text")[:-4] + size.to_bytes(4, "little")
    with pytest.raises((OSError, zlib.error)):
        _inflate(content)


def test_two_parts_of_the_same_size_are_both_read() -> None:
    assert _inflate(gzip.compress(b"abc") + gzip.compress(b"abc")) == b"abcabc"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"{}"))))
    assert b"".join(open_saved(STANDARD_INPUT)[1].pieces()) == b"{}"


def test_plain_and_compressed_are_compared(tmp_path: Path) -> None:
    old, new = (build_payload(snapshot_of(steps_of(seed))) for seed in (9, 10))
    plain, compressed = tmp_path / "old.json", tmp_path / "new.json.gz"
    plain.write_bytes(b"".join(old.json_chunks()))
    compressed.write_bytes(new.compressed)
    changes = compare_files(plain, compressed)
    assert changes
    assert changes == compare_with_file(plain, new.compressed)
    assert (changes.grants.before, changes.grants.after) == (old.counts.grants, new.counts.grants)
    assert not compare_files(plain, plain)
    assert not compare_with_file(compressed, new.compressed)


def test_a_file_that_is_damaged_is_told_so_whatever_its_json_looks_like(tmp_path: Path) -> None:
    content = bytearray(build_payload(snapshot_of(steps_of(9))).compressed)
    content[-8] ^= 1  # the checksum; what it is of reads well
    damaged, malformed = tmp_path / "damaged.json.gz", tmp_path / "malformed.json.gz"
    damaged.write_bytes(content)
    malformed.write_bytes(gzip.compress(b'{"applications":]')[:-5] + b"12345")
    for path in (damaged, malformed):
        with pytest.raises(ConfigurationError, match=f"{path.name} is damaged"):
            compare_files(path, path)
        with pytest.raises(ConfigurationError, match=f"{path.name} is damaged"):
            load_payload(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b"\x1f\x8b", gzip.compress(b"[]", mtime=0)])
def test_what_is_no_payload_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(b"".join(build_payload(snapshot_of([])).json_chunks()))
    bad.write_bytes(content)
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(ConfigurationError, match=r"bad\.json"):
            compare_files(*pair)
