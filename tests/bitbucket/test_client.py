"""One question until it is answered: attempts, waits, places at the gate, counters, the login."""

import asyncio
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.client import PROOF_INTERVAL, Client
from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, Gone, RequestProblem
from oaa_bitbucket_async.bitbucket.pacing.gate import Stopped
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer
from oaa_bitbucket_async.bitbucket.retries import MAX_THROTTLED
from oaa_bitbucket_async.errors import CredentialError
from tests.bitbucket.answers import API, HTML, ME, Wire, answer, client_of, error, ok, page, scripted
from tests.examples import examples
from tests.virtual_clock import run_virtual

QUESTION = API.project("A")
KIND = QUESTION.kind
PROJECT = ok({"id": 1, "key": "A", "name": "Alpha"})
RESET = Fault("/x", "reset", reason=FaultReason.DROPPED)


class Timed(Wire):
    """Notes when each question came."""

    def __init__(self, *answers: Answer | Exception, seconds: float = 0.0) -> None:
        super().__init__(scripted(*answers), seconds)
        self.times: list[float] = []

    async def get(self, path: str) -> Answer:
        self.times.append(asyncio.get_running_loop().time())
        return await super().get(path)

    @property
    def waits(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


@pytest.mark.parametrize("attempts", [1, 2, 6])
def test_a_fault_is_tried_as_often_as_allowed_and_the_last_one_raised(attempts: int) -> None:
    wire = Timed(*(error(500, f"number {n}") for n in range(1, 20)))

    async def main() -> None:
        client = client_of(wire, max_attempts=attempts)
        with pytest.raises(Fault, match=f"number {attempts}$"):
            await client.ask(QUESTION)
        assert client.pacer.in_flight == 0
        stats = client.stats
        assert stats.sent == {KIND: attempts}
        assert stats.faults == {FaultReason.SERVER_ERROR: attempts}
        assert stats.total_retries == attempts - 1
        assert not stats.answered

    run_virtual(main())
    assert len(wire.paths) == attempts


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (error(503), FaultReason.UNAVAILABLE),
        (error(408), FaultReason.SERVER_ERROR),
        (answer(200, b"<html>", content_type=HTML), FaultReason.NOT_JSON),
        (ok({"id": None}), FaultReason.BAD_SHAPE),
        (RESET, FaultReason.DROPPED),
        (Fault("/x", "slow", reason=FaultReason.TIMEOUT), FaultReason.TIMEOUT),
    ],
)
def test_a_fault_that_passes_costs_a_retry_counted_by_its_reason(trouble: Answer | Fault, reason: FaultReason) -> None:
    async def main() -> None:
        client = client_of(Wire(scripted(trouble, trouble, PROJECT)))
        assert (await client.ask(QUESTION)).id == 1
        stats = client.stats
        assert (stats.sent, stats.answered) == ({KIND: 3}, {KIND: 1})
        assert stats.faults == {reason: 2}
        assert stats.retries == {reason: 2}
        assert stats.latencies[KIND].count == 1

    run_virtual(main())


def test_each_retry_is_counted_by_the_fault_before_it() -> None:
    async def main() -> None:
        client = client_of(Wire(scripted(error(503), RESET, error(429), PROJECT)))
        await client.ask(QUESTION)
        expected = {FaultReason.UNAVAILABLE: 1, FaultReason.DROPPED: 1, FaultReason.THROTTLED: 1}
        assert client.stats.retries == client.stats.faults == expected

    run_virtual(main())


@pytest.mark.parametrize(
    "trouble",
    [
        answer(200, b"[" + b" " * 5000, {"X-AUSERNAME": ME}),
        ok([{"id": 1, "key": " " * 5000}]),
        answer(500, b" " * 5000),
        answer(409, b" " * 5000),
        answer(404, b'{"message":"' + b" " * 5000 + b'"}', {"X-AUSERNAME": ME}),
    ],
)
def test_what_failed_keeps_no_answer_alive(trouble: Answer) -> None:
    """A crawl keeps many problems; each answer may have 32 MB."""

    async def main() -> RequestProblem:
        client = client_of(Wire(scripted(trouble)), max_attempts=2)
        with pytest.raises(RequestProblem) as caught:
            await client.ask(QUESTION)
        return caught.value

    problem: BaseException | None = run_virtual(main())
    while problem is not None:
        for frame, _ in traceback.walk_tb(problem.__traceback__):
            held = [name for name, value in frame.f_locals.items() if value is trouble or value is trouble.body]
            assert not held or frame.f_code.co_filename == __file__, (frame.f_code, held)
        problem = problem.__context__


@pytest.mark.parametrize("refusal", [error(401), error(404), error(400), answer(301, b"", {"Location": "/rest/x"})])
def test_the_last_word_is_not_asked_for_again(refusal: Answer) -> None:
    wire = Wire(scripted(refusal))

    async def main() -> None:
        client = client_of(wire)
        with pytest.raises(RequestProblem) as caught:
            await client.ask(QUESTION)
        assert client.stats.refused == {type(caught.value).__name__.lower(): 1}
        assert client.pacer.in_flight == 0

    run_virtual(main())
    assert len(wire.paths) == 1


# --- waits --------------------------------------------------------------------------------------------------------


def test_waits_are_full_jitter_over_doubling_steps() -> None:
    shares: list[float] = []
    for seed in range(60):
        wire = Timed(*[error(500)] * 5, PROJECT)

        async def main(wire: Timed = wire, seed: int = seed) -> None:
            await client_of(wire, seed=seed, retry_wait=4.0, retry_wait_max=20.0).ask(QUESTION)

        run_virtual(main())
        steps = (4.0, 8.0, 16.0, 20.0, 20.0)
        shares += [wait / step for wait, step in zip(wire.waits, steps, strict=True)]
    assert all(0.0 <= share <= 1.0 + 1e-9 for share in shares)
    for fifth in range(5):
        inside = sum(fifth / 5 <= share < (fifth + 1) / 5 for share in shares)
        assert inside > len(shares) / 10, "spread over the whole step"


@pytest.mark.parametrize(("asked", "least", "most"), [("40", 40.0, 41.0), ("99999", 300.0, 301.0), ("9e999", 300, 301)])
@pytest.mark.parametrize("status", [503, 429])
def test_what_the_server_asks_for_is_waited_but_no_more_than_five_minutes(
    asked: str, least: float, most: float, status: int
) -> None:
    wire = Timed(error(status, Retry_After=asked), PROJECT)

    async def main() -> None:
        await client_of(wire).ask(QUESTION)

    run_virtual(main())
    assert least - 1e-6 <= wire.waits[0] <= most


def test_being_throttled_uses_up_no_attempt() -> None:
    wire = Timed(*[error(429, Retry_After="1")] * 20, error(500), PROJECT)

    async def main() -> None:
        client = client_of(wire, max_attempts=2)
        await client.ask(QUESTION)
        assert client.stats.retries == {FaultReason.THROTTLED: 20, FaultReason.SERVER_ERROR: 1}

    run_virtual(main())
    assert all(wait >= 1.0 - 1e-6 for wait in wire.waits[:20])


def test_being_throttled_does_not_go_on_for_ever() -> None:
    wire = Timed(error(429, Retry_After="1"))

    async def main() -> None:
        with pytest.raises(Fault) as caught:
            await client_of(wire).ask(QUESTION)
        assert caught.value.reason is FaultReason.THROTTLED

    run_virtual(main())
    assert len(wire.paths) == MAX_THROTTLED


# --- places at the gate -------------------------------------------------------------------------------------------


def test_a_place_is_held_while_a_request_is_out_and_not_while_it_waits_to_be_retried() -> None:
    wire = Timed(*[error(500), RESET, error(500), PROJECT] * 20, PROJECT, seconds=1.0)
    samples: list[tuple[int, int]] = []

    async def main() -> None:
        client = client_of(wire, concurrency=3, retry_wait=20.0)

        async def watch() -> None:
            while True:
                await asyncio.sleep(0.173)
                samples.append((client.pacer.in_flight, wire.in_flight))

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(client.ask(QUESTION) for _ in range(5)), return_exceptions=True)
        watching.cancel()

    run_virtual(main())
    assert all(held == out for held, out in samples)
    assert {held for held, _ in samples} >= {0, 1, 3}
    assert wire.peak == 3


@examples(150)
@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=6), st.integers(1, 3), st.integers(0, 1000))
def test_cancelled_at_any_moment_a_question_gives_its_place_back(
    moments: list[float], concurrency: int, seed: int
) -> None:
    wire = Timed(*[error(500), error(503, Retry_After="3"), error(429), PROJECT, error(401), RESET] * 8, PROJECT,
                 seconds=0.7)  # fmt: skip

    async def main() -> None:
        client = client_of(wire, concurrency=concurrency, seed=seed)
        tasks = [asyncio.create_task(client.ask(QUESTION)) for _ in moments]
        for moment, task in sorted(zip(moments, tasks, strict=True), key=lambda pair: pair[0]):
            asyncio.get_running_loop().call_later(moment, task.cancel)
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
        assert (client.pacer.in_flight, client.pacer.waiting, wire.in_flight) == (0, 0, 0)
        for task in tasks:
            assert task.cancelled() or task.exception() is None or isinstance(task.exception(), (Fault, Denied))

    run_virtual(main())


def test_after_stop_nothing_is_asked_any_more() -> None:
    wire = Timed(PROJECT, seconds=1.0)

    async def main() -> None:
        client = client_of(wire, concurrency=1)
        out, waiting = (asyncio.create_task(client.ask(QUESTION)) for _ in range(2))
        await asyncio.sleep(0.5)
        client.pacer.stop()
        assert (await out).key == "A"
        with pytest.raises(Stopped):
            await waiting
        with pytest.raises(Stopped):
            await client.ask(QUESTION)
        assert client.pacer.in_flight == 0

    run_virtual(main())
    assert len(wire.paths) == 1


def test_a_lost_login_gives_its_place_back_and_is_not_asked_again() -> None:
    wire = Timed(error(401, user=None))

    async def main() -> None:
        client = client_of(wire)
        with pytest.raises(CredentialError):
            await client.ask(QUESTION)
        assert client.pacer.in_flight == 0

    run_virtual(main())
    assert len(wire.paths) == 1


# --- the login where a proxy strips the name ----------------------------------------------------------------------


def behind_a_proxy(wire: Wire, **pace: object) -> Client:
    client = client_of(wire, login=Account(kind="token", stripped=True), **pace)  # type: ignore[arg-type]
    client.prove_by(API.login_proof())
    return client


def served(proof: Answer, other: Answer) -> Wire:
    return Wire(lambda path: proof if path == API.login_proof().path else other)


def test_a_refusal_is_a_missing_right_if_the_login_still_holds() -> None:
    wire = served(ok(page([]), user=None), error(401, user=None))

    async def main() -> None:
        with pytest.raises(Denied):
            await behind_a_proxy(wire).ask(QUESTION)

    run_virtual(main())
    assert wire.paths == [QUESTION.path, API.login_proof().path]


def test_a_refusal_is_a_lost_login_if_the_proof_is_refused_too() -> None:
    wire = served(error(401, user=None), error(401, user=None))

    async def main() -> None:
        client = behind_a_proxy(wire)
        with pytest.raises(CredentialError, match="no longer recognizes the login"):
            await client.ask(QUESTION)
        assert client.pacer.in_flight == 0

    run_virtual(main())
    assert wire.paths == [QUESTION.path, API.login_proof().path], "the proof is not proven by itself"


@pytest.mark.parametrize("refusal", [error(401, user=None), error(403, user=None), error(404, user=None)])
def test_a_proof_that_is_refused_ends_the_run(refusal: Answer) -> None:
    wire = Wire(scripted(refusal))

    async def main() -> None:
        client = behind_a_proxy(wire)
        with pytest.raises(CredentialError):
            await client.prove_login()
        with pytest.raises(CredentialError):
            await client.probe()

    run_virtual(main())
    assert len(wire.paths) == 2


def test_the_login_is_proven_at_intervals_and_a_fault_is_no_proof_of_anything() -> None:
    wire = Timed(*[ok(page([]), user=None)] * 2, *[RESET] * 2, ok(page([]), user=None), error(401, user=None))

    async def main() -> None:
        client = behind_a_proxy(wire, max_attempts=2)
        with pytest.raises(CredentialError):
            await client.watch_login()

    run_virtual(main())
    assert len(wire.paths) == 6
    assert all(wait >= PROOF_INTERVAL for wait in (wire.waits[0], wire.waits[1], wire.waits[3], wire.waits[4]))


def test_where_answers_carry_the_name_nobody_watches() -> None:
    wire = Timed(PROJECT)

    async def main() -> None:
        await client_of(wire).watch_login()

    run_virtual(main())
    assert not wire.paths


def test_a_probe_passes_the_gate_and_tells_whether_the_server_answers() -> None:
    wire = Timed(RESET, error(503), ok(page([])))

    async def main() -> None:
        client = client_of(wire, concurrency=1)
        client.prove_by(API.login_proof())
        assert client.pacer.try_enter()
        assert [await client.probe() for _ in range(3)] == [False, False, True]

    run_virtual(main())


def test_the_name_that_answers_carry_is_remembered_until_the_login_is_settled() -> None:
    async def main() -> None:
        client = client_of(Wire(scripted(ok({"id": 1, "key": "A", "name": "A"}, user=ME))), login=Account(kind="token"))
        assert client.last_user_header is None
        await client.ask(QUESTION)
        assert client.last_user_header == ME

    run_virtual(main())


def test_a_thing_that_is_gone_counts_as_an_answer_of_the_server() -> None:
    async def main() -> None:
        client = client_of(Wire(scripted(error(404))), max_outage=5.0)
        for _ in range(50):
            with pytest.raises(Gone):
                await client.ask(QUESTION)
        assert client.pacer.outage.count == 0
        assert client.stats.refused == {"gone": 50}

    run_virtual(main())
