"""`demo --serve` and the real command line in another process, as an administrator rehearses a bad night."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.process import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="what is printed is for a POSIX shell")
COMMAND = [sys.executable, "-m", "oaa_bitbucket_async"]


def _environment() -> dict[str, str]:
    ours = ("OAA_", "BITBUCKET_", "VEZA_")
    return {**{name: v for name, v in os.environ.items() if not name.startswith(ours)}, "PYTHONPATH": str(ROOT)}


@dataclass
class Served:
    """Servers in a process of their own, and what was printed for the other terminal."""

    folder: Path
    server: "subprocess.Popen[str]"
    introduction: str
    printed: dict[str, str]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The real command line, with the printed environment and nothing else."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**_environment(), **self.printed},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    command = [*COMMAND, "demo", "--serve", "--repositories", "100", *arguments]
    if "--bitbucket-port" not in arguments:
        command += ["--bitbucket-port", "0", "--veza-port", "0"]
    server = subprocess.Popen(
        command, env=_environment(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    introduction = ""
    printed: dict[str, str] = {}
    while "OAA_STATE_DIR" not in printed:
        line = server.stdout.readline()
        assert line, f"it ended: {server.communicate()[1]}"
        introduction += line
        if line.startswith("  export "):
            (pair,) = shlex.split(line)[1:]
            name, _, value = pair.partition("=")
            printed[name] = value
    try:
        yield Served(folder, server, introduction, printed)
    finally:
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=30)
        assert (server.returncode, said) == (0, ""), "Ctrl-C is its normal end"


def test_what_is_printed_is_all_that_a_check_and_a_run_need(tmp_path: Path) -> None:
    with served(tmp_path) as servers:
        checked = servers.run("--check")
        assert checked.returncode == 0, checked.stderr
        assert "accepts the key" in checked.stdout
        done = servers.run()
        assert done.returncode == 0, done.stderr
        assert "uploaded" in done.stderr
        port = servers.printed["BITBUCKET_URL"].rpartition(":")[2]
        veza_port = servers.printed["VEZA_URL"].rpartition(":")[2]
    assert not (tmp_path / "demo-ca.pem").exists()
    with served(tmp_path, "--bitbucket-port", port, "--veza-port", veza_port, "--fault", "removed") as again:
        assert again.printed == servers.printed, "exported once, it holds for the next rehearsal"
        done = again.run()
        assert done.returncode == 3, done.stderr
        assert "--max-removed (OAA_MAX_REMOVED) allows 30 %" in done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "arguments", "code", "words"),
    [
        ("outage", ["--max-outage", "1"], 75, "has answered no request for 1 second"),
        ("denied", [], 3, "could not be collected, so nothing was uploaded"),
        ("revoked", [], 4, "no longer accepts the login"),
        ("veza-rejected", [], 5, "rejected on purpose"),
        ("rate-limit", ["--check"], 0, "60 requests at once, then 5 a second"),
    ],
)
def test_a_bad_night(tmp_path: Path, fault: str, arguments: list[str], code: int, words: str) -> None:
    with served(tmp_path, "--fault", fault) as servers:
        assert f"Fault {fault}: " in servers.introduction
        done = servers.run(*arguments)
        assert done.returncode == code, done.stderr
        assert words in done.stdout + done.stderr


def test_a_port_that_is_taken_is_said_with_the_flag(tmp_path: Path) -> None:
    with served(tmp_path) as servers:
        for flag, url in (("--bitbucket-port", "BITBUCKET_URL"), ("--veza-port", "VEZA_URL")):
            ports = {"--bitbucket-port": "0", "--veza-port": "0", flag: servers.printed[url].rpartition(":")[2]}
            done = servers.run("demo", "--serve", *(word for pair in ports.items() for word in pair))
            assert done.returncode == 2, done.stderr
            assert f"{flag} (OAA_DEMO_" in done.stderr
            assert "Traceback" not in done.stderr
