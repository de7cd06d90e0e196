"""Fan-out and reading ahead: never too many, none lost, none left behind."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.collect.concurrent import for_each, read_ahead
from tests.examples import examples
from tests.virtual_clock import run_virtual


class Source:
    """Numbers, some of which take time to come. Counts what was taken, and whether it was closed."""

    def __init__(self, count: int, *, wait: float = 0.0, fails_at: int | None = None) -> None:
        self.count = count
        self.wait = wait
        self.fails_at = fails_at
        self.taken = 0
        self.closed = False

    async def items(self) -> AsyncIterator[int]:
        try:
            for number in range(self.count):
                if self.wait:
                    await asyncio.sleep(self.wait)
                if number == self.fails_at:
                    raise LookupError(number)
                self.taken += 1
                yield number
        finally:
            self.closed = True


@examples(100)
@given(st.integers(0, 40), st.integers(1, 12), st.sampled_from([0.0, 0.3]), st.integers(0, 999))
def test_every_item_once_and_never_more_than_the_limit(count: int, limit: int, wait: float, seed: int) -> None:
    rng = random.Random(seed)
    done: Counter[int] = Counter()
    running = 0
    peak = 0
    source = Source(count, wait=wait)

    async def work(item: int) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        assert source.taken - sum(done.values()) <= limit, "nothing is taken before somebody is free for it"
        await asyncio.sleep(rng.choice([0.0, 0.1, 1.0]))
        running -= 1
        done[item] += 1

    run_virtual(for_each(work, source.items(), limit))
    assert done == Counter(range(count))
    assert peak <= min(limit, count)


def test_the_limit_is_reached_where_there_is_work() -> None:
    running = peak = 0

    async def work(_: int) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(1.0)
        running -= 1

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await for_each(work, Source(70).items(), 7)
        return loop.time() - began

    assert run_virtual(main()) == pytest.approx(10.0)
    assert peak == 7


def test_a_short_list_starts_few_tasks() -> None:
    async def main() -> None:
        most = 0

        async def work(_: int) -> None:
            nonlocal most
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.sleep(1.0)

        await for_each(work, Source(3).items(), 256)
        assert most <= 1 + 3 + 1

    run_virtual(main())


def test_an_exception_cancels_the_others_and_takes_no_more() -> None:
    source = Source(1000)
    ended: list[str] = []

    async def work(item: int) -> None:
        try:
            await asyncio.sleep(5.0 if item != 3 else 1.0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        if item == 3:
            raise LookupError("three")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await for_each(work, source.items(), 10)
        assert caught.group_contains(LookupError, match="three")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert ended == ["cancelled"] * 9
    assert source.taken == 10


def test_an_exception_of_the_source_is_raised() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        done.append(item)

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await for_each(work, Source(9, fails_at=5).items(), 3)
        assert caught.group_contains(LookupError)

    run_virtual(main())
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.35, 0.95, 1.5])
def test_cancelled_it_leaves_nothing_running(moment: float) -> None:
    async def work(_: int) -> None:
        await asyncio.sleep(0.4)

    async def main() -> None:
        task = asyncio.create_task(for_each(work, Source(50, wait=0.1).items(), 4))
        await asyncio.sleep(moment)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


# --- reading ahead ------------------------------------------------------------------------------------------------


@examples(50)
@given(st.integers(0, 20), st.integers(1, 4), st.sampled_from([0.0, 1.0]))
def test_all_items_in_order_and_no_further_ahead_than_allowed(count: int, depth: int, wait: float) -> None:
    source = Source(count, wait=wait)

    async def main() -> list[int]:
        found = []
        async with read_ahead(source.items(), depth) as ahead:
            async for item in ahead:
                await asyncio.sleep(3.0)
                assert source.taken <= item + 1 + depth + 1, "one more may wait for room"
                found.append(item)
        return found

    assert run_virtual(main()) == list(range(count))


def test_the_next_item_is_read_while_this_one_is_worked_on() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with read_ahead(Source(10, wait=1.0).items()) as ahead:
            async for _ in ahead:
                await asyncio.sleep(1.0)
        return loop.time() - began

    assert run_virtual(main()) == pytest.approx(11.0)


def test_an_exception_of_the_source_reaches_the_consumer_after_what_came_before_it() -> None:
    async def main() -> None:
        found = []

        async def consume() -> None:
            async with read_ahead(Source(9, fails_at=3).items()) as ahead:
                async for item in ahead:
                    found.append(item)  # noqa: PERF401  # what came before the exception counts

        with pytest.raises(ExceptionGroup) as caught:
            await consume()
        assert caught.group_contains(LookupError, match="3")
        assert found == [0, 1, 2]

    run_virtual(main())


@pytest.mark.parametrize("wait", [0.0, 1.0])
def test_who_leaves_early_stops_the_reading(wait: float) -> None:
    source = Source(1000, wait=wait)

    async def main() -> None:
        async with read_ahead(source.items()) as ahead:
            assert await anext(ahead) == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert source.taken <= 3
    assert source.closed


def test_a_consumer_that_fails_stops_the_reading() -> None:
    source = Source(1000, wait=1.0)

    async def main() -> None:
        async def consume() -> None:
            async with read_ahead(source.items()) as ahead:
                async for _ in ahead:
                    raise KeyError("consumer")

        with pytest.raises(ExceptionGroup) as caught:
            await consume()
        assert caught.group_contains(KeyError)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert source.closed


def test_both_together_keep_to_the_limit_and_lose_nothing() -> None:
    done: Counter[int] = Counter()

    async def work(item: int) -> None:
        await asyncio.sleep(0.5)
        done[item] += 1

    async def main() -> None:
        async with read_ahead(Source(100, wait=0.1).items()) as ahead:
            await for_each(work, ahead, 8)

    run_virtual(main())
    assert done == Counter(range(100))
