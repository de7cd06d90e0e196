import asyncio
import time

import pytest

from tests.virtual_clock import run_virtual


def test_hours_pass_at_once_and_in_order() -> None:
    order: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    async def main() -> float:
        begin = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper("late", 7200))
            group.create_task(sleeper("early", 3600))
        return asyncio.get_running_loop().time() - begin

    begin = time.monotonic()
    assert run_virtual(main()) == pytest.approx(7200)
    assert order == ["early", "late"]
    assert time.monotonic() - begin < 2


def test_timeouts_follow_it() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await loop.create_future()
        return loop.time() - begin

    assert run_virtual(main()) == pytest.approx(30)


def test_threads_are_waited_for() -> None:
    async def main() -> int:
        return await asyncio.to_thread(lambda: 7)

    assert run_virtual(main()) == 7
