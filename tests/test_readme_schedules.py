"""The README's schedules: well formed as far as their own tools can tell, and in agreement with the exit codes."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from oaa_bitbucket_async.cli.main import cli
from oaa_bitbucket_async.cli.setting import Setting
from tests.readme import blocks, part, rows, section

SERVICE, TIMER = blocks(part("systemd"), "ini")
(ENVIRONMENT,) = blocks(section("Scheduling").split("\n### ")[0], "sh")
(CRON,) = blocks(part("cron"), "text")
(CRON_JOB,) = blocks(part("Kubernetes"), "yaml")
(DOCKERFILE,) = blocks(part("Kubernetes"), "dockerfile")
KILLED = 137
"""128 + SIGKILL: no exit code of ours, but what a cluster says of a container that it killed."""


def _codes(column: int, word: str) -> set[int]:
    return {int(row[0]) for row in rows(section("Exit codes")) if row[column].startswith(word)}


RETRY, LEAVE = _codes(2, "yes"), _codes(2, "no")


def _run(command: Sequence[str], **rest: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **rest)


def _values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def test_every_exit_code_has_an_answer() -> None:
    assert {75, 130, 143} == RETRY
    assert RETRY | LEAVE | {0} == {int(row[0]) for row in rows(section("Exit codes"))}
    assert _codes(3, "yes") == {1, 2, 3, 4, 5}


def test_systemd_tries_again_what_the_table_says() -> None:
    assert _values(SERVICE, "Restart") == ["on-failure"]
    assert {int(code) for code in _values(SERVICE, "RestartPreventExitStatus")[0].split()} == LEAVE


def test_cron_tries_again_what_can_pass() -> None:
    assert [int(code) for code in re.findall(r"-eq (\d+)", CRON)] == [75]


def test_kubernetes_tries_again_what_the_table_says() -> None:
    job = yaml.safe_load(CRON_JOB)["spec"]["jobTemplate"]["spec"]
    (rule,) = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert rule["onExitCodes"]["operator"] == "NotIn"
    assert set(rule["onExitCodes"]["values"]) == RETRY | {KILLED}


def test_every_variable_of_a_schedule_is_one_of_ours() -> None:
    ours = {p.variable for p in cli.params if isinstance(p, Setting)}
    ours |= {"BITBUCKET_TOKEN_FILE", "VEZA_API_KEY_FILE"}
    pod = yaml.safe_load(CRON_JOB)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    in_pod = {entry["name"] for entry in pod["containers"][0]["env"]}
    in_unit = {pair.partition("=")[0] for line in _values(SERVICE, "Environment") for pair in shlex.split(line)}
    in_file = {line.partition("=")[0] for line in ENVIRONMENT.splitlines()}
    for told in (in_pod, in_unit | in_file):
        assert told <= ours
        assert {"BITBUCKET_URL", "BITBUCKET_TOKEN_FILE", "VEZA_URL", "VEZA_API_KEY_FILE", "OAA_STATE_DIR"} <= told


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_knows_every_word_of_the_units(tmp_path: Path) -> None:
    program = _values(SERVICE, "ExecStart")[0]
    units = {"oaa-bitbucket@.service": SERVICE.replace(program, "/bin/true"), "oaa-bitbucket@.timer": TIMER}
    for name, unit in units.items():
        (tmp_path / name).write_text(unit)
    paths = [str(tmp_path / name.replace("@", "@main")) for name in units]
    done = _run(["systemd-analyze", "verify", *paths])
    if "Failed to" in done.stderr and str(tmp_path) not in done.stderr:
        pytest.skip(f"systemd-analyze can't work here: {done.stderr}")
    assert [line for line in done.stderr.splitlines() if "oaa-bitbucket" in line] == []
    assert done.returncode == 0
    calendar = _run(["systemd-analyze", "calendar", _values(TIMER, "OnCalendar")[0]])
    assert calendar.returncode == 0, calendar.stderr


def test_the_cron_job_is_what_its_schema_asks_for() -> None:
    schema = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed (100 MB)")
    schema.validate(yaml.safe_load(CRON_JOB), schema.latest_version(), strict=True)


def test_the_pod_needs_no_root_and_its_mounts_are_its_volumes() -> None:
    spec = yaml.safe_load(CRON_JOB)["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    policy = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert {rule["onExitCodes"]["containerName"] for rule in policy if "onExitCodes" in rule} == {container["name"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    places = [mount["mountPath"] for mount in container["volumeMounts"]]
    files = [entry["value"] for entry in container["env"] if entry["name"].endswith(("_FILE", "_DIR"))]
    assert all(any(file.startswith(place) for place in places) for file in files)
    assert pod["securityContext"]["runAsNonRoot"]
    user, group = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[0]
    assert user != "0"
    assert pod["securityContext"]["fsGroup"] == int(group)
    secret = next(volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert secret["defaultMode"] == 0o440, "the group's, since the files belong to root"


def test_a_schedule_s_own_limits_are_outer_ones() -> None:
    inner = int(re.findall(r"^OAA_MAX_DURATION=(\d+)$", ENVIRONMENT, re.MULTILINE)[0])
    assert int(_values(SERVICE, "TimeoutStartSec")[0].removesuffix("h")) * 3600 > inner
    assert _values(SERVICE, "MemoryMax")
    pod = yaml.safe_load(CRON_JOB)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["activeDeadlineSeconds"] > inner
    assert {"name": "OAA_MAX_DURATION", "value": str(inner)} in container["env"]
    assert container["resources"]["limits"]["memory"]
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
