"""What a second run says about the first: what changed, whether it may upload, and what is kept for the third."""

import gc
import gzip
import json
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.demo.estate import generate
from oaa_bitbucket_async.demo.model import Estate, ModelGrant
from oaa_bitbucket_async.errors import RemovalError
from oaa_bitbucket_async.events import Event
from oaa_bitbucket_async.oaa.saved import compare_files
from oaa_bitbucket_async.settings import Output, State
from tests.examples import first
from tests.integration.conftest import SMALL, Benches, Typed
from tests.integration.harness import Bench, typed_as_printed
from tests.integration.keyed import EVERYTHING, keyed
from tests.integration.process import Ended
from tests.servers import Fault
from tests.servers.changes import delete_repository


def kept_last(bench: Bench) -> Path:
    [path] = bench.state.glob("*.last-payload.gz")
    return path


def kept_refused(bench: Bench) -> Path:
    [path] = bench.state.glob("*.json.gz")
    return path


def pushed(bench: Bench) -> bytes:
    return bench.veza.pushed[-1].raw


def cut_off(bench: Bench) -> None:
    """The user directory is out of order: every group has lost its members."""
    estate = bench.bitbucket.estate
    for group in estate.groups:
        group.members.clear()
    estate.changed()


def last_record(end: Ended) -> dict[str, object]:
    record = json.loads(end.err.splitlines()[-1])
    assert isinstance(record, dict)
    assert record["event"] == "run-ended"
    return record


def events(end: Ended) -> list[str]:
    return [json.loads(line)["event"] for line in end.err.splitlines()]


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_veza_took_is_kept_for_its_owner_only(bench: Benches) -> None:
    made = bench()
    ran = made.run()
    assert ran.code == 0
    path = kept_last(made)
    assert gzip.decompress(path.read_bytes()) == pushed(made)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dry_run_keeps_nothing_and_compares_nevertheless(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert made.run(dry_run=True).code == 0
    assert not list(made.state.glob("*.last-payload.gz"))
    assert made.run().code == 0
    before = kept_last(made).read_bytes()
    made.bitbucket.estate.groups[0].members.clear()
    made.bitbucket.estate.changed()
    end = typed(made, "--dry-run", "--log-format", "json")
    assert end.code == 0, end.err
    assert last_record(end)["changes"]["members"]["removed"] > 0  # type: ignore[index]
    assert kept_last(made).read_bytes() == before


def test_a_refused_upload_leaves_the_last_one(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    before = kept_last(made).read_bytes()
    cut_off(made)
    made.veza.fail("rejected", 1, "push")
    assert made.run(max_removed=None).code == 5
    assert kept_last(made).read_bytes() == before
    assert not list(made.state.glob(".*.tmp"))


def test_a_push_keeps_what_it_uploaded(bench: Benches, typed: Typed) -> None:
    made = bench()
    made.veza.fail("rejected", 1, "push")
    assert made.run().code == 5
    assert not list(made.state.glob("*.last-payload.gz"))
    assert made.push(kept_refused(made), compares=True) == 0
    assert gzip.decompress(kept_last(made).read_bytes()) == pushed(made)
    end = typed(made, "--log-format", "json")
    assert "no-last-upload" not in events(end)
    assert all(n == {"added": 0, "removed": 0} for n in last_record(end)["changes"].values())  # type: ignore[attr-defined]


def test_it_can_be_switched_off(bench: Benches) -> None:
    made = bench()
    state = State(directory=made.state, keep_last=False)
    assert made.run(state=state).code == 0
    assert not list(made.state.glob("*.last-payload.gz"))


def test_a_folder_that_can_not_be_written_to_does_not_undo_the_upload(bench: Benches, typed: Typed) -> None:
    made = bench()
    made.state.mkdir()
    assert made.run().code == 0
    path = kept_last(made)
    path.unlink()
    path.mkdir()  # something else has the name: it can be neither read nor replaced
    end = typed(made, "--log-format", "json", "--max-removed", "off")
    assert end.code == 0, end.err
    assert {"last-upload-unreadable", "last-upload-not-kept"} <= set(events(end))


def test_data_sources_are_kept_apart(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    assert made.run(veza=replace(made.settings().veza, data_source_name="another one")).code == 0
    assert len(list(made.state.glob("*.last-payload.gz"))) == 2


# --- what a run says --------------------------------------------------------------------------------------------------


def test_the_second_run_says_what_changed(bench: Benches, typed: Typed) -> None:
    made = bench(estate=generate(SMALL))
    first = typed(made, "--log-format", "json")
    assert first.code == 0
    assert "no-last-upload" in events(first)
    assert last_record(first)["changes"] is None
    old = made.state / "before.gz"
    old.write_bytes(kept_last(made).read_bytes())

    estate = made.bitbucket.estate
    repository = next(r for r in estate.repositories if r.user_grants)
    grant = repository.user_grants[0]
    level = "REPO_READ" if grant.permission != "REPO_READ" else "REPO_ADMIN"
    repository.user_grants[0] = ModelGrant(grant.principal, level)
    gone = next(r for r in reversed(estate.repositories) if r is not repository)
    estate.changed()
    delete_repository(estate, gone.project.key, gone.slug)

    end = typed(made)
    assert end.code == 0, end.err
    changes = compare_files(old, kept_last(made))
    assert changes.repositories.removed == 1
    assert [r.name for r in changes.repositories.removed_examples] == [f"{gone.project.key}/{gone.slug}"]
    assert changes.grants.added == 1
    assert [(g.holder, g.permission) for g in changes.grants.added_examples] == [(grant.principal, level)]
    assert changes.grants.removed > 1
    end.said(f"changes: grants +1 -{changes.grants.removed}")
    end.said("repositories -1 since 20")


def test_nothing_that_changed_is_said_too(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert made.run().code == 0
    typed(made).said("changes: none since 20")


# --- the guard --------------------------------------------------------------------------------------------------------


def halve_grants(estate: Estate) -> None:
    for thing in (*estate.projects, *estate.repositories):
        thing.user_grants.clear()
    estate.changed()


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (lambda made: halve_grants(made.bitbucket.estate), "grants ("),
        (cut_off, "memberships of groups ("),
    ],
)
def test_what_removes_too_much_is_not_uploaded(bench: Benches, breaks: Callable[[Bench], None], words: str) -> None:
    made = bench()
    assert made.run().code == 0
    before, uploads = kept_last(made).read_bytes(), len(made.veza.pushed)
    breaks(made)
    ran = made.run(max_removed=10)
    assert ran.code == 3
    assert isinstance(ran.error, RemovalError)
    assert len(made.veza.pushed) == uploads
    assert kept_last(made).read_bytes() == before
    kept = kept_refused(made)
    changes = compare_files(kept_last(made), kept)
    over = changes.grants if "grants" in words else changes.members
    lost = changes.grants_lost if "grants" in words else over.removed
    assert f"{lost:,} of the {over.before:,} {words}" in ran.error.message
    assert "Nothing was uploaded" in ran.error.message
    assert f"oaa-bitbucket-async diff {kept_last(made)} {kept}" in ran.error.advice
    assert typed_as_printed(ran.error.advice)[:2] == ["push", str(kept)]
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_payload_that_was_saved_is_not_kept_twice(bench: Benches, tmp_path: Path) -> None:
    made = bench()
    assert made.run().code == 0
    halve_grants(made.bitbucket.estate)
    saved = tmp_path / "saved.json"
    ran = made.run(max_removed=10, output=Output(progress=False, save_json=saved))
    assert isinstance(ran.error, RemovalError)
    assert typed_as_printed(ran.error.advice)[:2] == ["push", str(saved)]
    assert not list(made.state.glob("*.json.gz"))


def test_the_run_after_it_asks_bitbucket_again(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    estate = made.bitbucket.estate
    members = {group.name: list(group.members) for group in estate.groups}
    cut_off(made)
    stopped = made.run(max_removed=10)
    assert stopped.code == 3
    for group in estate.groups:
        group.members[:] = members[group.name]
    estate.changed()
    again = made.run(max_removed=10)
    assert (again.code, again.requests) == (0, stopped.requests)


def test_what_removes_as_much_as_is_allowed_is_uploaded(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    old = kept_last(made).read_bytes()
    halve_grants(made.bitbucket.estate)
    assert made.run(max_removed=100).code == 0
    (made.state / "old").write_bytes(old)
    share = compare_files(made.state / "old", kept_last(made)).removed_shares()["grants"]
    assert 10 < share < 100
    kept_last(made).write_bytes(old)
    assert made.run(max_removed=share - 0.01).code == 3
    assert made.run(max_removed=share).code == 0


def test_the_guard_stands_unless_it_is_switched_off(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert typed(made, OAA_MAX_REMOVED="0").code == 0, "without a last upload there is nothing to compare with"
    halve_grants(made.bitbucket.estate)
    refused = typed(made)
    assert refused.code == 3, refused.err
    refused.said("--max-removed (OAA_MAX_REMOVED) allows 30 %")
    done = typed(made, "--log-format", "json", OAA_MAX_REMOVED="off")
    assert done.code == 0, done.err
    assert "much-removed" in events(done)


def test_a_dry_run_ends_as_the_run_would(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    halve_grants(made.bitbucket.estate)
    assert made.run(max_removed=10, dry_run=True).code == 3


def test_push_has_the_guard_too_if_it_is_asked_for(bench: Benches, typed: Typed) -> None:
    made = bench()
    assert made.run().code == 0
    halve_grants(made.bitbucket.estate)
    assert made.run(max_removed=10).code == 3
    file, uploads = str(kept_refused(made)), len(made.veza.pushed)
    stopped = typed(made, "push", file, OAA_MAX_REMOVED="10")
    assert stopped.code == 3
    assert len(made.veza.pushed) == uploads
    done = typed(made, *typed_as_printed(stopped.err), OAA_MAX_REMOVED="10")
    assert done.code == 0, done.err
    done.said("changes: grants -")
    assert len(made.veza.pushed) == uploads + 1
    assert gzip.decompress(kept_last(made).read_bytes()) == pushed(made)


def test_what_could_not_be_collected_counts_as_removed(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    made.bitbucket.faults.append(Fault("lost-right", match=r"/repos/[^/]+/permissions/users"))
    refused = made.run(allow_partial=True, max_removed=10)
    assert isinstance(refused.error, RemovalError), refused.error
    assert refused.code == 3
    assert not refused.pushed
    partial = made.run(allow_partial=True, max_removed=None)
    assert (partial.code, partial.error, len(partial.pushed)) == (3, None, 1)
    assert gzip.decompress(kept_last(made).read_bytes()) == pushed(made)


# --- a last payload that can't be read --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", first(b"\x1f\x8b\x08 damaged", of=[b"", b"{}", b"\x1f\x8b\x08 damaged"]))
def test_a_damaged_last_payload_is_a_warning_and_is_replaced(bench: Benches, typed: Typed, content: bytes) -> None:
    made = bench()
    assert made.run().code == 0
    path = kept_last(made)
    path.write_bytes(content)
    end = typed(made, "--log-format", "json", "--max-removed", "off")
    assert end.code == 0, end.err
    assert "last-upload-unreadable" in events(end)
    assert gzip.decompress(path.read_bytes()) == pushed(made)


def test_with_the_guard_it_stops_the_upload_and_says_what_to_do(bench: Benches) -> None:
    made = bench()
    assert made.run().code == 0
    path, uploads = kept_last(made), len(made.veza.pushed)
    path.write_bytes(b"damaged")
    ran = made.run(max_removed=10)
    assert ran.code == 3
    assert isinstance(ran.error, RemovalError)
    assert len(made.veza.pushed) == uploads
    assert str(path) in ran.error.message
    assert f"Repair or delete {path}" in ran.error.advice
    kept = kept_refused(made)
    with pytest.raises(RemovalError):
        made.push(kept, compares=True, max_removed=10)
    path.unlink()
    assert made.run(max_removed=10).code == 0


# --- keys and tokens --------------------------------------------------------------------------------------------------


def test_a_key_that_is_gone_is_told_with_what_it_opened(bench: Benches) -> None:
    made = bench(estate=keyed())
    assert made.run(include=EVERYTHING).code == 0
    old = made.state / "old"
    old.write_bytes(kept_last(made).read_bytes())
    for thing in (*made.bitbucket.estate.projects, *made.bitbucket.estate.repositories):
        thing.access_keys = ()
    made.bitbucket.estate.changed()
    assert made.run(include=EVERYTHING).code == 0
    changes = compare_files(old, kept_last(made))
    gone = changes.credentials.removed_examples
    assert gone
    assert all(thing.id.startswith("access-key:") for thing in gone)
    assert {grant.holder_kind for grant in changes.grants.removed_examples} == {"credential"}
    assert {grant.holder for grant in changes.grants.removed_examples} == {thing.name for thing in gone}
    assert not changes.users
    assert changes.grants.added == changes.credentials.added == 0


class SnapshotsSeen(logging.Handler):
    """How many snapshots of an instance there were whenever a payload was to be compared."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.seen: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == Event.NO_LAST_UPLOAD:
            there = (one for one in gc.get_objects() if isinstance(one, Snapshot))
            self.seen.append(sum(one.instance.base_url == self.base_url for one in there))


def test_what_was_collected_is_gone_before_the_comparison(bench: Benches, tmp_path: Path) -> None:
    """It is the largest thing in memory, and the comparison and the upload need memory of their own."""
    site = bench()
    seen = SnapshotsSeen(site.bitbucket.url)
    logger = logging.getLogger("oaa_bitbucket_async")
    logger.addHandler(seen)
    try:
        assert site.run(output=Output(progress=False, report=tmp_path / "report.html")).code == 0
    finally:
        logger.removeHandler(seen)
    assert seen.seen == [0]
