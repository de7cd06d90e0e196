"""How much does a crawl slow down the people who work on Bitbucket?

A second client sends a small request every 30 ms, before the crawl and during it. Two ratios count: the median latency
during the crawl to the median before it, and the time of the crawl to the least time. With too many requests in flight
everybody waits for the server; with too few the crawl takes longer.
"""

import asyncio
import time
from dataclasses import dataclass
from statistics import median, quantiles

import aiohttp

from benchmarks.collector import Report
from benchmarks.figures import Figure, middle, spread
from benchmarks.lanes import Lanes
from benchmarks.plan import Plan
from benchmarks.processes import Server, collect, serving
from benchmarks.records import Answer, Neighbour
from benchmarks.slots import Slots, ratio

EVERY = 0.03
"""Seconds between two requests of the neighbour."""
PATIENCE = 20
"""The most requests that the neighbour has in flight. Without this limit it would overload a slow server."""
GOAL = 1.2
GOAL_TIME = 1.1
FIXED = (64, 256)
SERVERS = ((8, 40.0), (16, 25.0), (40, 40.0), (150, 160.0))
"""Slots, and milliseconds of a common request."""
SLOWER = 0.3
TOGETHER = 1500.0
"""Requests a second of all runs at one time: the neighbour shall not wait for this machine."""
_PIECES = 40
"""Points of a line over a crawl."""
_PATH = "/rest/api/latest/projects?limit=1"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the neighbour: when it was sent (seconds since the epoch), and the seconds it took."""

    at: float
    seconds: float


class Neighbours:
    """The second client: like many people, it sends while other requests of it are not yet answered."""

    def __init__(self, server: Server) -> None:
        self._url = server.url + _PATH
        self._login = aiohttp.BasicAuth(server.user, server.password)
        self.asked: list[Asked] = []
        self._waits_for = 0

    async def ask(self, seconds: float | None = None) -> None:
        """For that long, or until it is cancelled."""
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector, auth=self._login) as session,
            asyncio.TaskGroup() as group,
        ):
            loop = asyncio.get_running_loop()
            began, number = loop.time(), 0
            while seconds is None or loop.time() < began + seconds:
                if self._waits_for < PATIENCE:
                    self._waits_for += 1
                    group.create_task(self._one(session))
                number += 1
                await asyncio.sleep(began + number * EVERY - loop.time())

    async def _one(self, session: aiohttp.ClientSession) -> None:
        at, began = time.time(), time.perf_counter()
        async with session.get(self._url) as response:
            await response.read()
            response.raise_for_status()
        self._waits_for -= 1
        self.asked.append(Asked(at, time.perf_counter() - began))


async def measure(plan: Plan) -> Answer:
    """`auto` and fixed numbers on servers of several sizes (in a quick run on one of them)."""
    lanes = Lanes(TOGETHER)
    servers = [
        Slots(slots, milliseconds, service, degradation)
        for slots, milliseconds in (SERVERS[1:2] if plan.quick else SERVERS)
        for service in (("fixed",) if plan.quick else ("fixed", "lognormal"))
        for degradation in ((SLOWER,) if plan.quick else (0.0, SLOWER))
    ]
    numbers = [None, *(FIXED[:1] if plan.quick else FIXED)]
    async with asyncio.TaskGroup() as group:
        tasks = {
            (server, number): [
                group.create_task(_run(plan, server, number, lanes))
                for _ in range(1 if plan.quick or number is not None else plan.runs)
            ]
            for server in servers
            for number in numbers
        }
    found = {key: [task.result() for task in group] for key, group in tasks.items()}
    figures = [
        figure
        for server in servers
        for figure in figures_of(server, {number: found[server, number] for number in numbers})
    ]
    return Answer(figures, neighbours=[run for runs in found.values() for run in runs])


async def _run(plan: Plan, server: Slots, number: int | None, lanes: Lanes) -> Neighbour:
    seconds = plan.size(quick=2, full=13) if number is None else plan.size(quick=1, full=3)
    alone = plan.size(quick=1, full=5)
    async with (
        lanes.take(server.rate(number)),
        serving(server.repositories(seconds), *server.options, seed=plan.seed) as process,
    ):
        before, during = Neighbours(process), Neighbours(process)
        await before.ask(alone)
        asking = asyncio.create_task(during.ask())
        report = await collect(process, concurrency=number)
        asking.cancel()
        await asyncio.wait([asking])
    return neighbour_of(server, number, report, before.asked, during.asked)


def neighbour_of(
    server: Slots, number: int | None, report: Report, before: list[Asked], during: list[Asked]
) -> Neighbour:
    """What was felt of one crawl: of what was asked from its first to its last second."""
    end = report.began + report.phases["crawl"].wall
    felt = sorted((one.at - report.began, one.seconds) for one in during if report.began <= one.at <= end)
    alone, loaded = [one.seconds for one in before], [seconds for _, seconds in felt]
    return Neighbour(
        slots=server.slots,
        milliseconds=server.milliseconds,
        service=server.service,
        degradation=server.degradation,
        concurrency=number,
        requests=report.requests,
        time=ratio(report, server),
        unloaded_median=median(alone) * 1000,
        unloaded_p95=_p95(alone) * 1000,
        median=median(loaded) * 1000,
        p95=_p95(loaded) * 1000,
        over_time=_over_time(felt, end - report.began),
    )


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def _over_time(felt: list[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    """Medians (in ms) of as many pieces of the crawl, each at its middle (in seconds)."""
    pieces: dict[int, list[float]] = {}
    for at, latency in felt:
        pieces.setdefault(min(int(at / seconds * _PIECES), _PIECES - 1), []).append(latency)
    return [((piece + 0.5) * seconds / _PIECES, median(each) * 1000) for piece, each in sorted(pieces.items())]


def figures_of(server: Slots, runs: dict[int | None, list[Neighbour]]) -> list[Figure]:
    """How much `auto` slows the neighbour down, and how long its crawl takes, compared with the fixed numbers."""
    auto = runs[None]
    setting = f"{server.name()}, {auto[0].requests:,} requests, auto"
    fixed = {number: each[0] for number, each in runs.items() if number is not None}
    felt = [run.felt for run in auto]
    tail = middle([run.felt_p95 for run in auto])
    beside = ", ".join(f"{number}: {run.felt:.1f}" for number, run in fixed.items())
    notes = [
        f"{auto[0].unloaded_median:.0f} ms without a crawl, {middle([run.median for run in auto]):.0f} ms with it",
        f"95th percentile {tail:.2f} ×",
        spread(felt),
        f"fixed {beside}",
    ]
    times = [run.time for run in auto]
    beside = ", ".join(f"{number}: {run.time:.2f}" for number, run in fixed.items())
    return [
        Figure(
            "another client's latency ÷ without a crawl",
            setting,
            middle(felt),
            goal=GOAL,
            note="; ".join(filter(None, notes)),
        ),
        Figure(
            "time ÷ least time, beside another client",
            setting,
            middle(times),
            goal=GOAL_TIME,
            note="; ".join(filter(None, [spread(times), f"fixed {beside}"])),
        ),
    ]
