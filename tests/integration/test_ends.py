"""Ends at an odd time: before the run has begun, during a check, while it sums up; and after --max-duration."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.process import QUICK_JOURNAL, Process, ended, environment
from tests.integration.test_signals import BOTH, CODES, HOW_MANY, SHORT_GRACE, one_line
from tests.servers import Fault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

WHILE_LOADING = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Finder())
from oaa_bitbucket_async.__main__ import main
main()
"""
SLOW_METRICS = """
import sys, time
import oaa_bitbucket_async.ops.metrics as metrics
write = metrics.write_metrics

def slowly(*args, **more):
    print("writing", flush=True)
    time.sleep(1.0)
    return write(*args, **more)

metrics.write_metrics = slowly
"""


@BOTH
@pytest.mark.parametrize(
    "module",
    first(
        "click", "uvloop",
        of=["oaa_bitbucket_async.cli", "click", "oaa_bitbucket_async.run", "aiohttp", "uvloop"],
    ),
)  # fmt: skip
def test_while_the_program_is_loaded(bench: Benches, number: signal.Signals, module: str) -> None:
    made = bench()
    code = WHILE_LOADING.format(module=module, name=number.name)
    done = subprocess.run(
        [sys.executable, "-c", code, "--check"],
        env=environment(made),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == CODES[number], done.stderr
    assert one_line(done.stderr) == "Error: Interrupted."
    assert "Traceback" not in done.stderr
    assert not made.bitbucket.requests


@BOTH
@pytest.mark.parametrize("match", ["application-properties", "/repos"])
def test_during_a_check(bench: Benches, number: signal.Signals, match: str) -> None:
    hanging = Fault("hanging", match=match)
    made = bench(faults=[hanging])
    process = Process(made, "--check")
    process.until(lambda: hanging.struck)
    process.send(number)
    end = process.end(timeout=5)
    assert end.code == CODES[number], end.err
    end.said("The run was interrupted. Run the check again.")


@BOTH
def test_during_a_push(bench: Benches, tmp_path: Path, number: signal.Signals) -> None:
    made = bench()
    saved = tmp_path / "p.json"
    assert ended(made, "--dry-run", "--save-json", str(saved)).code == 0
    made.veza.fail("hanging", call="push")
    before = len(made.veza.requests)
    process = Process(made, "push", str(saved))
    process.until(lambda: any(r.path.endswith(":push") for r in made.veza.requests[before:]))
    process.send(number)
    end = process.end(timeout=10)
    assert end.code == CODES[number], end.err
    assert "Traceback" not in end.err
    assert one_line(end.err) == "Error: Interrupted."


@pytest.mark.thorough
def test_the_end_of_the_grace_does_not_cut_off_the_metrics(bench: Benches, tmp_path: Path) -> None:
    """The crawl ends within the grace; what comes after it takes longer."""
    slow = Fault("slow", match=HOW_MANY, first=5, seconds=0.1)
    made = bench(faults=[slow])
    metrics = tmp_path / "m.prom"
    process = Process(made, "--metrics-file", str(metrics), first=[SHORT_GRACE, SLOW_METRICS], OAA_CONCURRENCY="4")
    process.until(lambda: slow.struck)
    process.send(signal.SIGTERM)
    end = process.end(timeout=10)
    assert end.code == 143, end.err
    end.said("nothing was uploaded")
    assert 'oaa_bitbucket_exit_code{bitbucket="' in metrics.read_text()
    assert metrics.read_text().partition("oaa_bitbucket_exit_code{")[2].partition("} ")[2].startswith("143")


def test_a_signal_after_the_upload_changes_nothing(bench: Benches, tmp_path: Path) -> None:
    made = bench()
    pushed = len(made.veza.pushed)
    metrics, report = tmp_path / "m.prom", tmp_path / "r.html"
    process = Process(made, "--metrics-file", str(metrics), "--report", str(report), first=SLOW_METRICS)
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == "writing\n"
    process.send(signal.SIGTERM)
    end = process.end()
    assert end.code == 0, end.err
    assert len(made.veza.pushed) == pushed + 1
    assert metrics.exists()
    assert report.exists()
    assert "Traceback" not in end.err


@pytest.mark.thorough
def test_a_run_that_lasts_too_long_stops_keeps_its_journal_and_is_tried_again(bench: Benches) -> None:
    hanging = Fault("hanging", match=HOW_MANY, first=5)
    made = bench(faults=[hanging])
    process = Process(made, "--max-duration", "1", first=[QUICK_JOURNAL, SHORT_GRACE], OAA_CONCURRENCY="8")
    end = process.end(timeout=20)
    assert hanging.struck
    assert end.code == 75, end.err
    end.said("stopping after --max-duration: no new requests")
    assert "longer than --max-duration (OAA_MAX_DURATION) allows, 1 s" in one_line(end.err)
    assert "Run again" in one_line(end.err)
    made.bitbucket.faults.clear()
    resumed = ended(made, "--log-format", "json", OAA_MAX_DURATION="600")
    assert resumed.code == 0, resumed.err
    assert "resumed" in [json.loads(line)["event"] for line in resumed.err.splitlines()]


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_it_counts_before_the_crawl_and_in_a_check_too(bench: Benches, arguments: list[str]) -> None:
    made = bench(faults=[Fault("hanging", match="application-properties")])
    end = ended(made, *arguments, OAA_MAX_DURATION="0.5")
    assert end.code == 75, end.err
    assert "longer than --max-duration (OAA_MAX_DURATION) allows, 0.5 s" in one_line(end.err)
    assert "Traceback" not in end.err
