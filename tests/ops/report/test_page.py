"""The page: what it says for each end of a run, and that no name from Bitbucket is ever more than text."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.ledger import Entry, Outcome
from oaa_bitbucket_async.collect.snapshot import PublicAccess, Snapshot
from oaa_bitbucket_async.collect.units import Unit, UnitKind
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError
from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant, Thing
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.ops.report import write_report
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.page import render
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
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
    missing = Entry(Unit(UnitKind.MEMBERS, text), Outcome.DENIED, f"members of {text}", text, text)
    changes = Changes(
        grants=Difference(10, 9, 1, 2, (NamedGrant(text, text, text),), (NamedGrant(text, "", text),)),
        members=Difference(1, 2, 1, 0, (Membership(text, text),)),
        users=Difference(1, 2, 1, 0, (Thing(text, "1"),)),
        credentials=Difference(1, 0, 0, 1, (), (Thing(text, "2"),)),
        since=datetime(2026, 11, 23, 2, 0, tzinfo=UTC),
    )
    result = RunResult(instance=text, missing=[missing], changes=changes, warnings=Counter({text: 3}))
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
    analysis = None if snapshot is None else analyse(snapshot, identity="email")
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
        ("on", "public access is on: everybody may read them, without signing in"),
        ("off", "public access is off: nobody may read them by that. They would be open"),
        ("unknown", "whether public access is on could not be told"),
    ],
)
def test_what_is_called_public_says_whether_that_gives_anything(public_access: PublicAccess, words: str) -> None:
    snapshot = hostile("x")
    snapshot.public_access = public_access
    page = page_of(snapshot)
    assert f"1 repositories are called public, and {words}" in page.text
    (open_to_all,) = re.findall(r"([\d,]+) of 2 repositories are open to everyone", page.text)
    assert open_to_all == "2", "by the default permission, whatever the switch says"


def test_dormant_grants_tell_inactive_from_unlicensed() -> None:
    snapshot = hostile("x")
    unlicensed = rows.User(id=9, name="carl")
    snapshot.add_user(unlicensed, listed=True)
    snapshot.add_repository_grants(0, [rows.UserGrant(user=unlicensed, permission="REPO_READ")], 1.0)
    page = page_of(snapshot).text
    assert "2 users who can’t sign in and hold grants 1 inactive, 1 without a licence" in page
    assert "carl unlicensed" in page


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
        (3, "uploaded", 2, True, "Incomplete, and uploaded nevertheless: 2 parts could not be collected.", True),
        (3, "not uploaded", 0, True, "Everything was collected, and nothing was uploaded.", True),
        (5, "refused", 0, True, "Everything was collected, but Veza did not take it.", True),
        (75, None, 0, False, "The run failed before everything was collected (exit code 75).", True),
        (1, None, 0, True, "Everything was collected, but the run failed (exit code 1).", True),
        (143, None, 0, False, "Interrupted, nothing was uploaded.", True),
    ],
)
def test_the_top_says_how_the_run_ended(
    exit_code: int, upload: str | None, missing: int, collected: bool, says: str, bad: bool
) -> None:
    entries = [
        Entry(Unit(UnitKind.MEMBERS, str(n)), Outcome.FAILED, f"members of group {n}", f"reason {n}", f"advice {n}")
        for n in range(missing)
    ]
    result = RunResult(instance="git.example.com", missing=entries)
    if upload:
        result.upload = UploadResult(outcome=upload)  # type: ignore[arg-type]
    snapshot = snapshot_of(steps_of(5)) if collected else None
    page = page_of(snapshot, result, exit_code=exit_code, error=CollectorError("What happened.", "What to do."))
    top = page.text.split("What deserves a look" if collected else "Since the last run", 1)[0]
    assert says in top
    assert "What happened." in top
    assert "What to do." in top
    assert ("banner bad" in page.source) is bad
    assert all(f"members of group {n} reason {n}" in page.text for n in range(missing))
    assert ("missing from every figure" in top) is bool(missing)


def test_what_was_not_collected_is_not_called_nothing() -> None:
    """Without the listing of groups each group looks as if it no longer existed."""
    entry = Entry(Unit(UnitKind.GROUPS), Outcome.DENIED, "the listing of groups", "denied", "grant the right")
    other = Entry(Unit(UnitKind.GLOBAL_USERS), Outcome.DENIED, "global permissions", "denied", "grant the right")
    page = page_of(snapshot_of(steps_of(5)), RunResult(instance="x", missing=[entry, other]), exit_code=3)
    assert "? grants to groups that no longer exist the listing of groups is missing" in page.text
    assert "? can administer everything global permissions could not all be collected" in page.text


def test_keys_and_tokens_are_counted_where_they_were_collected() -> None:
    assert "keys and tokens" not in page_of(snapshot_of(steps_of(5))).text
    counts = Counts(1, 1, 1, 1, 1, credentials=1234)
    assert "1,234 keys and tokens" in page_of(snapshot_of(steps_of(5)), RunResult(instance="x", counts=counts)).text


def test_without_an_earlier_payload_nothing_is_compared() -> None:
    assert "No earlier payload is known" in page_of(snapshot_of(steps_of(5))).text
    unchanged = RunResult(instance="x", changes=Changes(since=datetime(2026, 11, 23, tzinfo=UTC)))
    assert "uploaded on 2026-11-23, 00:00 UTC. Nothing changed." in page_of(snapshot_of(steps_of(5)), unchanged).text
    changed = page_of(snapshot_of(steps_of(5)), result_of("ada")).text
    assert "grants 10 9 1 2" in changed
    assert "− grant ada of ada on everything" in changed
    assert "+ member ada in ada" in changed
    assert "− credential ada" in changed


def test_long_lists_are_cut_and_say_so() -> None:
    entries = [Entry(Unit(UnitKind.MEMBERS, str(n)), Outcome.FAILED, f"part {n}", "r", "a") for n in range(1234)]
    page = page_of(snapshot_of(steps_of(5)), RunResult(instance="x", missing=entries), exit_code=3)
    assert "1,234 parts could not be collected" in page.text
    assert "part 49" in page.text
    assert "part 50" not in page.text
    assert "and 1,184 more parts" in page.text


def test_an_empty_instance_has_a_page_too() -> None:
    safe(page_of(Snapshot(INSTANCE), samples=()), INSTANCE.base_url)


def test_written_whole_for_its_owner_only_and_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("yesterday's")
    path.chmod(0o644)
    result = replace(result_of("s3cret-s3cret"), exit_code=3, error=CollectorError("s3cret-s3cret!"))
    write_report(path, result, None, (), "r1", Redactor([Secret("s3cret-s3cret")]))
    assert "s3cret" not in path.read_text(encoding="utf-8")
    assert "***" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigurationError):
        write_report(tmp_path / "none" / "report.html", result, None, (), "r1", Redactor())
