"""One huge thing among many small ones is collected whole, without a question more than its pages take."""

from collections import Counter
from typing import Any

import pytest

from benchmarks.least_requests import least
from oaa_bitbucket_async.demo.estate import generate
from tests.integration.conftest import SMALL, Benches
from tests.servers import RiggedOptions
from tests.servers.outliers import OUTLIERS, Outlier, add_outlier

pytestmark = pytest.mark.thorough

SIZE = 700
PAGE = 100
PREFLIGHT = 12
"""At most."""


def counts(payload: dict[str, Any]) -> dict[str, int]:
    """What the payload holds, and how many principals its permissions name."""
    (application,) = payload["applications"]
    held = Counter(
        key
        for holder in payload["identity_to_permissions"]
        for grant in holder["application_permissions"]
        for key in grant.get("resources", ())
    )
    return {
        "users": len(application["local_users"]),
        "groups": len(application["local_groups"]),
        "projects": len(application["resources"]),
        "repositories": sum(len(project["sub_resources"]) for project in application["resources"]),
        "largest project": max(len(project["sub_resources"]) for project in application["resources"]),
        "most grants on one thing": max(held.values()),
        "largest group": max(
            Counter(g for user in application["local_users"] for g in user.get("groups", ())).values()
        ),
        "owners": sum(project["custom_properties"].get("is_personal", False) for project in application["resources"]),
    }


@pytest.mark.parametrize("outlier", OUTLIERS)
def test_an_outlier_is_whole(bench: Benches, outlier: Outlier) -> None:
    plain_run = bench(RiggedOptions(page_cap=PAGE), estate=generate(SMALL)).run()
    plain = counts(plain_run.payload)
    estate = generate(SMALL)
    add_outlier(estate, outlier, SIZE)
    made = bench(RiggedOptions(page_cap=PAGE), estate=estate)
    ran = made.run()
    assert ran.code == 0, ran.error
    found = counts(ran.payload)
    more = {what: found[what] - plain[what] for what in ("users", "groups", "projects", "repositories", "owners")}
    expected: dict[Outlier, dict[str, int]] = {
        "project": {"projects": 1, "repositories": SIZE},
        "group": {"users": SIZE, "groups": 1},
        "grants": {"users": SIZE // 2, "groups": SIZE // 2},
        "personal": {"users": SIZE, "projects": SIZE, "repositories": SIZE, "owners": SIZE},
    }
    assert more == dict.fromkeys(more, 0) | expected[outlier]
    outliers: dict[Outlier, tuple[str, int]] = {
        "project": ("largest project", SIZE),
        "group": ("largest group", SIZE),
        "grants": ("most grants on one thing", SIZE),
        "personal": ("owners", SIZE + plain["owners"]),
    }
    what, size = outliers[outlier]
    assert found[what] == size
    fewest = least(estate, PAGE)
    listings = ("users", "groups", "members", "projects", "repositories")
    again = sum(fewest[listing] for listing in listings) + 2 * (
        SIZE // PAGE
    )  # each that has several pages is read twice
    assert ran.requests <= sum(fewest.values()) + again + PREFLIGHT
