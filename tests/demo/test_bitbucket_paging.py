import asyncio
from urllib.parse import parse_qsl

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.demo.bitbucket import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer
from oaa_bitbucket_async.demo.bitbucket.paging import page_request, render
from oaa_bitbucket_async.demo.model import Estate, ModelUser
from tests.demo.asking import Asker, ask
from tests.examples import examples
from tests.servers import RiggedOptions
from tests.servers.pages import with_gaps


@given(
    rows=st.integers(0, 40),
    limit=st.integers(1, 12),
    cap=st.integers(1, 8),
    gaps=st.integers(0, 5),
    empty_pages=st.booleans(),
)
@examples(100)
def test_following_the_next_start_shows_each_row_once(
    rows: int, limit: int, cap: int, gaps: int, empty_pages: bool
) -> None:
    def ask(query: str) -> ServerAnswer:
        page = page_request(dict(parse_qsl(query)), cap)
        return ServerAnswer(200, render(range(rows), page, ServerOptions(), msgspec.json.encode))

    shown: list[int] = []
    start: int | None = 0
    while start is not None:
        query = f"start={start}&limit={limit}"
        page = msgspec.json.decode(with_gaps(query, gaps, ask, empty_pages=empty_pages).body)
        following = page.get("nextPageStart")
        assert (page["start"], page["size"]) == (start, len(page["values"]))
        assert len(page["values"]) <= min(limit, cap)
        assert following is None or following > start
        shown += page["values"]
        start = following
    assert shown == list(range(rows))


def people(count: int) -> Estate:
    return Estate([ModelUser(n, f"user{n}") for n in range(count)])


def test_the_limit_is_lowered_in_silence_and_told() -> None:
    async def check(asker: Asker) -> None:
        page = (await asker.get("users?limit=1000")).json
        assert (page["limit"], page["size"], page["isLastPage"], page["nextPageStart"]) == (3, 3, False, 3)
        last = (await asker.get("users?limit=1000&start=9")).json
        assert (last["start"], last["size"], last["isLastPage"]) == (9, 2, True)
        assert (await asker.get("users?limit=x")).status == 400
        assert (await asker.get("users?start=-1")).status == 400

    ask(check, people(10), RiggedOptions(page_cap=3))


def test_twenty_five_rows_unless_asked() -> None:
    async def check(asker: Asker) -> None:
        assert (await asker.get("users")).json["size"] == 25

    ask(check, people(30))


@pytest.mark.parametrize("empty_pages", [False, True])
def test_start_plus_size_is_wrong_where_there_are_gaps(empty_pages: bool) -> None:
    async def check(asker: Asker) -> None:
        page = (await asker.get("users?limit=4")).json
        assert page["nextPageStart"] > 4
        following = (await asker.get(f"users?limit=4&start={page['nextPageStart']}")).json
        assert (following["size"] == 0) is empty_pages
        assert following["isLastPage"] is False
        assert [u["id"] for u in await asker.pages("users", limit=4)] == list(range(11))

    ask(check, people(10), RiggedOptions(gaps=2, empty_pages=empty_pages))


def test_pages_may_be_asked_for_at_one_time() -> None:
    async def check(asker: Asker) -> None:
        pages = await asyncio.gather(*(asker.get(f"users?limit=2&start={start}") for start in range(0, 10, 2)))
        assert [u["id"] for page in pages for u in page.values] == list(range(10))

    ask(check, people(10))
