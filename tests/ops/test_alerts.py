"""Alert rules and dashboard: they ask for what a run really writes, and the rules fire when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async.oaa.changes import Changes, Difference, NamedGrant
from oaa_bitbucket_async.ops.metrics import LABEL, PREFIX, write_metrics
from tests.ops.test_freshness import make_freshness
from tests.ops.test_summary import make_result
from tests.pages import ROOT, rows, section

RULES = ROOT / "docs" / "prometheus-alerts.yml"
DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"
ALERTS = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
}
BOARD: Any = json.loads(DASHBOARD.read_text("utf-8"))
EXPRESSIONS = {
    **{name: rule["expr"] for name, rule in ALERTS.items()},
    **{f"{panel['title']} {t['refId']}": t["expr"] for panel in BOARD["panels"] for t in panel["targets"]},
    **{v["name"]: v["query"]["query"] for v in BOARD["templating"]["list"] if v["type"] == "query"},
}
TEXTS = {
    **{name: " ".join(rule["annotations"].values()) for name, rule in ALERTS.items()},
    **{f"{panel['title']} {t['refId']}": t["legendFormat"] for panel in BOARD["panels"] for t in panel["targets"]},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """The metrics of a run that had everything: of each, the values of each label."""
    path = tmp_path_factory.mktemp("metrics") / "m.prom"
    result = replace(make_result(missing=3), freshness=make_freshness())
    changes = Changes(grants=Difference[NamedGrant](before=100, after=60, removed=40), grants_lost=40)
    write_metrics(path, replace(result, counts=replace(result.counts, credentials=7), changes=changes))
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(path.read_text("utf-8")):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def _metrics(expression: str) -> list[str]:
    return re.findall(rf"\b{PREFIX}_\w+", expression)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_every_metric_that_is_asked_for_is_written(where: str, written: dict[str, dict[str, set[str]]]) -> None:
    expression = EXPRESSIONS[where]
    assert _metrics(expression)
    assert set(_metrics(expression)) <= set(written)
    for metric, matchers in re.findall(rf"\b({PREFIX}_\w+)\{{(.*?)\}}", expression):
        for label, operator, value in re.findall(r'(\w+)(=~?)"([^"]*)"', matchers):
            assert label in written[metric]
            assert value == f"${LABEL}" or (operator == "=" and value in written[metric][label])
    for labels in re.findall(r"\bby \((.*?)\)", expression):
        assert all(set(re.split(r",\s*", labels)) <= set(written[metric]) for metric in _metrics(expression))


@pytest.mark.parametrize("where", TEXTS)
def test_every_label_that_a_text_shows_is_there(where: str, written: dict[str, dict[str, set[str]]]) -> None:
    shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", TEXTS[where]))
    assert all(shown <= set(written[metric]) for metric in _metrics(EXPRESSIONS[where]))


def test_the_dashboard_shows_every_metric(written: dict[str, dict[str, set[str]]]) -> None:
    shown = {metric for panel in BOARD["panels"] for t in panel["targets"] for metric in _metrics(t["expr"])}
    assert shown == set(written)


def test_the_dashboard_s_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_somebody_is_called_for_the_codes_that_the_readme_says() -> None:
    codes = sorted(int(row[0]) for row in rows(section("monitoring", "Exit codes")) if row[3].startswith("yes"))
    low, high = re.findall(r"exit_code [<>]= (\d+)", ALERTS["BitbucketCollectorNeedsSomebody"]["expr"])
    assert codes == list(range(int(low), int(high) + 1))


H = '{bitbucket="h"}'
SERIES = {  # a value each minute, for 50 hours
    "never": {
        f"oaa_bitbucket_last_success_timestamp_seconds{H}": "0x3000",
        f"oaa_bitbucket_exit_code{H}": "75x1200 3x1800",
        f"oaa_bitbucket_last_run_timestamp_seconds{H}": "3600+60x3000",
    },
    "stopped": {
        f"oaa_bitbucket_last_success_timestamp_seconds{H}": "3600x3000",
        f"oaa_bitbucket_exit_code{H}": "0x3000",
        f"oaa_bitbucket_last_run_timestamp_seconds{H}": "3600x3000",
        'oaa_bitbucket_removed_ratio{bitbucket="h",kind="grants"}': "0.02x600 0.06x2400",
        'oaa_bitbucket_removed_ratio{bitbucket="h",kind="members"}': "0x3000",
    },
    "hourly": {
        f"oaa_bitbucket_last_success_timestamp_seconds{H}": "3600+60x3000",
        f"oaa_bitbucket_oldest_answer_seconds{H}": "3600+60x3000",
        f"oaa_bitbucket_last_run_timestamp_seconds{H}": "3600+60x3000",
        f"oaa_bitbucket_audit_log_usable{H}": "1x600 0x2400",
        f"oaa_bitbucket_audit_unexplained_changes{H}": "0x60 3x60 4x60 0x2820",
    },
    "nothing": {"up": "1x3000"},
}
FIRES: dict[str, dict[int, set[str]]] = {  # by the hour: which alerts fire then
    "never": {
        5: set(),
        10: {"BitbucketPermissionsNeverUploaded"},
        25: {"BitbucketPermissionsNeverUploaded", "BitbucketCollectorNeedsSomebody"},
        40: {"BitbucketPermissionsNeverUploaded", "BitbucketCollectorNeedsSomebody"},
    },
    "stopped": {
        9: set(),
        20: {"BitbucketPermissionsRemoved"},
        36: {"BitbucketPermissionsRemoved"},
        38: {"BitbucketPermissionsRemoved", "BitbucketPermissionsOutdated", "BitbucketCollectorDoesNotRun"},
    },
    "hourly": {
        2: set(),
        4: {"BitbucketChangesUnexplained"},
        17: {"BitbucketChangesUnexplained", "BitbucketAuditLogLost"},
        30: {"BitbucketAuditLogLost"},
        49: {"BitbucketAuditLogLost", "BitbucketAnswersOld"},
    },
    "nothing": {0: set(), 2: {"BitbucketCollectorUnknown"}},
}
LABELS = {
    "BitbucketPermissionsRemoved": {"bitbucket": "h", "kind": "grants"},
    "BitbucketCollectorUnknown": {},
}


def _cases() -> Iterator[dict[str, Any]]:
    """Which alerts fire when: promtool keeps them as a series."""
    for name, series in SERIES.items():
        yield {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": key, "values": values} for key, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": "ALERTS{alertstate='firing'}",
                    "eval_time": f"{hour}h",
                    "exp_samples": [{"labels": _as_series(alert), "value": 1} for alert in sorted(alerts)],
                }
                for hour, alerts in FIRES[name].items()
            ],
        }


def _as_series(alert: str) -> str:
    labels = {"alertname": alert, "alertstate": "firing", **ALERTS[alert]["labels"], **LABELS.get(alert, {LABEL: "h"})}
    return "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def test_every_alert_fires_in_a_case() -> None:
    assert {alert for case in FIRES.values() for alerts in case.values() for alert in alerts} == set(ALERTS)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' promtool is not installed")
def test_the_alerts_fire_when_they_should(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path / "rules.yml")
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": list(_cases())}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    for command in (["check", "rules", "rules.yml"], ["test", "rules", "tests.yml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' promtool is not installed")
def test_the_dashboard_s_expressions_can_be_read(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$bitbucket", ".*")}
        for number, expression in enumerate(t["expr"] for panel in BOARD["panels"] for t in panel["targets"])
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
