"""The page: what it says for each end of a run, and that no name from Bitbucket is ever more than text."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.ledger import Entry, Outcome
from oaa_bitbucket_async.collect.snapshot import PublicAccess, Snapshot
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError
from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant, Thing
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.notes import Code, Note
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.report import RunReport, failed_page
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.change_list import access_changes
from oaa_bitbucket_async.ops.report.findings import FINDINGS
from oaa_bitbucket_async.ops.report.found import MOST_ROWS
from oaa_bitbucket_async.ops.report.page import render
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Include
from tests.examples import examples
from tests.oaa.estates import EFFECTIVE, INSTANCE, snapshot_of, steps_of
from tests.ops.report.page_reader import Page, safe

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
OTHERS = ["</style><script>", "' onmouseover='x", "{{ 7*7 }}", "{% raw %}", "javascript:alert(1)", "&lt;b&gt;", "-->"]
SAMPLES = [Sample(1.0, 900 + n, 900, 9.0, 64.0, 50.0, n % 3) for n in range(50)]


def hostile(text: str) -> Snapshot:
    """An estate in which everything is called `text`, and everything of it comes onto the page."""
    snapshot = Snapshot(INSTANCE)
    admin, inactive = (
        rows.User(id=n, name=f"{text}{n}", slug="", display_name=text, active=active, type=text)
        for n, active in ((1, True), (2, False))
    )
    for user in (admin, inactive):
        snapshot.add_user(user, listed=True)
    snapshot.add_group(text, listed=True)
    snapshot.add_members(text, [1, 2])
    snapshot.add_global_grants([rows.GroupGrant(group=rows.Group(name=text), permission="SYS_ADMIN")], 1.0)
    for n, public in enumerate((True, False)):
        project = rows.Project(id=n, key=f"{text}{n}", name=text, type="NORMAL", public=public, description=text)
        snapshot.add_project(project)
        snapshot.add_default_permission(n, "PROJECT_WRITE")
        snapshot.add_repository(rows.Repository(id=n, slug=f"{text}{n}", name=text, project=project, public=public))
        grants = [
            rows.UserGrant(user=inactive, permission=f"REPO_{text}"),
            rows.GroupGrant(group=rows.Group(name=f"gone {text}"), permission="REPO_ADMIN"),
            rows.GroupGrant(group=rows.Group(name=text), permission="REPO_WRITE"),
        ]
        snapshot.add_repository_grants(n, grants, 1.0)
    return snapshot


def result_of(text: str) -> RunResult:
    missing = Entry(Unit(kinds.MEMBERS, text), Outcome.DENIED, f"members of {text}", text, text)
    changes = Changes(
        grants=Difference(10, 9, 1, 2, (NamedGrant(text, text, text),), (NamedGrant(text, "", text),)),
        members=Difference(1, 2, 1, 0, (Membership(text, text),)),
        users=Difference(1, 2, 1, 0, (Thing(text, "1"),)),
        credentials=Difference(1, 0, 0, 1, (), (Thing(text, "2"),)),
        since=datetime(2026, 11, 23, 2, 0, tzinfo=UTC),
    )
    result = RunResult(instance=text, missing=[missing], changes=changes, warnings=[Note(Code.NAMES_ALIKE, text, 3)])
    result.requests.sent[text] += 5
    result.upload = UploadResult(data_source=text, warnings=Counter({text: 1}))
    return result


def page_of(
    snapshot: Snapshot | None = None,
    result: RunResult | None = None,
    samples: Sequence[Sample] = SAMPLES,
    run_id: str = "",
    **changes: object,
) -> Page:
    result = replace(result or RunResult(instance="git.example.com"), finished_at=1_764_000_000.0, **changes)  # type: ignore[arg-type]
    analysis = None if snapshot is None else analyse(snapshot, identity="email", now=1_764_000_000.0)
    return Page(render(result, analysis, samples, run_id=run_id))


@pytest.mark.parametrize("text", [SCRIPT, IMAGE, *OTHERS])
def test_whatever_a_thing_is_called_it_is_text(text: str) -> None:
    page = page_of(hostile(text), result_of(text), exit_code=3, error=CollectorError(text, text), run_id=text)
    safe(page, INSTANCE.base_url)
    shown = " ".join(text.split())
    assert page.text.count(shown) >= 25, "each of them is there, and readable"
    assert any(text in label for label in page.labels), "in a drawing, too"


@pytest.mark.parametrize(
    ("public_access", "words"),
    [
        ("on", "▲ High 1 repository that anybody may read without signing in"),
        ("off", "● Low 1 repository marked public while public access is off"),
        ("unknown", "▲ High 1 repository that anybody may read without signing in"),
    ],
)
def test_what_is_called_public_says_whether_that_gives_anything(public_access: PublicAccess, words: str) -> None:
    snapshot = hostile("x")
    snapshot.public_access = public_access
    page = page_of(snapshot)
    assert words in page.text
    (open_to_all,) = re.findall(r"([\d,]+) of 2 repositories are open to everyone", page.text)
    assert open_to_all == "2", "by the default permission, whatever the switch says"


def test_dormant_grants_tell_inactive_from_unlicensed() -> None:
    snapshot = hostile("x")
    unlicensed = rows.User(id=9, name="carl")
    snapshot.add_user(unlicensed, listed=True)
    snapshot.add_repository_grants(0, [rows.UserGrant(user=unlicensed, permission="REPO_READ")], 1.0)
    page = page_of(snapshot)
    assert "2 people who can’t sign in and hold grants" in page.text
    rows_shown = [[" ".join(cell) for cell in row] for row in page.rows]
    assert ["carl", "–", "unlicensed", "1", "0", "–"] in rows_shown
    assert ["x2", "x", "inactive", "2", "1", "–"] in rows_shown


def test_a_finding_lists_what_it_counts_with_what_it_means_and_where_to_change_it() -> None:
    page = page_of(hostile("x"))
    part = page.text.split("2 grants to groups that no longer exist", 1)[1]
    assert part.index("A permission names a group") < part.index("If someone creates a group with this name")
    assert part.index("Administration → Global permissions") < part.index("gone x REPO_ADMIN x0/x0")
    assert part.index("gone x REPO_ADMIN x1/x1")


def test_findings_stand_in_the_order_of_their_seriousness() -> None:
    marks = re.findall("[▲◆●] (High|Medium|Low)", page_of(hostile("x")).text)
    assert marks == sorted(marks, key=["High", "Medium", "Low"].index)
    assert set(marks) >= {"High", "Medium"}


def test_what_was_looked_for_and_not_found_is_told_apart_from_what_is_not_known() -> None:
    text = page_of(hostile("x")).text
    clear, unknown = text.split("Looked for, and none found")[1].split("Not known")
    assert "repositories marked public while public access is off" in clear
    assert "tokens that never expire --include tokens tells it" in unknown


def test_a_login_that_may_not_see_all_tokens_says_so() -> None:
    snapshot = hostile("x")
    snapshot.included = Included({Include.TOKENS})
    snapshot.included.hide(kinds.USER_TOKENS, 1)
    text = page_of(snapshot).text.split("Not known")[1]
    assert "tokens that never expire none is known. The login may not see them all: it says nothing of 1 user" in text


def test_a_list_of_more_rows_than_the_page_takes_says_so() -> None:
    snapshot = Snapshot(INSTANCE, public_access="on")
    project = rows.Project(id=1, key="P", name="", type="NORMAL", public=True)
    snapshot.add_project(project)
    for n in range(1234):
        snapshot.add_repository(rows.Repository(id=n, slug=f"r{n:04}", name="", project=project, public=False))
    text = page_of(snapshot).text
    assert "1,234 repositories that anybody may read" in text
    assert "The first 500 of 1,234 repositories" in text
    part = text.split("Since the last run")[0].split("1,234 repositories that anybody may read", 1)[1].split("▲")[0]
    assert part.split("◆")[0].count("P/r") == 500
    assert "734 more are not on this page: --report-dir writes all of them." in text


def test_a_long_name_may_break_after_its_parts_on_a_phone() -> None:
    page = page_of(hostile("maximiliane.stone@example.com"))
    assert "<bdi>maximiliane.<wbr>stone@<wbr>example.<wbr>com0/<wbr>maximiliane." in page.source
    assert "<bdi>PROJECT_WRITE</bdi>" in page.source


def test_a_page_of_full_lists_stays_below_5_mb() -> None:
    """Whatever the size of the instance: no list has more than 500 rows, and these are of long names."""
    analysis = analyse(Snapshot(INSTANCE), identity="email", now=1_764_000_000.0)
    full = [
        replace(one, asked=True, total=100_000, first=(("x" * 60,) * len(one.finding.columns),) * MOST_ROWS)
        for one in analysis.findings
    ]
    names = tuple(NamedGrant("x" * 60, "y" * 60, "z" * 20) for _ in range(1000))
    changes = Changes(grants=Difference(9, 9, 1000, 1000, names, names))
    page = render(RunResult(instance="x", changes=changes), replace(analysis, findings=tuple(full)), SAMPLES)
    assert 2_000_000 < len(page) < 5_000_000


def test_the_page_is_for_a_screen_reader_too() -> None:
    """Each table has a caption, each heading cell a scope; no level of heading is left out."""
    page = page_of(hostile("x"), result_of("x"), exit_code=3)
    tags = [tag for tag, _ in page.tags]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tags.count("table") == tags.count("caption") > 8
    assert all(after == "caption" for before, after in pairwise(tags) if before == "table")
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("aria-label") for tag, attrs in page.tags if attrs.get("role") == "region")


@given(st.integers(0, 2**32), st.sampled_from([INSTANCE, EFFECTIVE]))
@examples(60)
def test_every_estate_gives_a_page_that_is_well_formed(seed: int, instance: object) -> None:
    page = page_of(snapshot_of(steps_of(seed, instance), instance))  # type: ignore[arg-type]
    safe(page, page_base := INSTANCE.base_url if instance is INSTANCE else EFFECTIVE.base_url)
    assert page_base in page.references


@given(st.text(st.characters(codec=None), min_size=1, max_size=30))
@example("://")
@examples(60)
def test_no_character_breaks_the_page_or_hides_in_it(text: str) -> None:
    """Control characters, text that runs the other way, halves of a pair: all that a name can hold."""
    page = page_of(hostile(text), result_of(text))
    safe(page, INSTANCE.base_url)
    assert not [c for c in page.source if not c.isprintable() and c not in "\n\t"]


@pytest.mark.parametrize(
    ("exit_code", "upload", "missing", "collected", "says", "bad"),
    [
        (0, "uploaded", 0, True, "Complete, and uploaded to Veza.", False),
        (0, "dry run", 0, True, "Complete. A dry run: nothing was uploaded.", False),
        (3, "not uploaded", 1, True, "Incomplete, nothing was uploaded: 1 part could not be collected.", True),
        (3, "uploaded", 2, True, "Incomplete, but uploaded: 2 parts could not be collected.", True),
        (3, "not uploaded", 0, True, "Everything was collected, and nothing was uploaded.", True),
        (5, "refused", 0, True, "Everything was collected, but Veza refused it.", True),
        (75, None, 0, False, "The run failed before everything was collected (exit code 75).", True),
        (1, None, 0, True, "Everything was collected, but the run failed (exit code 1).", True),
        (143, None, 0, False, "Interrupted, nothing was uploaded.", True),
    ],
)
def test_the_top_says_how_the_run_ended(
    exit_code: int, upload: str | None, missing: int, collected: bool, says: str, bad: bool
) -> None:
    entries = [
        Entry(Unit(kinds.MEMBERS, str(n)), Outcome.FAILED, f"members of group {n}", f"reason {n}", f"advice {n}")
        for n in range(missing)
    ]
    result = RunResult(instance="git.example.com", missing=entries)
    if upload:
        result.upload = UploadResult(outcome=upload)  # type: ignore[arg-type]
    snapshot = snapshot_of(steps_of(5)) if collected else None
    page = page_of(snapshot, result, exit_code=exit_code, error=CollectorError("What happened.", "What to do."))
    top = page.text.split("What deserves action" if collected else "Since the last run", 1)[0]
    assert says in top
    assert "What happened." in top
    assert "What to do." in top
    assert ("banner bad" in page.source) is bad
    assert all(f"members of group {n} reason {n}" in page.text for n in range(missing))
    assert ("The figures below lack it too." in top) is bool(missing)


def test_what_was_not_collected_is_not_called_nothing() -> None:
    """Without the listing of groups each group looks as if it no longer existed."""
    entry = Entry(Unit(kinds.GROUPS), Outcome.DENIED, "the listing of groups", "denied", "grant the right")
    other = Entry(Unit(kinds.GLOBAL_USERS), Outcome.DENIED, "global permissions", "denied", "grant the right")
    page = page_of(snapshot_of(steps_of(5)), RunResult(instance="x", missing=[entry, other]), exit_code=3)
    unknown = page.text.split("Not known")[1]
    assert "grants to groups that no longer exist not all could be collected: the listing of groups" in unknown
    assert "people who can administer everything not all could be collected: global permissions" in unknown


def test_keys_and_tokens_are_counted_where_they_were_collected() -> None:
    assert "keys and tokens collected by" not in page_of(snapshot_of(steps_of(5))).text
    counts = Counts(1, 1, 1, 1, 1, credentials=1234)
    assert (
        "1,234 keys and tokens collected by"
        in page_of(snapshot_of(steps_of(5)), RunResult(instance="x", counts=counts)).text
    )


def test_without_an_earlier_payload_nothing_is_compared() -> None:
    assert "No earlier payload is known" in page_of(snapshot_of(steps_of(5))).text
    unchanged = RunResult(instance="x", changes=Changes(since=datetime(2026, 11, 23, tzinfo=UTC)))
    assert "uploaded on 2026-11-23, 00:00 UTC. Nothing changed." in page_of(snapshot_of(steps_of(5)), unchanged).text
    changed = page_of(snapshot_of(steps_of(5)), result_of("ada")).text
    assert "grants 10 9 1 2" in changed
    assert "Who gained and who lost what 4 changes" in changed
    assert "ada − lost ada the whole instance" in changed
    assert "ada + gained membership ada" in changed
    assert "ada key or token − gone" in changed


def test_another_level_is_lost_and_gained_in_two_rows_that_follow_each_other() -> None:
    grants = Difference(
        9, 9, 3, 2,
        (NamedGrant("bob", "P", "PROJECT_READ"), NamedGrant("ada", "P/r", "REPO_WRITE"), NamedGrant("x", "", "ADMIN")),
        (NamedGrant("ada", "P/r", "REPO_READ"), NamedGrant("devs", "P", "PROJECT_READ", "group")),
    )  # fmt: skip
    shown = access_changes(Changes(grants=grants, members=Difference(0, 900, 900, 0)))
    assert shown.total == 905
    assert [(one.who, one.word, one.what) for one in shown.first[:2]] == [
        ("ada", "lost", "REPO_READ"),
        ("ada", "gained", "REPO_WRITE"),
    ]
    assert shown.first[3].kind == "group"


def test_long_lists_are_cut_and_say_so() -> None:
    entries = [Entry(Unit(kinds.MEMBERS, str(n)), Outcome.FAILED, f"part {n}", "r", "a") for n in range(1234)]
    page = page_of(snapshot_of(steps_of(5)), RunResult(instance="x", missing=entries), exit_code=3)
    assert "1,234 parts could not be collected" in page.text
    assert "part 499" in page.text
    assert "part 500" not in page.text
    assert "and 734 more parts, all in the log" in page.text


def test_the_folder_has_all_that_is_missing(tmp_path: Path) -> None:
    entries = [Entry(Unit(kinds.MEMBERS, str(n)), Outcome.FAILED, f"part {n}", "r", "a") for n in range(1234)]
    report = RunReport(result=RunResult(instance="x", missing=entries, exit_code=3), redact=str)
    folder = report.write_folder(tmp_path / "report")
    lines = (folder / "missing.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["part,outcome,why,what to do", "part 0,failed,r,a"]
    assert len(lines) == 1235
    page = Page((folder / "index.html").read_bytes())
    safe(page, INSTANCE.base_url, ["missing.csv"])
    assert "all in missing.csv" in page.text


def test_an_empty_instance_has_a_page_too() -> None:
    safe(page_of(Snapshot(INSTANCE), samples=()), INSTANCE.base_url)


def test_written_whole_for_its_owner_only_and_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("yesterday's")
    path.chmod(0o644)
    result = result_of("s3cret-s3cret")
    report = RunReport(result=result, run_id="r1", redact=Redactor([Secret("s3cret-s3cret")]))
    assert report.write_page(path) == path
    assert "s3cret" not in path.read_text(encoding="utf-8")
    assert "***" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigurationError):
        report.write_page(tmp_path / "none" / "report.html")


@pytest.mark.parametrize(
    ("exit_code", "outcome", "stands"),
    [(0, "uploaded", True), (0, "dry run", True), (3, "uploaded", True), (3, "not uploaded", False),
     (5, "refused", False), (1, "uploaded", False), (75, None, False), (143, None, False)],
)  # fmt: skip
def test_a_run_that_failed_does_not_replace_the_last_good_report(
    tmp_path: Path, exit_code: int, outcome: str | None, stands: bool
) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "report"
    good = RunReport(result=RunResult(instance="good"), redact=str)
    good.write_page(page)
    good.write_folder(folder)
    upload = None if outcome is None else UploadResult(outcome=outcome)  # type: ignore[arg-type]
    other = RunReport(result=RunResult(instance="other", exit_code=exit_code, upload=upload), redact=str)
    written = [other.write_page(page), other.write_folder(folder)]
    if stands:
        assert written == [page, folder]
        assert "other" in page.read_text(encoding="utf-8")
    else:
        assert written == [tmp_path / "report.failed.html", tmp_path / "report.failed"]
        assert "good" in page.read_text(encoding="utf-8")
        assert "good" in (folder / "index.html").read_text(encoding="utf-8")
        assert "other" in (written[1] / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "failed"),
    [("a.html", "a.failed.html"), ("a.b.HTM", "a.b.failed.HTM"), ("a", "a.failed.html"), ("a.11", "a.11.failed.html")],
)
def test_the_page_of_a_run_that_failed_has_a_name_of_its_own(name: str, failed: str) -> None:
    assert failed_page(Path(name)) == Path(failed)


def test_the_folder_has_every_list_whole_as_a_table(tmp_path: Path) -> None:
    snapshot = Snapshot(INSTANCE, public_access="on")
    project = rows.Project(id=1, key="P", name="", type="NORMAL", public=True)
    snapshot.add_project(project)
    for n in range(1234):
        snapshot.add_repository(rows.Repository(id=n, slug=f"r{n:04}", name="", project=project, public=False))
    analysis = analyse(snapshot, identity="email", now=1_764_000_000.0)
    RunReport(result=RunResult(instance="x"), analysis=analysis, redact=str).write_folder(tmp_path / "report")
    tables = {one.name: one.read_text(encoding="utf-8") for one in (tmp_path / "report").glob("*.csv")}
    asked = {f"{one.key}.csv" for one in FINDINGS if not one.includes}
    assert tables.keys() == asked, "what was not looked at has no table"
    lines = tables["public-repositories.csv"].splitlines()
    assert lines[:2] == ["repository,marked public is", "P/r0000,the project"]
    assert len(lines) == 1235
    page = Page((tmp_path / "report" / "index.html").read_bytes())
    safe(page, INSTANCE.base_url, tables)
    assert "public-repositories.csv has all of it as a table" in page.text


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "a\x1b[31m", 'a"b,c', "a\nb", "s3cret-s3cret"]
)
def test_no_cell_of_a_table_is_a_formula_a_secret_or_two_lines(tmp_path: Path, text: str) -> None:
    analysis = analyse(hostile(text), identity="email", now=1_764_000_000.0)
    redact = Redactor([Secret("s3cret-s3cret")])
    RunReport(result=RunResult(instance="x"), analysis=analysis, redact=redact).write_folder(tmp_path / "report")
    for one in (tmp_path / "report").glob("*.csv"):
        table = one.read_text(encoding="utf-8")
        found = list(csv.reader(io.StringIO(table)))
        assert len({len(row) for row in found}) == 1
        assert len(found) == len(table.splitlines())
        assert not [cell for row in found for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]
        assert "s3cret" not in table
        assert all(c.isprintable() for c in table.replace("\n", ""))
