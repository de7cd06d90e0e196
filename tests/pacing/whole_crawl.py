"""A whole crawl on the virtual clock: real client, preflight and crawl over the embedded server's answers and slots.

A simulation of the limit alone has one kind of request, and enough of them from the first moment on. A crawl begins
with listings that come one after the other, meets a dozen kinds, and has some of them only once.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from multidict import CIMultiDict

from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.pacing.limit import Found
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.preflight import examine
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.crawl import Crawl
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.ledger import Ledger
from oaa_bitbucket_async.collect.snapshot import Instance, Snapshot
from oaa_bitbucket_async.demo.bitbucket.answers import RefusedError
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.bitbucket.routes import route
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.rights import Rights
from oaa_bitbucket_async.settings import Pace, Scope
from tests.collect.instance import Keeper
from tests.servers import RiggedBitbucket
from tests.servers.capacity import Capacity
from tests.virtual_clock import run_virtual

RTT = 0.002
EVERY = 0.03
"""Seconds between two requests of the neighbour."""
URL = "https://git.example.com"


@dataclass(frozen=True)
class Crawled:
    """`times`: by the least time. `felt` and `felt_p95`: the neighbour's latency by the one without a crawl."""

    seconds: float
    times: float
    felt: float
    felt_p95: float
    peak: int
    requests: int
    reasons: Sequence[str]
    found: Found | None


class _Wire:
    """A Transport to a server without sockets."""

    def __init__(self, repositories: int, capacity: Capacity, seed: int) -> None:
        estate = generate(EstateShape.for_repositories(repositories, seed))
        self.server = RiggedBitbucket(estate)
        self.server.url = URL
        self._capacity = capacity
        user = estate.user(self.server.user)
        assert user is not None
        self._caller = Caller(user, "basic", estate, Rights(estate))

    async def serve(self, kind: str) -> None:
        """The time that a request takes."""
        await asyncio.sleep(RTT / 2)
        await self._capacity.serve(kind)
        await asyncio.sleep(RTT / 2)

    async def get(self, path: str) -> Answer:
        place, _, query = path.partition("?")
        where = route(place, query)
        await self.serve(where.kind)
        try:
            answer = self.server.answer(place, where, self._caller, ())
        except RefusedError as refused:
            answer = refused.answer
        headers = CIMultiDict({**answer.headers, **self._caller.headers})
        headers["Content-Type"] = answer.content_type or ""
        return Answer(answer.status, headers, answer.body)


def whole_crawl(
    repositories: int,
    *,
    slots: int,
    seconds: float,
    service: str = "fixed",
    degradation: float = 0.0,
    seed: int = 1,
    found: Found | None = None,
    concurrency: int | None = None,
) -> Crawled:
    """Preflight and crawl of an estate, beside a neighbour who asks one thing every 30 ms while the crawl lasts."""
    capacity = Capacity(slots, service, seconds, degradation=degradation, seed=seed)
    wire = _Wire(repositories, capacity, seed)
    return run_virtual(_crawl(wire, capacity, seed, found, concurrency))


async def _crawl(wire: _Wire, capacity: Capacity, seed: int, found: Found | None, concurrency: int | None) -> Crawled:
    clock, rng, pace, stats = LoopClock(), random.Random(seed), Pace(), RequestStats()
    pacer = Pacer(concurrency=concurrency, rate_limit=None, max_outage=900.0, clock=clock, rng=rng, found=found)
    login = Account(kind="basic", given_name=wire.server.user)
    client, api = Client(wire, pacer, stats, login, pace, clock, rng), Api("", pace.page_size)

    async def is_bitbucket() -> bool:
        return True

    capabilities = await examine(client, api, URL, pace.page_size, is_bitbucket)
    instance = Instance(URL, "git.example.com", capabilities.version, "basic", capabilities.global_permissions)
    snapshot, ledger = Snapshot(instance, included=Included(frozenset())), Ledger()
    crawl = Crawl(
        client, api, capabilities, snapshot, ledger, CrawlCounts(),
        scope=Scope(), pace=pace, record=Keeper(), clock=clock,
    )  # fmt: skip
    felt: list[float] = []
    began, asked, work = clock.now(), stats.total, capacity.undisturbed

    async def neighbour() -> None:
        sent_at = clock.now()
        await wire.serve("projects")
        felt.append(clock.now() - sent_at)

    async def neighbours(group: asyncio.TaskGroup) -> None:
        while True:
            group.create_task(neighbour())
            await asyncio.sleep(EVERY)

    async with asyncio.TaskGroup() as group:
        others = group.create_task(neighbours(group))
        await crawl.run()
        others.cancel()
        took, work = clock.now() - began, capacity.undisturbed - work
    assert ledger.complete
    alone = await _unloaded(capacity, wire)
    return Crawled(
        seconds=took,
        times=took / (work / capacity.slots),
        felt=median(felt) / median(alone),
        felt_p95=quantiles(felt, n=20)[-1] / quantiles(alone, n=20)[-1],
        peak=capacity.peak,
        requests=stats.total - asked,
        reasons=[change.reason for change in pacer.history],
        found=pacer.found(),
    )


async def _unloaded(capacity: Capacity, wire: _Wire) -> list[float]:
    clock, alone = LoopClock(), []
    for _ in range(200):
        sent_at = clock.now()
        await wire.serve("projects")
        alone.append(clock.now() - sent_at)
    return alone
