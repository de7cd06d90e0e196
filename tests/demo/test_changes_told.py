"""What changes of an estate tell: each cascade as recorded, and rows from which the grants can be replayed."""

import random
import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.demo import changes
from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.bitbucket.audit.log import Row
from oaa_bitbucket_async.demo.branch_permissions import ModelMatcher, ModelMergeChecks, ModelRestriction
from oaa_bitbucket_async.demo.changes import random_changes
from oaa_bitbucket_async.demo.credentials import ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.model import Estate, ModelGrant
from tests.demo.asking import small_estate
from tests.examples import examples

_USER = "bitbucket.service.user.audit.action."
_PROJECT = "bitbucket.service.project.audit.action."
_REPOSITORY = "bitbucket.service.repository.audit.action."
_SERVICE_USER = re.compile(r"[0-9a-f]{16}|access-token-user/.*")
TOKEN = ModelAccessToken("9", "new", ("REPO_READ",))
RESTRICTION = ModelRestriction(9, "read-only", ModelMatcher("ANY_REF"))


class Case(NamedTuple):
    """A change, and the keys and ids that its rows have, oldest first; prefixes as named above."""

    change: Callable[[Estate], object]
    rows: list[str]


def _project(estate: Estate) -> object:
    return estate.projects[0]


CASES = {
    "a deleted user has a name and no id, and nothing is told of groups and grants": Case(
        lambda e: changes.delete_user(e, "cleo"), ["user.userdeleted USER=cleo"]
    ),
    "a deleted group is told without members and grants": Case(
        lambda e: changes.delete_group(e, "inner"), ["user.groupdeleted GROUP inner=inner"]
    ),
    "seven days later nothing is told": Case(lambda e: changes.let_seven_days_pass(e), []),
    "a renamed user": Case(
        lambda e: changes.rename_user(e, "cleo", "cleopatra"),
        ["user.userrenamed USER 3=cleopatra Username:cleo→cleopatra"],
    ),
    "a member": Case(
        lambda e: changes.add_member(e, "inner", "Ann"),
        ["user.groupmembershipscreated.user GROUP inner=inner USER 1=Ann Parent group=inner"],
    ),
    "a member who leaves": Case(
        lambda e: changes.remove_member(e, "inner", "cleo"),
        ["user.groupmembershipdeleted GROUP inner=inner USER 3=cleo Parent group=inner"],
    ),
    "a deleted repository is told without its grants": Case(
        lambda e: changes.delete_repository(e, "PRIV", "tool"),
        [
            "repository.repositorydeletionrequested PROJECT 1=PRIV REPOSITORY 1=tool",
            "repository.repositorydeleted PROJECT 1=PRIV REPOSITORY 1=tool",
        ],
    ),
    "a moved repository keeps its id, and only the request has the old project": Case(
        lambda e: changes.move_repository(e, "PRIV", "tool", to_key="PUB", to_slug="hammer"),
        [
            "repository.repositorymodificationrequested PROJECT 1=PRIV REPOSITORY 1=tool"
            " Project:PRIV→PUB Slug:tool→hammer",
            "repository.repositorymodified PROJECT 2=PUB REPOSITORY 1=hammer Project:PRIV→PUB Slug:tool→hammer",
        ],
    ),
    "a project with another key": Case(
        lambda e: changes.rename_project(e, "PRIV", "NEW"),
        [
            "project.projectmodificationrequested PROJECT 1=PRIV Key:PRIV→NEW",
            "project.projectmodified PROJECT 1=NEW Key:PRIV→NEW",
        ],
    ),
    "a default permission is that of nobody in particular": Case(
        lambda e: changes.set_defaults(e, e.projects[0], ["PROJECT_READ"]),
        [
            "user.projectpermissionrevocationrequested PROJECT 1=PRIV Permission=PROJECT_WRITE",
            "user.projectpermissionrevoked PROJECT 1=PRIV Permission=PROJECT_WRITE",
        ],
    ),
    "a project's token leaves a service user's grant behind": Case(
        lambda e: (
            changes.create_token(e, e.repositories[0], TOKEN),
            changes.change_token(e, e.repositories[0], "9", name="newer"),
            changes.delete_token(e, e.repositories[0], "9"),
        ),
        [
            "bitbucket.access.tokens.audit.action.accesstokencreated.repository PROJECT 1=PRIV REPOSITORY 1=tool",
            "user.repositorypermissiongranted PROJECT 1=PRIV REPOSITORY 1=tool USER=access-token-user/1/1"
            " Permission=REPO_ADMIN",
            "bitbucket.access.tokens.audit.action.accesstokenmodified.repository PROJECT 1=PRIV REPOSITORY 1=tool",
            "bitbucket.access.tokens.audit.action.accesstokendeleted.repository PROJECT 1=PRIV REPOSITORY 1=tool",
        ],
    ),
    "an access key has a service user of 16 hexadecimal digits": Case(
        lambda e: (
            changes.add_access_key(e, e.projects[1], ModelSshKey(10), "PROJECT_READ"),
            changes.remove_access_key(e, e.projects[1], 10),
        ),
        [
            "bitbucket.ssh.audit.action.sshaccesskeygranted.project PROJECT 2=PUB",
            "user.projectpermissiongranted PROJECT 2=PUB USER=000000000000000a Permission=PROJECT_READ",
            "bitbucket.ssh.audit.action.sshaccesskeyrevoked.project PROJECT 2=PUB",
            "user.projectpermissionrevoked PROJECT 2=PUB USER=000000000000000a Permission=PROJECT_READ",
        ],
    ),
    "keys and tokens of a user": Case(
        lambda e: (
            changes.add_ssh_key(e, e.users[0], ModelSshKey(9)),
            changes.remove_ssh_key(e, e.users[0], 9),
            changes.add_gpg_key(e, e.users[0], ModelGpgKey(9)),
            changes.remove_gpg_key(e, e.users[0], 9),
            changes.create_token(e, e.users[0], TOKEN),
        ),
        [
            "bitbucket.ssh.audit.action.sshkeycreated USER 1=Ann",
            "bitbucket.ssh.audit.action.sshkeydeleted USER 1=Ann",
            "bitbucket.plugins.gpg.audit.action.gpgevent.created USER 1=Ann",
            "bitbucket.plugins.gpg.audit.action.gpgevent.deleted USER 1=Ann",
            "bitbucket.access.tokens.audit.action.accesstokencreated.personal USER 1=Ann",
        ],
    ),
    "a branch restriction and a merge check have keys that nobody knows": Case(
        lambda e: (
            changes.restrict(e, e.repositories[0], RESTRICTION),
            changes.lift_restriction(e, e.repositories[0], 9),
            changes.set_merge_checks(e, e.repositories[0], ModelMergeChecks(1)),
        ),
        [
            f"bitbucket.invented.audit.action.{what} PROJECT 1=PRIV REPOSITORY 1=tool"
            for what in ("branchrestrictionadded", "branchrestrictionremoved", "pullrequestsettingschanged")
        ],
    ),
    "revoking everything tells each grant": Case(
        lambda e: changes.revoke_all(e, e.repositories[0]),
        [
            f"user.repositorypermission{key} PROJECT 1=PRIV REPOSITORY 1=tool {who}"
            for who in ("USER 2=ben+x@example.com Permission=REPO_ADMIN", "Group=inner Permission=REPO_READ")
            for key in ("revocationrequested", "revoked")
        ],
    ),
    "or revoking everything tells nothing": Case(lambda e: changes.revoke_all(e, told=False), []),
    "a directory tells what it brought and took, but no memberships": Case(
        lambda e: changes.synchronise_directory(e, new_groups=["g"], gone_users=["cleo"], joined=[("g", "Ann")]),
        [
            "bitbucket.invented.audit.action.groupcreatedautomatically GROUP g=g",
            "bitbucket.invented.audit.action.userdeletedautomatically USER=cleo",
        ],
    ),
    "or a directory tells nothing": Case(
        lambda e: changes.synchronise_directory(e, new_users=["new"], gone_groups=["inner"], told=False), []
    ),
    "a personal project that appears was not requested": Case(
        lambda e: changes.create_personal_project(e, e.users[0]),
        [
            "user.projectpermissiongranted PROJECT N=~ANN USER 1=Ann Permission=PROJECT_ADMIN",
            "project.projectcreated PROJECT N=~ANN",
        ],
    ),
    "the same permission again": Case(
        lambda e: changes.grant(e, "REPO_READ", e.repositories[0], group="inner"),
        [
            "user.repositorypermissionmodificationrequested PROJECT 1=PRIV REPOSITORY 1=tool Group=inner",
            "user.repositorypermissionmodified PROJECT 1=PRIV REPOSITORY 1=tool Group=inner",
        ],
    ),
    "a global grant of a group has no affected object": Case(
        lambda e: changes.grant(e, "ADMIN", group="inner"),
        [
            "user.globalpermissiongrantrequested Permission=ADMIN Group=inner",
            "user.globalpermissiongranted Permission=ADMIN Group=inner",
        ],
    ),
}


def told(row: Row) -> str:
    """A row in one line."""
    key = row.action.key
    for prefix, short in ((_USER, "user."), (_PROJECT, "project."), (_REPOSITORY, "repository.")):
        key = short + key.removeprefix(prefix) if key.startswith(prefix) else key
    things = [f"{t.kind}{'' if t.id is None else f' {t.id}'}={t.name}" for t in row.things]
    things = [thing.replace(" 1000000=", " N=").replace(" 1000001=", " N=") for thing in things]
    values = [f"{one.name}={one.value}" for one in row.attributes]
    return " ".join([key, *things, *values, *(f"{one.name}:{one.old}→{one.value}" for one in row.changed)])


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_told_as_recorded(name: str) -> None:
    estate = small_estate()
    log = AuditLog(estate)
    CASES[name].change(estate)
    assert [told(row) for row in log.search()][::-1] == CASES[name].rows


def test_grants_of_the_deleted_are_cleaned_up_after_seven_days_unless_somebody_has_the_name_again() -> None:
    estate = small_estate()
    log = AuditLog(estate)
    private, tool = estate.projects[0], estate.repositories[0]
    changes.delete_user(estate, "Ann")
    changes.delete_user(estate, "ben+x@example.com")
    changes.delete_group(estate, "inner")
    assert [one.principal for one in (*private.user_grants, *tool.user_grants, *tool.group_grants)] == [
        *("Ann", "gone"),
        "ben+x@example.com",
        "inner",
    ]
    again = changes.create_user(estate, "Ann")
    before = len(list(log.search()))
    changes.let_seven_days_pass(estate)
    assert len(list(log.search())) == before
    assert [one.principal for one in private.user_grants] == ["Ann", "gone"]
    assert (tool.user_grants, tool.group_grants) == ([], [])
    assert estate.user("ann") is again
    assert again.id != 1


def test_a_renamed_user_keeps_everything() -> None:
    estate = small_estate()
    estate.repositories[0].user_grants = [ModelGrant("cleo", "REPO_READ")]
    changes.rename_user(estate, "cleo", "cleopatra")
    assert estate.repositories[0].user_grants == [ModelGrant("cleopatra", "REPO_READ")]
    own = estate.project("~CLEOPATRA")
    assert own is not None
    assert (own.owner, own.user_grants) == ("cleopatra", [ModelGrant("cleopatra", "PROJECT_ADMIN")])
    group = estate.group("stash-users")
    assert group is not None
    assert "cleopatra" in group.members


def test_the_service_user_of_a_token_can_be_listed_and_stays() -> None:
    estate = small_estate()
    tool = estate.repositories[0]
    changes.create_token(estate, tool, TOKEN, listed=True)
    changes.delete_token(estate, tool, "9")
    assert ModelGrant("access-token-user/1/1", "REPO_ADMIN") in tool.user_grants
    assert estate.user("access-token-user/1/1") is not None


# --- by chance --------------------------------------------------------------------------------------------------

Held = dict[tuple[str, str, str], str]
"""(place, kind of principal, principal): permission."""


def grants(estate: Estate) -> Held:
    """All grants but default permissions; of one principal in two spellings, one."""
    held: Held = {}
    places = [("global", estate.global_users, estate.global_groups)]
    places += [(f"PROJECT {p.id}", p.user_grants, p.group_grants) for p in estate.projects]
    places += [(f"REPOSITORY {r.id}", r.user_grants, r.group_grants) for r in estate.repositories]
    for place, users, groups in places:
        held |= {(place, "USER", one.principal.lower()): one.permission for one in users}
        held |= {(place, "GROUP", one.principal.lower()): one.permission for one in groups}
    return held


def replay(held: Held, row: Row) -> Held:
    """What the grants are after a row, by what the row says."""
    key = row.action.key.rpartition(".")[2]
    place = next((f"{t.kind} {t.id}" for t in reversed(row.things) if t.kind in ("PROJECT", "REPOSITORY")), "global")
    if key in ("projectdeleted", "repositorydeleted"):
        return {who: permission for who, permission in held.items() if who[0] != place}
    if key == "userrenamed":
        old, new = str(row.changed[0].old).lower(), str(row.changed[0].value).lower()
        return {(p, k, new if (k, n) == ("USER", old) else n): permission for (p, k, n), permission in held.items()}
    values = {one.name: str(one.value) for one in (*row.attributes, *row.changed)}
    user = next((t.name for t in row.things if t.kind == "USER"), "")
    principal = ("USER", user.lower()) if user else ("GROUP", values.get("Group", "").lower())
    if not principal[1] or _SERVICE_USER.fullmatch(user):
        return held
    who = (place, *principal)
    if key.endswith(("permissiongranted", "permissionmodified")) and "Permission" in values:
        return {**held, who: values["Permission"]}
    if key.endswith("permissionrevoked"):
        return {one: permission for one, permission in held.items() if one != who}
    return held


@examples(60)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_the_rows_tell_every_grant_that_came_and_went(seed: int, count: int) -> None:
    estate = generate(EstateShape(users=12, groups=5, projects=4, repositories=12, personal_projects=2, seed=seed % 7))
    log = AuditLog(estate)
    held = grants(estate)
    assert len(random_changes(estate, random.Random(seed), count)) == count
    for row in list(log.search())[::-1]:
        held = replay(held, row)
    assert held == grants(estate)


@examples(20)
@given(st.integers(0, 2**32))
def test_the_same_seed_makes_the_same_changes(seed: int) -> None:
    shape = EstateShape(users=12, groups=5, projects=4, repositories=12, personal_projects=2)
    outcomes = []
    for _ in range(2):
        estate = generate(shape)
        done = random_changes(estate, random.Random(seed), 40, untold=True)
        outcomes.append((done, grants(estate), [(r.project.key, r.slug) for r in estate.repositories]))
    assert outcomes[0] == outcomes[1]


def test_in_the_long_run_every_kind_of_change_happens_and_administrators_are_left_alone() -> None:
    estate = generate(EstateShape())
    log = AuditLog(estate)
    administrators = [g for g in estate.global_users if g.permission == "ADMIN"]
    random_changes(estate, random.Random(1), 3000, untold=True)
    kinds = {told(row).split()[0] for row in log.search()}
    wanted = {line.split()[0] for case in CASES.values() for line in case.rows}
    assert wanted - kinds == set()
    assert administrators
    assert set(administrators) <= set(estate.global_users)
    assert estate.group("stash-users") is not None


@examples(20)
@given(st.integers(0, 2**32))
def test_things_are_found_by_their_new_names(seed: int) -> None:
    estate = generate(EstateShape(users=12, groups=5, projects=4, repositories=12, personal_projects=2))
    rng = random.Random(seed)
    for _ in range(20):
        before = {(r.project.key, r.slug) for r in estate.repositories}
        random_changes(estate, rng, 3, untold=True)
        fresh = Estate(estate.users, estate.groups, estate.projects, estate.repositories)
        for user in estate.users:
            assert estate.user(user.name) is fresh.user(user.name)
            assert estate.user_by_slug(user.slug) is fresh.user_by_slug(user.slug)
        for project in estate.projects:
            assert estate.project(project.key) is project
            assert estate.repositories_of(project) == fresh.repositories_of(project)
        assert [estate.group(group.name) for group in estate.groups] == estate.groups
        assert [estate.repository(r.project.key, r.slug) for r in estate.repositories] == estate.repositories
        for key, slug in before:
            assert estate.repository(key, slug) is fresh.repository(key, slug)
