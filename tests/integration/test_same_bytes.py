"""The same state gives the same bytes: whatever fails on the way, in whatever order answers come."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.examples import first
from tests.integration.conftest import Benches
from tests.integration.harness import QUICK, Ran
from tests.servers import Fault, RiggedOptions
from tests.servers.capacity import Capacity

pytestmark = pytest.mark.usefixtures("short_probe_delays")

MIXED = ("unavailable", "error", "reset", "half-body", "login-page", "sso-redirect", "not-json", "bad-shape")
PATIENT = replace(QUICK, max_attempts=12, max_outage=30.0)


def three_in_ten(seed: int) -> list[Fault]:
    """Faults of all kinds that together strike about three requests in ten."""
    each = 1 - 0.7 ** (1 / len(MIXED))
    return [Fault(name, share=each, seed=seed * 100 + n, retry_after=None) for n, name in enumerate(MIXED)]


@pytest.mark.thorough
@pytest.mark.parametrize("concurrency", [1, 2, 7, None], ids=lambda n: f"concurrency {n or 'auto'}")
@pytest.mark.parametrize(
    ("options", "failing"),
    [({}, False), ({}, True), ({"page_cap": 7}, False), ({"page_cap": 4, "gaps": 3, "empty_pages": True}, True)],
    ids=["plain", "failing", "pages", "failing, pages with gaps"],
)
def test_any_concurrency_any_pages_any_faults(
    bench: Benches, truth: Ran, concurrency: int | None, options: Mapping[str, int], failing: bool
) -> None:
    """With a random service time, answers come in an order of their own."""
    capacity = Capacity(slots=16, seconds=0.0005, seed=concurrency or 99)
    faults = three_in_ten(concurrency or 99) if failing else []
    made = bench(RiggedOptions(capacity=capacity, **options), faults)  # type: ignore[arg-type]
    ran = made.run(pace=replace(PATIENT, concurrency=concurrency))
    assert ran.code == 0, ran.error
    assert ran.raw == truth.raw
    struck = sum(fault.struck for fault in faults)
    if failing:
        assert struck > 0.2 * ran.requests
        assert len({fault.name for fault in faults if fault.struck}) == len(MIXED)


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "token"])
@pytest.mark.parametrize("version", first("7.21.0", "9.4.0", of=["7.21.0", "8.9.0", "9.4.0"]))
def test_the_same_for_every_version_and_login(bench: Benches, version: str, basic: bool) -> None:
    def run(*, failing: bool) -> Ran:
        made = bench(RiggedOptions(version=version, page_cap=11), three_in_ten(5) if failing else [])
        return made.run(basic=basic, pace=PATIENT)

    first, second = run(failing=False), run(failing=True)
    assert (first.code, second.code) == (0, 0)
    assert first.raw == second.raw


def test_page_size_and_workers_change_nothing(bench: Benches, truth: Ran) -> None:
    for pace in (
        replace(QUICK, page_size=3),
        replace(QUICK, project_concurrency=1, repo_concurrency=1),
        replace(QUICK, project_concurrency=7, repo_concurrency=3, max_concurrency=5),
    ):
        ran = bench().run(pace=pace)
        assert (ran.code, ran.raw) == (0, truth.raw)


def test_a_listing_in_another_order(bench: Benches, truth: Ran) -> None:
    """Bitbucket does not promise an order; the payload has its own."""
    made = bench(RiggedOptions(page_cap=13))
    estate = made.bitbucket.estate
    for listing in (estate.users, estate.groups, estate.projects, estate.repositories):
        listing.reverse()  # type: ignore[attr-defined]
    for place in (*estate.projects, *estate.repositories):
        place.user_grants.reverse()
        place.group_grants.reverse()
    estate.changed()
    ran = made.run()
    assert (ran.code, ran.raw) == (0, truth.raw)
