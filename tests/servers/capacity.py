"""How fast an embedded Bitbucket answers: slots and service times, and a rate limit for each user."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

MIXES: dict[str, tuple[tuple[float, float], ...]] = {
    "fixed": ((1.0, 1.0),),
    "lognormal": ((0.87, 1.0), (0.10, 3.0), (0.03, 7.5)),
}
"""Share of requests, and their median service time as a multiple of `Capacity.seconds`."""


@dataclass(eq=False)
class Capacity:
    """`slots` requests are worked on at one time, the others wait in the order they came.

    `service` is 'fixed' (each takes `seconds`) or 'lognormal' (87 % around `seconds`, 10 % around 3 times, 3 %
    around 7.5 times that, with `sigma`; 40, 120 and 300 ms by default). `factors` make kinds of endpoints dearer
    or cheaper. Under overload each service time grows by `degradation` for every `slots` requests that wait.
    `schedule` changes the number of slots: (seconds since the first request, slots), in order. Service times come
    from `seed`. A caller that hangs up frees its place. With `refuses_at` requests at hand another
    one is refused (503).

    Measured: `served` requests, the seconds of all slots together that they took (`busy`), should have taken
    (`drawn`; timers are a little late) and would have taken without overload (`undisturbed`), the `peak` of waiting
    and working ones.
    """

    slots: int = 40
    service: str = "lognormal"
    seconds: float = 0.040
    sigma: float = 0.2
    degradation: float = 0.0
    factors: dict[str, float] = field(default_factory=dict)
    schedule: Sequence[tuple[float, int]] = ()
    seed: int = 1
    refuses_at: int | None = None
    served: int = 0
    busy: float = 0.0
    drawn: float = 0.0
    undisturbed: float = 0.0
    peak: int = 0

    def __post_init__(self) -> None:
        if self.service not in MIXES:
            raise ValueError(f"service is one of {', '.join(MIXES)}, not {self.service}")
        self._rng = random.Random(self.seed)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._working = 0
        self._began: float | None = None
        self._changes = deque(self.schedule)

    @property
    def mean_seconds(self) -> float:
        """The mean service time without overload and `factors`."""
        spread = math.exp(self.sigma**2 / 2) if self.service == "lognormal" else 1.0
        return self.seconds * spread * sum(share * times for share, times in MIXES[self.service])

    @property
    def full(self) -> bool:
        """Whether another request is refused."""
        return self.refuses_at is not None and self._working + len(self._waiting) >= self.refuses_at

    async def serve(self, kind: str) -> None:
        """Waits for a slot and takes it for a service time."""
        loop = asyncio.get_running_loop()
        self._follow_schedule(loop.time())
        self.peak = max(self.peak, self._working + len(self._waiting) + 1)
        if self._working >= self.slots:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release()
                raise
        else:
            self._working += 1
        undisturbed = self._service_time(kind)
        took = undisturbed
        if self.degradation and self._waiting:
            took *= 1.0 + self.degradation * len(self._waiting) / self.slots
        began = loop.time()
        try:
            await asyncio.sleep(took)
        finally:
            self.served += 1
            self.drawn += took
            self.undisturbed += undisturbed
            self.busy += loop.time() - began
            self._release()

    def _release(self) -> None:
        self._working -= 1
        self._follow_schedule(asyncio.get_running_loop().time())
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._working < self.slots:
            turn = self._waiting.popleft()
            if not turn.done():
                self._working += 1
                turn.set_result(None)

    def _follow_schedule(self, now: float) -> None:
        if self._began is None:
            self._began = now
        while self._changes and now - self._began >= self._changes[0][0]:
            self.slots = self._changes.popleft()[1]
            self._admit()

    def _service_time(self, kind: str) -> float:
        rng = self._rng
        took = self.seconds
        if self.service != "fixed":
            at = rng.random()
            for share, times in MIXES[self.service]:
                if at < share:
                    took *= times
                    break
                at -= share
            took *= rng.lognormvariate(0.0, self.sigma)
        if self.factors:
            took *= self.factors.get(kind, 1.0)
        return took


@dataclass(eq=False)
class TokenBucket:
    """Bitbucket's rate limit: each user may send `capacity` requests at once and `fill_rate` a second after that.

    A cluster has one bucket on each of its `nodes`; requests without a session cookie go to them in turn, those
    with one stay on their node. Users in `exempt` (by name) are not limited. `Retry-After` is whole seconds, at
    least 1. `refused` counts the 429s.
    """

    capacity: int = 60
    fill_rate: float = 5.0
    nodes: int = 1
    exempt: frozenset[str] = frozenset()
    refused: int = 0

    def __post_init__(self) -> None:
        self._tokens: dict[tuple[str, int], tuple[float, float]] = {}
        self._turn = 0

    def node(self, cookie: str) -> int:
        """The node that a request reaches; `cookie` is its Cookie header."""
        _, found, pinned = cookie.partition("BITBUCKETSESSIONID=node")
        if found and pinned[:1].isdigit():
            return int(pinned[:1]) % self.nodes
        self._turn = (self._turn + 1) % self.nodes
        return self._turn

    def refuses(self, user: str, node: int, now: float) -> int | None:
        """None if the request may pass, which takes a token; else the seconds after which to try again."""
        if user in self.exempt:
            return None
        tokens, since = self._tokens.get((user, node), (float(self.capacity), now))
        tokens = min(float(self.capacity), tokens + (now - since) * self.fill_rate)
        if tokens >= 1.0:
            self._tokens[user, node] = (tokens - 1.0, now)
            return None
        self._tokens[user, node] = (tokens, now)
        self.refused += 1
        return max(1, math.ceil((1.0 - tokens) / self.fill_rate))
