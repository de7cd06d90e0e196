"""Each request ends at its own time, although one timer serves them all."""

import asyncio

import pytest

from oaa_bitbucket_async.bitbucket.deadlines import Deadlines
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from tests.virtual_clock import run_virtual

SECONDS = 120.0


async def request(deadlines: Deadlines, seconds: float) -> str:
    """A request that takes so many seconds, and how it ended."""
    task = deadlines.begin()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not deadlines.is_late(task):
            raise
        return "late"
    finally:
        deadlines.end(task)
    return "answered"


def test_each_ends_at_its_own_time_and_quick_ones_before_it_change_nothing() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS, LoopClock())
        now = asyncio.get_running_loop().time
        began = now()

        async def timed(start: float, seconds: float) -> tuple[str, float]:
            await asyncio.sleep(start)
            return await request(deadlines, seconds), round(now() - began, 2)

        asked = [(0.0, 1.0), (0.5, 500.0), (30.0, 500.0), (100.0, 20.0), (100.5, 119.0), (150.0, 121.0)]
        found = await asyncio.gather(*(timed(*times) for times in asked))
        assert found == [
            ("answered", 1.0),
            ("late", 120.5),
            ("late", 150.0),
            ("answered", 120.0),
            ("answered", 219.5),
            ("late", 270.0),
        ]
        assert await request(deadlines, 500.0) == "late", "also after a time without any"

    run_virtual(main())


def test_a_task_that_was_late_can_be_used_and_cancelled_again() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS, LoopClock())

        async def twice() -> None:
            assert [await request(deadlines, 500.0) for _ in range(2)] == ["late", "late"]
            await request(deadlines, 5.0)
            await asyncio.sleep(1000.0)

        task = asyncio.create_task(twice())
        await asyncio.sleep(2 * SECONDS + 10.0)
        assert task.cancelling() == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())


def test_who_is_cancelled_by_others_is_not_late_even_if_it_is_at_the_same_moment() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS, LoopClock())
        loop = asyncio.get_running_loop()
        for before in (SECONDS / 2, SECONDS):
            task = asyncio.create_task(request(deadlines, 500.0))
            await asyncio.sleep(0)
            loop.call_later(before, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtual(main())


def test_a_cancelled_task_that_cleans_up_is_late_too() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS, LoopClock())
        ended = []

        async def clean_up() -> None:
            try:
                await asyncio.sleep(1000.0)
            finally:
                ended.append(await request(deadlines, 500.0))

        task = asyncio.create_task(clean_up())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["late"]

    run_virtual(main())


def test_no_timer_is_left() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS, LoopClock())
        began = asyncio.get_running_loop().time()
        await request(deadlines, 1.0)
        deadlines.close()
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)

    run_virtual(main())
