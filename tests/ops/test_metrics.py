import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.metrics import write_metrics
from oaa_bitbucket_async.ops.result import RunResult
from tests.ops.test_summary import make_result

UPLOADED = UploadResult()
DRY = UploadResult(outcome="dry run")


def read_metrics(path: Path) -> dict[tuple[str, str], float]:
    return {
        (
            sample.name.removeprefix("oaa_bitbucket_"),
            ",".join(value for label, value in sample.labels.items() if label != "bitbucket"),
        ): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_the_figures_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    write_metrics(path, replace(make_result(missing=3), exit_code=0, finished_at=1000.0))
    found = read_metrics(path)
    for key, value in {
        ("last_success_timestamp_seconds", ""): 1000.0,
        ("last_run_timestamp_seconds", ""): 1000.0,
        ("exit_code", ""): 0,
        ("duration_seconds", ""): 201.3,
        ("entities", "repositories"): 100_000,
        ("grants", ""): 800_000,
        ("requests", "repository-users,answered"): 2000,
        ("requests", "repository-users,timeout"): 7,
        ("requests", "repository-users,denied"): 2,
        ("requests", "repository-users,cut-off"): 1,
        ("retries", "connect"): 0,
        ("retries", "timeout"): 7,
        ("pauses", ""): 1,
        ("missing_units", ""): 3,
        ("payload_bytes", ""): 118_800_000,
        ("upload_warnings", ""): 9,
    }.items():
        assert found[key] == value
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_keeps_the_time_of_the_last_success(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    write_metrics(path, RunResult(instance="h", exit_code=75, finished_at=500.0))
    assert read_metrics(path)["last_success_timestamp_seconds", ""] == 0
    write_metrics(path, RunResult(instance="h", upload=UPLOADED, exit_code=0, finished_at=1000.0))
    write_metrics(path, RunResult(instance="h", exit_code=3, finished_at=2000.0))
    found = read_metrics(path)
    assert found["last_success_timestamp_seconds", ""] == 1000.0
    assert found["last_run_timestamp_seconds", ""] == 2000.0
    assert found["exit_code", ""] == 3


def test_only_an_upload_of_this_instance_is_a_success(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    write_metrics(path, RunResult(instance="h", upload=UPLOADED, exit_code=0, finished_at=1000.0))
    write_metrics(path, RunResult(instance="h", upload=DRY, exit_code=0, finished_at=2000.0))
    assert read_metrics(path)["last_success_timestamp_seconds", ""] == 1000.0
    write_metrics(path, RunResult(instance="h", upload=UPLOADED, exit_code=3, finished_at=3000.0))
    assert read_metrics(path)["last_success_timestamp_seconds", ""] == 1000.0
    write_metrics(path, RunResult(instance="another", upload=DRY, exit_code=0, finished_at=4000.0))
    assert read_metrics(path)["last_success_timestamp_seconds", ""] == 0


def test_what_was_not_collected_has_no_figure(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    write_metrics(path, RunResult(instance="h", exit_code=75, finished_at=500.0))
    assert {"entities", "grants", "payload_bytes", "upload_warnings"}.isdisjoint(name for name, _ in read_metrics(path))


def test_credentials_are_entities_where_they_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    result = make_result()
    write_metrics(path, result)
    assert ("entities", "credentials") not in read_metrics(path)
    write_metrics(path, replace(result, counts=replace(result.counts, credentials=7)))
    assert read_metrics(path)["entities", "credentials"] == 7


def test_the_share_that_is_gone_is_what_the_guard_looks_at(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    grants = Difference[NamedGrant](before=1000, after=700, removed=330)
    members = Difference[Membership](before=10, after=0, removed=10)
    changes = Changes(grants=grants, members=members, grants_lost=300)
    write_metrics(path, RunResult(instance="h", changes=changes, exit_code=3, finished_at=1.0))
    found = read_metrics(path)
    assert (found["removed_ratio", "grants"], found["removed_ratio", "members"]) == (0.3, 1.0)


def test_what_changed_since_the_last_upload(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    changes = Changes(grants=Difference(before=9, after=7, added=1, removed=3))
    write_metrics(path, RunResult(instance="h", changes=changes, exit_code=0, finished_at=1.0))
    found = read_metrics(path)
    assert found["changes", "removed,grants"] == 3
    assert found["changes", "added,grants"] == 1
    assert found["changes", "removed,users"] == 0
    assert "removed_ratio" in {name for name, _ in found}
    write_metrics(path, RunResult(instance="h", exit_code=0, finished_at=1.0))
    assert "changes" not in {name for name, _ in read_metrics(path)}


def test_every_figure_says_of_which_bitbucket_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    result = replace(make_result(), instance='a"b\\c\nd', finished_at=500.0)
    write_metrics(path, result)
    families = list(text_string_to_metric_families(path.read_text()))
    assert {sample.labels["bitbucket"] for family in families for sample in family.samples} == {result.instance}
    for family in families:
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_total", "_count", "_sum"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' promtool is not installed")
def test_promtool_finds_nothing_to_say(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    write_metrics(path, replace(make_result(missing=3), exit_code=3, finished_at=500.0))
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=path.read_bytes(), capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"oaa_bitbucket_last_success_timestamp_seconds x\n", b"{{{"])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.prom"
    path.write_bytes(content)
    write_metrics(path, RunResult(instance="h", exit_code=2, finished_at=2000.0))
    assert read_metrics(path)["exit_code", ""] == 2
    assert read_metrics(path)["last_success_timestamp_seconds", ""] == 0, "an alert too many rather than one too few"
    assert "last success" in caplog.text


def test_a_file_that_can_not_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_metrics(tmp_path / "none" / "m.prom", RunResult(instance="h", exit_code=0, finished_at=1.0))
    assert "--metrics-file (OAA_METRICS_FILE)" in caplog.text
