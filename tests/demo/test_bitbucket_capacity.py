import asyncio
import json
import subprocess
import sys
import urllib.request

import pytest

from tests.demo.asking import Asker, ask
from tests.servers import Capacity, RiggedOptions, TokenBucket
from tests.virtual_clock import run_virtual


def crawl(capacity: Capacity, requests: int, workers: int = 1000) -> float:
    """Virtual seconds that `requests` need, `workers` at one time."""

    async def work(left: list[int]) -> None:
        while left[0] > 0:
            left[0] -= 1
            await capacity.serve("users")

    async def all_of_them() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        left = [requests]
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work(left))
        return loop.time() - began

    return run_virtual(all_of_them())


def test_slots_bound_what_is_worked_on() -> None:
    capacity = Capacity(slots=10, service="fixed", seconds=0.1)
    assert crawl(capacity, 1000) == pytest.approx(10.0)
    assert capacity.served == 1000
    assert capacity.busy == pytest.approx(100.0)
    assert capacity.peak == 1000
    assert crawl(Capacity(slots=10, service="fixed", seconds=0.1), 100, workers=1) == pytest.approx(10.0)


def test_service_times_are_as_told_and_repeat() -> None:
    first, second = Capacity(slots=40, seed=3), Capacity(slots=40, seed=3)
    took = crawl(first, 20_000)
    assert took == crawl(second, 20_000)
    assert first.drawn / 20_000 == pytest.approx(first.mean_seconds, rel=0.03)
    assert first.mean_seconds == pytest.approx(0.0568, rel=0.01)
    assert took == pytest.approx(first.drawn / 40, rel=0.02)


def test_overload_degrades() -> None:
    calm = Capacity(slots=10, service="fixed", seconds=0.1, degradation=0.3)
    assert crawl(calm, 500, workers=10) == pytest.approx(5.0)
    assert crawl(Capacity(slots=10, service="fixed", seconds=0.1, degradation=0.3), 500, workers=40) > 7.0


def test_a_full_server_refuses() -> None:
    capacity = Capacity(slots=1, service="fixed", seconds=0.1, refuses_at=2)

    async def check() -> None:
        async with asyncio.TaskGroup() as group:
            for full in (False, False, True):
                assert capacity.full is full
                group.create_task(capacity.serve("users"))
                await asyncio.sleep(0)
        assert not capacity.full

    run_virtual(check())


def test_slots_change_on_schedule() -> None:
    capacity = Capacity(slots=10, service="fixed", seconds=0.1, schedule=[(1.0, 5), (2.0, 20)])
    assert crawl(capacity, 100 + 50 + 200, workers=100) == pytest.approx(3.0, abs=0.2)
    assert capacity.slots == 20


def test_kinds_can_be_dearer() -> None:
    capacity = Capacity(slots=1, service="fixed", seconds=0.1, factors={"users": 3.0})
    assert crawl(capacity, 10) == pytest.approx(3.0)


def test_who_hangs_up_frees_the_place() -> None:
    async def check() -> None:
        capacity = Capacity(slots=1, service="fixed", seconds=1.0)
        working, waiting, next_one = (asyncio.create_task(capacity.serve("users")) for _ in range(3))
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.1)
        waiting.cancel()
        working.cancel()
        await next_one
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.1, abs=0.01)
        async with asyncio.timeout(1.5):
            await capacity.serve("users")

    run_virtual(check())


def test_who_hangs_up_just_when_the_turn_comes_passes_it_on() -> None:
    async def check() -> None:
        capacity = Capacity(slots=1, service="fixed", seconds=1.0)
        working, waiting = (asyncio.create_task(capacity.serve("users")) for _ in range(2))
        await asyncio.sleep(0)
        working.cancel()
        await asyncio.sleep(0)  # the place is free now, and given to the one that waits
        waiting.cancel()
        async with asyncio.timeout(1.5):
            await capacity.serve("users")

    run_virtual(check())


def test_an_unknown_mix_is_refused() -> None:
    with pytest.raises(ValueError, match="service is one of"):
        Capacity(service="quick")


def test_a_bucket_empties_and_fills() -> None:
    bucket = TokenBucket(capacity=3, fill_rate=0.5)
    assert [bucket.refuses("ann", 0, 100.0) for _ in range(4)] == [None, None, None, 2]
    assert bucket.refuses("ben", 0, 100.0) is None, "each user has a bucket"
    assert bucket.refuses("ann", 1, 100.0) is None, "and each node"
    assert bucket.refuses("ann", 0, 101.0) == 1
    assert bucket.refuses("ann", 0, 102.0) is None
    assert bucket.refused == 2
    assert [TokenBucket(1, 1, exempt=frozenset({"ann"})).refuses("ann", 0, 0.0) for _ in range(9)] == [None] * 9


def test_a_session_stays_on_its_node() -> None:
    bucket = TokenBucket(nodes=3)
    assert [bucket.node("") for _ in range(4)] == [1, 2, 0, 1]
    assert [bucket.node("a=b; BITBUCKETSESSIONID=node2-77") for _ in range(2)] == [2, 2]


def test_the_server_says_when_to_come_back() -> None:
    async def check(asker: Asker) -> None:
        answers = [await asker.get("users") for _ in range(3)]
        assert [a.status for a in answers] == [200, 200, 429]
        assert answers[2].headers["Retry-After"] == "100"
        assert (await asker.get("projects", token=None)).status == 200, "the public has no bucket"

    ask(check, options=RiggedOptions(bucket=TokenBucket(capacity=2, fill_rate=0.01)))


def test_the_server_queues() -> None:
    capacity = Capacity(slots=2, service="fixed", seconds=0.02)

    async def check(asker: Asker) -> None:
        await asyncio.gather(*(asker.get("users") for _ in range(10)))
        assert asker.server.peak_in_flight == 10
        assert capacity.peak == 10
        assert capacity.busy >= 0.2

    ask(check, options=RiggedOptions(capacity=capacity))


def test_it_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.servers", "--repositories", "20", "--seed", "5"]
    command += ["--slots", "4", "--service-time", "1", "--schedule", "5:8", "--bucket", "1000:100"]
    command += ["--context-path", "/bitbucket", "--fault", "error:match=groups,times=1"]
    command += ["--no-credentials", "--missing", "user-gpg-keys"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            account = json.loads(process.stdout.readline())
            headers = {"Authorization": f"Bearer {account['token']}"}
            request = urllib.request.Request(f"{url}/rest/api/1.0/repos?archived=ALL&limit=1000", headers=headers)
            with urllib.request.urlopen(request) as response:
                repositories = json.load(response)["values"]
            assert len(repositories) == 20
            for one in repositories:
                place = f"projects/{one['project']['key']}/repos/{one['slug']}"
                request = urllib.request.Request(f"{url}/rest/keys/1.0/{place}/ssh?effective=true", headers=headers)
                with urllib.request.urlopen(request) as response:
                    assert json.load(response)["size"] == 0
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(urllib.request.Request(f"{url}/rest/gpg/1.0/keys", headers=headers))
            with urllib.request.urlopen(f"{url}/-/stats") as response:
                stats = json.load(response)
            assert (stats["requests"], stats["served"], stats["faults"]) == (22, 22, {"0 error": 0})
        finally:
            process.terminate()
    if sys.platform != "win32":
        assert process.returncode == 0
