"""The figures of the report, against the same figures counted one by one on random estates."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.ops.report import reach
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.reach_index import READS, ReachIndex
from tests.examples import examples
from tests.oaa.estates import EFFECTIVE, INSTANCE, snapshot_of, steps_of
from tests.ops.report import plain

seeds = st.integers(0, 2**32)
instances = st.sampled_from([INSTANCE, EFFECTIVE])


@given(seeds, instances)
@examples(150)
def test_figures_are_those_of_a_plain_count(seed: int, instance: object) -> None:
    snapshot = snapshot_of(steps_of(seed, instance), instance)  # type: ignore[arg-type]
    found = analyse(snapshot, identity="email")
    users, things = found.users, found.things
    assert users.total == users.active + users.inactive == len(snapshot.users)
    assert users.active == len([u for u in snapshot.users.values() if u.active])
    assert users.without_identity == len([u for u in snapshot.users.values() if not u.email])
    assert users.unlisted == len([u for u in snapshot.users.values() if not u.listed])
    if users.may_sign_in is not None:
        assert users.may_sign_in == len([u for u in snapshot.users.values() if plain.may_sign_in(snapshot, u)])
    assert things.public_repositories == len(
        [r for r in snapshot.repositories.values() if r.public or snapshot.projects[r.project].public]
    )
    assert things.personal_projects == len([p for p in snapshot.projects.values() if p.key.startswith("~")])
    assert found.grants == snapshot.grant_count()
    counted = Counter((permission, kind) for _, kind, _, permission in plain.every_grant(snapshot))
    assert {(level.permission, kind): number for level in found.levels
            for kind, number in (("user", level.users), ("group", level.groups)) if number} == counted  # fmt: skip
    assert sum(level.everyone for level in found.levels) == sum(map(len, snapshot.default_permissions.values()))
    assert found.by_everyone == len(
        [r for r in snapshot.repositories if any(k == "everyone" for k, _, _ in plain.on_repository(snapshot, r))]
    )
    assert found.defaults.total == len([d for d in snapshot.default_permissions.values() if d])


@given(seeds, instances)
@examples(150)
def test_lists_are_those_of_a_plain_count(seed: int, instance: object) -> None:
    snapshot = snapshot_of(steps_of(seed, instance), instance)  # type: ignore[arg-type]
    found = analyse(snapshot, identity="email")
    assert [(r.name, r.reads, r.writes, r.administers) for r in found.top_users] == plain.top_users(snapshot)
    assert [(r.name, r.reads, r.writes, r.administers) for r in found.top_groups] == plain.top_groups(snapshot)
    assert {o.key: o.repositories for o in found.orphaned.first} == plain.orphaned(snapshot)
    assert found.orphaned_repositories == sum(plain.orphaned(snapshot).values())
    assert sorted(a.name for a in found.administrators.first) == plain.administrators(snapshot)
    assert sorted((d.name, d.own_grants, d.groups, d.why) for d in found.dormant.first) == plain.dormant(snapshot)
    assert found.dormant_by_why == Counter(why for *_, why in plain.dormant(snapshot))
    gone = Counter(
        (key, scope) for scope, kind, key, _ in plain.every_grant(snapshot)
        if kind == "group" and not snapshot.groups[str(key)].listed
    )  # fmt: skip
    assert found.gone_group_grants == gone.total()
    for group in found.gone_groups.first:
        key = group.name.lower()
        assert group.on_projects == gone[key, "project"]
        assert group.on_repositories == gone[key, "repository"]
        assert group.on_everything == gone[key, "global"]


@pytest.mark.parametrize("most", [1, 2, 3])
@given(seed=seeds)
@examples(80)
def test_the_ranking_stops_early_and_is_exact_nevertheless(most: int, seed: int) -> None:
    snapshot = snapshot_of(steps_of(seed))
    held = ReachIndex(snapshot)
    able = [u for u in snapshot.users.values() if plain.may_sign_in(snapshot, u)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach, "MOST", most)
        ranking = reach.users_that_reach_most(snapshot, held, able)
    assert [(r.name, r.reads, r.writes, r.administers) for r in ranking] == plain.top_users(snapshot)[:most]


@given(seeds)
@examples(40)
def test_many_repositories_of_many_projects_are_told_apart(seed: int) -> None:
    """Projects begin and end anywhere within the bytes of a set."""
    random = Random(seed)
    snapshot = Snapshot(INSTANCE)
    user = rows.User(id=1, name="ada", slug="ada", display_name="Ada", active=True, type="NORMAL")
    granted = set()
    number = 0
    for n in range(random.randrange(1, 12)):
        project = rows.Project(id=n, key=f"P{n}", name="", type="NORMAL", public=False)
        snapshot.add_project(project)
        size = random.randrange(40)
        for place in range(number, number + size):
            repository = rows.Repository(id=place, slug=f"r{place}", name="", project=project, public=False)
            snapshot.add_repository(repository)
            if random.random() < 0.1:
                granted.add(place)
                snapshot.add_repository_grants(place, [rows.UserGrant(user=user, permission="REPO_READ")], 1.0)
        if random.random() < 0.4:
            granted |= set(range(number, number + size))
            snapshot.add_project_grants(n, [rows.UserGrant(user=user, permission="PROJECT_WRITE")], 1.0)
        number += size
    held = ReachIndex(snapshot)
    found = held.of(Principal("user", 1), READS)
    assert {held.repositories[place].id for place in range(number) if found >> place & 1} == granted
    assert found.bit_count() == len(granted) <= held.at_most(Principal("user", 1))


@pytest.mark.parametrize(
    ("identity", "without"), [("email", {"no-email", "neither"}), ("name", {"neither"}), ("both", {"neither"})]
)
def test_who_is_without_an_identity_depends_on_what_links_them(identity: str, without: set[str]) -> None:
    snapshot = Snapshot(INSTANCE)
    for n, (name, email) in enumerate([("has-both", "a@example.com"), ("no-email", None), ("", None)]):
        snapshot.add_user(
            rows.User(id=n, name=name, slug="", display_name="", email_address=email, active=True, type="NORMAL"),
            listed=True,
        )
    assert analyse(snapshot, identity=identity).users.without_identity == len(without)  # type: ignore[arg-type]


def test_repositories_of_which_not_enough_is_known_are_not_called_without_an_administrator() -> None:
    def orphaned(*missing: Missing, active: bool = True, members: bool = True) -> int:
        snapshot = Snapshot(INSTANCE)
        ada = rows.User(id=1, name="ada", slug="ada", display_name="Ada", active=active, type="NORMAL")
        project = rows.Project(id=7, key="P", name="", type="NORMAL", public=False)
        snapshot.add_user(ada, listed=True)
        snapshot.add_group("Devs", listed=True)
        snapshot.add_members("Devs", [1] if members else [])
        snapshot.add_global_grants([rows.UserGrant(user=ada, permission="LICENSED_USER")], 1.0)
        snapshot.add_project(project)
        snapshot.add_repository(rows.Repository(id=9, slug="r", name="", project=project, public=False))
        snapshot.add_project_grants(
            7, [rows.GroupGrant(group=rows.Group(name="devs"), permission="PROJECT_ADMIN")], 1.0
        )
        snapshot.missing.update(missing)
        return analyse(snapshot, identity="email").orphaned_repositories

    assert orphaned() == 0
    assert orphaned(active=False) == 1, "nobody in the group can sign in"
    assert orphaned(members=False) == 1
    for missing in (Missing("group", "devs"), Missing("project", 7), Missing("repository", 9)):
        assert orphaned(missing, members=False) == 0


def test_an_empty_instance_has_nothing_to_show() -> None:
    found = analyse(Snapshot(INSTANCE), identity="email")
    assert (found.users.total, found.things.repositories, found.grants) == (0, 0, 0)
    assert found.top_users == found.top_groups == ()
    assert found.orphaned.total == found.dormant.total == 0
