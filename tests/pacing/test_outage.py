"""A server that does not answer any more, or only now and then."""

import asyncio
import random

import pytest

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer, Stopped
from oaa_bitbucket_async.errors import TemporaryError
from tests.pacing.scenarios import USUAL, always
from tests.pacing.simulation import Server, crawl_async
from tests.virtual_clock import run_virtual


def new_pacer(max_outage: float = 900.0) -> Pacer:
    return Pacer(concurrency=20, rate_limit=None, max_outage=max_outage, clock=LoopClock(), rng=random.Random(1))


def fail(pacer: Pacer, times: int, reason: FaultReason = FaultReason.CONNECT) -> None:
    for _ in range(times):
        assert pacer.try_enter()
        pacer.failed("x", reason, None)


def succeed(pacer: Pacer) -> None:
    assert pacer.try_enter()
    pacer.succeeded("x", 0.05)


def test_eight_failures_in_a_row_close_the_gate_and_a_probe_opens_it() -> None:
    async def main() -> None:
        pacer = new_pacer()
        clock = LoopClock()
        begin = clock.now()
        probes: list[float] = []

        async def probe() -> bool:
            probes.append(round(clock.now() - begin, 3))
            return len(probes) == 5

        fail(pacer, 7)
        succeed(pacer)
        fail(pacer, 7)
        assert pacer.outage.count == 0
        fail(pacer, 1)
        assert pacer.outage.count == 1
        assert not pacer.try_enter()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(pacer.watch(probe))
            await pacer.enter()
            assert probes == [1, 6, 16, 36, 76]
            pacer.succeeded("x", 0.05)
            await asyncio.sleep(3600)
            assert pacer.outage.count == 1
            watch.cancel()
        assert pacer.outage.seconds == pytest.approx(76)

    run_virtual(main())


def test_an_answer_to_an_earlier_request_opens_it_as_well() -> None:
    async def main() -> None:
        pacer = new_pacer()
        assert pacer.try_enter()
        fail(pacer, 8)
        assert not pacer.try_enter()
        pacer.succeeded("x", 3.0)
        assert pacer.try_enter()

    run_virtual(main())


@pytest.mark.parametrize("failures", [1, 8])
def test_it_gives_up_when_nothing_has_succeeded_for_long_enough(failures: int) -> None:
    async def main() -> float:
        pacer = new_pacer(max_outage=120.0)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1000)  # idle time is no outage
        begin = loop.time()
        fail(pacer, failures)

        async def probe() -> bool:
            return False

        with pytest.raises(TemporaryError, match="120 seconds") as caught:
            await pacer.watch(probe)
        assert "--max-outage" in caught.value.advice
        return loop.time() - begin

    assert run_virtual(main()) == pytest.approx(120)


@pytest.mark.parametrize(
    ("failures", "answers", "ends"), [(1, False, 60), (7, False, 60), (8, False, 1), (8, True, None)]
)
def test_without_patience_a_fault_that_passes_ends_nothing(failures: int, answers: bool, ends: float | None) -> None:
    async def main() -> float | None:
        pacer = new_pacer(max_outage=0.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        fail(pacer, failures)

        async def probe() -> bool:
            return answers

        watch = asyncio.create_task(pacer.watch(probe))
        await asyncio.wait([watch], timeout=600.0)
        if not watch.done():
            assert pacer.try_enter()
            watch.cancel()
            return None
        with pytest.raises(TemporaryError, match=f"for {ends} seconds"):
            watch.result()
        return loop.time() - began

    assert run_virtual(main()) == (None if ends is None else pytest.approx(ends))


def test_refusals_close_nothing_but_are_no_success_either() -> None:
    async def main() -> None:
        clock = LoopClock()
        pacer = new_pacer(max_outage=100.0)
        begin = clock.now()

        async def refused() -> None:
            while True:
                await pacer.enter()
                pacer.failed("x", FaultReason.THROTTLED, 1.0)

        async def probe() -> bool:
            raise AssertionError("no outage, no probe")

        task = asyncio.create_task(refused())
        with pytest.raises(TemporaryError):
            await pacer.watch(probe)
        assert clock.now() - begin == pytest.approx(100)
        assert pacer.outage.count == 0
        task.cancel()

    run_virtual(main())


def test_what_the_probe_raises_ends_the_watch() -> None:
    async def main() -> None:
        pacer = new_pacer()
        fail(pacer, 8)

        async def probe() -> bool:
            raise LookupError

        with pytest.raises(LookupError):
            await pacer.watch(probe)

    run_virtual(main())


def test_stop_reaches_those_who_wait_for_an_outage_to_end() -> None:
    async def main() -> None:
        pacer = new_pacer()
        fail(pacer, 8)
        waiting = asyncio.create_task(pacer.enter())
        await asyncio.sleep(10)
        pacer.stop()
        with pytest.raises(Stopped):
            await waiting

    run_virtual(main())


def test_cancelled_attempts_say_nothing() -> None:
    async def main() -> None:
        pacer = new_pacer()
        for _ in range(20):
            assert pacer.try_enter()
        for _ in range(20):
            pacer.abandoned()
        assert pacer.in_flight == 0
        assert pacer.outage.count == 0
        assert len(pacer.history) == 0

    run_virtual(main())


@pytest.mark.parametrize(("times_as_slow", "peak", "limit"), [(1.0, 256, 30), (60.0, 20, 2)])
def test_a_server_that_fails_three_in_ten_is_crawled_to_the_end(times_as_slow: float, peak: int, limit: int) -> None:
    pacers: list[Pacer] = []

    def make(clock: LoopClock) -> tuple[Server, Pacer]:
        pacer = Pacer(concurrency=None, rate_limit=None, max_outage=60.0, clock=clock, rng=random.Random(1))
        pacers.append(pacer)
        return Server(clock, random.Random(1), 40, failing=0.3, slower=((0.0, times_as_slow),)), pacer

    async def main() -> int:
        async def probe() -> bool:
            return True

        async with asyncio.TaskGroup() as group:
            task = None

            def making(clock: LoopClock) -> tuple[Server, Pacer]:
                nonlocal task
                server, pacer = make(clock)
                task = group.create_task(pacer.watch(probe))
                return server, pacer

            result = await crawl_async(making, 3000, always(USUAL))
            assert task is not None
            task.cancel()
        assert result.peak <= peak
        return result.outcomes["ok"]

    assert run_virtual(main()) == 3000
    assert pacers[0].limit >= limit
    assert (pacers[0].limit > 2) is (limit > 2), "slow answers and failures together are trouble"


def test_the_end_of_an_outage_does_not_refill_the_budget() -> None:
    async def main() -> None:
        pacer = Pacer(concurrency=None, rate_limit=None, max_outage=900.0, clock=LoopClock(), rng=random.Random(1))
        for _ in range(200):
            while pacer.try_enter():
                pass
            pacer.succeeded("x", 0.05)
        assert pacer.limit >= 32
        for _ in range(60):
            pacer.failed("x", FaultReason.CONNECT, None)
            pacer.try_enter()
        assert pacer.outage.count == 1
        assert pacer.limit == 2
        pacer.succeeded("x", 0.05)
        assert pacer.limit == 2

    run_virtual(main())
