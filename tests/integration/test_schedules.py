"""The schedules in docs/, run: what they put into the environment is all that a run needs."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import Benches
from tests.integration.harness import Bench
from tests.integration.process import ROOT
from tests.pages import blocks, section
from tests.servers import Fault

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(os.name != "posix", reason="schedules of POSIX")]
DOCS = ROOT / "docs"
SERVICE = (DOCS / "systemd" / "oaa-bitbucket@.service").read_text("utf-8")
CRON = (DOCS / "cron" / "oaa-bitbucket-run").read_text("utf-8")
CRON_JOBS = ("cronjob.yaml", "hourly/cronjob.yaml")
LINE = blocks(section("scheduling", "cron"), "text")[0].strip()
PROGRAM = "/opt/oaa-bitbucket-async/bin/oaa-bitbucket-async"
CONFIGURED = "/etc/oaa-bitbucket"


def _prepare(bench: Bench, etc: Path, **more: str) -> None:
    """What somebody puts on the machine: an environment file, a file for each secret, and the program."""
    etc.mkdir()
    settings = {"BITBUCKET_URL": bench.bitbucket.url, "VEZA_URL": bench.veza.url, **more}
    (etc / "main.env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (etc / "main.token").write_text(f"{bench.bitbucket.token}\n")
    (etc / "main.veza-key").write_text(f"{bench.veza.api_key}\n")
    program = etc / "program"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m oaa_bitbucket_async "$@"\n')
    program.chmod(0o755)


def _run(bench: Bench, command: list[str], variables: dict[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    with bench.veza.trusted():
        few = {name: os.environ[name] for name in ("PATH", "REQUESTS_CA_BUNDLE", "NO_PROXY")}
    return subprocess.run(
        command, env={**few, **variables}, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def _uploads(bench: Bench) -> list[str]:
    return [push.data_source for push in bench.veza.pushed]


def test_the_unit(bench: Benches, tmp_path: Path) -> None:
    made, etc, credentials = bench(), tmp_path / "etc", tmp_path / "credentials"
    _prepare(made, etc)
    unit = SERVICE.replace(CONFIGURED, str(etc)).replace(PROGRAM, str(etc / "program"))
    for specifier, value in {"%i": "main", "%d": str(credentials), "%S": str(tmp_path)}.items():
        unit = unit.replace(specifier, value)
    lines = [line.partition("=") for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    settings = [(key, value) for key, _, value in lines]
    credentials.mkdir()
    environment: dict[str, str] = {}
    for key, value in settings:
        match key:
            case "LoadCredential":
                name, _, source = value.partition(":")
                (credentials / name).write_bytes(Path(source).read_bytes())
                (credentials / name).chmod(0o400)
            case "Environment":
                environment |= dict(_pair(pair) for pair in shlex.split(value))
            case "EnvironmentFile":
                environment |= dict(_pair(line) for line in Path(value).read_text().splitlines())
    before = len(made.veza.pushed)
    done = _run(made, shlex.split(dict(settings)["ExecStart"]), environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(made.veza.pushed) == before + 1
    assert (tmp_path / dict(settings)["StateDirectory"]).is_dir(), "it keeps its state in the unit's folder"


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


@pytest.mark.parametrize(("times", "code", "starts"), [(0, 0, 1), (2, 0, 3), (99, 75, 4)])
def test_cron(bench: Benches, tmp_path: Path, times: int, code: int, starts: int) -> None:
    etc = tmp_path / "etc"
    made = bench(faults=[Fault("unavailable", match="application-properties|/users", retry_after=0, times=times)])
    secrets = {"BITBUCKET_TOKEN_FILE": f"{etc}/main.token", "VEZA_API_KEY_FILE": f"{etc}/main.veza-key"}
    _prepare(made, etc, **secrets, OAA_MAX_ATTEMPTS="1", OAA_STATE_DIR=str(made.state))
    before = len(made.veza.pushed)
    done = _night(made, tmp_path)
    log = (tmp_path / "oaa-bitbucket-main.log").read_text()
    assert done.returncode == code, log
    assert len(made.veza.pushed) - before == (code == 0), log
    assert log.count("Error: ") == starts - (code == 0)
    assert _slept(tmp_path) == ["900"] * (starts - 1), "not after the last try"
    assert done.stderr == ""
    if code == 0:
        assert done.stdout == "", "cron would send a mail of it every night"
    else:
        assert done.stdout.splitlines() == [
            f"exit code 75; the last line of {tmp_path}/oaa-bitbucket-main.log:",
            *log.splitlines()[-1:],
        ]


def test_cron_asks_once_where_no_repetition_helps(bench: Benches, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    made = bench()
    _prepare(made, etc, BITBUCKET_TOKEN="", VEZA_API_KEY_FILE=f"{etc}/main.veza-key", OAA_STATE_DIR=str(made.state))
    assert _night(made, tmp_path).returncode == 2
    assert _slept(tmp_path) == []


def test_cron_s_log_is_rotated(bench: Benches, tmp_path: Path) -> None:
    etc, log, old = tmp_path / "etc", tmp_path / "oaa-bitbucket-main.log", tmp_path / "oaa-bitbucket-main.log.1"
    made = bench()
    _prepare(made, etc, BITBUCKET_TOKEN="")
    log.write_text("x" * 10_000_000)
    _night(made, tmp_path)
    assert not old.exists()
    log.write_text("x" * 10_000_001)
    _night(made, tmp_path)
    assert old.stat().st_size == 10_000_001
    assert log.stat().st_size < 10_000


def _night(made: Bench, home: Path) -> "subprocess.CompletedProcess[str]":
    """What cron does with the line of docs/scheduling.md, `sleep` apart."""
    etc = home / "etc"
    script = etc / "oaa-bitbucket-run"
    script.write_text(CRON.replace(CONFIGURED, str(etc)).replace(PROGRAM, str(etc / "program")))
    script.chmod(stat.S_IRWXU)
    (etc / "sleep").write_text(f'#!/bin/sh\necho "$@" >>{home}/slept\n')
    (etc / "sleep").chmod(stat.S_IRWXU)
    minute, hour, *_, command = LINE.split(" ", 5)
    assert (minute, hour) == ("0", "2")
    assert "%" not in command, "cron takes it for a line break"
    assert f"# {LINE}" in " ".join(CRON.split()), "the script tells the same line"
    line = command.replace(str(Path(PROGRAM).parent), str(etc))
    return _run(made, ["/bin/sh", "-c", line], {"HOME": str(home), "PATH": f"{etc}:{os.environ['PATH']}"}, home)


def _slept(home: Path) -> list[str]:
    slept = home / "slept"
    return slept.read_text().split() if slept.exists() else []


@pytest.mark.parametrize("name", CRON_JOBS)
def test_the_pod(bench: Benches, tmp_path: Path, name: str) -> None:
    made, etc = bench(), tmp_path / "etc"
    _prepare(made, etc)
    pod: Any = yaml.safe_load((DOCS / "kubernetes" / name).read_text("utf-8"))["spec"]["jobTemplate"]["spec"][
        "template"
    ]["spec"]
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    secrets, state = tmp_path / "secrets", tmp_path / "state"
    secrets.mkdir()
    (secrets / "token").write_text(made.bitbucket.token)
    (secrets / "veza-key").write_text(made.veza.api_key)
    moved = {
        name: value.replace("/secrets/", f"{secrets}/").replace("/state", str(state))
        for name, value in environment.items()
    }
    moved |= {"BITBUCKET_URL": made.bitbucket.url, "VEZA_URL": made.veza.url}
    before = len(made.veza.pushed)
    done = _run(made, [str(etc / "program")], moved, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(made.veza.pushed) == before + 1
    assert state.is_dir()
    written = {path.name for path in tmp_path.iterdir()} - {"etc", "secrets", "state"}
    assert not written, "the rest of its file system can't be written to"
