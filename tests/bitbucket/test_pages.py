"""Listings that are read while they change: every row that is there all the time comes once, and it ends."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import client as client_module
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import MOST_ROWS, Answer, next_start
from oaa_bitbucket_async.bitbucket.rows import Page, User
from tests.bitbucket.answers import API, Wire, client_of, ok, page
from tests.examples import examples
from tests.virtual_clock import run_virtual

LISTING = API.users(detailed=False)
Event = tuple[int, str, int]
"""Before which request what happens at which place."""


@dataclass
class Listed:
    """A listing by places, cut anew for every request; `hidden` rows are filtered out after the cut."""

    rows: list[int]
    cap: int
    hidden: frozenset[int] = frozenset()
    events: Sequence[Event] = ()
    requests: int = 0
    disturbed_passes: int = 99
    """Nothing happens after so many passes."""
    lasting: set[int] = field(init=False)
    """What is there from beginning to end."""
    shown: list[set[int]] = field(default_factory=list)
    """By pass."""

    def __post_init__(self) -> None:
        self.lasting = set(self.rows) - self.hidden
        self.next_id = 10_000

    def serve(self, path: str) -> Answer:
        start = int(parse_qs(urlsplit(path).query).get("start", ["0"])[0])
        if start == 0:
            self.shown.append(set())
        for at, what, place in self.events:
            if at == self.requests and len(self.shown) <= self.disturbed_passes:
                self._happen(what, place)
        self.requests += 1
        cut = self.rows[start : start + self.cap]
        shown = [{"id": row, "name": f"u{row}"} for row in cut if row not in self.hidden]
        self.shown[-1].update(row for row in cut if row not in self.hidden)
        end = start + self.cap
        return ok(page(shown, following=end if end < len(self.rows) else None, start=start))

    def _happen(self, what: str, place: int) -> None:
        if what == "insert":
            self.rows.insert(place % (len(self.rows) + 1), self.next_id)
            self.next_id += 1
        elif self.rows:
            row = self.rows.pop(place % len(self.rows))
            if what == "rename":
                self.rows.insert(row * place % (len(self.rows) + 1), row)
            else:
                self.lasting.discard(row)


# --- where the next page begins -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("following", "start"), [(1000, 0), (7, 3), (4, 3), (10**9, 3)])
def test_the_next_page_begins_where_this_one_says(following: int, start: int) -> None:
    assert next_start(LISTING.path, Page([], is_last_page=False, next_page_start=following), start) == following


@pytest.mark.parametrize("following", [None, 0, 3, 25, -1])
def test_after_the_last_page_there_is_none(following: int | None) -> None:
    assert next_start(LISTING.path, Page([], is_last_page=True, next_page_start=following), 3) is None


@pytest.mark.parametrize("following", [None, 3, 2, 0, -1])
def test_a_page_that_leads_nowhere_is_a_fault(following: int | None) -> None:
    with pytest.raises(Fault) as caught:
        next_start(LISTING.path, Page([], is_last_page=False, next_page_start=following), 3)
    assert caught.value.reason is FaultReason.PAGING


def test_a_page_with_more_rows_than_can_be_asked_for_is_no_page() -> None:
    assert next_start("/x", Page(values=[1] * MOST_ROWS, is_last_page=True), 0) is None
    with pytest.raises(Fault, match="more than were asked for") as caught:
        next_start("/x", Page(values=[1] * (MOST_ROWS + 1), is_last_page=True), 0)
    assert caught.value.reason is FaultReason.BAD_SHAPE


# --- passes over a listing ---------------------------------------------------------------------------------------


def read(serve: Callable[[str], Answer]) -> list[list[int]]:
    async def main() -> list[list[int]]:
        client = client_of(Wire(serve))
        found = [[row.id for row in rows] async for rows in client.pages(LISTING, lambda row: row.id)]
        assert client.pacer.in_flight == 0
        return found

    return run_virtual(main())


def read_or_fault(listed: Listed) -> list[int] | Fault:
    try:
        return [row for part in read(listed.serve) for row in part]
    except Fault as fault:
        return fault


@examples(200)
@given(st.lists(st.integers(1, 999), unique=True, max_size=40), st.integers(1, 12), st.sets(st.integers(1, 999)))
def test_a_listing_that_stands_still_comes_whole_in_two_passes(rows: list[int], cap: int, more: set[int]) -> None:
    hidden = frozenset(row for row in rows if row % 3 == 0 or row in more)
    listed = Listed(rows, cap, hidden)
    found = [row for part in read(listed.serve) for row in part]
    assert sorted(found) == sorted(set(rows) - hidden)
    pages = max(1, -(-len(rows) // cap))
    assert listed.requests == (1 if pages == 1 else 2 * pages)


events = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["delete", "insert", "rename"]), st.integers(0, 50)), max_size=30
)


@examples(500)
@given(st.lists(st.integers(1, 999), unique=True, max_size=30), st.integers(1, 8), events)
@example([1, 2, 3, 4, 5, 6], 2, [(1, "delete", 0)])
@example([1, 2, 3, 4, 5, 6], 1, [(4, "delete", 0), (9, "delete", 0)])
@example([1, 2, 3, 4, 5, 6], 2, [(1, "rename", 0), (4, "rename", 0), (7, "rename", 0)])
def test_what_any_pass_shows_comes_once_and_the_last_pass_adds_nothing_old(
    rows: list[int], cap: int, events: list[Event]
) -> None:
    """Whatever is deleted, created or renamed between any two requests."""
    listed = Listed(rows, cap, events=events)
    found = read_or_fault(listed)
    if isinstance(found, Fault):
        assert found.reason is FaultReason.PAGING
        assert len(listed.shown) == client_module.MAX_PASSES
        return
    assert len(found) == len(set(found))
    assert set(found) == set().union(*listed.shown)
    *earlier, last = listed.shown
    if earlier:
        newest = max(earlier[0], default=0)
        assert all(row > newest for row in last - set().union(*earlier))


@examples(300)
@given(st.lists(st.integers(1, 999), unique=True, max_size=30), st.integers(1, 8), events)
def test_what_is_there_from_beginning_to_end_comes_if_the_last_pass_was_undisturbed(
    rows: list[int], cap: int, events: list[Event]
) -> None:
    listed = Listed(rows, cap, events=[(at % 10, what, place) for at, what, place in events], disturbed_passes=1)
    found = {row for part in read(listed.serve) for row in part}
    assert listed.lasting <= found


def test_a_row_that_moved_to_a_page_read_already_is_found_by_the_next_pass() -> None:
    listed = Listed(list(range(1, 11)), 2, events=[(1, "delete", 0)])
    found = [row for part in read(listed.serve) for row in part]
    assert sorted(found) == list(range(1, 11))
    assert 3 not in listed.shown[0]
    assert len(listed.shown) == 3, "the second pass added an old row, the third none"


def test_what_is_deleted_in_every_pass_forces_no_further_one_for_ever() -> None:
    """Each pass misses one row, and each time it is one that another pass has shown: the union counts."""
    rows = list(range(1, 41))
    listed = Listed(rows, 20, events=[(1, "delete", 0), (3, "delete", 0), (5, "delete", 0), (7, "delete", 0)])
    found = [row for part in read(listed.serve) for row in part]
    assert sorted(found) == list(range(1, 41))
    assert len(listed.shown) == client_module.CAREFUL_PASSES
    assert [row in shown for row, shown in zip((21, 22, 23, 24), listed.shown, strict=True)] == [False] * 4


def test_a_row_that_two_passes_miss_is_found_by_a_third() -> None:
    """A row is created before it, so that it is again the first of a page, and one is deleted: the same again."""
    listed = Listed(list(range(1, 11)), 2, events=[(1, "delete", 0), (5, "insert", 1), (6, "delete", 0)])
    found = [row for part in read(listed.serve) for row in part]
    assert set(found) >= set(range(1, 11))
    assert [3 in shown for shown in listed.shown] == [False, False, True, True]


def test_what_is_created_meanwhile_forces_no_further_pass() -> None:
    listed = Listed(list(range(1, 11)), 2, events=[(at, "insert", at) for at in range(1, 40)])
    found = [row for part in read(listed.serve) for row in part]
    assert listed.lasting <= set(found)
    assert len(listed.shown) == 2
    assert any(row >= 10_000 for row in found)


def groups_of(listed: Listed) -> Callable[[str], Answer]:
    """The same listing with rows that have no ids."""

    def serve(path: str) -> Answer:
        content = json.loads(listed.serve(path).body)
        return ok(content | {"values": [{"name": row["name"]} for row in content["values"]]})

    return serve


def test_rows_without_ids_are_complete_once_a_pass_adds_none() -> None:
    """Nothing tells a group that was created from one that was missed."""
    listed = Listed(list(range(1, 11)), 2, events=[(5, "insert", 0)])
    wire = Wire(groups_of(listed))

    async def main() -> list[str]:
        pages = client_of(wire).pages(API.groups(detailed=True), lambda row: row.name)
        return [row.name async for rows in pages for row in rows]

    assert sorted(run_virtual(main())) == sorted(f"u{row}" for row in [*range(1, 11), 10_000])
    assert len(listed.shown) == 3


def test_a_listing_that_is_never_complete_fails_and_says_why() -> None:
    rows = list(range(1, 100))
    passes = client_module.MAX_PASSES

    def serve(path: str) -> Answer:
        """Each pass shows an old row that those before it did not show."""
        start = int(parse_qs(urlsplit(path).query).get("start", ["0"])[0])
        shown = [1, 99] if start == 0 else [rows[len(wire.paths) // 2]]
        return ok(page([{"id": row, "name": f"u{row}"} for row in shown], following=None if start else 2, start=start))

    wire = Wire(serve)

    async def main() -> None:
        with pytest.raises(Fault, match=f"read {passes} times.*faster than they can be read") as caught:
            async for _ in client_of(wire).pages(LISTING, lambda row: row.id):
                pass
        assert caught.value.reason is FaultReason.PAGING

    run_virtual(main())
    assert len(wire.paths) == 2 * passes


def test_a_listing_with_more_rows_than_any_instance_has_is_no_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ROWS", 25)
    listed = Listed(list(range(1, 26)), 10)
    assert len([row for part in read(listed.serve) for row in part]) == 25
    with pytest.raises(Fault, match="more than 25 rows") as caught:
        read(Listed(list(range(1, 27)), 10).serve)
    assert caught.value.reason is FaultReason.PAGING


def test_one_page_is_asked_for_once_and_repeats_are_merged() -> None:
    wire = Wire(lambda _: ok(page([{"id": 1, "name": "a"}, {"id": 1, "name": "a"}, {"id": 2, "name": "b"}])))

    async def main() -> list[list[User]]:
        return [rows async for rows in client_of(wire).pages(LISTING, lambda row: row.id)]

    assert [[row.id for row in rows] for rows in run_virtual(main())] == [[1, 2]]
    assert wire.paths == [LISTING.path]


def test_pages_arrive_as_they_are_read() -> None:
    listed = Listed(list(range(1, 10)), 3)

    async def main() -> None:
        pages = client_of(Wire(listed.serve)).pages(LISTING, lambda row: row.id)
        assert [listed.requests async for _ in pages] == [1, 2, 3]

    run_virtual(main())


def test_a_first_page_at_hand_is_not_asked_for_again() -> None:
    listed = Listed(list(range(1, 10)), 3)

    async def main() -> list[int]:
        client = client_of(Wire(listed.serve))
        first = await client.page(LISTING)
        return [row.id async for rows in client.pages(LISTING, lambda row: row.id, first) for row in rows]

    assert run_virtual(main()) == list(range(1, 10))
    assert listed.requests == 6


@pytest.mark.parametrize("following", [0, 3, 2, None])
def test_a_page_that_leads_nowhere_is_asked_again_and_then_given_up(following: int | None) -> None:
    def serve(path: str) -> Answer:
        if "start=" not in path:
            return ok(page([{"id": 1, "name": "a"}], following=3))
        content = page([{"id": 2, "name": "b"}], start=3)
        return ok(content | {"isLastPage": False, "nextPageStart": following})

    wire = Wire(serve)

    async def main() -> None:
        client = client_of(wire, max_attempts=4)
        with pytest.raises(Fault) as caught:
            async for _ in client.pages(LISTING, lambda row: row.id):
                pass
        assert caught.value.reason is FaultReason.PAGING
        assert len(wire.paths) == 1 + 4
        assert client.stats.faults == {FaultReason.PAGING: 4}
        assert client.stats.retries == {FaultReason.PAGING: 3}
        assert client.pacer.in_flight == 0

    run_virtual(main())


def test_stuck_once_is_survived() -> None:
    listed = Listed(list(range(1, 10)), 3)

    def serve(path: str) -> Answer:
        given = listed.serve(path)
        if listed.requests == 2:
            content = json.loads(given.body)
            return ok(content | {"nextPageStart": content["start"]})
        return given

    assert sorted(row for part in read(serve) for row in part) == list(range(1, 10))


def endless(new: bool) -> Wire:
    def serve(path: str) -> Answer:
        start = int(path.partition("start=")[2] or 0)
        return ok(page([{"id": start if new else 1, "name": "x"}], following=start + 1, start=start))

    return Wire(serve)


@pytest.mark.parametrize(("new", "requests"), [(True, 40), (False, 13)])
def test_a_listing_without_an_end_ends(new: bool, requests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_PAGES", 40)
    monkeypatch.setattr(client_module, "MAX_BARREN_PAGES", 11)
    wire = endless(new)

    async def main() -> None:
        with pytest.raises(Fault) as caught:
            async for _ in client_of(wire).pages(LISTING, lambda row: row.id):
                pass
        assert caught.value.reason is FaultReason.PAGING

    run_virtual(main())
    assert requests <= len(wire.paths) <= requests + 1


def test_a_long_way_without_rows_is_gone_to_its_end() -> None:
    """Projects that we may not see leave pages empty, hundreds in a row."""
    rows = list(range(1, 901))
    listed = Listed(rows, 1, hidden=frozenset(rows[1:-1]))
    assert [row for part in read(listed.serve) for row in part] == [1, 900]


def test_a_reader_that_leaves_early_leaves_no_place_taken() -> None:
    async def main() -> None:
        client = client_of(Wire(Listed(list(range(1, 10)), 3).serve))
        pages = client.pages(LISTING, lambda row: row.id)
        await anext(pages)
        await pages.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        assert client.pacer.in_flight == 0

    run_virtual(main())
