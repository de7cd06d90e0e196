"""Named crawls over simulated servers, and what each must reach. `python -m tests.pacing.scenarios` prints them."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from tests.pacing.simulation import EventClock, Kind, Mix, Result, Server, crawl

CHEAP = Kind("repository-users", ((1.0, 0.030),))
DEAR = Kind("group-members", ((1.0, 0.120),))
USUAL = Kind()
HEAVY = Kind(sigma=1.0)
EVEN = Kind(sigma=0.0)

REQUESTS = 40_000
"""20,000 repositories, two requests each."""


def always(kind: Kind) -> Mix:
    return lambda _: kind


ALWAYS_USUAL = always(USUAL)


def shifting(number: int) -> Kind:
    """From all cheap to all dear, evenly over the crawl."""
    return CHEAP if random.Random(number).random() > number / REQUESTS else DEAR


TAME = Kind(sigma=0.2)


@dataclass(frozen=True)
class Scenario:
    """`times` is the bound for the time by the least possible one, for every seed that the tests use."""

    name: str
    slots: int | Sequence[tuple[float, int]]
    times: float
    degradation: float = 0.3
    sharing: float = 0.0
    slower: Sequence[tuple[float, float]] = ((0.0, 1.0),)
    mix: Mix = ALWAYS_USUAL
    requests: int = REQUESTS

    def run(self, seed: int, *, concurrency: int | None = None) -> Result:
        clock = EventClock()
        pacer = Pacer(concurrency=concurrency, rate_limit=None, max_outage=900.0, clock=clock, rng=random.Random(seed))
        server = Server(
            clock,
            random.Random(seed),
            self.slots,
            degradation=self.degradation,
            sharing=self.sharing,
            slower=self.slower,
        )
        return crawl(server, pacer, clock, self.requests, self.mix)


SCENARIOS = (
    Scenario("8 slots", 8, 1.10, degradation=0.0),
    Scenario("8 slots, degrading", 8, 1.10),
    Scenario("40 slots", 40, 1.07, degradation=0.0),
    Scenario("40 slots, degrading", 40, 1.08),
    Scenario("150 slots", 150, 1.10, degradation=0.0),
    Scenario("150 slots, degrading", 150, 1.12),
    Scenario("2 slots, degrading", 2, 1.13, requests=5_000),
    Scenario("4 slots, degrading", 4, 1.10, requests=10_000),
    Scenario("40, then 15, then 40 slots", ((0, 40), (20, 15), (60, 40)), 1.13),
    Scenario("starts under load: 15, then 40 slots", ((0, 15), (20, 40)), 1.13),
    Scenario("heavy tails", 40, 1.12, mix=always(HEAVY)),
    Scenario("all alike", 40, 1.07, mix=always(EVEN)),
    Scenario("two kinds", 40, 1.08, mix=lambda number: CHEAP if number % 2 else DEAR),
    Scenario("two kinds, shifting", 40, 1.2, mix=shifting),
    Scenario("one kind after the other", 40, 1.2, mix=lambda number: CHEAP if number < REQUESTS / 2 else DEAR),
    Scenario("twice as slow from 20 s on", 40, 1.10, slower=((0.0, 1.0), (20.0, 2.0))),
    Scenario("40 slots, quick to compare", 40, 1.10, mix=always(TAME)),
    Scenario("40 slots that share a little", 40, 1.12, mix=always(TAME), sharing=0.15),
    Scenario("40 slots that share", 40, 1.12, mix=always(TAME), sharing=0.3),
    Scenario("40 slots that share much", 40, 1.15, mix=always(TAME), sharing=0.6),
    Scenario("150 slots that share", 150, 1.1, mix=always(TAME), sharing=0.3),
)


def main() -> None:
    seeds = range(1, 4)
    print(f"{'scenario':40s} {'× ideal':>8s} {'worst':>6s} {'queue':>6s} {'peak':>5s} {'fixed 40':>9s}")
    for scenario in SCENARIOS:
        results = [scenario.run(seed) for seed in seeds]
        fixed = scenario.run(1, concurrency=40)
        mean = sum(result.times for result in results) / len(results)
        queue = sum(result.queue for result in results) / len(results)
        print(
            f"{scenario.name:40s} {mean:8.3f} {max(result.times for result in results):6.3f} {queue:6.1f}"
            f" {max(result.peak for result in results):5d} {fixed.times:9.3f}"
        )


if __name__ == "__main__":
    sys.exit(main())
