import dataclasses
from collections import Counter

import pytest

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, Group, Project, Repository, User, slug_of
from oaa_bitbucket_async.demo.rights import Rights


def as_data(estate: Estate) -> object:
    return (
        estate.users,
        estate.groups,
        [dataclasses.astuple(p) for p in estate.projects],
        [(r.id, r.slug, r.project.key, r.user_grants, r.group_grants) for r in estate.repositories],
        estate.global_users,
        estate.global_groups,
    )


def test_the_same_shape_is_the_same_estate() -> None:
    shape = EstateShape.for_repositories(200, seed=7)
    assert as_data(generate(shape)) == as_data(generate(shape))
    assert as_data(generate(shape)) != as_data(generate(dataclasses.replace(shape, seed=8)))


def test_sizes_are_those_of_the_shape() -> None:
    estate = generate(EstateShape(users=40, groups=12, projects=7, repositories=90, personal_projects=3))
    assert len(estate.users) == 40
    assert len(estate.groups) == 12
    assert Counter(p.type for p in estate.projects) == {"NORMAL": 7, "PERSONAL": 3}
    assert len(estate.repositories) == 90


def test_names_identify() -> None:
    estate = generate(EstateShape.for_repositories(3000))
    for names in (
        [u.name.lower() for u in estate.users],
        [u.slug for u in estate.users],
        [g.name.lower() for g in estate.groups],
        [p.key.upper() for p in estate.projects],
        [(r.project.key, r.slug) for r in estate.repositories],
    ):
        assert len(set(names)) == len(names)
    assert all(u.slug == slug_of(u.name) for u in estate.users)


def test_what_real_instances_hold_is_there() -> None:
    estate = generate(EstateShape.for_repositories(3000))
    listed = {g.name.lower() for g in estate.groups}
    granted = [g for r in estate.repositories for g in r.group_grants]
    user_granted = {g.principal for r in estate.repositories for g in r.user_grants}
    assert any(g.principal.lower() not in listed for g in granted)
    assert any(g.principal not in {x.name for x in estate.groups} and g.principal.lower() in listed for g in granted)
    assert any(u.deleted and u.name in user_granted for u in estate.users)
    assert any(not u.active for u in estate.users)
    assert {u.type for u in estate.users} == {"NORMAL", "SERVICE"}
    assert any(u.email is None for u in estate.users)
    assert any(u.last_login is None for u in estate.users)
    for character in "@+'\"\\":
        assert any(character in u.name for u in estate.users), character
    for character in " /%ü":
        assert any(character in g.name for g in estate.groups), character
    assert any(g.children for g in estate.groups)
    assert any(p.defaults == ("PROJECT_READ", "PROJECT_WRITE") for p in estate.projects)
    assert any(p.public for p in estate.projects)
    assert any(len((p.description or "").encode()) > 256 for p in estate.projects)
    assert any("." in r.slug for r in estate.repositories)
    assert any(r.origin for r in estate.repositories)
    assert any(r.archived for r in estate.repositories)
    assert any(r.public and r.project.type == "PERSONAL" for r in estate.repositories)
    assert max(Counter(r.slug for r in estate.repositories).values()) > 1
    owned = [p for p in estate.projects if p.owner]
    assert owned
    assert all((p.owner, "PROJECT_ADMIN") in p.user_grants and p.key.startswith("~") for p in owned)


def test_everywhere_is_everywhere() -> None:
    estate = generate(EstateShape(repositories=30, everywhere=True))
    users = set.intersection(*({g.principal for g in r.user_grants} for r in estate.repositories))
    groups = set.intersection(*({g.principal for g in r.group_grants} for r in estate.repositories))
    assert users == {"svc-scanner"}
    assert groups == {"security-scanners"}
    for r in estate.repositories:
        assert len({g.principal for g in r.user_grants}) == len(r.user_grants)
        assert len({g.principal for g in r.group_grants}) == len(r.group_grants)


def test_members_go_through_groups_and_around_rings() -> None:
    estate = Estate(
        users=[User(1, "A"), User(2, "b"), User(3, "c", deleted=True)],
        groups=[Group("One", ["a"], ["two"]), Group("two", ["B", "c", "nobody"], ["ONE", "missing"])],
    )
    rights = Rights(estate)
    assert rights.members("one") == rights.members("TWO") == {"a", "b"}
    assert rights.groups_of("B") == {"one", "two"}


def test_a_moved_repository_leaves_its_old_path_behind() -> None:
    project, other = Project(1, "ONE"), Project(2, "TWO")
    repository = Repository(1, project, "tool")
    estate = Estate(projects=[project, other], repositories=[repository])
    estate.move_repository("one", "tool", to_key="two", to_slug="kit")
    assert estate.repository("TWO", "kit") is repository
    assert estate.repository("ONE", "tool") is None
    assert estate.moved == {("ONE", "tool"): repository}
    estate.move_repository("TWO", "kit", to_key="ONE", to_slug="tool")
    assert ("ONE", "tool") not in estate.moved
    estate.delete_project("ONE")
    assert estate.repositories == []
    with pytest.raises(KeyError, match="there is no ONE"):
        estate.delete_project("ONE")
