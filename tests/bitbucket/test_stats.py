"""Counts and latencies of a run, and the paths of its questions."""

import statistics
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.api import Api, Listing
from oaa_bitbucket_async.bitbucket.stats import Latencies, RequestStats
from oaa_bitbucket_async.collect import kinds
from tests.examples import examples


@examples(100)
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=80), st.sampled_from([0.05, 0.5, 0.95, 1.0]))
def test_quantiles_are_within_a_tenth(seconds: list[float], share: float) -> None:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    exact = sorted(seconds)[max(0, -(-int(share * 1000) * len(seconds) // 1000) - 1)]
    assert latencies.quantile(share) == pytest.approx(exact, rel=0.1)
    assert latencies.count == len(seconds)
    assert latencies.total == pytest.approx(statistics.fsum(seconds))


def test_no_latency_and_none_at_all() -> None:
    latencies = Latencies()
    assert latencies.quantile(0.5) == 0.0
    latencies.add(0.0)
    assert 0.0 < latencies.quantile(0.5) < 1e-3


def test_totals() -> None:
    stats = RequestStats()
    stats.sent.update(a=3, b=2)
    stats.retries.update(timeout=1, dropped=1)
    assert (stats.total, stats.total_retries) == (5, 2)


STRANGE = ("a b", "a/b", "50%", "Zürich", "a+b&c=d", "#?;", "'\"", "~ADA", "日本", "..")


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_stays_one_name_in_a_path(name: str) -> None:
    api = Api("/scm", 77)
    for path, parameter in (
        (api.members(name, detailed=True).path, "context"),
        (api.members(name, detailed=False).path, "group"),
        (api.groups_like(name, detailed=True).path, "filter"),
        (api.users_like(name, "ADMIN").path, "filter"),
    ):
        parts = urlsplit(path)
        assert parse_qs(parts.query)[parameter] == [name]
        assert path.isascii()
        assert parts.path.startswith("/scm/rest/api/1.0/")
    for path in (
        kinds.PROJECT_USERS.at(api, [name]).path,
        api.project(name).path,
        kinds.REPOSITORY_GROUPS.at(api, ["K", name]).path,
        api.project_default(name, "PROJECT_READ").path,
        api.rate_limit_of(name).path,
    ):
        assert path.isascii()
        parts = urlsplit(path)
        assert not parts.fragment
        assert name in map(unquote, parts.path.split("/"))


def test_a_listing_lacks_only_its_start() -> None:
    api = Api("", 77)
    listings: list[Listing[object]] = [
        api.users(detailed=True), api.groups(detailed=True), api.groups(detailed=False), api.projects(),
        api.repositories(),
        api.members("x", detailed=True), api.global_users(), api.global_groups(),
        *(kind.at(api, ["A", "s"]) for kind in kinds.ALL if kind.pages is not None),
    ]  # type: ignore[list-item]  # fmt: skip
    for listing in listings:
        assert listing.path.endswith("limit=77")


def test_a_filter_by_permission_asks_for_small_pages() -> None:
    """More than half of the server's cap loses users (BSERV-11884)."""
    assert "limit=250" in Api("", 1000).users_like("ada", "ADMIN").path
    assert "limit=9" in Api("", 9).users_like("ada", "ADMIN").path


def test_archived_repositories_are_asked_for() -> None:
    assert "archived=ALL" in Api("", 1000).repositories().path
