"""A disk that is full or can't be written to: the upload and its exit code come first, and nothing is lost in silence.

Real file systems: the tool runs with a small one, or one that can only be read, mounted on its state folder.
"""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.integration.conftest import Benches
from tests.integration.harness import Bench
from tests.integration.process import Ended, Process, environment
from tests.servers import Fault

pytestmark = pytest.mark.thorough

MOUNTED = """
set -e
for folder in $FOLDERS; do mount -t tmpfs -o mode=700,size=$SIZE tmpfs "$folder"; done
for folder in $FOLDERS; do
    if [ "$FILL" = full ]; then cat /dev/zero > "$folder/zeros" 2>/dev/null || true; fi
    if [ "$FILL" = read-only ]; then mount -o remount,ro "$folder"; fi
done
exec "$@"
"""


@cache
def mounts() -> bool:
    """Whether this user may mount file systems of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


needs_mounts = pytest.mark.skipif(not mounts(), reason="this user can't mount a small file system of its own")


def ended(
    bench: Bench,
    *arguments: str,
    fill: str,
    size: str = "64k",
    others: Sequence[Path] = (),
    cwd: Path | None = None,
    **more: str,
) -> Ended:
    """The tool with a file system on its state folder, and on `others`, that is `full`, `read-only` or small."""
    bench.state.mkdir(exist_ok=True)
    folders = " ".join(map(str, (bench.state, *others)))
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", MOUNTED, "sh", sys.executable, "-m", "oaa_bitbucket_async", *arguments],
        env=environment(bench, FOLDERS=folders, SIZE=size, FILL=fill, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd or bench.state.parent,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@needs_mounts
@pytest.mark.parametrize("fill", ["full", "read-only"])
def test_the_run_uploads_without_a_lock_a_journal_and_a_last_upload(bench: Benches, fill: str) -> None:
    made = bench()
    pushed = len(made.veza.pushed)
    end = ended(made, "--log-format", "json", fill=fill)
    assert end.code == 0, end.err
    assert len(made.veza.pushed) == pushed + 1
    assert "Traceback" not in end.err
    assert "last-upload-not-kept" in [json.loads(line)["event"] for line in end.err.splitlines()]


@needs_mounts
@pytest.mark.parametrize("fill", ["full", "read-only"])
def test_a_refused_payload_goes_to_the_working_folder(bench: Benches, tmp_path: Path, fill: str) -> None:
    made = bench()
    made.veza.fail("refused", call="push")
    here = tmp_path / "here"
    here.mkdir()
    end = ended(made, fill=fill, cwd=here)
    assert end.code == 5, end.err
    (kept,) = here.glob("*.json.gz")
    last = end.err.rstrip().rpartition("\n")[2]
    assert f"The payload is kept in {kept} ({made.state}/" in last
    assert f"push {kept} " in last
    assert json.loads(gzip.decompress(kept.read_bytes()))["applications"]


@needs_mounts
def test_then_to_the_temporary_one(bench: Benches, tmp_path: Path) -> None:
    made = bench()
    made.veza.fail("refused", call="push")
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    end = ended(made, fill="full", others=[here], cwd=here, TMPDIR=str(temporary))
    assert end.code == 5, end.err
    (kept,) = temporary.glob("*.json.gz")
    end.said(f"The payload is kept in {kept}")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_if_nothing_takes_it_veza_s_reason_comes_first(bench: Benches) -> None:
    """No file may be larger than 2,000 bytes, wherever it is."""
    made = bench()
    made.veza.fail("refused", call="push")
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    end = Process(made, first=limited).end()
    assert end.code == 5, end.err
    last = end.err.rstrip().rpartition("\n")[2]
    assert 0 < last.index("Veza") < last.index("could not be kept anywhere, so it is lost"), last
    assert "File too large" in last
    assert "push" not in last.partition("lost")[2]
    assert "Traceback" not in end.err


@needs_mounts
def test_what_fits_at_first_and_then_does_not(bench: Benches, tmp_path: Path) -> None:
    """The lock and the journal's beginning fit on the disk; the payload does not."""
    made = bench()
    made.veza.fail("refused", call="push")
    here = tmp_path / "here"
    here.mkdir()
    end = ended(made, fill="small", size="32k", cwd=here)
    assert end.code == 5, end.err
    assert list(here.glob("*.json.gz"))
    assert "Traceback" not in end.err
    end.said("database or disk is full")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("log", [[], ["--log-format", "json"], ["--debug"]])
def test_a_log_that_can_t_be_written_changes_nothing(bench: Benches, tmp_path: Path, log: list[str]) -> None:
    made = bench()
    report = tmp_path / "r.html"

    def code(*arguments: str, **more: str) -> int:
        with Path("/dev/full").open("w") as full:
            return subprocess.run(
                [sys.executable, "-m", "oaa_bitbucket_async", *log, *arguments],
                env=environment(made, **more),
                stdout=subprocess.DEVNULL,
                stderr=full,
                timeout=60,
                check=False,
            ).returncode

    pushed = len(made.veza.pushed)
    assert code("--insecure", "--report", str(report)) == 0
    assert len(made.veza.pushed) == pushed + 1
    assert report.exists()
    if log:
        return  # what other ends log is no more than that
    made.bitbucket.faults.append(Fault("lost-right", match=r"/repos/[^/]+/permissions/users", times=1))
    assert code() == 3
    assert code("--check") == 0
    assert code(BITBUCKET_URL="") == 2
    assert code("--no-such-flag") == 2
    assert code("--concurrency", "many") == 2
    assert code("--check", BITBUCKET_TOKEN="wrong") == 4
    assert code("diff", "nowhere", "nowhere") == 2
