"""Files in the state folder that somebody else put there: none of them is believed, and none holds up a run."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.state import StatePaths, last_payload_path
from tests.integration.conftest import Benches, Typed
from tests.integration.harness import DATA_SOURCE, Bench
from tests.integration.process import QUICK_JOURNAL, Ended, Process, environment
from tests.servers import Fault
from tests.test_bombs import MOST_MEMORY, linux, measured, users_in_one_byte_each

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners, permissions and pipes of POSIX")


def paths(bench: Bench) -> StatePaths:
    return paths_of(bench.settings())


def last_payload(bench: Bench) -> Path:
    return last_payload_path(bench.state, bench.veza.url, "Bitbucket Server", DATA_SOURCE)


def events(end: Ended) -> list[str]:
    return [json.loads(line)["event"] for line in end.err.splitlines()]


def test_pipes_in_place_of_files_hold_up_nothing(bench: Benches, typed: Typed) -> None:
    made = bench()
    pushed = len(made.veza.pushed)
    made.state.mkdir(exist_ok=True)
    metrics = made.state / "m.prom"
    holder = paths(made).lock.with_name(f"{paths(made).lock.name}.holder")
    for path in (paths(made).journal, last_payload(made), holder, metrics):
        os.mkfifo(path)
    end = typed(made, "--log-format", "json", OAA_MAX_REMOVED="100")
    assert end.code == 3, end.err
    assert "is not trusted: it is not a regular file" in end.err
    assert "journal-set-aside" in events(end)
    assert len(made.veza.pushed) == pushed
    end = typed(made, "--metrics-file", str(metrics))
    assert end.code == 2
    end.said("m.prom is not a regular file")


def test_a_pipe_in_place_of_the_holder_s_name(bench: Benches, typed: Typed) -> None:
    hanging = Fault("hanging", match="application-properties")
    made = bench(faults=[hanging])
    first = Process(made)
    first.until(lambda: hanging.struck)
    lock = paths(made).lock
    holder = lock.with_name(f"{lock.name}.holder")
    holder.unlink()
    os.mkfifo(holder)
    end = typed(made)
    first.killed()
    assert end.code == 75
    end.said("it did not leave its name")


def test_a_last_payload_that_everyone_could_write_does_not_get_past_the_guard(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert typed(made).code == 0
    pushed = len(made.veza.pushed)
    last_payload(made).chmod(0o666)
    end = typed(made, OAA_MAX_REMOVED="100")
    assert end.code == 3
    end.said("is not trusted: every user of this machine may write it")
    assert len(made.veza.pushed) == pushed


@linux
def test_a_last_payload_that_unpacks_to_gigabytes(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert typed(made).code == 0
    pushed = len(made.veza.pushed)
    last_payload(made).write_bytes(users_in_one_byte_each())
    code, said, peak = measured(**environment(made, OAA_MAX_REMOVED="100"))
    assert code == 3
    assert "is refused: it unpacks to more than 50 times its size" in said
    assert peak < MOST_MEMORY
    assert len(made.veza.pushed) == pushed


def test_what_a_volume_s_group_may_write_is_mended_and_the_run_resumes(bench: Benches, typed: Typed) -> None:
    """Kubernetes' `fsGroup` adds the right to read and write to every file, each time that it mounts a volume."""
    made = bench()
    assert typed(made).code == 0
    before = len(made.bitbucket.requests)
    first = Process(made, first=QUICK_JOURNAL)
    first.until_requests(before + 100)
    first.send(signal.SIGTERM)
    assert first.end().code == 143
    files = [path for path in made.state.iterdir() if path.suffix in (".journal", ".gz")]
    assert len(files) == 2
    for path in files:
        os.chown(path, -1, os.getegid())
        path.chmod(0o660)
    end = typed(made, "--log-format", "json")
    assert end.code == 0, end.err
    assert "resumed" in events(end)
    assert "last-upload-unreadable" not in events(end)
    assert events(end).count("file-mended") == 1
    assert stat.S_IMODE(last_payload(made).stat().st_mode) == 0o600
    assert "file-mended" not in events(typed(made, "--log-format", "json"))


@pytest.mark.parametrize(("mode", "warnings"), [(0o700, 0), (0o1777, 1)])
def test_a_state_folder_that_others_can_write_to(bench: Benches, mode: int, warnings: int, typed: Typed) -> None:
    made = bench()
    made.state.mkdir(exist_ok=True)
    made.state.chmod(mode)
    end = typed(made, "--log-format", "json", "--dry-run")
    assert end.code == 0
    assert events(end).count("state-dir-shared") == warnings


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_metrics_file_is_for_all_to_read_whatever_the_umask(bench: Benches, tmp_path: Path, umask: int) -> None:
    made = bench()
    path = tmp_path / "m.prom"
    first = f"import os; os.umask({umask})"
    assert Process(made, "--metrics-file", str(path), "--dry-run", first=first).end().code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
