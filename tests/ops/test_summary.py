import io
import json
import logging
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from oaa_bitbucket_async.bitbucket.stats import Latencies, RequestStats
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.ledger import Entry, Outcome
from oaa_bitbucket_async.oaa.changes import Changes, Difference, NamedGrant
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.notes import Code, Note
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.figures import fields
from oaa_bitbucket_async.ops.formats import duration_text, size_text
from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.ops.result import LimitSummary, PacingSummary, RunResult
from oaa_bitbucket_async.ops.summary import render
from oaa_bitbucket_async.settings import Output


def make_result(missing: int = 0) -> RunResult:
    requests = RequestStats()
    requests.sent.update({"repository-users": 2010, "projects": 3})
    requests.answered.update({"repository-users": 2000, "projects": 3})
    requests.unanswered.update({("repository-users", "timeout"): 7, ("repository-users", "denied"): 2})
    requests.retries.update({"timeout": 7, "throttled": 3})
    latencies = requests.latencies["repository-users"] = Latencies()
    for n in range(100):
        latencies.add(0.040 if n < 90 else 0.400)
    return RunResult(
        instance="git.example.com/scm",
        counts=Counts(users=50_000, groups=5_000, projects=2_000, repositories=100_000, grants=800_000),
        requests=requests,
        duration=201.3,
        pacing=PacingSummary(
            throttled=3,
            pauses=1,
            paused_seconds=12.0,
            limit=LimitSummary(start=8, peak=64, end=48, changes=17),
            rate=60.0,
            rate_learned=True,
        ),
        missing=[_entry(n) for n in range(missing)],
        gone=2,
        resumed=400,
        warnings=[Note(Code.NAMES_ALIKE, "users whose names differ only in case", 2, ("Ann", "ann"))],
        upload=UploadResult(
            data_source="bitbucket-server - git.example.com", warnings=Counter({"Cannot find identity": 9})
        ),
        payload_bytes=118_800_000,
        upload_bytes=11_500_000,
        saved=Path("payload.json"),
    )


def _entry(n: int) -> Entry:
    return Entry(
        unit=Unit(kinds.REPOSITORY_USERS, str(n)),
        outcome=Outcome.DENIED,
        what=f"user permissions of repository A/r{n:03}",
        reason="status 401, request id @1.",
        advice="Grant PROJECT_ADMIN on A.",
        cause="401",
    )


def _terminal(result: RunResult, width: int, *, debug: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=width)
    render(result, console, Output(debug=debug))
    return stream.getvalue()


def _elsewhere(result: RunResult, output: Output) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    with logging_to(console, output, redact=str):
        render(result, console, output)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 40, 200])
def test_on_a_terminal(width: int) -> None:
    text = _terminal(make_result(missing=1005), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for figure in ("50,000", "5,000", "2,000", "100,000", "800,000", "2,013", "118.8 MB", "A/r000", "A/r004"):
        assert figure in words
    assert "A/r005" not in words
    assert "1,005 repositories in 1 project could not be read: user permissions denied (401). Grant" in words
    assert words.count("A/r001") == 1
    assert "Cannot find identity (9)" in words


def test_the_kinds_of_requests_have_their_latencies() -> None:
    assert "Requests for" not in _terminal(make_result(), 80)
    lines = _terminal(make_result(), 80, debug=True).splitlines()
    row = next(line for line in lines if line.startswith("repository-users"))
    _, sent, median, _, high, _ = row.split()
    assert sent == "2,010"
    assert abs(float(median) - 40) < 3
    assert abs(float(high) - 400) < 30


def test_nothing_left_out_is_said() -> None:
    assert "nothing" in next(row for row in _terminal(make_result(), 80).splitlines() if row.startswith("Left out"))


def test_elsewhere_lines_and_all_that_is_missing_in_the_debug_log() -> None:
    text = _elsewhere(make_result(missing=1005), Output())
    assert "repositories: 100,000" in text
    assert "A/r004" in text
    assert "A/r005" not in text
    debug = _elsewhere(make_result(missing=1005), Output(debug=True))
    assert all(debug.count(f"A/r{n:03} (") == 1 for n in range(1005))
    assert "requests for repository-users: 2,010" in debug


def test_in_json_a_record_for_each_part_that_is_missing_and_figures_for_the_last_one() -> None:
    records = [json.loads(line) for line in _elsewhere(make_result(missing=2), Output(log_format="json")).splitlines()]
    assert [r["event"] for r in records] == ["missing", "missing"]
    assert records[0]["what"] == "user permissions of repository A/r000"
    last = json.loads(json.dumps(fields(make_result(missing=2))))
    assert (last["repositories"], last["missing"], last["upload"]) == (100_000, 2, "uploaded")
    assert last["latencies_by_kind"]["repository-users"]["median_seconds"] == pytest.approx(0.04, abs=0.003)
    assert last["warnings"] == [
        {
            "code": "names-alike",
            "count": 2,
            "examples": ["Ann", "ann"],
            "message": "users whose names differ only in case",
        }
    ]
    assert last["upload_warnings"] == [{"code": "veza", "count": 9, "examples": [], "message": "Cannot find identity"}]
    assert last["retries"] == {"timeout": 7, "throttled": 3}


def test_an_empty_run_can_be_shown() -> None:
    empty = RunResult(instance="h")
    assert "nothing" in _terminal(empty, 80)
    assert "users: 0" in _elsewhere(empty, Output())
    assert empty.throughput == 0.0


def test_what_is_waited_for_after_the_crawl_does_not_count_in_the_requests_a_second() -> None:
    result = make_result()
    assert result.throughput == pytest.approx(2013 / 201.3)
    result.crawl_duration = 100.65
    assert result.throughput == pytest.approx(2013 / 100.65)
    assert fields(result)["requests_per_second"] == 20.0
    text = _elsewhere(result, Output())
    assert "requests: 2,013 in 1 min 41 s, 20 a second" in text
    assert "duration: 3 min 21 s, upload and waiting included" in text


def test_a_name_can_not_steer_the_terminal() -> None:
    result = make_result()
    result.instance = "h\x1b[2J"
    result.missing = [Entry(Unit(kinds.MEMBERS, "g"), Outcome.FAILED, "members of \x1b[2J", "[red]why[/red]", "")]
    text = _terminal(result, 200)
    assert "\x1b[2J" not in text
    assert "[red]why[/red]" in text


def test_a_dry_run_ends_with_what_an_upload_would_change() -> None:
    result = make_result()
    lost = tuple(NamedGrant(f"u{n:02}", "A/b", "REPO_READ") for n in range(25))
    result.changes = Changes(grants=Difference(100, 75, 0, 25, (), lost))
    result.compared_with = Path("last.gz")
    assert "would change" not in _terminal(result, 80)  # it was uploaded
    result.upload = UploadResult(outcome="dry run")
    for text in (_terminal(result, 80), _elsewhere(result, Output())):
        assert "- u19: REPO_READ on A/b" in text
        assert "u20" not in text
        assert "and 5 more" in text
        assert "`oaa-bitbucket-async diff last.gz payload.json` shows all changes." in text


def test_without_a_handler_nothing_breaks() -> None:
    render(make_result(), Console(file=io.StringIO()), Output())
    assert logging.getLogger("oaa_bitbucket_async").level == logging.NOTSET


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599.6, "1 h 0 min"), (7620, "2 h 7 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_sizes() -> None:
    assert [size_text(n) for n in (999, 1000, 999_999_999)] == ["999 B", "1.0 kB", "1,000.0 MB"]
