"""The tool as a process of its own: started as a user starts it, killed or interrupted, and read to its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.harness import DATA_SOURCE, Bench

ROOT = Path(__file__).parents[2]
COMMAND = "from oaa_bitbucket_async.cli.main import main; main()"
QUICK_JOURNAL = "import oaa_bitbucket_async.collect.journal.journal as journal; journal.WRITE_INTERVAL = 0.05"
"""What was answered is on its way to the disk after 50 ms instead of a second: the tests have no hours."""


@dataclass
class Ended:
    """How a process ended. A negative code is the signal that killed it, as subprocess has it."""

    code: int
    out: str
    err: str

    def said(self, words: str) -> None:
        """Fails unless standard error holds `words` and no traceback."""
        assert words in " ".join(self.err.split()), self.err
        assert "Traceback" not in self.err, self.err


def environment(bench: Bench, *, basic: bool = True, **more: str) -> dict[str, str]:
    """All settings of a run, as a schedule would give them."""
    ours = ("OAA_", "BITBUCKET_", "VEZA_")
    with bench.veza.trusted():
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    account = {"BITBUCKET_USER": bench.bitbucket.user, "BITBUCKET_TOKEN": bench.bitbucket.password}
    return {
        **kept,
        **(account if basic else {"BITBUCKET_TOKEN": bench.bitbucket.token}),
        "BITBUCKET_URL": bench.bitbucket.url,
        "VEZA_URL": bench.veza.url,
        "VEZA_API_KEY": bench.veza.api_key,
        "OAA_DATA_SOURCE_NAME": DATA_SOURCE,
        "OAA_STATE_DIR": str(bench.state),
        "PYTHONPATH": str(ROOT),
        **more,
    }


class Process:
    """`python -m oaa_bitbucket_async …`; with `first`, a statement that changes a constant before it begins."""

    def __init__(
        self,
        bench: Bench,
        *arguments: str,
        first: str | Sequence[str] = (),
        basic: bool = True,
        cwd: Path | None = None,
        **more: str,
    ) -> None:
        first = [first] if isinstance(first, str) else first
        how = ["-c", "\n".join([*first, COMMAND])] if first else ["-m", "oaa_bitbucket_async"]
        self.bench = bench
        self.popen: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, *how, *arguments],
            env=environment(bench, basic=basic, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd or bench.state.parent,
        )

    def until(self, condition: Callable[[], Any], timeout: float = 30.0) -> None:
        """Returns once the condition holds; fails if the process ends before."""
        end = time.monotonic() + timeout
        while not condition():
            if self.popen.poll() is not None:
                ended = self.end()
                raise AssertionError(f"the process ended with {ended.code} too early: {ended.err}")
            assert time.monotonic() < end, "the condition did not come to hold"
            time.sleep(0.001)  # a look at the condition, which alone decides

    def until_requests(self, count: int) -> None:
        """Returns once the server has answered `count` requests of this process."""
        log = self.bench.bitbucket.requests
        self.until(lambda: len(log) >= count)

    def until_served(self, timeout: float = 30.0) -> None:
        """Returns once the server has nothing in hand: what it was asked before is in its log."""
        end = time.monotonic() + timeout
        while self.bench.bitbucket.in_flight:
            assert time.monotonic() < end, "the server is still busy"
            time.sleep(0.001)

    def send(self, number: signal.Signals) -> None:
        """A signal to the process."""
        self.popen.send_signal(number)

    def until_said(self, words: str) -> str:
        """Reads standard error up to the line with `words`, and gives all of it."""
        said = ""
        assert self.popen.stderr is not None
        while words not in said:
            line = self.popen.stderr.readline()
            assert line, f"it ended without saying {words!r}: {said}"
            said += line
        return said

    def end(self, timeout: float = 30.0) -> Ended:
        """Waits for its end and reads what it said."""
        try:
            out, err = self.popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            out, err = self.popen.communicate()
            raise AssertionError(f"the process did not end in {timeout} s: {err}") from None
        return Ended(self.popen.returncode, out, err)

    def killed(self) -> Ended:
        """As a power cut would end it."""
        self.popen.kill()
        return self.end()


def ended(bench: Bench, *arguments: str, **more: Any) -> Ended:
    """A process from its beginning to its end."""
    return Process(bench, *arguments, **more).end()
