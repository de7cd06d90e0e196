"""Ctrl-C and SIGTERM, at every stage of a run: it ends soon, loses nothing, says how to go on, and leaves no mess."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from tests.integration.conftest import Benches
from tests.integration.harness import Bench, Ran
from tests.integration.process import COMMAND, QUICK_JOURNAL, Process, ended, environment
from tests.servers import Fault, RiggedOptions
from tests.servers.capacity import Capacity

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BOTH = pytest.mark.parametrize("number", CODES, ids=lambda n: n.name)
SHORT_GRACE = "import oaa_bitbucket_async.run.signals as signals; signals.GRACE = 0.3"
NO_LOOP_SIGNALS = """
import asyncio
import oaa_bitbucket_async.run.loop as loop

class Windows(asyncio.SelectorEventLoop):
    def add_signal_handler(self, *_):
        raise NotImplementedError

loop._loop_factory = lambda: Windows
"""
"""A loop that takes no signals, as on Windows."""
GO_ON = "Run again with the same settings"
HOW_MANY = "repository-users"


def slow(bench: Benches, seconds: float = 0.02) -> Bench:
    """Four requests at a time, so that a signal lands in the middle of the crawl."""
    return bench(RiggedOptions(capacity=Capacity(slots=4, service="fixed", seconds=seconds)))


def one_line(err: str) -> str:
    """The last line, which has to say what to do."""
    return err.rstrip().rpartition("\n")[2]


LOOP_AND_PLAIN = pytest.mark.parametrize(
    ("number", "first"),
    [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGINT, (NO_LOOP_SIGNALS,))],
    ids=["SIGINT", "SIGTERM", "SIGINT without the loop"],
)


@pytest.mark.thorough
@LOOP_AND_PLAIN
def test_the_first_signal_lets_what_is_in_flight_end(
    bench: Benches, truth: Ran, number: signal.Signals, first: Sequence[str]
) -> None:
    made = slow(bench)
    process = Process(made, first=[QUICK_JOURNAL, *first], OAA_CONCURRENCY="4")
    process.until(lambda: made.bitbucket.counts[HOW_MANY] >= 10)
    process.send(number)
    process.until_said("stopping: no new requests")
    begun = len(made.bitbucket.requests) + made.bitbucket.in_flight
    end = process.end()
    assert end.code == CODES[number], end.err
    end.said("nothing was uploaded")
    assert GO_ON in one_line(end.err)
    assert len(made.bitbucket.requests) <= begun + 4, "no new ones, but for those that were on their way"
    assert len(made.bitbucket.requests) < truth.requests
    assert all(r.status == 200 for r in made.bitbucket.requests if r.kind == HOW_MANY), "none was cut off"
    resumed = ended(made, first=first, OAA_CONCURRENCY="4")
    assert resumed.code == 0, resumed.err
    resumed.said("continuing the run")
    assert made.neutral(made.veza.pushed[-1].raw) == truth.raw[0]
    paths = [f"{r.path}?{r.query}" for r in made.bitbucket.requests]
    assert not {p for p in paths if paths.count(p) > 1 and "/repos/" in p}, "what was in flight has been kept"


@pytest.mark.thorough
def test_what_hangs_is_left_after_the_grace(bench: Benches) -> None:
    hanging = Fault("hanging", match=HOW_MANY, first=5)
    made = bench(faults=[hanging])
    process = Process(made, first=[QUICK_JOURNAL, SHORT_GRACE], OAA_CONCURRENCY="8")
    process.until(lambda: hanging.struck >= 8)
    process.send(signal.SIGTERM)
    end = process.end(timeout=10)
    assert end.code == 143, end.err
    end.said("stopping: no new requests")
    assert "run again" in one_line(end.err).lower()
    assert hanging.struck == 8
    made.bitbucket.faults.clear()
    resumed = ended(made)
    assert resumed.code == 0, resumed.err
    resumed.said("continuing the run")


@LOOP_AND_PLAIN
def test_the_second_signal_ends_it_at_once(bench: Benches, number: signal.Signals, first: Sequence[str]) -> None:
    hanging = Fault("hanging", match=HOW_MANY, first=5)
    made = bench(faults=[hanging])
    process = Process(made, first=first, OAA_CONCURRENCY="8")
    process.until(lambda: hanging.struck >= 8)
    process.send(number)
    process.until_said("stopping")
    sent = time.monotonic()
    process.send(number)
    end = process.end(timeout=5)
    assert time.monotonic() - sent < 3, "far from the ten seconds that the first one grants"
    assert end.code == CODES[number], end.err
    end.said("second signal")


def test_in_preflight_there_is_nothing_to_wait_for(bench: Benches) -> None:
    hanging = Fault("hanging", match="application-properties")
    made = bench(faults=[hanging])
    process = Process(made)
    process.until(lambda: hanging.struck)
    process.send(signal.SIGINT)
    end = process.end(timeout=5)
    assert end.code == 130, end.err
    end.said("interrupted")
    assert "run again" in one_line(end.err).lower()


def test_while_the_key_is_checked(bench: Benches) -> None:
    made = bench()
    made.veza.fail("hanging", call="check")
    before = len(made.veza.requests)
    process = Process(made)
    process.until(lambda: len(made.veza.requests) > before)
    process.send(signal.SIGTERM)
    end = process.end(timeout=5)
    assert end.code == 143, end.err
    end.said("interrupted")


def test_a_hanging_upload_is_left_at_once_and_the_crawl_is_kept(bench: Benches) -> None:
    made = bench()
    made.veza.fail("hanging", call="push")
    before = len(made.veza.requests)
    process = Process(made)
    process.until(lambda: any(r.path.endswith(":push") for r in made.veza.requests[before:]))
    process.send(signal.SIGTERM)
    end = process.end(timeout=5)
    assert end.code == 143, end.err
    end.said("interrupted")
    crawl, pushed = len(made.bitbucket.requests), len(made.veza.pushed)
    resumed = ended(made)
    assert resumed.code == 0, resumed.err
    assert len(made.veza.pushed) == pushed + 1
    assert len(made.bitbucket.requests) - crawl < 20, "preflight, and nothing of the crawl again"


BUILDING = """
import time
import oaa_bitbucket_async.run.main_job as main_job
build = main_job.build_payload

def slowly(*args, **more):
    print("building", flush=True)
    time.sleep(1.0)
    return build(*args, **more)

main_job.build_payload = slowly
"""


@pytest.mark.thorough
def test_while_the_payload_is_built(bench: Benches) -> None:
    made = bench()
    before = len(made.veza.pushed)
    process = Process(made, first=BUILDING)
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == "building\n"
    process.send(signal.SIGINT)
    end = process.end(timeout=10)
    assert end.code == 130, end.err
    end.said("interrupted")
    assert len(made.veza.pushed) == before
    assert ended(made).code == 0


def test_with_nothing_left_to_ask_a_signal_still_stops_the_upload(bench: Benches) -> None:
    made = bench()
    assert made.run(dry_run=True).code == 0
    total = len(made.bitbucket.requests)
    last = Fault("slow", first=total - 1, times=1, seconds=1.0)
    made.bitbucket.faults.append(last)
    pushed = len(made.veza.pushed)
    process = Process(made)
    process.until(lambda: last.struck)
    process.until(lambda: made.bitbucket.in_flight == 1)
    process.send(signal.SIGTERM)
    end = process.end()
    assert end.code == 143, end.err
    assert GO_ON in one_line(end.err)
    assert len(made.veza.pushed) == pushed
    assert ended(made).code == 0


def test_without_a_journal_it_does_not_promise_to_go_on(bench: Benches) -> None:
    made = slow(bench)
    process = Process(made, "--no-resume", OAA_CONCURRENCY="4")
    process.until(lambda: made.bitbucket.counts[HOW_MANY] >= 5)
    process.send(signal.SIGINT)
    end = process.end()
    assert end.code == 130, end.err
    assert "asks for everything again" in one_line(end.err)


@pytest.mark.parametrize("grace", [(), (SHORT_GRACE,)], ids=["gentle", "after the grace"])
def test_a_terminal_is_left_as_it_was(bench: Benches, grace: Sequence[str]) -> None:
    """On a terminal there is a live display, which hides the cursor and draws lines that have to go."""
    hanging = Fault("hanging" if grace else "slow", match=HOW_MANY, first=5, seconds=0.3)
    made = bench(faults=[hanging])
    master, slave = pty.openpty()
    arguments = ["-c", "\n".join([*grace, COMMAND])]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(made, OAA_CONCURRENCY="4", TERM="xterm-256color", COLUMNS="100", LINES="40"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown, interrupted, end = b"", False, time.monotonic() + 20
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.05)
        if ready:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            shown += chunk
        if not interrupted and b"Repositories" in shown and hanging.struck >= 4:
            interrupted = True
            process.send_signal(signal.SIGINT)
    os.close(master)
    assert process.wait(10) == 130, shown.decode()
    assert interrupted, shown.decode()
    hidden, visible = shown.rfind(b"\x1b[?25l"), shown.rfind(b"\x1b[?25h")
    assert hidden >= 0
    assert visible > hidden, "the cursor stays hidden"
    assert b"\x1b[?1049h" not in shown, "the other screen was not asked for"
    after = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown[visible:]).decode()
    assert "Traceback" not in shown.decode()
    assert "run again" in after.lower()
    assert "in flight" not in after.replace("in flight get", ""), "the display is gone"
