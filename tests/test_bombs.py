"""Small files that unpack to gigabytes, and large ones: refused, in little memory.

Each is read by a process of its own, whose highest use of memory the system tells.
"""

import gzip
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from oaa_bitbucket_async.cli.main import execute
from oaa_bitbucket_async.collect.journal.store import _digest as batch_digest
from oaa_bitbucket_async.collect.journal.store import open_store
from oaa_bitbucket_async.oaa.names import APPLICATION_TYPE
from oaa_bitbucket_async.oaa.saved import HIGHEST_RATIO, MOST_TEXT, open_saved
from oaa_bitbucket_async.ops.metrics import write_metrics
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.reading import OversizedError, unpack_bounded
from tests.journal.estate import FINGERPRINT, NOW

ROOT = Path(__file__).parents[1]
MOST_MEMORY = 400_000_000
MEASURED = """
import re, sys
from pathlib import Path
from oaa_bitbucket_async.cli.main import execute
code = execute(sys.argv[1:])
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
print("peak", peak, file=sys.stderr)
sys.exit(code)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell a process' highest use of memory")


def packed(begin: bytes, piece: bytes, gigabytes: float, *, wbits: int = 31) -> bytes:
    """A file that unpacks to `begin` and so many gigabytes of `piece`."""
    packer = zlib.compressobj(9, wbits=wbits)
    head = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    text = piece * (10_000_000 // len(piece))
    block = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)  # stands for itself, so that it can be repeated
    return head + block * int(gigabytes * 100)


def spaces() -> bytes:
    return packed(b"{", b" ", 4)


def users_in_one_byte_each() -> bytes:
    return packed(b'{"applications":[{"local_groups":[],"resources":[],"local_users":[0', b",0", 4)


def brackets() -> bytes:
    return packed(b"", b"[", 2)


def behind_what_does_not_pack() -> bytes:
    return packed(b'{"a":"' + random.Random(1).randbytes(3_000_000).hex().encode() + b'"', b" ", 3)


def in_many_parts() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return (packer.compress(bytes(3_000_000)) + packer.flush()) * 1000


BOMBS = [spaces, users_in_one_byte_each, brackets, behind_what_does_not_pack, in_many_parts]


def measured(*arguments: str, **more: str) -> tuple[int, str, int]:
    """Exit code, standard error and peak of memory in bytes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OAA_", "BITBUCKET_", "VEZA_"))}
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        env={**kept, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said, _, peak = ended.stderr.rpartition("peak ")
    return ended.returncode, said, int(peak)


@pytest.mark.thorough
@linux
@pytest.mark.parametrize("bomb", BOMBS)
def test_push_and_diff_refuse_a_bomb_in_little_memory(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(bomb())
    command = ["diff", str(path), str(path)] if bomb is spaces else ["push", str(path), "--state-dir", str(tmp_path)]
    code, said, peak = measured(*command, VEZA_URL="https://veza.invalid", VEZA_API_KEY="x" * 20)
    assert code == 2
    assert f"bomb.json.gz is refused: it unpacks to more than {HIGHEST_RATIO} times its size" in said
    assert "Traceback" not in said
    assert peak < MOST_MEMORY


def of_digits(count: int) -> bytes:
    """A whole payload that packs no better than others, with a user in every two bytes."""
    digits = bytearray(b"," * (2 * count - 1))
    digits[::2] = random.Random(3).randbytes(count).translate(b"0123456789" * 25 + b"012345")
    rest = b'{"applications":[{"local_groups":[],"resources":[],"local_users":[%b]}],"identity_to_permissions":[]}'
    packer = zlib.compressobj(6, wbits=31)
    return packer.compress(rest % digits) + packer.flush()


@pytest.mark.thorough
@linux
def test_more_values_than_a_payload_has(tmp_path: Path) -> None:
    path = tmp_path / "digits.json.gz"
    path.write_bytes(of_digits(10_000_000))
    code, said, peak = measured("diff", str(path), str(path))
    assert code == 2
    assert "digits.json.gz is refused: it contains far more values than a payload of its size" in said
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("begin", [b'{"a":', b'{"custom_property_definition":', b'{"applications":[{"resources":['])
def test_json_without_an_end_of_brackets(
    tmp_path: Path, begin: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEZA_URL", "https://veza.invalid")
    monkeypatch.setenv("VEZA_API_KEY", "x" * 20)
    path = tmp_path / "deep.json"
    path.write_bytes(begin + b'{"a":[' * 100_000)
    for command in (
        ["diff", str(path), str(path)],
        ["push", str(path)],
        ["who-can", "read", "A", "--payload", str(path)],
    ):
        assert execute(command) == 2
        assert "deep.json is not an OAA application payload" in capsys.readouterr().err


OPENED = """
import re, sys
from pathlib import Path
from oaa_bitbucket_async.collect.journal.store import open_store
from tests.journal.estate import FINGERPRINT, NOW
opened = open_store(Path(sys.argv[1]), fingerprint=FINGERPRINT, resume=True, now=NOW)
print(opened.resumed, opened.set_aside)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.thorough
@linux
def test_a_batch_of_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    store = open_store(path, fingerprint=FINGERPRINT, resume=True, now=NOW).store
    body = packed(b"", b" ", 2, wbits=15)
    with store._connection as connection:
        connection.execute("INSERT INTO batch VALUES (?, ?, ?)", (0, batch_digest(store._header, 0, body), body))
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told, peak = done.stdout.splitlines()
    assert told == "False it is damaged: it unpacks to more than 134,217,728 bytes"
    assert int(peak) * 1024 < MOST_MEMORY


@linux
def test_a_metrics_file(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    path.touch(0o644)
    os.truncate(path, 2 << 30)
    write_metrics(path, RunResult(instance="h", exit_code=3, finished_at=1.0))
    assert path.stat().st_size < 100_000


@linux
def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.touch()
    os.truncate(path, 8 << 30)
    code, said, peak = measured("diff", str(path), str(path))
    assert code == 2
    assert "large.json is refused: it is larger than 1,073,741,824 bytes" in said
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("wbits", [15, 31])
def test_so_many_bytes_and_no_more(wbits: int) -> None:
    packer = zlib.compressobj(wbits=wbits)
    content = packer.compress(bytes(10_000_000)) + packer.flush()
    assert unpack_bounded(content, most=10_000_000) == bytes(10_000_000)
    with pytest.raises(OversizedError, match="more than 9,999,999 bytes"):
        unpack_bounded(content, most=9_999_999)
    assert unpack_bounded(content * 3, most=30_000_000) == bytes(30_000_000)
    for cut in (1, 9, len(content) - 1):
        with pytest.raises(zlib.error):
            unpack_bounded(content[:-cut], most=MOST_TEXT)


def test_what_packs_four_times_as_well_as_payloads_do_is_read(tmp_path: Path) -> None:
    row = random.Random(2)
    text = b"".join(b"%09d" % row.randrange(10**9) + b"x" * 200 for _ in range(60_000))
    packer = zlib.compressobj(9, wbits=31)
    content = packer.compress(text) + packer.flush()
    assert 30 < len(text) / len(content) < HIGHEST_RATIO
    path = tmp_path / "p.json.gz"
    path.write_bytes(content)
    assert b"".join(open_saved(path)[1].pieces()) == text


def with_users(*users: str) -> bytes:
    """A payload of ours with these users (JSON) and one project."""
    application = (
        f'{{"name":"A","application_type":"{APPLICATION_TYPE}","local_users":[{",".join(users)}],"local_groups":[],'
        '"resources":[{"name":"Core","id":"1","custom_properties":{"key":"CORE"}}]}'
    )
    return f'{{"applications":[{application}],"permissions":[],"identity_to_permissions":[]}}'.encode()


@linux
@pytest.mark.parametrize(
    ("command", "ends_with"), [(("diff", "{}", "{}"), 0), (("who-can", "read", "CORE", "--payload", "{}"), 1)]
)
def test_a_payload_is_read_in_less_memory_than_its_text(
    tmp_path: Path, command: tuple[str, ...], ends_with: int
) -> None:
    words = random.Random(5).randbytes(3_000).hex()
    text = with_users(
        *(f'{{"name":"a","email":"{words[n % 5000 : n % 5000 + 900]}","id":"{n}"}}' for n in range(50_000))
    )
    large, small = tmp_path / "large.json.gz", tmp_path / "small.json"
    large.write_bytes(gzip.compress(text, 1))
    small.write_bytes(with_users())
    _, _, before = measured(*(word.format(small) for word in command))
    code, said, peak = measured(*(word.format(large) for word in command))
    assert code == ends_with, said
    assert peak - before < len(text) // 2
