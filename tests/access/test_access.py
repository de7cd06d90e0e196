"""The right that follows from the payload is the right that Bitbucket itself would give: for everyone, everywhere."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from oaa_bitbucket_async.demo.model import PERSONAL
from oaa_bitbucket_async.demo.rights import Rights
from tests.access.conftest import Upload
from tests.access.from_bitbucket import FromBitbucket
from tests.access.from_payload import FromPayload
from tests.access.strategies import Instance, estates, instances
from tests.access.traps import TRAPS, Trap
from tests.examples import examples
from tests.integration.harness import QUICK
from tests.servers import Fault, RiggedOptions

PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
"""An example is a whole run of the tool."""
LICENSED_USERS = "built-in:licensed-users"
PASSING = ("unavailable", "error", "reset", "half-body", "login-page", "not-json", "bad-shape")
"""Faults after which the same request may be sent at once. Pauses that a server asks for are another subject."""
STUBBORN = replace(QUICK, max_attempts=30, max_outage=120.0)
"""So many attempts that none of a few hundred requests fails each time, when three in ten fail."""


def assert_same_rights(instance: Instance, raw: bytes) -> FromPayload:
    """Users, projects and repositories are those of the estate, and so is every right."""
    estate, bitbucket, payload = instance.estate, FromBitbucket(instance.estate), FromPayload(json.loads(raw))
    assert payload.repositories.keys() == {str(r.id) for r in estate.repositories}
    with_repositories = {r.project.id for r in estate.repositories}
    shown = [p for p in estate.projects if p.type != PERSONAL or p.id in with_repositories]
    assert payload.projects.keys() == {str(p.id) for p in shown}
    hides_inactive = not (instance.options.admin_listings or instance.options.inactive_in_users)
    assert payload.unlisted_users() == bitbucket.unlisted_users(inactive_too=hides_inactive) & payload.users.keys()
    assert payload.unlisted_groups() == bitbucket.unlisted_groups(shown, explicit=instance.basic)
    for user in estate.users:
        assert payload.is_active(user.id) in (None, user.active), user
        assert payload.is_licensed(user.id) in (None, bitbucket.may_sign_in(user)), user
        assert payload.may_sign_in(user.id) == bitbucket.may_sign_in(user), user
        for project in shown:
            want, got = bitbucket.on_project(user, project), payload.on_project(user.id, project.id)
            assert got == want, (user, project)
        for repository in estate.repositories:
            want, got = bitbucket.on_repository(user, repository), payload.on_repository(user.id, repository.id)
            assert got == want, (user, repository)
    assert {int(user) for user in payload.members(LICENSED_USERS) if payload.may_sign_in(int(user))} == {
        user.id for user in estate.users if bitbucket.may_sign_in(user)
    }
    held = bitbucket.explicit_global_grants() if instance.basic else bitbucket.effective_global_grants()
    assert {(holder.lower(), permission) for holder, permission in payload.global_grants()} == held
    return payload


@pytest.mark.timeout(600)  # what is found has to be made small
@given(instance=instances())
@examples(80, **PATIENT)
def test_every_right_is_the_one_that_bitbucket_gives(upload: Upload, instance: Instance) -> None:
    assert_same_rights(instance, upload(instance))


@pytest.mark.parametrize("basic", [True, False], ids=["password", "token"])
@pytest.mark.parametrize("make", TRAPS, ids=lambda make: make.__name__)
def test_traps(upload: Upload, make: Callable[[], Trap], basic: bool) -> None:
    trap = make()
    options = RiggedOptions(version=trap.version, user=trap.account, page_cap=3, gaps=2, empty_pages=True)
    payload = assert_same_rights(Instance(trap.estate, options, basic), upload(Instance(trap.estate, options, basic)))
    assert rights_in(payload, trap) == trap.rights


def rights_in(payload: FromPayload, trap: Trap) -> dict[tuple[str, str], str]:
    """What everyone but the account itself may do, as it is written in a trap."""
    users = [user for user in trap.estate.users if user.name.lower() != trap.account]
    found = {(u.name, p.key): payload.on_project(u.id, p.id) for u in users for p in trap.estate.projects}
    found |= {
        (u.name, f"{r.project.key}/{r.slug}"): payload.on_repository(u.id, r.id)
        for u in users
        for r in trap.estate.repositories
    }
    return {place: level for place, level in found.items() if level != "none"}


@pytest.mark.timeout(600)
@given(instance=instances(), data=st.data())
@examples(15, **PATIENT)
def test_the_same_estate_gives_the_same_bytes(upload: Upload, instance: Instance, data: st.DataObject) -> None:
    """However it is asked, in whatever order and pages it is listed, and whichever three of ten requests fail."""
    plain = upload(instance)
    turned = replace(
        instance.estate,
        users=instance.estate.users[::-1],
        groups=instance.estate.groups[::-1],
        projects=instance.estate.projects[::-1],
        repositories=instance.estate.repositories[::-1],
    )
    other = replace(instance, estate=turned).served(
        page_cap=data.draw(st.integers(3, 9)), gaps=data.draw(st.integers(0, 2)), empty_pages=True, cookies=False
    )
    pace = replace(
        STUBBORN,
        concurrency=data.draw(st.sampled_from([1, 2, 16, None])),
        project_concurrency=data.draw(st.integers(1, 4)),
        repo_concurrency=data.draw(st.integers(1, 8)),
        page_size=data.draw(st.sampled_from([1, 2, 50, 1000])),
    )
    assert upload(other, pace=pace) == plain
    names = data.draw(st.lists(st.sampled_from(PASSING), min_size=1, max_size=3, unique=True))
    share, seed = 0.3 / len(names), data.draw(st.integers(0, 99))
    faults = [Fault(name, share=share, seed=seed + n, retry_after=None) for n, name in enumerate(names)]
    assert upload(other, pace=pace, faults=faults) == plain


@given(estate=estates())
@examples(100, **PATIENT)
def test_the_embedded_server_has_the_same_opinion(estate: Any) -> None:
    """It decides what it shows to whom by rules of its own: they were written apart from those here."""
    bitbucket, rights = FromBitbucket(estate), Rights(estate)
    levels = {None: "none", "PROJECT_READ": "read", "PROJECT_WRITE": "write", "REPO_CREATE": "create"}
    levels |= {"PROJECT_ADMIN": "admin", "REPO_READ": "read", "REPO_WRITE": "write", "REPO_ADMIN": "admin"}
    for user in estate.users:
        assert (rights.global_permission(user) is not None) == bitbucket.may_sign_in(user)
        for project in estate.projects:
            level = levels.get(rights.project_permission(user, project), "none")
            if level == "none" and estate.anybody_reads(project) and bitbucket.may_sign_in(user):
                level = "read"
            assert level == bitbucket.on_project(user, project)
        for repository in estate.repositories:
            level = levels.get(rights.repository_permission(user, repository), "none")
            assert level == bitbucket.on_repository(user, repository)
