"""The snapshot: the same whatever the order in which answers came, and however often."""

from dataclasses import replace
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import GrantCodec, Principal
from oaa_bitbucket_async.collect.kinds import AnyKind, AnyRow, Unit
from oaa_bitbucket_async.collect.snapshot import (
    GrantSet,
    GroupRecord,
    Instance,
    ProjectRecord,
    Snapshot,
)
from oaa_bitbucket_async.oaa.payload import build_payload
from tests.examples import examples

INSTANCE = Instance(
    base_url="https://git.example.com",
    host="git.example.com",
    version="9.4.0",
    authentication="basic",
    global_permissions="explicit",
)
Told = tuple[Unit, tuple[AnyRow, ...], float]


def grants_of(snapshot: Snapshot, grant_set: GrantSet | None) -> object:
    if grant_set is None:
        return None
    return sorted(map(str, snapshot.grants(grant_set))), grant_set.read_at


def content(snapshot: Snapshot) -> dict[str, object]:
    """All that a snapshot says, without the numbers by which it happens to keep it."""
    return {
        "users": snapshot.users,
        "groups": snapshot.groups,
        "members": {group: list(ids) for group, ids in snapshot.members.items()},
        "global": grants_of(snapshot, snapshot.global_grants),
        "projects": snapshot.projects,
        "project grants": {key: grants_of(snapshot, found) for key, found in snapshot.project_grants.items()},
        "defaults": snapshot.default_permissions,
        "repositories": snapshot.repositories,
        "repository grants": {key: grants_of(snapshot, found) for key, found in snapshot.repository_grants.items()},
        "permissions": snapshot.codec.permissions(snapshot.all_codes()),
        "count": snapshot.grant_count(),
        "missing": snapshot.missing,
    }


# --- estates of which every answer may tell a little differently ---------------------------------------------------

IDS = range(1, 7)
GROUPS = ("admins", "Admins", "ADMINS", "R&D / Köln", "r&d / köln", "gone", "Straße")
LEVELS = ("REPO_READ", "REPO_WRITE", "REPO_ADMIN", "PROJECT_READ", "BRAND_NEW")


@st.composite
def users(draw: st.DrawFn, user_id: int | None = None) -> rows.User:
    """One of few users, as full as this answer happens to show it."""
    found = draw(st.sampled_from(IDS)) if user_id is None else user_id
    return rows.User(
        id=found,
        name=f"user{found}",
        slug=draw(st.sampled_from(["", f"user{found}"])),
        display_name=draw(st.sampled_from(["", "Ada", "ada L."])),
        email_address=draw(st.sampled_from([None, "", "a@example.com", "b@example.com"])),
        active=draw(st.booleans()),
        directory_name=draw(st.sampled_from([None, "", "Internal"])),
        last_authentication_timestamp=draw(st.sampled_from([None, -1, 0, 1_700_000_000_000])),
        created_timestamp=draw(st.sampled_from([None, 0, 1_600_000_000_000])),
    )


def user_grants(level: str | None = None) -> st.SearchStrategy[rows.UserGrant]:
    return st.builds(rows.UserGrant, users(), st.sampled_from(LEVELS))


group_rows = st.builds(rows.Group, st.sampled_from(GROUPS))
group_grants = st.builds(rows.GroupGrant, group_rows, st.sampled_from(LEVELS))
OWNER = rows.User(6, "user6", "user6")
PROJECTS = (
    rows.Project(1, "ALPHA", "Alpha", description="the first"),
    rows.Project(2, "BETA", "Beta", public=True),
    rows.Project(3, "~USER6", "Six", type="PERSONAL", owner=OWNER),
)
OTHERWISE = (rows.Project(1, "ALPHA", "alpha, seen elsewhere"), PROJECTS[1], PROJECTS[2])
"""The same projects as the listing of repositories shows them."""
REPOSITORIES = tuple(
    rows.Repository(10 + number, f"repo{number}", f"Repo {number}", OTHERWISE[number % 3], archived=number % 2 == 0)
    for number in range(6)
)


def listed(row: st.SearchStrategy[AnyRow]) -> st.SearchStrategy[tuple[AnyRow, ...]]:
    return st.lists(row, max_size=5).map(tuple)


@st.composite
def answers(draw: st.DrawFn) -> list[Told]:
    """The pages of all units of a small instance, each as often as it was read."""
    told: list[tuple[Unit, tuple[AnyRow, ...]]] = [
        (Unit(kinds.PROJECTS), PROJECTS[:1]),
        (Unit(kinds.PROJECTS), PROJECTS[1:2]),
        (Unit(kinds.REPOSITORIES), REPOSITORIES[:4]),
        (Unit(kinds.REPOSITORIES), REPOSITORIES[3:]),
        (Unit(kinds.USERS), draw(listed(users()))),
        (Unit(kinds.USERS), tuple(draw(users(user_id)) for user_id in IDS)),
        (Unit(kinds.GROUPS), draw(listed(group_rows))),
        (Unit(kinds.GLOBAL_USERS), draw(listed(user_grants()))),
        (Unit(kinds.GLOBAL_GROUPS), draw(listed(group_grants))),
        (Unit(kinds.EFFECTIVE, "ADMIN"), draw(listed(users()))),
    ]
    members = st.tuples(st.sampled_from(GROUPS).map(lambda group: Unit(kinds.MEMBERS, group)), listed(users()))
    told += draw(st.lists(members, max_size=4))
    for project in PROJECTS:
        told.append((Unit(kinds.PROJECT_USERS, str(project.id)), draw(listed(user_grants()))))
        told.append((Unit(kinds.PROJECT_GROUPS, str(project.id)), draw(listed(group_grants))))
        for level in ("PROJECT_READ", "PROJECT_WRITE"):
            unit = Unit(kinds.PROJECT_DEFAULT, f"{project.id}/{level}")
            told.append((unit, (rows.Permitted(draw(st.booleans())),)))
    for repository in REPOSITORIES:
        told.append((Unit(kinds.REPOSITORY_USERS, str(repository.id)), draw(listed(user_grants()))))
        told.append((Unit(kinds.REPOSITORY_USERS, str(repository.id)), draw(listed(user_grants()))))
        told.append((Unit(kinds.REPOSITORY_GROUPS, str(repository.id)), draw(listed(group_grants))))
    return [(unit, page, 1000.0 + number) for number, (unit, page) in enumerate(told)]


def filled(told: list[Told]) -> Snapshot:
    snapshot = Snapshot(INSTANCE)
    for unit, page, read_at in told:
        unit.kind.ingest(snapshot, unit.key, page, read_at)
    return snapshot


@examples(60)
@given(answers(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(told: list[Told], rng: object) -> None:
    once = filled(told)
    shuffled = told + [told[rng.randrange(len(told))] for _ in range(6)]  # type: ignore[attr-defined]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    shuffled = [(unit, page[::-1], read_at) for unit, page, read_at in shuffled]
    again = filled(shuffled)
    assert content(again) == content(once)
    assert build_payload(again).compressed == build_payload(once).compressed


def test_a_listed_row_wins_whenever_it_comes() -> None:
    granted = rows.User(1, "ada", "ada", "Zoe, a fuller name", "z@example.com", directory_name="X")
    from_listing = rows.User(1, "ada", "ada", "Ada")
    for first_listed in (True, False):
        snapshot = Snapshot(INSTANCE)
        for is_listed in (first_listed, not first_listed):
            snapshot.add_user(from_listing if is_listed else granted, listed=is_listed)
        assert snapshot.users[1].display_name == "Ada"
        assert snapshot.users[1].listed


@pytest.mark.parametrize("field", ["last_authentication_timestamp", "created_timestamp"])
def test_a_time_that_is_known_wins_whenever_it_comes_even_if_it_is_0(field: str) -> None:
    rows_of_ada = [msgspec.structs.replace(rows.User(1, "ada"), **{field: time}) for time in (None, 0, -1)]
    found = set()
    for order in permutations(rows_of_ada):
        snapshot = Snapshot(INSTANCE)
        for row in order:
            snapshot.add_user(row, listed=True)
        found.add((snapshot.users[1].last_login, snapshot.users[1].created))
    assert found == {(0, None) if field.startswith("last") else (None, 0)}


def test_a_group_keeps_the_listed_spelling_and_is_one_for_all_its_spellings() -> None:
    for order in (("ADMINS", "admins", "Admins"), ("admins", "Admins", "ADMINS")):
        snapshot = Snapshot(INSTANCE)
        for name in order:
            assert snapshot.add_group(name, listed=name == "Admins") == "admins"
        assert snapshot.groups == {"admins": GroupRecord("Admins", listed=True)}


def test_an_empty_answer_counts_as_read() -> None:
    snapshot = filled([(Unit(kinds.PROJECT_USERS, "1"), (), 5.0), (Unit(kinds.REPOSITORY_GROUPS, "7"), (), 6.0)])
    assert grants_of(snapshot, snapshot.project_grants[1]) == ([], 5.0)
    assert grants_of(snapshot, snapshot.repository_grants[7]) == ([], 6.0)
    assert snapshot.global_grants is None


def test_a_default_permission_that_is_not_given_leaves_no_trace() -> None:
    snapshot = filled(
        [
            (Unit(kinds.PROJECT_DEFAULT, "1/PROJECT_READ"), (rows.Permitted(False),), 1.0),
            (Unit(kinds.PROJECT_DEFAULT, "2/PROJECT_READ"), (rows.Permitted(True),), 1.0),
            (Unit(kinds.PROJECT_DEFAULT, "2/PROJECT_WRITE"), (rows.Permitted(True),), 1.0),
        ]
    )
    assert snapshot.default_permissions == {2: {"PROJECT_READ", "PROJECT_WRITE"}}
    assert snapshot.grant_count() == 2


# --- packing --------------------------------------------------------------------------------------------------------

holders = st.one_of(
    st.integers(0, 2**45).map(lambda user_id: Principal("user", user_id)),
    st.text(max_size=30).map(lambda name: Principal("group", name)),
)


@examples(100)
@given(st.lists(st.tuples(holders, st.text(min_size=1, max_size=30)), max_size=60))
def test_what_is_packed_comes_out_again(grants: list[tuple[Principal, str]]) -> None:
    from array import array

    codec = GrantCodec()
    codes = array(
        "q",
        [codec.user(who.key, what) if isinstance(who.key, int) else codec.group(who.key, what) for who, what in grants],
    )
    assert [codec.unpack(code) for code in codes] == grants
    assert len(set(codes)) == len(set(grants))
    assert codec.permissions(codes) == {what for _, what in grants}
    principals = codec.principals(codes)
    assert [principals[codec.holder_of(code)] for code in codes] == [who for who, _ in grants]
    parted = codec.by_permission(codes)
    assert [name for name, _ in parted] == sorted({what for _, what in grants})
    for name, found in parted:
        assert found == [code for code, (_, what) in zip(codes, grants, strict=True) if what == name]


def test_thousands_of_permission_names_find_room() -> None:
    codec = GrantCodec()
    codes = [codec.user(2**45, f"P{number}") for number in range(5000)]
    assert [codec.unpack(code)[1] for code in codes] == [f"P{number}" for number in range(5000)]
    assert max(codes) < 2**63


# --- forgetting -------------------------------------------------------------------------------------------------------


def small() -> Snapshot:
    ada, bob, eve = rows.User(1, "ada"), rows.User(2, "bob"), rows.User(3, "eve")
    told: list[Told] = [
        (Unit(kinds.USERS), (ada,), 1.0),
        (Unit(kinds.PROJECTS), PROJECTS[:2], 1.0),
        (Unit(kinds.REPOSITORIES), REPOSITORIES, 1.0),
        (Unit(kinds.PROJECT_USERS, "1"), (rows.UserGrant(bob, "PROJECT_READ"),), 1.0),
        (Unit(kinds.PROJECT_DEFAULT, "1/PROJECT_READ"), (rows.Permitted(True),), 1.0),
        (Unit(kinds.REPOSITORY_USERS, "10"), (rows.UserGrant(eve, "REPO_READ"),), 1.0),
        (Unit(kinds.REPOSITORY_GROUPS, "11"), (rows.GroupGrant(rows.Group("Team"), "REPO_READ"),), 1.0),
        (Unit(kinds.GROUPS), (rows.Group("Team"), rows.Group("Other")), 1.0),
        (Unit(kinds.MEMBERS, "Other"), (ada,), 1.0),
        (Unit(kinds.MEMBERS, "Team"), (ada,), 1.0),
    ]
    return filled(told)


def test_a_project_goes_with_its_repositories_and_their_grants() -> None:
    snapshot = small()
    snapshot.forget({1}, set())
    assert set(snapshot.projects) == {2, 3}
    assert {r.project for r in snapshot.repositories.values()} == {2, 3}
    assert set(snapshot.repository_grants) == {11}
    assert not snapshot.project_grants
    assert not snapshot.default_permissions


def test_a_repository_goes_alone() -> None:
    snapshot = small()
    snapshot.forget(set(), {10, 999})
    assert set(snapshot.projects) == {1, 2, 3}
    assert set(snapshot.repositories) == {11, 12, 13, 14, 15}
    assert set(snapshot.repository_grants) == {11}
    assert set(snapshot.project_grants) == {1}


def test_a_group_that_a_grant_still_names_stays_unlisted() -> None:
    snapshot = small()
    snapshot.forget_group("TEAM")
    snapshot.forget_group("other")
    snapshot.forget_group("never heard of")
    assert snapshot.groups == {"team": GroupRecord("Team", listed=False)}
    assert not snapshot.members


def test_whom_only_forgotten_things_showed_goes_too() -> None:
    snapshot = small()
    snapshot.forget({1}, {11})
    snapshot.forget_group("Team")
    snapshot.prune()
    assert set(snapshot.users) == {1, 6}, "ada is listed, user6 owns a project; bob and eve are gone"
    assert set(snapshot.groups) == {"other"}


def test_a_moved_thing_takes_its_new_place() -> None:
    snapshot = small()
    snapshot.add_repository(rows.Repository(10, "renamed", "Renamed", PROJECTS[1]))
    snapshot.add_project(rows.Project(1, "OMEGA", "Omega"))
    assert (snapshot.repositories[10].slug, snapshot.repositories[10].project) == ("renamed", 2)
    assert snapshot.projects[1] == ProjectRecord(1, "OMEGA", "Omega", False, None, None)
    assert set(snapshot.repository_grants) >= {10}


def test_personal_projects_are_known_by_their_key() -> None:
    record = ProjectRecord(1, "~ADA", "Ada", False, None, 1)
    assert record.personal
    assert not ProjectRecord(1, "ADA~", "Ada", False, None, 1).personal
    assert replace(INSTANCE, version="7.0").host == INSTANCE.host


@pytest.mark.parametrize("kind", list(kinds.ALL))
def test_every_kind_of_unit_has_its_place(kind: AnyKind) -> None:
    key = {kinds.PROJECT_DEFAULT: "1/PROJECT_READ", kinds.MEMBERS: "team"}.get(kind, "1")
    kind.ingest(Snapshot(INSTANCE), key, (), 1.0)
