"""Servers that fail: flaky ones, and ones in trouble. `python -m tests.pacing.failing` prints what comes of them."""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from tests.pacing.scenarios import TAME, always
from tests.pacing.simulation import EventClock, Result, Server, crawl

MakeServer = Callable[[Clock, random.Random], Server]


def run(make: MakeServer, requests: int, seed: int, *, concurrency: int | None = None) -> tuple[Result, Pacer]:
    """A crawl of one server, and the pacer as it was at the end."""
    clock = EventClock()
    pacer = Pacer(concurrency=concurrency, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(seed))
    return crawl(make(clock, random.Random(seed)), pacer, clock, requests, always(TAME)), pacer


def flaky(share: float) -> MakeServer:
    """40 slots; each answer is a 503 by chance."""
    return lambda clock, rng: Server(clock, rng, 40, degradation=0.3, failing=share)


def slowdown(share: float, requests: int, seed: int, concurrency: int | None = None) -> float:
    """Time of a crawl of a flaky server by that of the same server without failures."""
    clean, _ = run(flaky(0.0), requests, seed, concurrency=concurrency)
    failing, _ = run(flaky(share), requests, seed, concurrency=concurrency)
    return failing.seconds / clean.seconds


def fail_a_third(pacer: Pacer, clock: EventClock, *, heavy: bool = False, latency: float = 0.05) -> None:
    """400 attempts, of which a third fails, whatever is in flight."""
    for number in range(400):
        while pacer.try_enter():
            pass
        clock.call_later(latency / pacer.in_flight, lambda: None)
        clock.run()
        if number % 3 == 0:
            pacer.failed("x", FaultReason.TIMEOUT if heavy else FaultReason.DROPPED, None)
        else:
            pacer.succeeded("x", latency)


class Collapse:
    """With more than `most` requests at hand a server collapses: half of all fail for so many `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self.until = 0.0

    def __call__(self, server: Server) -> float:
        if server.load > self.most:
            self.until = server.seconds + self.seconds
        return 0.5 if server.seconds < self.until else 0.0


@dataclass(frozen=True)
class Trouble:
    """A server in trouble. Bounds, for every seed that the tests use: requests sent by answers, and sent a second.

    They are what a crawl sent before it could tell flaky servers from those in trouble.
    """

    name: str
    make: MakeServer
    sent: float
    rate: float
    requests: int = 5_000

    def run(self, seed: int) -> Result:
        """A crawl of it."""
        return run(self.make, self.requests, seed)[0]


TROUBLES = (
    Trouble(
        "refuses more than 20 at a time",
        lambda clock, rng: Server(clock, rng, 20, degradation=0.3, refuses_at=20),
        sent=1.15,
        rate=80.0,
    ),
    Trouble(
        "fails with the load",
        lambda clock, rng: Server(clock, rng, 40, degradation=0.3, failing=lambda s: min(0.9, s.load / 60)),
        sent=1.13,
        rate=70.0,
    ),
    Trouble(
        "fails with the load, and a tenth anyway",
        lambda clock, rng: Server(clock, rng, 40, degradation=0.3, failing=lambda s: min(0.9, 0.1 + s.load / 60)),
        sent=1.20,
        rate=40.0,
    ),
    Trouble(
        "fails with the square of the load",
        lambda clock, rng: Server(clock, rng, 10, degradation=0.3, failing=lambda s: min(0.9, (s.load / 12) ** 2)),
        sent=1.13,
        rate=51.0,
    ),
    Trouble(
        "slow, and fails three in ten",
        lambda clock, rng: Server(clock, rng, 40, slower=((0.0, 40.0),), failing=0.3),
        sent=1.45,
        rate=1.1,
        requests=1_000,
    ),
    Trouble(
        "ten times as slow from 3 s on, and fails three in ten",
        lambda clock, rng: Server(
            clock,
            rng,
            40,
            slower=((0.0, 1.0), (3.0, 10.0)),
            failing=lambda s: 0.3 if s.seconds > 3.0 else 0.0,
        ),
        sent=1.31,
        rate=5.5,
    ),
    Trouble(
        "collapses for 2 s",
        lambda clock, rng: Server(clock, rng, 40, degradation=0.3, failing=Collapse(30, 2.0)),
        sent=1.6,
        rate=60.0,
    ),
)


def main() -> None:
    seeds = range(1, 4)
    for share in (0.05, 0.1, 0.2, 0.3, 0.5):
        for concurrency in (None, 32):
            found = [slowdown(share, 10_000, seed, concurrency) for seed in seeds]
            print(f"{share:4.0%} fail, {concurrency or 'auto':>4}: × {' '.join(f'{times:5.2f}' for times in found)}")
    for trouble in TROUBLES:
        results = [trouble.run(seed) for seed in seeds]
        sent = " ".join(f"{result.sent / trouble.requests:.2f}" for result in results)
        rate = " ".join(f"{result.sent / result.seconds:.1f}" for result in results)
        print(f"{trouble.name:54s} sent ÷ answers {sent}   sent a second {rate}")


if __name__ == "__main__":
    sys.exit(main())
