"""The right that follows from the payload is the right that Bitbucket itself would give: for everyone, everywhere."""

import json

from hypothesis import HealthCheck, given, settings

from oaa_bitbucket_async.demo.model import PERSONAL
from tests.access.conftest import Upload
from tests.access.from_bitbucket import FromBitbucket
from tests.access.from_payload import FromPayload
from tests.access.strategies import Instance, instances

LICENSED_USERS = "built-in:licensed-users"


def assert_same_rights(instance: Instance, raw: bytes) -> None:
    """Users, projects and repositories are those of the estate, and so is every right."""
    estate, bitbucket, payload = instance.estate, FromBitbucket(instance.estate), FromPayload(json.loads(raw))
    assert payload.repositories.keys() == {str(r.id) for r in estate.repositories}
    with_repositories = {r.project.id for r in estate.repositories}
    shown = [p for p in estate.projects if p.type != PERSONAL or p.id in with_repositories]
    assert payload.projects.keys() == {str(p.id) for p in shown}
    for user in estate.users:
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


@given(instance=instances())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_right_is_the_one_that_bitbucket_gives(upload: Upload, instance: Instance) -> None:
    assert_same_rights(instance, upload(instance))
