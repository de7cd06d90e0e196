"""Whatever happens to projects and repositories during a crawl: what is uploaded is what Bitbucket says at its end."""

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import subject_of
from oaa_bitbucket_async.collect.ledger import Outcome
from oaa_bitbucket_async.collect.places import PATHS_HOLD
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import Subject
from tests.collect.instance import Run, run_of
from tests.collect.moving import CHANGES, Change, MovingBitbucket, one_deletion, one_swap, small_estate
from tests.collect.test_work import timeless
from tests.examples import examples
from tests.virtual_clock import run_virtual

NOW = 1_700_000_000.0


def changes(last: int) -> st.SearchStrategy[list[Change]]:
    numbers = st.integers(0, 1000)
    one = st.builds(Change, st.integers(1, last), st.sampled_from(sorted(CHANGES)), numbers, numbers, st.booleans())
    return st.lists(one, min_size=1, max_size=6)


def crawled(server: MovingBitbucket, concurrency: int) -> Run:
    async def main() -> Run:
        run = run_of(server, concurrency=concurrency, seed=server.seed)
        await run.crawl.run()
        return run

    return run_virtual(main())


def found(snapshot: Snapshot) -> dict[Subject, tuple[str, set[str]]]:
    """Path and holders of everything that was collected."""
    tables = (
        ("project", snapshot.projects, snapshot.project_grants),
        ("repository", snapshot.repositories, snapshot.repository_grants),
    )
    return {
        (subject := Subject(kind, number)): (  # type: ignore[arg-type]
            snapshot.path(subject),
            {str(who.key) for who, _ in snapshot.grants(grants.get(number))},
        )
        for kind, records, grants in tables
        for number in records  # type: ignore[attr-defined]
    }


def check_untouched(run: Run, server: MovingBitbucket, before: set[Subject]) -> None:
    """What nothing happened to is there, as Bitbucket says."""
    truth, collected = server.grants(), found(run.snapshot)
    for subject in (before - server.touched) & server.shown(untouched=True):
        assert collected.get(subject) == truth[subject]


def check_all(run: Run, server: MovingBitbucket, before: set[Subject]) -> None:
    """What was there before is as Bitbucket says now, and what is not there any more is not collected."""
    truth, collected = server.grants(), found(run.snapshot)
    for subject, what in collected.items():
        assert what == truth.get(subject), subject
    assert before & server.shown(known=before) <= set(collected)


def only_what_changed_is_missing(run: Run, server: MovingBitbucket) -> None:
    for entry in run.ledger.missing():
        assert entry.unit.kind.listing or subject_of(entry.unit) in server.touched


@pytest.mark.parametrize("cap", [2, 1000])
@examples(60)
@given(changes(200), st.integers(0, 10**6), st.integers(1, 12))
def test_what_did_not_change_is_as_bitbucket_says(cap: int, plan: list[Change], seed: int, concurrency: int) -> None:
    server = MovingBitbucket(small_estate(), one_deletion(plan) if cap == 2 else plan, cap, seed)
    before = server.shown()
    run = crawled(server, concurrency)
    only_what_changed_is_missing(run, server)
    event(f"complete: {run.ledger.complete}")
    if run.ledger.complete:  # else nothing is uploaded
        check_untouched(run, server, before)


@pytest.mark.parametrize("cap", [2, 1000])
@examples(60)
@given(changes(30), st.integers(0, 10**6), st.integers(2, 12))
def test_a_long_crawl_says_what_is_at_its_end(cap: int, plan: list[Change], seed: int, concurrency: int) -> None:
    """Also of what changed, as long as it was before the last listing."""
    plan = one_deletion(plan) if cap == 2 else plan
    server = MovingBitbucket(small_estate(), plan, cap, seed, late=PATHS_HOLD)
    before = server.shown()

    run = crawled(server, concurrency)
    assume(server.changed_at < 1000.0 + PATHS_HOLD)
    event(f"complete: {run.ledger.complete}")
    event(f"gone: {run.ledger.count(Outcome.GONE) > 0}")
    only_what_changed_is_missing(run, server)
    if run.ledger.complete:
        check_all(run, server, before)
    assert all(entry.unit.kind.listing for entry in run.ledger.missing())


@pytest.mark.parametrize("cap", [2, 1000])
@examples(40)
@given(changes(100), st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 120))
def test_a_run_that_was_cut_off_and_resumed_says_the_same(
    cap: int, plan: list[Change], seed: int, concurrency: int, last: int
) -> None:
    """Whatever happened before it was cut off, and until the next one began."""
    server = MovingBitbucket(small_estate(), one_swap(plan), cap, seed)

    async def cut_off() -> list[Replayed]:
        run = run_of(server, concurrency=concurrency, seed=seed)  # type: ignore[arg-type]

        async def serve(path: str) -> Answer:
            if server.count >= last:
                run.client.pacer.stop()
            return await server(path)

        run.wire._serve = serve
        await run.crawl.run()
        return [Replayed(unit, rows, NOW, place, last=True) for unit, (rows, place) in run.keeper.ended.items()]

    async def resumed(kept: list[Replayed]) -> Run:
        run = run_of(server, concurrency=concurrency, seed=seed)  # type: ignore[arg-type]
        for item in kept:
            run.crawl.resume(item, now=NOW)
        await run.crawl.run()
        return run

    kept = run_virtual(cut_off())
    server.settle()
    run, whole = run_virtual(resumed(kept)), crawled(server, concurrency)
    event(f"resumed: {run.counts.resumed > 0}")
    assert run.ledger.complete
    assert whole.ledger.complete
    assert timeless(run) == timeless(whole)
