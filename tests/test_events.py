"""Names of log records: a contract with people's alerts."""

import ast
from collections.abc import Iterator
from pathlib import Path

from oaa_bitbucket_async.events import Event

PACKAGE = Path(__file__).parents[1] / "oaa_bitbucket_async"
FOR_PEOPLE = {"ops/summary.py"}
"""Logs lines of its own in text only; its records in JSON are held to their names by its own tests."""


def test_the_names_stay() -> None:
    assert {str(event) for event in Event} == {
        "settings-warning", "signed-in", "preflight-warning", "scope-limited",
            "filter-unmatched", "last-upload-unknown", "much-removed", "push-target", "resumed", "progress", "missing",
        "missing-not-listed", "held-back",
        "payload-saved", "payload-not-printed", "veza-retry", "veza-parsing-unknown", "stopping", "stopped",
        "lock-unavailable",
        "journal-set-aside", "journal-failed", "base-not-kept", "base-taken", "full-crawl", "audit-log-doubted",
        "audit-key-skipped", "unexplained-changes",
        "no-last-upload", "last-upload-unreadable", "last-pace-unreadable",
        "last-upload-not-kept", "metrics-failed", "report-saved", "report-failed", "state-dir-shared", "file-mended",
        "kind-set-aside", "kind-answered", "run-ended", "log",
    }  # fmt: skip


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call that logs at info or above, with the place where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).as_posix() in FOR_PEOPLE or "demo" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "_log"
                and node.func.attr not in ("debug", "isEnabledFor")
            ):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def test_every_record_at_info_and_above_has_a_name() -> None:
    calls = list(_calls())
    assert len(calls) >= 12
    nameless = [where for where, call in calls if "extra" not in {keyword.arg for keyword in call.keywords}]
    assert nameless == []


def test_every_name_is_in_use() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert [event for event in Event if f"Event.{event.name}" not in text] == []
