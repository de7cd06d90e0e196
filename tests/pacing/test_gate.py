import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.gate import Gate, Stopped
from oaa_bitbucket_async.bitbucket.pacing.rate import Bucket
from tests.examples import examples
from tests.pacing.simulation import EventClock
from tests.virtual_clock import run_virtual


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_admits_up_to_the_limit_then_in_order_of_asking() -> None:
    async def main() -> None:
        gate = Gate(LoopClock(), 2)
        assert gate.try_enter()
        assert gate.try_enter()
        assert not gate.try_enter()
        order: list[int] = []

        async def waiter(number: int) -> None:
            await gate.enter()
            order.append(number)

        tasks = [asyncio.create_task(waiter(number)) for number in range(3)]
        await settle()
        assert (gate.waiting, gate.in_flight) == (3, 2)
        gate.leave()
        assert not gate.try_enter(), "nobody overtakes those who wait"
        await settle()
        assert order == [0]
        gate.set_limit(4)
        await settle()
        assert order == [0, 1, 2]
        await asyncio.gather(*tasks)

    run_virtual(main())


def test_who_is_ahead_goes_before_all_others_and_keeps_its_own_order() -> None:
    async def main() -> None:
        gate = Gate(LoopClock(), 1)
        assert gate.try_enter()
        order: list[str] = []

        async def waiter(name: str, priority: bool) -> None:
            await gate.enter(priority=priority)
            order.append(name)
            gate.leave()

        names = ("bulk 1", False), ("ahead 1", True), ("bulk 2", False), ("ahead 2", True), ("ahead, cancelled", True)
        tasks = [asyncio.create_task(waiter(name, priority)) for name, priority in names]
        await settle()
        assert gate.waiting == 5
        tasks.pop().cancel()
        await settle()
        assert gate.waiting == 4
        gate.leave()
        await asyncio.gather(*tasks)
        assert order == ["ahead 1", "ahead 2", "bulk 1", "bulk 2"]
        assert gate.in_flight == 0

    run_virtual(main())


def test_nobody_overtakes_one_who_is_ahead() -> None:
    async def main() -> None:
        gate = Gate(LoopClock(), 1)
        assert gate.try_enter()
        first = asyncio.create_task(gate.enter(priority=True))
        await settle()
        gate.limit = 2
        assert not gate.try_enter()
        gate.stop()
        with pytest.raises(Stopped):
            await first

    run_virtual(main())


@pytest.mark.parametrize("place_given", [False, True])
def test_a_cancelled_waiter_leaves_no_trace(place_given: bool) -> None:
    async def main() -> None:
        gate = Gate(LoopClock(), 1)
        assert gate.try_enter()
        first = asyncio.create_task(gate.enter())
        second = asyncio.create_task(gate.enter())
        await settle()
        if place_given:
            gate.leave()  # the first has its place, but has not yet awoken
        first.cancel()
        if not place_given:
            gate.leave()
        await settle()
        assert first.cancelled()
        assert second.done()
        assert not second.cancelled()
        assert (gate.in_flight, gate.waiting) == (1, 0)

    run_virtual(main())


def test_a_pause_holds_everybody_and_is_never_shortened() -> None:
    async def main() -> None:
        clock = LoopClock()
        gate = Gate(clock, 10)
        begin = clock.now()
        gate.pause(begin + 7)
        gate.pause(begin + 3)
        assert not gate.try_enter()
        await asyncio.gather(gate.enter(), gate.enter())
        assert clock.now() - begin == pytest.approx(7)
        assert gate.try_enter()
        assert gate.blocked == 0, "the pause made them wait, not the limit"

    run_virtual(main())


def test_a_bucket_spaces_requests_with_one_timer() -> None:
    async def main() -> None:
        clock = LoopClock()
        gate = Gate(clock, 100)
        begin = clock.now()
        gate.set_bucket(Bucket(3, 2.0, begin))
        times: list[float] = []

        async def waiter() -> None:
            if not gate.try_enter():
                await gate.enter()
            times.append(round(clock.now() - begin, 3))

        await asyncio.gather(*(waiter() for _ in range(7)))
        assert times == [0, 0, 0, 0.5, 1.0, 1.5, 2.0]

    run_virtual(main())


def test_closed_and_reopened() -> None:
    async def main() -> None:
        gate = Gate(LoopClock(), 1)
        gate.close()
        assert not gate.try_enter()
        task = asyncio.create_task(gate.enter())
        await asyncio.sleep(3600)
        assert not task.done()
        gate.reopen()
        await task

    run_virtual(main())


def test_stop_ends_all_waiting_with_an_exception_of_its_own() -> None:
    async def main() -> None:
        gate = Gate(LoopClock(), 1)
        assert gate.try_enter()
        waiting = asyncio.create_task(gate.enter())
        await settle()
        gate.stop()
        with pytest.raises(Stopped):
            await waiting
        gate.leave()
        assert not gate.try_enter()
        with pytest.raises(Stopped):
            await gate.enter()

    run_virtual(main())


@examples(60)
@given(
    limit=st.integers(1, 4),
    requests=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 10), st.one_of(st.none(), st.integers(0, 20))), max_size=30
    ),
    pause=st.integers(0, 20),
)
def test_places_are_neither_lost_nor_doubled_whoever_is_cancelled_when(
    limit: int, requests: list[tuple[int, int, int | None]], pause: int
) -> None:
    """Each request: when it comes, how long it takes, and after how long it is cancelled (tenths of a second)."""

    async def main() -> None:
        clock = LoopClock()
        gate = Gate(clock, limit)
        gate.set_bucket(Bucket(2, 20.0, clock.now()))
        gate.pause(clock.now() + pause / 10)
        most = 0

        async def request(begin: int, length: int, patience: int | None) -> None:
            nonlocal most
            await asyncio.sleep(begin / 10)
            try:
                async with asyncio.timeout(None if patience is None else patience / 10):
                    if not gate.try_enter():
                        await gate.enter()
                    try:
                        most = max(most, gate.in_flight)
                        await asyncio.sleep(length / 10)
                    finally:
                        gate.leave()
            except TimeoutError:
                pass

        async with asyncio.TaskGroup() as group:
            for one in requests:
                group.create_task(request(*one))
        assert most <= limit
        assert (gate.in_flight, gate.waiting) == (0, 0)

    run_virtual(main())


def test_a_token_that_is_almost_whole_admits_nobody() -> None:
    """A loop's timers fire early; a place given for 0.999998 of a token would be one token too many, each time."""
    clock = EventClock()
    gate = Gate(clock, 10)
    gate.set_bucket(Bucket(1.0, 5.0, clock.now(), 0.0))
    clock.call_later((1.0 - 3e-6) / 5.0, lambda: None)
    clock.run()
    assert not gate.try_enter()
    clock.call_later(0.001, lambda: None)
    clock.run()
    assert gate.try_enter()
    assert not gate.try_enter()
