"""What a whole run leaves for machines: a JSON log, every line an object, the last one summing up; and metrics."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.events import Event
from tests.integration.conftest import Benches, Typed
from tests.integration.process import Ended, ended, environment
from tests.ops.report.page_reader import Page
from tests.servers import Fault

NAMES = {str(event) for event in Event}


def _records(text: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        assert list(record)[:6] == ["ts", "level", "event", "message", "logger", "run"]
        assert record["event"] in NAMES
    assert len({record["run"] for record in records}) == 1
    assert [r["event"] for r in records].index("run-ended") == len(records) - 1
    return records


def _ran(end: Ended, code: int) -> list[dict[str, Any]]:
    assert end.code == code, end.err
    records = _records(end.err)
    assert (records[-1]["exit_code"], records[-1]["level"]) == (code, "error" if code else "info")
    return records


def test_a_run_over_a_thousand_repositories_says_little_at_info(bench: Benches, typed: Typed) -> None:
    made = bench(estate=generate(EstateShape.for_repositories(1000)))
    records = _ran(typed(made, "--log-format", "json"), 0)
    assert len(records) <= 10, [record["event"] for record in records]
    last = records[-1]
    assert (last["repositories"], last["missing"], last["upload"], last["error"]) == (1000, 0, "uploaded", None)
    assert last["requests"] == sum(last["requests_by_kind"].values()) > 2000


def test_what_was_found_is_the_same_in_payload_log_metrics_and_report(
    bench: Benches, tmp_path: Path, typed: Typed
) -> None:
    made, metrics, report = bench(), tmp_path / "m.prom", tmp_path / "r.html"
    everything = ("--include", "tokens", "--include", "access-keys", "--report", str(report))
    last = _ran(typed(made, *everything, OAA_LOG_FORMAT="json", OAA_METRICS_FILE=str(metrics)), 0)[-1]
    pushed = made.veza.pushed[-1].decoded()
    (application,) = pushed["applications"]
    in_payload = {
        "users": len(application["local_users"]),
        "groups": len(application["local_groups"]),
        "projects": len(application["resources"]),
        "repositories": sum(len(project.get("sub_resources", ())) for project in application["resources"]),
        "grants": sum(
            len(grant.get("resources", ())) + bool(grant.get("apply_to_application"))
            for holder in pushed["identity_to_permissions"]
            for grant in holder["application_permissions"]
        ),
        "credentials": len(application["local_access_creds"]),
    }
    assert {key: last[key] for key in in_payload} == in_payload
    assert in_payload["credentials"] > 0
    families = text_string_to_metric_families(metrics.read_text())
    samples = {
        (s.name.removeprefix("oaa_bitbucket_"), s.labels.get("kind")): s.value for f in families for s in f.samples
    }
    assert samples["grants", None] == in_payload["grants"]
    for kind in ("users", "groups", "projects", "repositories"):
        assert samples["entities", kind] == in_payload[kind]
    page = Page(report.read_bytes()).text
    for key, count in in_payload.items():
        assert f"{count:,} {'keys and tokens' if key == 'credentials' else key}" in page
    saved = tmp_path / "p.json"
    saved.write_bytes(made.veza.pushed[-1].body)
    again = _ran(typed(made, "push", str(saved), OAA_LOG_FORMAT="json"), 0)[-1]
    assert {key: again[key] for key in in_payload} == in_payload


def test_a_failed_run_names_what_is_missing_and_sums_up_last(bench: Benches, typed: Typed) -> None:
    made = bench(faults=[Fault("lost-right", match=r"/repos/[^/]+/permissions/users", times=2)])
    records = _ran(typed(made, "--log-format", "json", "--insecure"), 3)
    assert records[0]["event"] == "settings-warning"
    assert [record["event"] for record in records].count("missing") == records[-1]["missing"] == 2
    assert "could not be collected" in records[-1]["error"]


def test_ends_before_the_crawl_have_a_last_record_too(bench: Benches, typed: Typed) -> None:
    made = bench()
    (record,) = _ran(typed(made, OAA_LOG_FORMAT="json", BITBUCKET_URL=""), 2)
    assert "BITBUCKET_URL" in record["error"]
    record = _ran(typed(made, OAA_LOG_FORMAT="json", BITBUCKET_TOKEN="wrong"), 4)[-1]
    assert record["repositories"] == 0
    assert record["requests"] >= 1
    assert _ran(typed(made, "--check", OAA_LOG_FORMAT="json"), 0)


def test_metrics_are_written_however_a_run_ends(bench: Benches, tmp_path: Path, typed: Typed) -> None:
    made, path = bench(), tmp_path / "metrics.prom"

    def figures(code: int, **variables: str) -> dict[str, float]:
        assert typed(made, OAA_METRICS_FILE=str(path), **variables).code == code
        families = text_string_to_metric_families(path.read_text())
        return {sample.name.removeprefix("oaa_bitbucket_"): sample.value for f in families for sample in f.samples}

    good = figures(0)
    assert good["exit_code"] == 0
    assert good["grants"] > 0
    success = good["last_success_timestamp_seconds"]
    for code, variables in (
        (2, {"VEZA_URL": ""}),
        (4, {"BITBUCKET_TOKEN": "wrong"}),
        (5, {"VEZA_API_KEY": "wrong"}),
        (0, {"OAA_DRY_RUN": "1"}),
    ):
        found = figures(code, **variables)
        assert (found["exit_code"], found["last_success_timestamp_seconds"]) == (code, success)
        assert found["last_run_timestamp_seconds"] > success
    before = path.read_bytes()
    assert typed(made, "--check", OAA_METRICS_FILE=str(path)).code == 0
    assert path.read_bytes() == before


def test_the_demo_leaves_the_files_of_real_runs_alone(bench: Benches, tmp_path: Path) -> None:
    made, real = bench(), tmp_path / "real"
    arguments = ["demo", "--repositories", "20"]
    end = ended(made, *arguments, OAA_METRICS_FILE=str(real), OAA_SAVE_JSON=str(real), cwd=tmp_path)
    assert end.code == 0, end.err
    assert not real.exists()
    assert (tmp_path / "demo-payload.json").exists()
    assert ended(made, *arguments, OAA_DEMO_METRICS_FILE=str(real), cwd=tmp_path).code == 0
    assert "oaa_bitbucket_exit_code" in real.read_text()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_neither_display_nor_tables_come_between_the_lines(bench: Benches) -> None:
    import pty

    made = bench()
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "oaa_bitbucket_async", "--log-format", "json", "--progress", "--debug"],
        env=environment(made, COLUMNS="40", TERM="xterm-256color"),
        stdin=subprocess.DEVNULL,
        stdout=inside,
        stderr=inside,
        cwd=made.state.parent,
    )
    os.close(inside)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # Linux' way of saying that nobody writes any more
        pass
    os.close(terminal)
    assert process.wait(30) == 0
    assert len(_records(shown.decode())) >= 4
