"""The first line at the end of a run: what became of it."""

import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.ledger import Entry, Outcome
from oaa_bitbucket_async.errors import TemporaryError
from oaa_bitbucket_async.oaa.changes import Changes, Difference
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.causes import cause_lines, write_missing
from oaa_bitbucket_async.ops.figures import HOW_IT_WENT, rows_of
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.verdict import BAD, GOOD, INCOMPLETE, verdict


def denied(name: str, key: str = "1") -> Entry:
    return Entry(
        Unit(kinds.REPOSITORY_USERS, key),
        Outcome.DENIED,
        f"user permissions of repository {name}",
        "/path: status 401",
        "Give the account Admin.",
        cause="401",
    )


CHANGES = Changes(grants=Difference(10, 19, 12, 3))
DRY = UploadResult(outcome="dry run")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"upload": UploadResult(), "changes": CHANGES}, (GOOD, "Uploaded {}: 12 added, 3 removed")),
        ({"upload": UploadResult(), "changes": Changes()}, (GOOD, "Uploaded {}: nothing changed")),
        ({"upload": UploadResult()}, (GOOD, "Uploaded {}")),
        (
            {"upload": UploadResult(), "missing": [denied("A/b")]},
            (INCOMPLETE, "Uploaded {}, without 1 part that could not be read"),
        ),
        (
            {"upload": DRY, "changes": CHANGES},
            (GOOD, "Dry run, nothing uploaded: {}: 12 would be added, 3 would be removed"),
        ),
        ({"upload": UploadResult(outcome="refused")}, (BAD, "Not uploaded, Veza refused it: {}")),
        (
            {"upload": UploadResult(outcome="not uploaded"), "missing": [denied("A/b"), denied("A/c")]},
            (BAD, "Not uploaded, 2 parts could not be read in 15.0 s"),
        ),
        (
            {"upload": UploadResult(outcome="not uploaded", reason="too much would be removed")},
            (BAD, "Not uploaded, too much would be removed: {}"),
        ),
    ],
)
def test_what_became_of_it(more: Mapping[str, object], expected: tuple[str, str]) -> None:
    counts = Counts(users=1, groups=1, projects=1, repositories=3_000, grants=23_825)
    mark, line = verdict(RunResult(instance="h", counts=counts, duration=15.0, **more))  # type: ignore[arg-type]
    assert (mark, line) == (expected[0], expected[1].format("23,825 grants of 3,000 repositories in 15.0 s"))


def test_one_that_was_stopped_says_how_far_it_came_and_claims_nothing() -> None:
    stopped = RunResult(
        instance="h",
        duration=4.0,
        error=TemporaryError("Interrupted."),
        repositories_done=1_466,
        repositories_listed=20_000,
        repositories_complete=True,
        kept_for_next=True,
    )
    assert verdict(stopped)[1] == (
        "Stopped after 4.0 s, nothing uploaded: 1,466 of 20,000 repositories, kept for the next run"
    )
    assert "Left out" not in dict(rows_of(stopped, HOW_IT_WENT))


def test_one_line_for_each_cause(tmp_path: Path) -> None:
    many = [denied(f"P{n % 12}/r{n}", str(n)) for n in range(97)]
    file = tmp_path / "list.missing.txt"
    other = Entry(
        Unit(kinds.MEMBERS, "g"), Outcome.FAILED, "members of group g", "timed out", "Run again.", None, "timeout"
    )
    assert cause_lines([other, *many], file) == [
        "97 repositories in 12 projects could not be read: user permissions denied (401). Give the account Admin. "
        f"First five: P0/r0, P1/r1, P2/r2, P3/r3, P4/r4; all of them: {file}",
        "Missing: members of group g (failed): timed out Run again.",
    ]
    write_missing(file, many, lambda text: text.replace("r96", "***"))
    lines = file.read_text().splitlines()
    assert len(lines) == 97
    assert "P0/***" in lines[96]
    assert file.stat().st_mode & 0o077 == 0
    write_missing(file, [], str)
    assert not file.exists()


def test_a_long_list_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    many = [denied("P/r", "1")] * 20_000
    file = tmp_path / "list.missing.txt"
    tracemalloc.start()
    try:
        write_missing(file, many, str)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.read_bytes().count(b"\n") == 20_000
    assert peak < file.stat().st_size / 2


def test_a_project_that_is_asked_about_level_by_level_counts_once() -> None:
    levels = [
        Entry(
            Unit(kinds.PROJECT_DEFAULT, f"1/{n}"), Outcome.DENIED, f"default permission of project A ({n})", "r", "Do."
        )
        for n in ("READ", "WRITE")
    ]
    assert cause_lines(levels, None) == ["1 project could not be read: default permission denied. Do. Which: A"]
