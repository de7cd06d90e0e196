"""Rules of the mapping that a reader should be able to look up here, one by one."""

import json

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.snapshot import Missing, PublicAccess, Snapshot
from oaa_bitbucket_async.oaa.payload import build_payload
from tests.oaa.estates import INSTANCE

ANN = rows.User(id=1, name="ann", slug="ann", email_address="ann@example.com")
BOB = rows.User(id=2, name="bob", slug="bob")
PROJECT = rows.Project(id=10, key="PRJ", name="Project")


def decoded(snapshot: Snapshot, **options) -> dict:
    return json.loads(b"".join(build_payload(snapshot, **options).json_chunks()))


def by_id(entities: list[dict]) -> dict[str, dict]:
    return {entity["id"]: entity for entity in entities}


def grants(payload: dict) -> set[tuple[str, str, str]]:
    found = set()
    for holder in payload["identity_to_permissions"]:
        for grant in holder["application_permissions"]:
            for resource in grant.get("resources", ["application"]):
                found.add((holder["identity"], grant["permission"], resource))
    return found


def test_a_personal_project_belongs_to_its_owner_even_if_no_grant_says_so():
    s = Snapshot(INSTANCE)
    s.add_project(rows.Project(id=10, key="~ANN", name="Ann", type="PERSONAL", owner=ANN))
    payload = decoded(s)
    assert grants(payload) == {("1", "PROJECT_ADMIN", "10")}
    (project,) = payload["applications"][0]["resources"]
    assert project["custom_properties"]["is_personal"] is True
    assert project["custom_properties"]["owner"] == "ann"
    assert project["custom_properties"]["url"] == "https://git.example.com/scm/users/ann"


def test_everyone_who_is_licensed_may_read_what_is_public_and_has_the_default_permissions():
    s = Snapshot(INSTANCE)
    s.add_project(rows.Project(id=10, key="PRJ", name="Project", public=True))
    s.add_project(rows.Project(id=11, key="TWO", name="Two"))
    s.add_default_permission(11, "PROJECT_READ")
    s.add_default_permission(11, "PROJECT_WRITE")
    s.add_repository(
        rows.Repository(id=5, slug="r", name="r", project=rows.Project(id=11, key="TWO", name="Two"), public=True)
    )
    payload = decoded(s)
    everyone = "built-in:licensed-users"
    assert grants(payload) == {
        (everyone, "PROJECT_READ", "10"),
        (everyone, "PROJECT_READ", "11"),
        (everyone, "PROJECT_WRITE", "11"),
        (everyone, "REPO_READ", "11.5"),
    }
    assert (
        by_id(payload["applications"][0]["resources"])["11"]["custom_properties"]["default_permission"]
        == "PROJECT_WRITE"
    )


@pytest.mark.parametrize("public_access", ["on", "off", "unknown"])
def test_a_public_flag_gives_nothing_where_public_access_is_off(public_access: PublicAccess):
    s = Snapshot(INSTANCE, public_access=public_access)
    s.add_project(rows.Project(id=10, key="PRJ", name="Project", public=True))
    s.add_repository(rows.Repository(id=5, slug="r", name="r", project=PROJECT, public=True))
    s.add_project(rows.Project(id=10, key="PRJ", name="Project", public=True))
    s.add_default_permission(10, "PROJECT_WRITE")
    payload = decoded(s)
    everyone = "built-in:licensed-users"
    by_flag = {(everyone, "PROJECT_READ", "10"), (everyone, "REPO_READ", "10.5")}
    assert grants(payload) == {(everyone, "PROJECT_WRITE", "10")} | (set() if public_access == "off" else by_flag)
    (application,) = payload["applications"]
    (project,) = application["resources"]
    assert application["custom_properties"]["public_access"] == public_access
    assert project["custom_properties"]["is_public"] is True
    assert project["sub_resources"][0]["custom_properties"]["is_public"] is True


def test_licensed_are_users_and_groups_with_any_global_permission():
    s = Snapshot(INSTANCE)
    carl = rows.User(id=3, name="carl", active=False)
    for user in (ANN, BOB, carl):
        s.add_user(user, listed=True)
    s.add_members(s.add_group("Staff", listed=True), [2, 3])
    s.add_global_grants(
        [
            rows.UserGrant(user=ANN, permission="SYS_ADMIN"),
            rows.GroupGrant(group=rows.Group(name="Staff"), permission="LICENSED_USER"),
        ],
        1.0,
    )
    (application,) = decoded(s)["applications"]
    users, groups = by_id(application["local_users"]), by_id(application["local_groups"])
    assert users["1"]["groups"] == ["built-in:licensed-users"]
    assert users["2"]["groups"] == ["group:Staff"]
    assert groups["group:Staff"]["groups"] == ["built-in:licensed-users"]
    assert {key: user["custom_properties"]["licensed"] for key, user in users.items()} == {
        "1": True,
        "2": True,
        "3": False,
    }


def test_what_could_not_be_collected_says_so():
    s = Snapshot(INSTANCE)
    s.add_user(ANN, listed=True)
    s.add_group("Staff", listed=True)
    s.add_project(PROJECT)
    s.add_repository(rows.Repository(id=5, slug="r", name="r", project=PROJECT))
    s.missing |= {Missing("global", ""), Missing("group", "staff"), Missing("project", 10), Missing("repository", 5)}
    (application,) = decoded(s)["applications"]
    (project,) = application["resources"]
    groups = application["local_groups"]
    for entity in (application, project, project["sub_resources"][0], *groups):
        assert entity["custom_properties"]["collected"] is False
    assert "licensed" not in application["local_users"][0]["custom_properties"]


def test_unknown_permissions_are_kept_and_told():
    s = Snapshot(INSTANCE)
    s.add_project(PROJECT)
    s.add_project_grants(10, [rows.UserGrant(user=ANN, permission="PROJECT_DANCE")], 1.0)
    s.add_project_grants(10, [rows.UserGrant(user=BOB, permission="project_read")], 1.0)
    payload = build_payload(s)
    assert {("1", "PROJECT_DANCE", "10"), ("2", "project_read (2)", "10")} == grants(decoded(s))
    permissions = {one["name"]: one for one in decoded(s)["permissions"]}
    assert permissions["PROJECT_DANCE"]["permission_type"] == ["Uncategorized"]
    assert permissions["PROJECT_DANCE"]["apply_to_sub_resources"] is True
    assert permissions["project_read (2)"]["apply_to_sub_resources"] is False
    assert any("PROJECT_DANCE, project_read (2)" in warning.message for warning in payload.warnings)


def test_users_and_groups_that_only_a_grant_shows_are_kept():
    s = Snapshot(INSTANCE)
    s.add_project(PROJECT)
    gone = rows.GroupGrant(group=rows.Group(name="Gone"), permission="PROJECT_READ")
    s.add_project_grants(10, [rows.UserGrant(user=ANN, permission="PROJECT_ADMIN"), gone], 1.0)
    payload = build_payload(s)
    (application,) = decoded(s)["applications"]
    assert by_id(application["local_users"])["1"]["custom_properties"]["listed"] is False
    assert by_id(application["local_groups"])["group:Gone"]["custom_properties"]["listed"] is False
    assert [warning.message.partition(":")[2] for warning in payload.warnings] == [" Gone", " ann"]


def test_references_to_what_was_never_shown_are_kept():
    s = Snapshot(INSTANCE)
    s.add_members("Nobody", [77])
    s.add_repository(rows.Repository(id=5, slug="r", name="r", project=PROJECT))
    s.add_repository_grants(6, [rows.UserGrant(user=ANN, permission="REPO_READ")], 1.0)
    payload = build_payload(s)
    (application,) = decoded(s)["applications"]
    assert by_id(application["local_users"])["77"]["groups"] == ["group:nobody"]
    assert application["resources"][0]["sub_resources"][0]["id"] == "5"
    told = "\n".join(warning.message for warning in payload.warnings)
    for part in ("users known only by their id: 77", "projects known only by their id: 10", "left out: 6"):
        assert part in told


def test_users_whose_names_differ_only_in_case_are_two():
    s = Snapshot(INSTANCE)
    s.add_user(rows.User(id=1, name="Ann"), listed=True)
    s.add_user(rows.User(id=2, name="ann"), listed=True)
    payload = build_payload(s)
    assert payload.counts.users == 2
    assert tuple(warning.message for warning in payload.warnings) == (
        "2 users whose names differ only in case, kept apart by their ids: Ann (1), ann (2)",
    )


def test_identities():
    s = Snapshot(INSTANCE)
    s.add_user(ANN, listed=True)
    s.add_user(BOB, listed=True)
    for identity, expected in (
        ("email", [["ann@example.com"], None]),
        ("name", [["ann"], ["bob"]]),
        ("both", [["ann@example.com", "ann"], ["bob"]]),
    ):
        users = decoded(s, identity=identity)["applications"][0]["local_users"]
        assert [user.get("identities") for user in users] == expected


def test_many_of_a_kind_are_told_once():
    s = Snapshot(INSTANCE)
    for n in range(1, 100):
        s.add_user(rows.User(id=n, name=f"user{n:03d}", created_timestamp=-1), listed=True)
    (warning,) = build_payload(s).warnings
    assert warning.message.startswith("99 times that are out of range, left out: creation of user001 (-1), ")
    assert warning.message.endswith(" and 96 more")
