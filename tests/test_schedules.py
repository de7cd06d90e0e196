"""The schedules in docs/: well formed as far as their own tools can tell, and in agreement with the exit codes."""

import copy
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from oaa_bitbucket_async.cli.main import cli
from oaa_bitbucket_async.cli.setting import Setting
from tests.pages import ROOT, blocks, page, rows, section

DOCS = ROOT / "docs"
UNITS = {path.name: path.read_text("utf-8") for path in sorted((DOCS / "systemd").iterdir())}
SERVICE, TIMER = UNITS["oaa-bitbucket@.service"], UNITS["oaa-bitbucket@.timer"]
HOURLY, HOURLY_TIMER = UNITS["oaa-bitbucket-hourly.conf"], UNITS["oaa-bitbucket-hourly@.timer"]
(ENVIRONMENT,) = blocks(page("scheduling").split("\n## ")[0], "sh")
CRON = (DOCS / "cron" / "oaa-bitbucket-run").read_text("utf-8")
MANIFESTS = {
    path.relative_to(DOCS / "kubernetes").as_posix(): list(yaml.safe_load_all(path.read_text("utf-8")))
    for path in sorted((DOCS / "kubernetes").rglob("*.yaml"))
}
(CRON_JOB,) = MANIFESTS["cronjob.yaml"]
(HOURLY_JOB,) = MANIFESTS["hourly/cronjob.yaml"]
(CLAIM,) = MANIFESTS["state.yaml"]
DOCKERFILE = (DOCS / "docker" / "Dockerfile").read_text("utf-8")
EXPOSURE = 25
"""systemd-analyze's measure, times ten, of what a service that was taken over could reach: 100 is all of the system."""
KILLED = 137
"""128 + SIGKILL: no exit code of ours, but what a cluster says of a container that it killed."""


def _codes(column: int, word: str) -> set[int]:
    return {int(row[0]) for row in rows(section("monitoring", "Exit codes")) if row[column].startswith(word)}


RETRY, LEAVE = _codes(2, "yes"), _codes(2, "no")


def _run(command: Sequence[str], **rest: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **rest)


def _values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def test_every_exit_code_has_an_answer() -> None:
    assert {75, 130, 143} == RETRY
    assert RETRY | LEAVE | {0} == {int(row[0]) for row in rows(section("monitoring", "Exit codes"))}
    assert _codes(3, "yes") == {1, 2, 3, 4, 5}


def test_systemd_tries_again_what_the_table_says() -> None:
    assert _values(SERVICE, "Restart") == ["on-failure"]
    assert {int(code) for code in _values(SERVICE, "RestartPreventExitStatus")[0].split()} == LEAVE


def test_cron_tries_again_what_can_pass() -> None:
    assert re.findall(r'"\$code" -ne (\d+)', CRON) == ["75", "0"]


def test_kubernetes_tries_again_what_the_table_says() -> None:
    job = CRON_JOB["spec"]["jobTemplate"]["spec"]
    (rule,) = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert rule["onExitCodes"]["operator"] == "NotIn"
    assert set(rule["onExitCodes"]["values"]) == RETRY | {KILLED}


def test_every_variable_of_a_schedule_is_one_of_ours() -> None:
    ours = {p.variable for p in cli.params if isinstance(p, Setting)}
    ours |= {"BITBUCKET_TOKEN_FILE", "VEZA_API_KEY_FILE"}
    pod = CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    in_pod = {entry["name"] for entry in pod["containers"][0]["env"]}
    in_unit = {pair.partition("=")[0] for line in _values(SERVICE, "Environment") for pair in shlex.split(line)}
    in_file = {line.partition("=")[0] for line in ENVIRONMENT.splitlines()}
    hourly_pod = {entry["name"] for entry in _container(HOURLY_JOB)["env"]}
    hourly_unit = {pair.partition("=")[0] for pair in _values(HOURLY, "Environment")}
    assert (hourly_pod - in_pod, hourly_unit) == ({"OAA_INCREMENTAL"}, {"OAA_INCREMENTAL"})
    for told in (in_pod, hourly_pod, in_unit | hourly_unit | in_file):
        assert told <= ours
        assert {"BITBUCKET_URL", "BITBUCKET_TOKEN_FILE", "VEZA_URL", "VEZA_API_KEY_FILE", "OAA_STATE_DIR"} <= told


def _container(cron_job: Any) -> Any:
    (container,) = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return container


def test_an_hourly_timer_is_the_retry() -> None:
    assert _values(HOURLY, "Restart") == ["no"]
    assert _values(HOURLY, "StartLimitIntervalSec") == ["0"], "as many starts as hours"
    assert {int(code) for code in _values(HOURLY, "SuccessExitStatus")[0].split()} == RETRY, "nobody is told of these"
    assert _values(HOURLY_TIMER, "OnCalendar") == ["hourly"]
    assert _values(HOURLY_TIMER, "Unit")[0].replace("%i", "") in UNITS
    text = HOURLY_TIMER + section("scheduling", "Incremental runs")
    for name in (
        "oaa-bitbucket-hourly.conf",
        "oaa-bitbucket-hourly@main.timer",
        "oaa-bitbucket@.service.d/hourly.conf",
    ):
        assert name in text


def test_an_hourly_job_is_the_nightly_one_but_for_what_an_hour_needs() -> None:
    hourly, nightly = (copy.deepcopy(job) for job in (HOURLY_JOB, CRON_JOB))
    for job, minute, limit in ((hourly, "17 *", 0), (nightly, "0 2", 4)):
        spec = job["spec"]
        assert spec.pop("schedule") == f"{minute} * * *"
        assert spec.pop("startingDeadlineSeconds") < 4000
        assert spec["jobTemplate"]["spec"].pop("backoffLimit") == limit
        spec["jobTemplate"]["spec"].pop("podFailurePolicy", None)
    environment = _container(hourly)["env"]
    environment.remove({"name": "OAA_INCREMENTAL", "value": "true"})
    assert hourly == nightly, "its name too: applying one replaces the other"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as on a machine where what they start is installed, for the instance main."""
    for name, unit in UNITS.items():
        for program in _values(unit, "ExecStart"):
            unit = unit.replace(program.split()[0], "/bin/true")
        (tmp_path / name).write_text(unit)
        (tmp_path / name.replace("@", "@main")).write_text(unit)
    return tmp_path


def _with_drop_in(units: Path) -> None:
    folder = units / "oaa-bitbucket@main.service.d"
    folder.mkdir()
    (folder / "hourly.conf").write_text(HOURLY)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("hourly", [False, True])
def test_systemd_knows_every_word_of_the_units(units: Path, hourly: bool) -> None:
    if hourly:
        _with_drop_in(units)
    done = _run(["systemd-analyze", "verify", *(str(path) for path in units.glob("*@main*") if path.is_file())])
    if "Failed to" in done.stderr and str(units) not in done.stderr:
        pytest.skip(f"systemd-analyze can't work here: {done.stderr}")
    assert [line for line in done.stderr.splitlines() if "oaa-bitbucket" in line] == []
    assert done.returncode == 0
    calendar = _run(["systemd-analyze", "calendar", _values(HOURLY_TIMER if hourly else TIMER, "OnCalendar")[0]])
    assert calendar.returncode == 0, calendar.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_closed_in(units: Path) -> None:
    unit = str(units / "oaa-bitbucket@main.service")
    done = _run(["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE - 1}", unit])
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is older than 250")
    assert "Overall exposure level" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout


def test_the_unit_is_closed_in_where_no_systemd_can_say_so() -> None:
    for key, value in {
        "CapabilityBoundingSet": "", "DynamicUser": "yes", "LimitCORE": "0", "NoNewPrivileges": "yes",
        "PrivateDevices": "yes", "ProtectHome": "yes", "ProtectKernelLogs": "yes", "ProtectKernelModules": "yes",
        "ProtectKernelTunables": "yes", "ProtectSystem": "strict",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "SystemCallFilter": "@system-service", "UMask": "0077",
    }.items():  # fmt: skip
        assert _values(SERVICE, key) == [value]


def test_a_failed_run_starts_a_unit_that_is_there() -> None:
    (unit,) = _values(SERVICE, "OnFailure")
    assert unit.replace("@%i", "@") in UNITS


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifests_are_what_their_schemas_ask_for(name: str) -> None:
    schema = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed (100 MB)")
    for manifest in MANIFESTS[name]:
        schema.validate(manifest, schema.latest_version(), strict=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing_to_say() -> None:
    done = _run(["shellcheck", str(DOCS / "cron" / "oaa-bitbucket-run")])
    assert done.returncode == 0, done.stdout


def test_the_job_s_claim_is_there() -> None:
    volumes = CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    (claim,) = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
    assert claim == CLAIM["metadata"]["name"]


def test_the_pod_needs_no_root_and_its_mounts_are_its_volumes() -> None:
    spec = CRON_JOB["spec"]
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
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"] == int(group)
    assert pod["securityContext"]["runAsUser"] == int(user)
    secret = next(volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert secret["defaultMode"] == 0o440, "the group's, since the files belong to root"


def test_a_schedule_s_own_limits_are_outer_ones() -> None:
    inner = int(re.findall(r"^OAA_MAX_DURATION=(\d+)$", ENVIRONMENT, re.MULTILINE)[0])
    assert int(_values(SERVICE, "TimeoutStartSec")[0].removesuffix("h")) * 3600 > inner
    assert _values(SERVICE, "MemoryMax")
    pod = CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["activeDeadlineSeconds"] > inner
    assert {"name": "OAA_MAX_DURATION", "value": str(inner)} in container["env"]
    assert container["resources"]["limits"]["memory"]
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


# --- the image --------------------------------------------------------------------------------------------------------


def _stages() -> list[list[str]]:
    """The instructions of each stage, its FROM first."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    stages: list[list[str]] = []
    for line in lines:
        if line.startswith("FROM "):
            stages.append([])
        stages[-1].append(line)
    return stages


def _copied() -> list[str]:
    """What the first stage takes from the checkout."""
    return [source for line in _stages()[0] if line.startswith("COPY ") for source in line.split()[1:-1]]


def test_the_image_has_what_was_installed_and_no_source() -> None:
    first, last = _stages()
    assert first[0].endswith(" AS build")
    for stage in (first, last):
        image = stage[0].split()[1]
        assert re.fullmatch(r"[a-z]+:[\w.-]+", image), "a plain name: the reader chooses the registry"
        assert image == first[0].split()[1], "an environment is tied to the Python that made it"
    assert [line for line in last if line.startswith(("COPY", "ADD", "RUN"))] == [
        "COPY --from=build /opt/oaa-bitbucket-async /opt/oaa-bitbucket-async"
    ]
    assert last[-1] == 'ENTRYPOINT ["oaa-bitbucket-async"]'


def test_nothing_but_what_is_copied_gets_to_the_build() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert sorted(line.removeprefix("!") for line in ignored if line.startswith("!")) == sorted(_copied())


def test_what_is_copied_is_enough_for_the_build(tmp_path: Path) -> None:
    checkout, wheels = tmp_path / "src", tmp_path / "wheels"
    checkout.mkdir()
    for name in _copied():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(wheels), str(checkout)]
    done = _run(build)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(wheels.glob("*.whl"))
