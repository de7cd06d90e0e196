"""Listings that are read while they change: every row that is there all the time comes once, and it ends."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import client as client_module
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.bitbucket.rows import User
from tests.bitbucket.answers import API, Wire, client_of, ok, page
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
    untouched: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.untouched = set(self.rows) - self.hidden
        self.next_id = 10_000

    def serve(self, path: str) -> Answer:
        for at, what, place in self.events:
            if at == self.requests:
                self._happen(what, place)
        self.requests += 1
        start = int(parse_qs(urlsplit(path).query).get("start", ["0"])[0])
        cut = self.rows[start : start + self.cap]
        shown = [{"id": row, "name": f"u{row}"} for row in cut if row not in self.hidden]
        end = start + self.cap
        return ok(page(shown, following=end if end < len(self.rows) else None, start=start))

    def _happen(self, what: str, place: int) -> None:
        if what == "insert":
            self.rows.insert(place % (len(self.rows) + 1), self.next_id)
            self.next_id += 1
        elif self.rows:
            self.untouched.discard(self.rows.pop(place % len(self.rows)))


def read(serve: Callable[[str], Answer]) -> list[list[int]]:
    async def main() -> list[list[int]]:
        client = client_of(Wire(serve))
        found = [[row.id for row in rows] async for rows in client.pages(LISTING, lambda row: row.id)]
        assert client.pacer.in_flight == 0
        return found

    return run_virtual(main())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 999), unique=True, max_size=40), st.integers(1, 12), st.sets(st.integers(1, 999)))
def test_a_listing_that_stands_still_comes_whole_in_two_passes(rows: list[int], cap: int, more: set[int]) -> None:
    hidden = frozenset(row for row in rows if row % 3 == 0 or row in more)
    listed = Listed(rows, cap, hidden)
    found = [row for part in read(listed.serve) for row in part]
    assert sorted(found) == sorted(set(rows) - hidden)
    pages = max(1, -(-len(rows) // cap))
    assert listed.requests == (1 if pages == 1 else 2 * pages)


events = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["delete", "insert", "insert"]), st.integers(0, 50)), max_size=12
).filter(lambda found: sum(what == "delete" for _, what, _ in found) < client_module.MAX_PASSES)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(1, 999), unique=True, max_size=30), st.integers(1, 8), events)
@example([1, 2, 3, 4, 5, 6], 2, [(1, "delete", 0)])
@example([1, 2, 3, 4, 5, 6], 1, [(4, "delete", 0), (9, "delete", 0)])
def test_a_row_that_is_there_all_the_time_comes_once(rows: list[int], cap: int, events: list[Event]) -> None:
    """A deletion moves the rows behind it to pages that were read already; an insertion shows rows twice."""
    listed = Listed(rows, cap, events=events)
    found = [row for part in read(listed.serve) for row in part]
    assert len(found) == len(set(found))
    assert listed.untouched <= set(found)
    assert listed.requests <= client_module.MAX_PASSES * (len(rows) + len(events) + 1)


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
