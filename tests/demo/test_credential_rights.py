import pytest

from oaa_bitbucket_async.demo.branch_permissions import ModelMatcher, ModelRestriction
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelSshKey
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository
from oaa_bitbucket_async.demo.rights import Rights
from tests.demo.asking import small_estate
from tests.servers.credential_rights import (
    covers,
    default_branch_protected,
    key_permission,
    place_token_permission,
    user_token_permission,
)


def test_a_key_of_a_project_opens_its_repositories_and_nothing_else() -> None:
    estate = small_estate()
    private, public, _ = estate.projects
    tool, public_tool, _, old = estate.repositories
    assert key_permission(1, private) == "PROJECT_READ"
    assert key_permission(1, tool) == "REPO_WRITE", "its own right on the repository is the higher one"
    assert key_permission(1, old) == "REPO_READ", "by the project"
    assert key_permission(2, tool) == "REPO_READ"
    assert key_permission(2, private) is key_permission(2, old) is None
    assert key_permission(1, public_tool) is key_permission(1, public) is None
    private.access_keys = [ModelAccessKey(ModelSshKey(1), "PROJECT_WRITE")]
    tool.access_keys = [ModelAccessKey(ModelSshKey(1), "REPO_READ")]
    assert key_permission(1, tool) == "REPO_WRITE", "the project's is the higher one"


def test_tokens() -> None:
    estate = small_estate()
    private, public, _ = estate.projects
    tool, public_tool, dotfiles, old = estate.repositories
    of_project, of_tool = private.tokens[0], tool.tokens[0]
    assert place_token_permission(of_project, private, private) == "PROJECT_READ"
    assert place_token_permission(of_project, private, old) == "REPO_READ"
    assert place_token_permission(of_project, private, public_tool) is None
    assert place_token_permission(of_project, private, public) is None
    assert place_token_permission(of_tool, tool, tool) == "REPO_WRITE"
    assert place_token_permission(of_tool, tool, old) is None
    assert place_token_permission(of_tool, tool, private) is None
    rights, ann = Rights(estate), estate.users[0]
    (script,) = ann.tokens
    assert user_token_permission(script, ann, tool, rights) == "REPO_WRITE", "less than Ann may"
    assert user_token_permission(script, ann, public_tool, rights) == "REPO_READ", "no more than Ann may"
    assert user_token_permission(ModelAccessToken("9", "", ("PROJECT_ADMIN",)), ann, tool, rights) == "REPO_ADMIN"
    assert user_token_permission(ModelAccessToken("9", "", ()), ann, tool, rights) is None
    assert user_token_permission(script, estate.users[3], dotfiles, rights) is None, "dora is not active"


@pytest.mark.parametrize(
    ("matcher", "branch", "meant"),
    [
        (ModelMatcher("ANY_REF"), "refs/heads/x", True),
        (ModelMatcher("BRANCH", "refs/heads/main"), "refs/heads/main", True),
        (ModelMatcher("BRANCH", "refs/heads/main"), "refs/heads/x/main", False),
        (ModelMatcher("PATTERN", "*"), "refs/heads/a/b", True),
        (ModelMatcher("PATTERN", "PROJECT-*"), "refs/heads/stable/PROJECT-new", True),
        (ModelMatcher("PATTERN", "PROJECT-*"), "refs/heads/PROJECT-1/new", False),
        (ModelMatcher("PATTERN", "?.?"), "refs/heads/stable/2.X", True),
        (ModelMatcher("PATTERN", "?.?"), "refs/heads/10.1", False),
        (ModelMatcher("PATTERN", "tags/"), "refs/heads/stable/tags/some", True),
        (ModelMatcher("PATTERN", "tags/"), "refs/heads/tag", False),
        (ModelMatcher("PATTERN", "tags/**"), "refs/tags/1.0", True),
        (ModelMatcher("PATTERN", "heads/**/main"), "refs/heads/main", True),
        (ModelMatcher("PATTERN", "heads/**/main"), "refs/heads/a/b/main", True),
        (ModelMatcher("PATTERN", "heads/*/main"), "refs/heads/main", False),
        (ModelMatcher("PATTERN", "main"), "refs/heads/maintenance", False),
        (ModelMatcher("PATTERN", "ma[i]n"), "refs/heads/main", False),
        (ModelMatcher("MODEL_BRANCH", "development"), "refs/heads/main", True),
        (ModelMatcher("MODEL_BRANCH", "production"), "refs/heads/main", False),
        (ModelMatcher("MODEL_CATEGORY", "RELEASE"), "refs/heads/release/1", True),
        (ModelMatcher("MODEL_CATEGORY", "RELEASE"), "refs/heads/hotfix/release/1", False),
    ],
)
def test_which_branches_are_meant(matcher: ModelMatcher, branch: str, meant: bool) -> None:
    assert covers(matcher, branch, ModelRepository(1, ModelProject(1, "P"), "r")) == meant


def test_roles_of_branches_are_those_of_the_repository() -> None:
    repository = ModelRepository(
        1, ModelProject(1, "P"), "r", development="refs/heads/dev", production="refs/heads/main"
    )
    assert not covers(ModelMatcher("MODEL_BRANCH", "development"), "refs/heads/main", repository)
    assert covers(ModelMatcher("MODEL_BRANCH", "production"), "refs/heads/main", repository)


def test_which_default_branches_are_protected() -> None:
    everything = ModelMatcher("PATTERN", "*")
    project = ModelProject(1, "P")
    repository = ModelRepository(1, project, "r")
    assert not default_branch_protected(repository)
    for kind in ("no-deletes", "fast-forward-only", "no-creates"):
        repository.restrictions = [ModelRestriction(1, kind, everything)]
        assert not default_branch_protected(repository), kind
    for kind in ("read-only", "pull-request-only"):
        repository.restrictions = [ModelRestriction(1, kind, everything)]
        assert default_branch_protected(repository), kind
    repository.restrictions = [ModelRestriction(1, "read-only", ModelMatcher("BRANCH", "refs/heads/master"))]
    assert not default_branch_protected(repository)
    repository.default_branch = "refs/heads/master"
    assert default_branch_protected(repository)
    repository.restrictions = []
    project.restrictions = [ModelRestriction(1, "pull-request-only", everything)]
    assert default_branch_protected(repository), "inherited"
