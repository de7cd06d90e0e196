"""Rows of `--include`, packed: whatever the order, the same; and gone with what they belong to."""

import tracemalloc
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.branch_permissions import DefaultBranch
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.kinds import AnyKind, AnyRow
from tests.journal.test_roundtrip import OF


def test_what_is_included_belongs_to_something_with_an_id() -> None:
    assert {kind.of for kind in kinds.INCLUDED} == {"project", "repository", "user"}


@st.composite
def pages(draw: st.DrawFn) -> tuple[AnyKind, list[Sequence[AnyRow]]]:
    kind = draw(st.sampled_from(kinds.INCLUDED))
    rows = st.lists(OF[kind.row], max_size=4)
    return kind, draw(st.lists(rows, min_size=1, max_size=4))


@given(told=pages(), random=st.randoms(use_true_random=False))
def test_pages_in_any_order_or_twice(told: tuple[AnyKind, list[Sequence[AnyRow]]], random: Random) -> None:
    kind, given_pages = told
    one, other = Included(), Included()
    for page in given_pages:
        one.add(kind, 7, page)
    again = [*given_pages, *given_pages]
    random.shuffle(again)
    for page in again:
        other.add(kind, 7, page)
    found = one.rows(kind, 7)
    assert found is not None
    assert found == other.rows(kind, 7)
    assert set(found) == {row for page in given_pages for row in page}
    assert one.places(kind) == [7]


def test_nothing_is_something_that_was_read() -> None:
    included = Included()
    assert included.rows(kinds.USER_SSH_KEYS, 1) is None
    included.add(kinds.USER_SSH_KEYS, 1, ())
    assert included.rows(kinds.USER_SSH_KEYS, 1) == []
    assert included.count(kinds.USER_SSH_KEYS) == 1


def test_what_is_deleted_goes_and_users_stay() -> None:
    included = Included()
    for kind in kinds.INCLUDED:
        for place in (1, 2):
            included.add(kind, place, ())
        included.hide(kind, 3)
        included.hide(kind, 4)
    included.keep_only(projects={1, 3}, repositories={2, 4})
    for kind in kinds.INCLUDED:
        kept = [1, 2] if kind.of == "user" else [1] if kind.of == "project" else [2]
        assert included.places(kind) == kept, kind
        hidden = {3, 4} if kind.of == "user" else {3} if kind.of == "project" else {4}
        assert included.hidden[kind] == hidden, kind


def test_the_same_rows_are_kept_once() -> None:
    included = Included()
    tracemalloc.start()
    try:
        for place in range(1000):
            included.add(kinds.REPOSITORY_DEFAULT_BRANCH, place, [DefaultBranch(id=f"refs/heads/{'main' * 5000}")])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000, "of twenty million"
