"""A server and a crawl as discrete events: deterministic, seeded, and tens of thousands of requests a second.

`Server` needs no more than a clock; `crawl` drives a `Pacer` without an event loop, `crawl_async` with one.
"""

import asyncio
import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, LoopClock, Timer
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer

RTT = 0.004


class EventClock:
    """A clock whose time is moved by `run`; has no coroutines."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()

    def now(self) -> float:
        return self._now

    def epoch(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        number = next(self._numbers)
        heapq.heappush(self._events, (self._now + delay, number, callback))
        return _EventTimer(self, number)

    def cancel(self, number: int) -> None:
        self._cancelled.add(number)

    def run(self) -> None:
        """Until nothing is due any more."""
        while self._events:
            at, number, callback = heapq.heappop(self._events)
            if number in self._cancelled:
                self._cancelled.remove(number)
                continue
            self._now = at
            callback()


@dataclass(slots=True)
class _EventTimer:
    clock: EventClock
    number: int

    def cancel(self) -> None:
        self.clock.cancel(self.number)


@dataclass(frozen=True)
class Kind:
    """A kind of request: medians of its service time with their shares, spread by a lognormal of `sigma`."""

    name: str = "repository-users"
    medians: tuple[tuple[float, float], ...] = ((0.87, 0.040), (0.10, 0.120), (0.03, 0.300))
    sigma: float = 0.5

    def draw(self, rng: random.Random) -> float:
        shares, medians = zip(*self.medians, strict=True)
        median = medians[0] if len(medians) == 1 else rng.choices(medians, shares)[0]
        return median * math.exp(rng.gauss(0.0, self.sigma)) if self.sigma else median


@dataclass
class ServerBucket:
    """Bitbucket's rate limit. `other` is the rate at which somebody else of the same name uses it up."""

    capacity: float
    fill_rate: float
    other: float = 0.0
    whole_seconds: bool = False
    tokens: float = field(init=False)
    at: float = field(default=math.nan, init=False)

    def __post_init__(self) -> None:
        self.tokens = self.capacity

    def take(self, now: float) -> bool:
        moment = math.floor(now) if self.whole_seconds else now
        if math.isnan(self.at):
            self.at = moment
        gained = (moment - self.at) * (self.fill_rate - self.other)
        self.tokens = min(self.capacity, self.tokens + gained)
        self.at = moment
        if self.tokens >= 1.0 - 1e-9:
            self.tokens -= 1.0
            return True
        return False


Done = Callable[[FaultReason | None, float | None], None]


class Server:
    """Slots, a queue, service times that grow with the queue (`degradation` for each slot count of excess).

    Service times also grow with the busy slots, by `sharing` when all are: slots share processors and a database.
    `slots` is a number or a schedule of (second, slots); `slower` multiplies service times the same way. `failing` is
    the share of answers that are a 503, a number or what the server's state makes of it. With more than `refuses_at`
    requests at hand, a 503 is sent at once. Retry-After is sent as `retry_after`, None sends none.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        slots: int | Sequence[tuple[float, int]],
        *,
        degradation: float = 0.0,
        sharing: float = 0.0,
        slower: Sequence[tuple[float, float]] = ((0.0, 1.0),),
        failing: "float | Callable[[Server], float]" = 0.0,
        refuses_at: float = math.inf,
        bucket: ServerBucket | None = None,
        retry_after: float | None = 1.0,
    ) -> None:
        self.clock = clock
        self.rng = rng
        self.schedule = [(0.0, slots)] if isinstance(slots, int) else list(slots)
        self.degradation = degradation
        self.sharing = sharing
        self.slower = slower
        self.failing = failing
        self.refuses_at = refuses_at
        self.bucket = bucket
        self.retry_after = retry_after
        self.begin = clock.now()
        self.busy = 0
        self.queue: deque[tuple[float, Done]] = deque()
        self.served = 0.0
        """Seconds of undegraded service."""
        self.throttled = 0
        self.arrived = 0
        self.peak = 0
        self._area = 0.0
        self._area_at = self.begin
        for at, _ in self.schedule[1:]:
            clock.call_later(at, self._start)

    @property
    def slots(self) -> int:
        return self._scheduled(self.schedule)

    def _scheduled(self, schedule: Sequence[tuple[float, int]] | Sequence[tuple[float, float]]) -> int:
        now = self.clock.now() - self.begin
        return [value for at, value in schedule if at <= now + 1e-9][-1]  # type: ignore[return-value]

    @property
    def load(self) -> int:
        """Requests that are worked on or wait."""
        return self.busy + len(self.queue)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.clock.now() - self.begin

    def send(self, kind: Kind, done: Done) -> None:
        self.clock.call_later(RTT / 2, lambda: self._arrive(kind, done))

    def mean_queue(self) -> float:
        self._count()
        return self._area / max(self.clock.now() - self.begin, 1e-9)

    def _count(self) -> None:
        now = self.clock.now()
        self._area += len(self.queue) * (now - self._area_at)
        self._area_at = now

    def _arrive(self, kind: Kind, done: Done) -> None:
        self.arrived += 1
        if self.bucket is not None and not self.bucket.take(self.clock.now()):
            self.throttled += 1
            self.clock.call_later(0.001 + RTT / 2, lambda: done(FaultReason.THROTTLED, self.retry_after))
            return
        if self.load >= self.refuses_at:
            self.clock.call_later(0.001 + RTT / 2, lambda: done(FaultReason.UNAVAILABLE, None))
            return
        self._count()
        self.queue.append((kind.draw(self.rng), done))
        self.peak = max(self.peak, self.load)
        self._start()

    def _start(self) -> None:
        self._count()
        slots = self.slots if len(self.schedule) > 1 else self.schedule[0][1]
        slower = self._scheduled(self.slower) if len(self.slower) > 1 else self.slower[0][1]
        while self.queue and self.busy < slots:
            excess = max(0, self.load - slots) / slots
            service, done = self.queue.popleft()
            self.busy += 1
            shared = 1.0 + self.sharing * self.busy / slots
            self.served += service * slower * (1.0 + self.sharing)
            seconds = service * slower * shared * (1.0 + self.degradation * excess)
            self.clock.call_later(seconds, lambda done=done: self._end(done))

    def _end(self, done: Done) -> None:
        failing = self.failing(self) if callable(self.failing) else self.failing
        self.busy -= 1
        reason = FaultReason.UNAVAILABLE if failing and self.rng.random() < failing else None
        self.clock.call_later(RTT / 2, lambda: done(reason, None))
        self._start()

    def ideal(self) -> float:
        """Least seconds in which the slots could have done what they did."""
        left = self.served
        for (at, slots), (end, _) in zip(self.schedule, [*self.schedule[1:], (math.inf, 0)], strict=True):
            if left <= slots * (end - at):
                return at + left / slots
            left -= slots * (end - at)
        raise AssertionError


@dataclass
class Result:
    """What a crawl came to. `times` is its time by the least possible one."""

    seconds: float
    times: float
    queue: float
    peak: int
    throttled: int
    sent: int
    limits: list[tuple[float, int, str]]
    outcomes: Counter[str]

    def limit_at(self, second: float) -> int:
        return [new for at, new, _ in self.limits if at <= second][-1]


Mix = Callable[[int], Kind]
"""The kind of the n-th request."""


def result(server: Server, pacer: Pacer, outcomes: Counter[str], end: float) -> Result:
    seconds = end - server.begin
    return Result(
        seconds,
        seconds / server.ideal(),
        server.mean_queue(),
        server.peak,
        server.throttled,
        server.arrived,
        [(0.0, pacer.history[0].old if pacer.history else pacer.limit, "start")]
        + [(change.at - server.begin, change.new, change.reason) for change in pacer.history],
        outcomes,
    )


def crawl(server: Server, pacer: Pacer, clock: EventClock, requests: int, mix: Mix, *, workers: int = 512) -> Result:
    """Send `requests` as soon as the pacer lets them; faults are sent again. Neither pause nor rate is waited for.

    In an outage, a probe is sent each second.
    """
    outcomes: Counter[str] = Counter()
    todo = deque(mix(number) for number in range(requests))
    end = clock.now()
    probing = False

    def pump() -> None:
        nonlocal probing
        while todo and pacer.in_flight < workers and pacer.try_enter():
            attempt(todo.popleft())
        if pacer.outage.closed and not probing:
            probing = True
            clock.call_later(1.0, lambda: server.send(mix(0), probed))

    def probed(reason: FaultReason | None, _: float | None) -> None:
        nonlocal probing
        probing = False
        if reason is None:
            pacer.outage.succeeded()
        pump()

    def attempt(kind: Kind) -> None:
        sent_at = clock.now()

        def done(reason: FaultReason | None, retry_after: float | None) -> None:
            nonlocal end
            end = clock.now()
            outcomes[reason or "ok"] += 1
            if reason is None:
                pacer.succeeded(kind.name, end - sent_at)
            else:
                todo.append(kind)
                pacer.failed(kind.name, reason, retry_after)
            pump()

        server.send(kind, done)

    pump()
    clock.run()
    assert not todo
    return result(server, pacer, outcomes, end)


async def crawl_async(
    make: Callable[[LoopClock], tuple[Server, Pacer]], requests: int, mix: Mix, *, workers: int = 64
) -> Result:
    """The same over the running loop, with workers that wait in `enter`; faults are sent again."""
    clock = LoopClock()
    server, pacer = make(clock)
    outcomes: Counter[str] = Counter()
    numbers = iter(range(requests))

    async def worker() -> None:
        for number in numbers:
            kind = mix(number)
            while True:
                if not pacer.try_enter():
                    await pacer.enter()
                sent_at = clock.now()
                answer: asyncio.Future[tuple[FaultReason | None, float | None]] = asyncio.Future()
                server.send(kind, lambda reason, after, answer=answer: answer.set_result((reason, after)))
                reason, retry_after = await answer
                outcomes[reason or "ok"] += 1
                if reason is None:
                    pacer.succeeded(kind.name, clock.now() - sent_at)
                    break
                pacer.failed(kind.name, reason, retry_after)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
    return result(server, pacer, outcomes, clock.now())
