"""Keys, tokens and guardrails in a payload: rule by rule, and what stands there when something is not known."""

from collections.abc import Sequence
from typing import Any

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.branch_permissions import DefaultBranch, MergeChecks, Restriction
from oaa_bitbucket_async.bitbucket.credentials import AccessKey, GpgKey, SshKey, Token
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.kinds import AnyRow
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.demo.veza.check import check_payload
from oaa_bitbucket_async.oaa.payload import build_payload
from oaa_bitbucket_async.settings import Include
from tests.oaa.estates import INSTANCE
from tests.oaa.test_mapping import ANN, BOB, PROJECT, decoded, grants

TWO = rows.Project(id=11, key="TWO", name="Two")
KEY = (1, "deploy", "SHA256:x", "RSA", 2048, 1_600_000_000_000, None, None)


def snapshot(*include: Include, **told: Sequence[AnyRow]) -> Snapshot:
    """Project 10 with the repositories 100 and 101, project 11 with 110; `told` is `KIND_PLACE`."""
    s = Snapshot(INSTANCE, included=Included(include or Include))
    s.add_user(ANN, listed=True)
    s.add_user(BOB, listed=True)
    for project, repositories in ((PROJECT, (100, 101)), (TWO, (110,))):
        s.add_project(project)
        for number in repositories:
            s.add_repository(rows.Repository(id=number, slug=f"r{number}", name=f"r{number}", project=project))
    for name, answer in told.items():
        kind, _, place = name.rpartition("_")
        s.included.add(kinds.BY_NAME[kind.replace("_", "-")], int(place), answer)
    return s


def credentials(s: Snapshot) -> dict[str, dict[str, Any]]:
    payload = build_payload(s)
    assert not check_payload(b"".join(payload.json_chunks()))
    (application,) = decoded(s)["applications"]
    found = {one["id"]: one for one in application["local_access_creds"]}
    assert payload.counts.credentials == len(found) == len(application["local_access_creds"])
    return found


def repository(s: Snapshot, number: int = 100) -> dict[str, Any]:
    assert not check_payload(b"".join(build_payload(s).json_chunks()))
    found = decoded(s)["applications"][0]["resources"][0]["sub_resources"]
    return next(one["custom_properties"] for one in found if one["id"] == str(number))


def told_of(s: Snapshot) -> dict[str, Any]:
    return dict(decoded(s)["applications"][0]["custom_properties"])


# --- credentials ------------------------------------------------------------------------------------------------------


def test_a_key_is_one_credential_however_many_places_it_opens() -> None:
    s = snapshot(
        project_access_keys_10=[AccessKey(*KEY, "PROJECT_READ")],
        project_access_keys_11=[AccessKey(*KEY, "PROJECT_WRITE")],
        repository_access_keys_100=[AccessKey(*KEY, "REPO_WRITE"), AccessKey(2, *KEY[1:], "REPO_READ")],
        repository_access_keys_110=[AccessKey(*KEY, "REPO_WRITE")],
    )
    assert credentials(s).keys() == {"access-key:1", "access-key:2"}
    assert grants(decoded(s)) == {
        ("access-key:1", "PROJECT_READ", "10"),
        ("access-key:1", "PROJECT_WRITE", "11"),
        ("access-key:1", "REPO_WRITE", "10.100"),
        ("access-key:1", "REPO_WRITE", "11.110"),
        ("access-key:2", "REPO_READ", "10.100"),
    }


def test_of_two_readings_of_a_key_the_later_use_counts() -> None:
    used = AccessKey(*KEY[:7], 1_700_000_000_000, "PROJECT_READ")
    for first, second in ((used, AccessKey(*KEY, "PROJECT_READ")), (AccessKey(*KEY, "PROJECT_READ"), used)):
        found = credentials(snapshot(project_access_keys_10=[first], project_access_keys_11=[second]))
        assert found["access-key:1"]["last_used_at"] == "2023-11-14T22:13:20.000Z"


def test_an_unknown_permission_of_a_key_is_kept() -> None:
    s = snapshot(project_access_keys_10=[AccessKey(*KEY, "PROJECT_ADMIRE")])
    assert grants(decoded(s)) == {("access-key:1", "PROJECT_ADMIRE", "10")}
    assert any("PROJECT_ADMIRE" in line.message for line in build_payload(s).warnings)


@pytest.mark.parametrize(
    ("permissions", "project", "repositories"),
    [
        (("PROJECT_READ", "REPO_READ"), "PROJECT_READ", None),
        (("PROJECT_READ", "REPO_WRITE"), "PROJECT_READ", "REPO_WRITE"),
        (("PROJECT_READ", "REPO_ADMIN", "REPO_READ"), "PROJECT_READ", "REPO_ADMIN"),
        (("PROJECT_ADMIN", "REPO_ADMIN"), "PROJECT_ADMIN", None),
        (("PROJECT_WRITE", "PROJECT_READ"), "PROJECT_WRITE", None),
        (("REPO_CREATE", "REPO_WRITE"), "REPO_CREATE", None),
        (("REPO_CREATE", "REPO_ADMIN"), "REPO_CREATE", "REPO_ADMIN"),
        (("REPO_READ",), None, "REPO_READ"),
        ((), None, None),
    ],
)
def test_what_a_projects_token_may(permissions: tuple[str, ...], project: str | None, repositories: str | None) -> None:
    s = snapshot(project_tokens_10=[Token("7", "ci", None, None, None, permissions)])
    expected = {("project-token:7", project, "10")} if project else set()
    if repositories:
        expected |= {("project-token:7", repositories, key) for key in ("10.100", "10.101")}
    assert grants(decoded(s)) == expected
    assert credentials(s)["project-token:7"]["custom_properties"].get("permission_levels", []) == list(permissions)


def test_what_a_repositorys_token_may() -> None:
    s = snapshot(
        repository_tokens_100=[
            Token("7", "ci", None, None, None, ("REPO_READ", "REPO_WRITE")),
            Token("8", "", None, None, None, ()),
        ]
    )
    assert grants(decoded(s)) == {("repository-token:7", "REPO_WRITE", "10.100")}
    assert credentials(s)["repository-token:8"]["name"] == "repository-token 8"


def test_what_belongs_to_a_user_is_attached_and_holds_nothing() -> None:
    s = snapshot(
        user_tokens_1=[Token("7", "script", None, 1_800_000_000_000, None, ("PROJECT_ADMIN",))],
        user_ssh_keys_1=[SshKey(*KEY)],
        user_gpg_keys_2=[GpgKey("abcd", "ab:cd", "bob@example.com", None)],
    )
    assert not grants(decoded(s))
    users = {u["name"]: u.get("access_creds") for u in decoded(s)["applications"][0]["local_users"]}
    assert users == {"ann": ["user-token:7", "ssh-key:1"], "bob": ["gpg-key:abcd"]}
    found = credentials(s)
    token = found["user-token:7"]
    assert (token["expires_at"], token["can_expire"]) == ("2027-01-15T08:00:00.000Z", True)
    assert token["custom_properties"]["never_expires"] is False
    assert found["gpg-key:abcd"]["custom_properties"] == {
        "kind": "gpg-key",
        "label": "bob@example.com",
        "fingerprint": "ab:cd",
        "never_expires": True,
    }


def test_never_used_is_told_only_where_the_server_tells_the_last_use() -> None:
    """Of keys by keys, of tokens by tokens."""
    s = snapshot(
        user_ssh_keys_1=[SshKey(*KEY)],
        user_ssh_keys_2=[SshKey(2, *KEY[1:7], 1_700_000_000_000)],
        user_tokens_1=[Token("7", "script", None, None, None, ())],
    )
    found = {key: one["custom_properties"].get("never_used") for key, one in credentials(s).items()}
    assert found == {"ssh-key:1": True, "ssh-key:2": False, "user-token:7": None}


def test_a_key_that_several_users_have_is_nobodys() -> None:
    """A server that does not look at whom it is asked about tells our own keys for everyone."""
    s = snapshot(Include.SSH_KEYS, user_ssh_keys_1=[SshKey(*KEY), SshKey(2, *KEY[1:])], user_ssh_keys_2=[SshKey(*KEY)])
    assert credentials(s).keys() == {"ssh-key:2"}
    assert told_of(s)["ssh_keys"] == "partly visible"
    assert any("several users" in line.message for line in build_payload(s).warnings)


# --- how much was seen ------------------------------------------------------------------------------------------------


def test_what_is_asked_for_is_told_and_nothing_else() -> None:
    told = told_of(snapshot(Include.SETTINGS, Include.SSH_KEYS, user_ssh_keys_1=[]))
    assert (told["settings"], told["ssh_keys"]) == ("collected", "collected")
    assert not told.keys() & {"tokens", "access_keys", "gpg_keys", "branch_restrictions"}
    bare = Snapshot(INSTANCE)
    definition = decoded(bare)["custom_property_definition"]["applications"][0]
    assert not definition.get("local_access_creds_properties")


def test_not_visible_partly_visible_incomplete() -> None:
    s = snapshot(Include.TOKENS)
    s.included.hide(kinds.USER_TOKENS, 1)
    assert told_of(s)["tokens"] == "not visible"
    (line,) = (note.message for note in build_payload(s).warnings if "visible" in note.message)
    assert line.startswith("tokens are not visible to this login: not those of users; ")
    s.included.add(kinds.PROJECT_TOKENS, 10, [])
    assert told_of(s)["tokens"] == "partly visible"
    s.included.add(kinds.USER_TOKENS, 2, [])
    (line,) = (note.message for note in build_payload(s).warnings if "visible" in note.message)
    assert line.startswith("tokens are not all visible to this login: not those of 1 user (ann); ")
    s.missing.add(Missing("included", Include.TOKENS))
    assert told_of(s)["tokens"] == "incomplete"


# --- guardrails -------------------------------------------------------------------------------------------------------


def restriction(kind: str = "read-only", **exempt: tuple[Any, ...]) -> Restriction:
    whom = {"users": (), "groups": (), "keys": ()} | exempt
    return Restriction(kind, "BRANCH", "refs/heads/main", True, **whom)


def test_who_is_exempt_is_counted_once() -> None:
    rules = [
        restriction(users=(1, 2), groups=("a", "b"), keys=(5,)),
        restriction("no-deletes", users=(2, 3), groups=("A",), keys=(5, 6)),
    ]
    s = snapshot(repository_restrictions_100=rules, repository_default_branch_100=[DefaultBranch(id="refs/heads/main")])
    told = repository(s)
    assert told["default_branch_protected"] is True
    assert told["restriction_kinds"] == ["no-deletes", "read-only"]
    assert (told["exempt_users"], told["exempt_groups"], told["exempt_keys"]) == (3, 2, 2)


def test_administrators_who_are_exempt() -> None:
    s = snapshot(repository_restrictions_100=[restriction(users=(1, 2))])
    assert repository(s)["exempt_administrators"] == 0
    s.add_repository_grants(100, [rows.UserGrant(ANN, "REPO_ADMIN"), rows.UserGrant(BOB, "REPO_WRITE")], 1.0)
    assert repository(s)["exempt_administrators"] == 1
    s.add_project_grants(10, [rows.UserGrant(BOB, "PROJECT_ADMIN"), rows.UserGrant(ANN, "PROJECT_ADMIN")], 1.0)
    assert repository(s)["exempt_administrators"] == 2
    owned = snapshot(repository_restrictions_100=[restriction(users=(1,))])
    owned.add_project(rows.Project(id=10, key="~ANN", name="Ann", type="PERSONAL", owner=ANN))
    assert repository(owned)["exempt_administrators"] == 1


def test_no_restriction_is_no_protection_and_not_seen_is_neither() -> None:
    s = snapshot(repository_restrictions_100=[], repository_restrictions_101=[restriction()])
    told = repository(s)
    assert told["default_branch_protected"] is False
    assert "restriction_kinds" not in told
    assert told["exempt_users"] == told["exempt_administrators"] == 0
    assert "default_branch_protected" not in repository(s, 101), "the default branch is not known"
    assert repository(s, 101)["restriction_kinds"] == ["read-only"]
    hidden = snapshot(Include.BRANCH_RESTRICTIONS)
    hidden.included.hide(kinds.REPOSITORY_RESTRICTIONS, 100)
    assert not [name for name in repository(hidden) if "exempt" in name or "protected" in name]


def test_merge_checks_as_far_as_they_are_told() -> None:
    told = repository(snapshot(repository_settings_100=[MergeChecks(2, None, False, True)]))
    assert {name: value for name, value in told.items() if name.startswith("pull_request")} == {
        "pull_request_minimum_approvals": 2,
        "pull_request_requires_all_approvers": False,
        "pull_request_requires_all_tasks": True,
    }
