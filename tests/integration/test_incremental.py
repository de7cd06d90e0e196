"""Incremental runs, as a user makes them: the same bytes as a full run, for a part of its requests."""

from collections import Counter

import pytest

from tests.integration.conftest import Benches
from tests.integration.harness import Bench
from tests.integration.keyed import EVERYTHING, keyed

BULK = "/permissions/"


def asked(bench: Bench, before: int) -> Counter[str]:
    return Counter(request.path for request in bench.bitbucket.requests[before:])


def test_without_a_base_it_is_a_full_crawl(bench: Benches, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench()
    full = made.run()
    other = bench()
    ran = other.run(incremental=True)
    assert (ran.code, ran.raw) == (0, full.raw)
    assert "a full crawl: no upload with these settings" in capsys.readouterr().err


def test_it_asks_a_part_and_uploads_the_same_bytes(bench: Benches) -> None:
    made = bench()
    full = made.run()
    ran = made.run(incremental=True)
    assert (ran.code, ran.raw) == (0, full.raw)
    assert ran.requests < full.requests / 2
    assert made.run(incremental=True).requests <= ran.requests, "the next one knows no less"


def test_the_same_with_all_that_include_adds(bench: Benches) -> None:
    made = bench(estate=keyed())
    full = made.run(include=EVERYTHING, basic=False)
    for _ in range(3):
        ran = made.run(include=EVERYTHING, basic=False, incremental=True)
        assert (ran.code, ran.raw) == (0, full.raw)
        assert ran.requests < full.requests / 3, "what is hidden, and what helps to understand, is known too"
