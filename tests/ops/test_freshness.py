"""How fresh the answers are, and what the audit log was good for: the words and the figures."""

import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from oaa_bitbucket_async.collect.incremental.freshness import Freshness
from oaa_bitbucket_async.collect.incremental.plan import Reason
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.figures import HOW_IT_WENT, fields, rows_of
from oaa_bitbucket_async.ops.metrics import write_metrics
from oaa_bitbucket_async.ops.report import RunReport
from oaa_bitbucket_async.ops.report.found import MOST_ROWS
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.summary import render
from oaa_bitbucket_async.settings import Output
from tests.ops.report.page_reader import Page
from tests.ops.test_metrics import read_metrics

RENEWED = Counter({Reason.NAMED: 55, Reason.CHANGED: 3, Reason.HOLDER: 7, Reason.UNANSWERED: 5, Reason.AGE: 10_029})


def make_freshness(**changes: Any) -> Freshness:
    """An incremental run that relied on the log."""
    usual: dict[str, Any] = {
        "incremental": True,
        "kept": 231_000,
        "renewed": RENEWED,
        "log_asked": True,
        "log_read": True,
        "compared": True,
        "named_changes": 41,
        "unexplained": ("CORE/billing",),
        "oldest": 86_400.0,
    }
    return Freshness(**(usual | changes))


def rows(freshness: Freshness) -> dict[str, str]:
    told = dict(rows_of(RunResult(instance="h", freshness=freshness), HOW_IT_WENT))
    return {name: told[name] for name in ("Freshness", "Audit log", "Unexplained", "Kept") if name in told}


def test_an_incremental_run() -> None:
    assert rows(make_freshness()) == {
        "Freshness": "the audit log named 41 of 42 changes; 10,029 answers were renewed by age; "
        "no answer is older than 24 h 0 min",
        "Unexplained": "1 change that the audit log did not name: CORE/billing",
        "Kept": "231,000 answers of the last upload; asked again: 55 named by the audit log, 3 new or changed in the "
        "listings, 7 held by somebody who changed, 5 not answered last time, 10,029 by age",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"named_changes": 0, "unexplained": ()}, "no change of grants was found; 10,029 answers were renewed by age"),
        ({"named_changes": 1, "unexplained": ()}, "the audit log named 1 of 1 change; "),
        ({"renewed": Counter({Reason.AGE: 1})}, "; 1 answer was renewed by age; "),
        ({"oldest": 86_401.0}, "; no answer is older than 24 h 1 min"),
        ({"oldest": 59.2}, "; no answer is older than 1 min 0 s"),
        (
            {"log_read": False, "compared": False, "log_unusable": "No."},
            "10,029 answers were renewed by age; no answer is older than 24 h",
        ),
        (
            {
                "incremental": False,
                "full_because": "no upload.",
                "log_read": False,
                "compared": False,
            },
            "a full crawl, not an incremental run: no upload; no answer is older than 24 h 0 min",
        ),
    ],
)
def test_the_sentence_is_true_in_other_cases(changes: dict[str, Any], expected: str) -> None:
    assert expected in rows(make_freshness(**changes))["Freshness"]


def test_of_a_run_that_was_stopped_nothing_is_claimed() -> None:
    stopped = make_freshness(oldest=None, compared=False, renewed=Counter(), named_changes=0, unexplained=())
    assert rows(stopped) == {}
    told = fields(RunResult(instance="h", freshness=stopped))
    keys = ("kept", "renewed", "oldest_answer_seconds", "audit_named_changes", "audit_unexplained_changes")
    assert {told[key] for key in keys} == {None}
    full = Freshness(full_because="no upload")
    assert rows(full)["Freshness"] == "a full crawl, not an incremental run: no upload"


def test_a_full_run_beside_incremental_ones_tells_what_it_compared() -> None:
    full = make_freshness(incremental=False, kept=0, renewed=Counter())
    assert rows(full)["Freshness"] == "the audit log named 41 of 42 changes; no answer is older than 24 h 0 min"
    assert "Kept" not in rows(full)


def test_nothing_that_was_asked_again() -> None:
    assert rows(make_freshness(renewed=Counter()))["Kept"].endswith("; asked again: nothing")


def test_a_plain_full_run_says_nothing_of_it() -> None:
    assert rows(Freshness(oldest=200.0)) == {}
    told = fields(RunResult(instance="h", freshness=Freshness(oldest=200.0)))
    assert (told["mode"], told["oldest_answer_seconds"]) == ("full", 200.0)
    assert {told[key] for key in ("kept", "audit_log_usable", "audit_unexplained_changes")} == {None}


@pytest.mark.parametrize(
    ("changes", "usable", "words"),
    [
        ({}, True, None),
        ({"doubts": ("A node started.", "The clock went back.")}, False, "in doubt, .* A node started. The clock went"),
        (
            {"log_read": False, "compared": False, "log_unusable": "The right is lacking."},
            False,
            "can't be read, .* The right is lacking.",
        ),
        ({"log_read": False, "compared": False, "incremental": False}, False, "gave no usable answer this time"),
    ],
)
def test_why_the_log_is_not_relied_on_stands_in_each_summary(
    changes: dict[str, Any], usable: bool, words: str | None, tmp_path: Path
) -> None:
    result = RunResult(instance="h", freshness=make_freshness(**changes))
    stream = io.StringIO()
    render(result, Console(file=stream, force_terminal=True, color_system=None, width=200), Output())
    if words is None:
        assert "Audit log" not in stream.getvalue()
    else:
        assert re.search(rf"(?m)^Audit log +{words}", stream.getvalue())
    told = fields(result)
    assert told["audit_log_usable"] is usable
    problems = told["audit_log_problems"]
    assert isinstance(problems, list)
    assert all(problem in stream.getvalue() for problem in problems)
    write_metrics(tmp_path / "m.prom", result)
    assert read_metrics(tmp_path / "m.prom")["audit_log_usable", ""] == usable


def test_metrics(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    done = RunResult(instance="h", upload=UploadResult(), freshness=make_freshness(), finished_at=1000.0)
    write_metrics(path, done)
    found = read_metrics(path)
    assert found["audit_unexplained_changes", ""] == 1
    assert found["kept_units", ""] == 231_000
    assert {reason: found["renewed_units", str(reason)] for reason in Reason} == RENEWED
    assert found["oldest_answer_seconds", ""] == 86_400

    failed = replace(done, upload=None, exit_code=3, freshness=Freshness(oldest=5.0))
    write_metrics(path, failed)
    found = read_metrics(path)
    assert found["oldest_answer_seconds", ""] == 86_400, "that of the last upload, like the time of it"
    assert found["last_success_timestamp_seconds", ""] == 1000.0
    assert {"kept_units", "audit_log_usable"}.isdisjoint(name for name, _ in found)


def test_the_report_lists_every_unexplained_change(tmp_path: Path) -> None:
    paths = tuple(f"CORE/<b>{n:04}" for n in range(MOST_ROWS + 2))
    result = RunResult(instance="h", freshness=make_freshness(unexplained=paths), upload=UploadResult())
    report = RunReport(result=result, redact=str)
    folder = report.write_folder(tmp_path / "report")
    lines = (folder / "unexplained-changes.csv").read_text("utf-8").splitlines()
    assert lines == ["project or repository", *paths]
    page = Page((folder / "index.html").read_bytes())
    assert "Changes that the audit log did not name" in page.text
    assert f"CORE/<b>{MOST_ROWS - 1:04}" in page.text
    assert f"CORE/<b>{MOST_ROWS:04}" not in page.text
    assert "and 2 more places, all in unexplained-changes.csv" in page.text
    assert "Unexplained 502 changes that the audit log did not name: CORE/" in page.text
    alone = Page(report.write_page(tmp_path / "report.html").read_bytes())
    assert "and 2 more places; --report-dir writes all of them" in alone.text


def test_a_report_without_unexplained_changes_has_no_list_of_them(tmp_path: Path) -> None:
    result = RunResult(instance="h", freshness=make_freshness(unexplained=()), upload=UploadResult())
    folder = RunReport(result=result, redact=str).write_folder(tmp_path / "report")
    assert not list(folder.glob("*.csv"))
    assert "did not name" not in Page((folder / "index.html").read_bytes()).text
