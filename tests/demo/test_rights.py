from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelGroup, ModelProject, ModelRepository, ModelUser
from oaa_bitbucket_async.demo.rights import (
    GLOBAL_LEVELS,
    PROJECT_LEVELS,
    REPOSITORY_LEVELS,
    Rights,
    highest,
    satisfies,
)
from tests.demo.asking import small_estate
from tests.examples import examples


@given(seed=st.integers(0, 10_000), repositories=st.integers(1, 25))
@examples(25)
def test_the_two_ways_to_ask_agree(seed: int, repositories: int) -> None:
    """Who holds it, and what does this one hold: for everyone who may sign in."""
    estate = generate(EstateShape(users=12, groups=6, projects=4, repositories=repositories, seed=seed))
    rights = Rights(estate)
    people = [user for user in estate.users if rights.global_permission(user) is not None]
    names = {user.name.lower() for user in people}
    for permission in GLOBAL_LEVELS:
        held = {u.name.lower() for u in people if satisfies(rights.global_permission(u), permission)}
        assert rights.holders(permission, None) == held
    for project in estate.projects:
        for permission in PROJECT_LEVELS:
            held = {u.name.lower() for u in people if satisfies(rights.project_permission(u, project), permission)}
            assert rights.holders(permission, project) & names == held
    for repository in estate.repositories:
        for permission in REPOSITORY_LEVELS:
            held = {
                u.name.lower() for u in people if satisfies(rights.repository_permission(u, repository), permission)
            }
            assert rights.holders(permission, repository) & names == held


def test_each_way_to_a_repository() -> None:
    estate = small_estate()
    rights = Rights(estate)
    ann, ben, cleo, dora = estate.users[:4]
    tool, public_tool, dotfiles, _ = estate.repositories
    assert rights.repository_permission(ann, tool) == "REPO_ADMIN", "by the project"
    assert rights.repository_permission(ben, tool) == "REPO_ADMIN", "by a grant of its own"
    assert rights.repository_permission(cleo, tool) == "REPO_WRITE", "by nested groups and by default"
    assert rights.repository_permission(dora, tool) is None, "inactive"
    assert rights.repository_permission(ben, public_tool) == "REPO_READ", "public"
    assert rights.repository_permission(cleo, dotfiles) == "REPO_ADMIN", "hers"
    assert rights.sees_project(ben, dotfiles.project), "by the public repository in it"
    estate.public_access = False
    estate.changed()
    switched_off = Rights(estate)
    assert switched_off.repository_permission(ben, public_tool) is None, "no public access"
    assert not switched_off.sees_project(ben, dotfiles.project)
    estate.global_users.append(ModelGrant("ben+x@example.com", "ADMIN"))
    estate.changed()
    assert Rights(estate).repository_permission(ben, dotfiles) == "REPO_ADMIN", "administrator"


def test_creating_repositories_is_writing_and_not_administering() -> None:
    project = ModelProject(1, "P", group_grants=[ModelGrant("G", "REPO_CREATE")])
    repository = ModelRepository(1, project, "r")
    ann = ModelUser(1, "ann")
    estate = Estate([ann], [ModelGroup("g", ["ANN"])], [project], [repository], [ModelGrant("Ann", "LICENSED_USER")])
    rights = Rights(estate)
    assert rights.project_permission(ann, project) == "REPO_CREATE"
    assert rights.repository_permission(ann, repository) == "REPO_WRITE"
    assert rights.holders("REPO_ADMIN", repository) == set()
    assert rights.holders("REPO_WRITE", repository) == {"ann"}


def test_without_a_licence_nothing_holds_but_the_filter_finds_the_grant() -> None:
    project = ModelProject(1, "P", user_grants=[ModelGrant("ann", "PROJECT_ADMIN")], public=True)
    ann = ModelUser(1, "ann")
    rights = Rights(Estate([ann], projects=[project]))
    assert rights.project_permission(ann, project) is None
    assert rights.holders("PROJECT_READ", project) == {"ann"}


def test_an_unknown_permission_is_the_lowest() -> None:
    assert highest(["REPO_REVIEW", "REPO_READ"]) == "REPO_READ"
    assert highest(["REPO_REVIEW"]) == "REPO_REVIEW"
    assert not satisfies("REPO_REVIEW", "LICENSED_USER")
