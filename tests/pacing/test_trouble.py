"""Trouble of one kind of question, or of one path, and what it costs the others: nothing."""

import asyncio
import random

import pytest

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.pacing.pause import ALONE_AFTER
from oaa_bitbucket_async.bitbucket.pacing.trouble import UNANSWERED_AFTER
from tests.virtual_clock import run_virtual

ERROR, THROTTLED = FaultReason.SERVER_ERROR, FaultReason.THROTTLED


class Told:
    """A pacer that is told how attempts end, each in its own right."""

    def __init__(self, max_outage: float = 900.0) -> None:
        self.clock = LoopClock()
        self.pacer = Pacer(
            concurrency=20, rate_limit=None, max_outage=max_outage, clock=self.clock, rng=random.Random(1)
        )

    async def fails(self, kind: str, times: int = 1, reason: FaultReason = ERROR, path: str = "/p") -> None:
        for _ in range(times):
            await self.pacer.enter()
            self.pacer.failed(kind, reason, 1.0 if reason is THROTTLED else None, path)

    async def is_answered(self, kind: str) -> None:
        await self.pacer.enter()
        self.pacer.succeeded(kind, 0.05)


def test_a_kind_is_unanswered_from_the_eighth_fault_on_if_others_are_answered() -> None:
    async def main() -> None:
        told = Told()
        await told.fails("users", 4)
        await told.is_answered("groups")
        await told.fails("users", UNANSWERED_AFTER - 5)
        assert not told.pacer.unanswered("users")
        await told.fails("users")
        assert told.pacer.unanswered("users")
        assert not told.pacer.unanswered("groups")
        await told.is_answered("users")
        assert not told.pacer.unanswered("users")

    run_virtual(main())


def test_an_answer_at_the_beginning_of_an_outage_tells_nothing_about_a_kind() -> None:
    async def main() -> None:
        told = Told()
        await told.fails("users", 3)
        await told.is_answered("groups")
        await told.fails("users", 8)
        assert not told.pacer.unanswered("users")
        assert told.pacer.outage.count == 1

    run_virtual(main())


def test_what_is_unanswered_drains_no_budget_and_makes_no_outage() -> None:
    async def main() -> None:
        told = Told()
        pacer = Pacer(concurrency=None, rate_limit=None, max_outage=900.0, clock=told.clock, rng=random.Random(1))
        told.pacer = pacer
        await told.fails("users", 4)
        await told.is_answered("groups")
        await told.fails("users", 1000)
        assert pacer.unanswered("users")
        assert (pacer.outage.count, pacer.in_outage) == (0, False)
        assert "retry budget empty" not in [change.reason for change in pacer.history]
        assert pacer.limit > 2

    run_virtual(main())


@pytest.mark.parametrize("kinds", [["users"], ["users", "groups"]])
def test_where_nothing_else_is_asked_the_probe_tells(kinds: list[str]) -> None:
    async def main() -> None:
        told = Told(max_outage=30.0)
        probes = 0

        async def probe() -> bool:
            nonlocal probes
            probes += 1
            return True

        watch = asyncio.create_task(told.pacer.watch(probe))
        for _ in range(100):
            for kind in kinds:
                await told.fails(kind)
        assert all(map(told.pacer.unanswered, kinds))
        assert 1 <= probes <= 3
        await asyncio.sleep(300.0)
        assert not watch.done(), "and no outage is counted any more"
        watch.cancel()

    run_virtual(main())


def test_after_a_real_outage_no_kind_is_blamed() -> None:
    async def main() -> None:
        told = Told()
        begin = told.clock.now()

        async def probe() -> bool:
            return told.clock.now() > begin + 20.0

        watch = asyncio.create_task(told.pacer.watch(probe))
        for _ in range(20):
            assert told.pacer.try_enter()
        for _ in range(20):
            told.pacer.failed("users", ERROR, None, "/p")
        await asyncio.sleep(10.0)
        assert told.pacer.in_outage
        await told.fails("users", 7)
        assert not told.pacer.unanswered("users")
        watch.cancel()

    run_virtual(main())


def test_the_first_second_of_an_outage_is_not_shown_as_one() -> None:
    async def main() -> None:
        told = Told()
        await told.fails("users", 8)
        assert told.pacer.outage.count == 1
        assert not told.pacer.in_outage

    run_virtual(main())


# --- pauses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", ["kind", "path"])
def test_after_three_pauses_that_it_caused_alone_the_others_do_not_wait_any_more(alone: str) -> None:
    async def main() -> None:
        told = Told()
        for _ in range(ALONE_AFTER):
            await told.fails("users", 1, THROTTLED, "/p1")
            assert told.pacer.pause_left > 0
            await told.is_answered("groups")
            if alone == "path":
                await told.is_answered("users")
        await told.fails("users", 5, THROTTLED, "/p1")
        assert told.pacer.pause_left == 0
        assert told.pacer.pauses.count == ALONE_AFTER
        assert told.pacer.rate.rate is None, "a rate that was learned from it is no rate of the server"
        assert told.pacer.apart("users", "/p1")
        assert told.pacer.apart("users", "/p2") is (alone == "kind")
        assert not told.pacer.apart("groups", "/p3")

    run_virtual(main())


def test_a_rate_limit_refuses_whatever_comes() -> None:
    async def main() -> None:
        told = Told()
        for number in range(20):
            await told.fails(("users", "groups")[number % 2], 1, THROTTLED, f"/{number}")
            await told.is_answered("users")
            await told.is_answered("groups")
        assert told.pacer.pauses.count == 20

    run_virtual(main())


def test_another_refusal_ends_it() -> None:
    async def main() -> None:
        told = Told()
        for _ in range(ALONE_AFTER):
            await told.fails("users", 1, THROTTLED)
            await told.is_answered("groups")
        await told.fails("groups", 1, THROTTLED, "/q")
        assert not told.pacer.apart("users", "/p")
        assert told.pacer.pause_left > 0

    run_virtual(main())


def test_a_server_that_answers_nobody_is_paused_for() -> None:
    async def main() -> None:
        told = Told()
        for _ in range(10):
            await told.fails("users", 1, THROTTLED)
        assert told.pacer.pauses.count == 10
        assert told.pacer.in_doubt("users", "/p"), "an answer to anything else would tell"
        await told.is_answered("login")
        assert told.pacer.apart("users", "/p")

    run_virtual(main())
