"""The page in a real browser: on a phone and on a desk, in light and in the dark."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.browser import DARK, LIGHT
from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.page import render
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.settings import Include
from tests.ops.report.browser import browser, look_at
from tests.ops.report.test_findings import credentialed

PHONE, DESK = 390, 1280


def page() -> bytes:
    """Every kind of list, with names as they are: long ones with dots and hyphens, and short ones."""
    snapshot: Snapshot = credentialed()
    snapshot.public_access = "on"
    snapshot.included.asked_for = frozenset(Include)
    snapshot.add_group("Platform-Administrators", listed=True)
    snapshot.add_members("Platform-Administrators", [0, 1])
    snapshot.add_group("release-managers-emea", listed=True)
    admins = rows.GroupGrant(group=rows.Group(name="platform-administrators"), permission="SYS_ADMIN")
    snapshot.add_global_grants([admins], 1.0)
    project = rows.Project(id=7, key="PAYMENTS", name="Payments and Settlement", type="NORMAL", public=True)
    snapshot.add_project(project)
    snapshot.add_default_permission(7, "PROJECT_WRITE")
    user = rows.User(
        id=2,
        name="maximiliane.featherstonehaugh@example.com",
        display_name="Maximiliane Featherstonehaugh",
        active=False,
    )
    snapshot.add_user(user, listed=True)
    for n in range(20):
        repository = rows.Repository(
            id=n + 9, slug=f"settlement-reconciliation-service-{n}", name="", project=project, public=False
        )
        snapshot.add_repository(repository)
        grants = [
            rows.UserGrant(user=user, permission="REPO_ADMIN"),
            rows.GroupGrant(group=rows.Group(name="gone-contractors-berlin"), permission="REPO_WRITE"),
            rows.GroupGrant(group=rows.Group(name="release-managers-emea"), permission="REPO_WRITE"),
        ]
        snapshot.add_repository_grants(n + 9, grants, 1.0)
    changes = Changes(
        grants=Difference(9, 9, 0, 1, (), (NamedGrant("ada", "PAYMENTS/settlement-reconciliation", "REPO_WRITE"),)),
        members=Difference(1, 2, 1, 0, (Membership("release-managers-emea", user.name),)),
        since=datetime(2026, 11, 23, tzinfo=UTC),
    )
    result = RunResult(instance="bitbucket.example.com", changes=changes, finished_at=1_764_000_000.0)
    result.requests.sent["repository-groups"] += 1000
    samples = [Sample(1.0, 900 + n, 900, 9.0, 64.0, 50.0, n % 3) for n in range(50)]
    return render(result, analyse(snapshot, identity="email", now=1_764_000_000.0), samples)


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_it_can_be_read_on_a_phone_and_on_a_desk(scheme: int, tmp_path: Path) -> None:
    browser()
    for look, width in zip(look_at(page(), [PHONE, DESK], scheme, tmp_path), (PHONE, DESK), strict=True):
        assert look["color_scheme"] == ("light" if scheme == LIGHT else "dark")
        assert look["width"] == width
        assert look["page_width"] <= width, "nobody has to push the page sideways"
        assert look["sticking_out"] == 0
        assert look["cells"] > 200
        assert look["hidden_cells"] == 0, "no column vanishes"
        assert look["broken"] == [], "no name breaks in the middle of a word"
        assert look["faint"] == []
