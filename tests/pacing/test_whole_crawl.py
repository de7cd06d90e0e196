"""What a crawl takes, and what others feel of it, from its first request on: bounds that hold in virtual time."""

import pytest

from tests.pacing.whole_crawl import whole_crawl


@pytest.mark.parametrize(
    ("slots", "seconds", "times"),
    [(48, 0.040, 1.35), (16, 0.025, 1.2)],
)
def test_a_short_crawl_is_not_spent_on_finding_the_limit(slots: int, seconds: float, times: float) -> None:
    first = whole_crawl(1_000, slots=slots, seconds=seconds)
    assert 2_400 <= first.requests <= 2_550
    assert first.times <= times
    assert first.peak <= 2.9 * slots
    again = whole_crawl(1_000, slots=slots, seconds=seconds, found=first.found)
    assert again.reasons[0] == "as last time"
    assert again.seconds < first.seconds
    assert again.peak <= 1.7 * slots, "known limits need no overrun"


@pytest.mark.parametrize("seed", [1, 2])
def test_others_hardly_feel_it(seed: int) -> None:
    found = whole_crawl(1_000, slots=16, seconds=0.025, degradation=0.3, seed=seed)
    assert found.felt <= 1.25
    assert found.times <= 1.15
    fixed = whole_crawl(300, slots=16, seconds=0.025, degradation=0.3, seed=seed, concurrency=64)
    assert fixed.felt > 5


def test_uneven_times_do_not_end_the_start_early() -> None:
    crawled = whole_crawl(1_000, slots=48, seconds=0.040, service="lognormal", seed=5)
    assert crawled.times <= 1.45
    assert crawled.felt <= 1.3
