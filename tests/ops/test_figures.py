"""A figure is the same in every output of a run: on the terminal, in both logs, in the metrics and in the report."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from oaa_bitbucket_async.oaa.changes import Changes, Difference
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.notes import Code, Note
from oaa_bitbucket_async.oaa.veza_report import ReportResult
from oaa_bitbucket_async.ops.figure import Figure, Measure
from oaa_bitbucket_async.ops.figures import FIGURES, HOW_IT_WENT, WHAT_WAS_FOUND, fields
from oaa_bitbucket_async.ops.formats import duration_text, size_text
from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.ops.metrics import write_metrics
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.page import render as render_page
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.summary import render
from oaa_bitbucket_async.settings import Output
from tests.oaa.estates import snapshot_of, steps_of
from tests.ops.report.page_reader import Page
from tests.ops.test_freshness import make_freshness
from tests.ops.test_summary import make_result

WITHIN = {
    "requests_per_second": "requests",
    "throttled": "pauses",
    "paused_seconds": "pauses",
    "outage_seconds": "outages",
    "upload_bytes": "payload",
    "full_because": "freshness",
    "audit_named_changes": "freshness",
    "renewed": "kept",
}
"""Figures that stand in the row of another one, by the heading of that row."""
ELSEWHERE = {"instance", "requests_by_kind", "latencies_by_kind", "warnings", "upload_warnings", "mode", "unexplained"}
"""Figures with a place of their own: the title, the table of requests, lists."""
MONITORING = Path(__file__).parents[2] / "docs" / "monitoring.md"


def whole() -> RunResult:
    """A run in which everything happened, and no two numbers are the same."""
    result = make_result(missing=31)
    kinds = ("grants", "members", "users", "groups", "projects", "repositories", "credentials")
    changes = {kind: Difference(900 + n, 901 + n, 41 + 2 * n, 42 + 2 * n) for n, kind in enumerate(kinds)}
    return replace(
        result,
        counts=Counts(50_001, 5_002, 2_003, 100_004, 800_005, credentials=60_006),
        public_access="on",
        pacing=replace(result.pacing, throttled=11, pauses=12, paused_seconds=13.5, outages=14, outage_seconds=15.5),
        crawl_duration=190.1,
        gone=16,
        resumed=17,
        warnings=[Note(Code.NAMES_ALIKE, "odd names", 18)],
        freshness=make_freshness(doubts=("A node started.",)),
        changes=Changes(**changes, since=datetime(2026, 11, 23, tzinfo=UTC)),
        veza_report=ReportResult(outcome="created", name="Bitbucket", queries=("q",)),
        exit_code=3,
        finished_at=1_764_000_000.0,
    )


def headed(text: str) -> dict[str, str]:
    """Rows of the summary by their headings."""
    headings = "|".join(figure.heading for figure in FIGURES if figure.heading is not None)
    lines = re.finditer(rf"(?im)^(?:.*INFO +)?({headings}):? +(.*)$", text.partition("Requests for")[0])
    return {line[1].lower(): line[2].strip() for line in lines}


def on_terminal(result: RunResult) -> dict[str, str]:
    stream = io.StringIO()
    render(result, Console(file=stream, force_terminal=True, color_system=None, width=200), Output())
    return headed(stream.getvalue())


def in_log(result: RunResult) -> dict[str, str]:
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    with logging_to(console, Output(), redact=str):
        render(result, console, Output())
    return headed(stream.getvalue())


def in_metrics(result: RunResult, path: Path) -> dict[str, dict[tuple[str, ...], float]]:
    write_metrics(path, result)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            labels = tuple(value for label, value in sample.labels.items() if label != "bitbucket")
            found.setdefault(sample.name.removeprefix("oaa_bitbucket_"), {})[labels] = sample.value
    return found


def numbers_in(value: object) -> Iterator[float]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list | tuple):
        yield from (inner["count"] if isinstance(inner, Mapping) else inner for inner in value if inner != str(inner))
    elif isinstance(value, int | float):
        yield value


def written(figure: Figure, number: float) -> str:
    if figure.measure is Measure.SECONDS:
        return duration_text(number)
    if figure.measure is Measure.PER_SECOND:
        return f"{number:,.0f} a second"
    return size_text(number) if figure.measure is Measure.BYTES else f"{number:,}"


def test_every_figure_is_the_same_wherever_it_is_told(tmp_path: Path) -> None:
    result = whole()
    told, metrics = fields(result), in_metrics(result, tmp_path / "m.prom")
    terminal, log = on_terminal(result), in_log(result)
    page = Page(render_page(result, analyse(snapshot_of(steps_of(5)), identity="email", now=0.0))).text
    assert terminal == log
    for figure in FIGURES:
        if figure.key == "audit_log_usable":  # yes or no, which is told by the words of what is wrong
            continue
        value = None if figure.key is None else told[figure.key]
        if figure.key is not None and figure.metric is not None:
            samples = metrics[figure.metric.name]
            if figure.metric.name == "entities":
                samples = {(figure.key,): samples[figure.key,]}
            assert sum(samples.values()) == sum(numbers_in(value)), figure.key
            assert sum(samples.values()) > 0, figure.key
        if figure in (*WHAT_WAS_FOUND, *HOW_IT_WENT) and figure.heading is not None:
            text = terminal[figure.heading.lower()]
            if figure.key not in ("changes", "veza_report"):  # their texts leave out zeros, or have words of their own
                assert all(written(figure, number) in text for number in numbers_in(value)), figure.key
            if isinstance(value, str) and figure.key != "public_access":
                assert text.startswith(value)
            shown = f"{figure.heading} {text}" if figure in HOW_IT_WENT else text
            assert shown in page or figure.key == "public_access", figure.key
        if figure.key in WITHIN:
            assert all(written(figure, number) in terminal[WITHIN[figure.key]] for number in numbers_in(value)), (
                figure.key
            )
        assert figure.key in {None, *WITHIN, *ELSEWHERE} or figure.heading is not None, figure.key
    assert told["limit"] == {"start": 8, "peak": 64, "end": 48, "changes": 17}
    for kind, sent in result.requests.sent.items():
        assert f"{kind} {sent:,}" in page
    for warning in [*(note.message for note in result.warnings), *result.upload.warnings]:  # type: ignore[union-attr]
        assert warning in page
    assert f"Exit code {result.exit_code}" in page
    assert metrics["exit_code"] == {(): result.exit_code}


def test_no_two_figures_share_a_name() -> None:
    for names in (
        [figure.key for figure in FIGURES if figure.key],
        [figure.heading for figure in FIGURES if figure.heading],
        [figure.metric.name for figure in FIGURES if figure.metric and figure.metric.name != "entities"],
    ):
        assert len(set(names)) == len(names)


def test_names_in_json_and_metrics_stay() -> None:
    assert set(fields(RunResult(instance="h"))) == {
        "instance", "users", "groups", "projects", "repositories", "grants", "credentials", "public_access",
        "duration_seconds", "requests", "requests_by_kind", "latencies_by_kind",
        "requests_per_second", "retries", "throttled", "pauses",
        "paused_seconds", "outages", "outage_seconds", "limit", "missing", "gone", "resumed", "warnings", "upload",
        "upload_warnings", "changes", "veza_report", "mode", "full_because", "oldest_answer_seconds", "kept", "renewed",
        "audit_log_usable", "audit_log_problems", "audit_named_changes", "audit_unexplained_changes", "unexplained",
        "payload_bytes", "upload_bytes", "saved",
    }  # fmt: skip
    assert {figure.metric.name for figure in FIGURES if figure.metric} >= {
        "entities", "grants", "requests", "duration_seconds", "retries", "throttled", "pauses", "paused_seconds",
        "outages", "outage_seconds", "resumed_units", "gone_units", "missing_units", "warnings", "payload_bytes",
        "upload_bytes", "changes", "upload_warnings", "exit_code", "oldest_answer_seconds", "kept_units",
        "renewed_units", "audit_log_usable", "audit_unexplained_changes", "last_run_timestamp_seconds", "build_info",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted({figure.metric.name for figure in FIGURES if figure.metric}))
def test_the_documentation_names_every_metric(name: str) -> None:
    table = MONITORING.read_text(encoding="utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]
    assert f"`{name}`" in table
