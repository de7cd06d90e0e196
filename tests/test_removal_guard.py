"""What counts as removed, and how much of it is too much."""

import logging

import pytest

from oaa_bitbucket_async.errors import RemovalError
from oaa_bitbucket_async.oaa.changes import Changes, Difference
from oaa_bitbucket_async.run.guards import check_removed


def grants(before: int, lost: int, *, removed: int | None = None, added: int = 0) -> Changes:
    gone = lost if removed is None else removed
    return Changes(grants=Difference(before, before - gone + added, added, gone), grants_lost=lost)


def members(before: int, removed: int) -> Changes:
    return Changes(members=Difference(before, before - removed, 0, removed))


@pytest.mark.parametrize("make", [grants, members])
@pytest.mark.parametrize(
    ("before", "gone", "stopped"),
    [(100, 30, False), (100, 31, True), (20, 7, True), (19, 18, False), (19, 19, True), (1, 1, True), (0, 0, False)],
)
def test_more_than_is_allowed_stops_the_upload(make: type, before: int, gone: int, stopped: bool) -> None:
    changes = make(before, gone)
    check_removed(changes, None)
    check_removed(changes, 100)
    if stopped:
        with pytest.raises(RemovalError, match=f"{gone} of the {before}"):
            check_removed(changes, 30)
    else:
        check_removed(changes, 30)


def test_another_level_counts_for_nothing() -> None:
    check_removed(grants(100, 0, removed=100, added=100), 0)


def test_read_rights_that_went_with_public_access_do_not_count() -> None:
    def off(before: int, closed: int, lost: int) -> Changes:
        return Changes(
            grants=Difference(before, before - closed - lost, 0, closed + lost), grants_lost=lost, grants_closed=closed
        )

    check_removed(off(100, 90, 0), 0)
    check_removed(off(15, 15, 0), 0)
    with pytest.raises(RemovalError, match="40 of the 100"):
        check_removed(off(1000, 900, 40), 30)
    with pytest.raises(RemovalError, match="3 of the 3"):
        check_removed(off(15, 12, 3), 30)


@pytest.mark.parametrize(("gone", "warned"), [(5, False), (6, True)])
@pytest.mark.parametrize("allowed", [30.0, None])
def test_more_than_five_per_cent_is_a_warning(
    caplog: pytest.LogCaptureFixture, gone: int, warned: bool, allowed: float | None
) -> None:
    with caplog.at_level(logging.WARNING):
        check_removed(grants(100, gone), allowed)
    assert ("removes" in caplog.text) is warned
