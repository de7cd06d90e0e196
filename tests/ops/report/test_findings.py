"""The figures of the report, against the same figures counted one by one on random estates."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.included import AccessKey, Included, Restriction, SshKey, Token
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.ops.report import reach
from oaa_bitbucket_async.ops.report.analyse import analyse
from oaa_bitbucket_async.ops.report.analysis import Analysis
from oaa_bitbucket_async.ops.report.findings import FINDINGS
from oaa_bitbucket_async.ops.report.found import MOST_ROWS, Found
from oaa_bitbucket_async.ops.report.reach_index import READS, ReachIndex
from oaa_bitbucket_async.settings import Identity, Include
from tests.examples import examples
from tests.oaa.estates import EFFECTIVE, INSTANCE, snapshot_of, steps_of
from tests.ops.report import plain

seeds = st.integers(0, 2**32)
NOW = 1_764_000_000.0
DAY = 86_400_000


def analysis_of(snapshot: Snapshot, identity: Identity = "email") -> Analysis:
    return analyse(snapshot, identity=identity, now=NOW)


def found(key: str, snapshot: Snapshot) -> Found:
    (one,) = (one for one in analysis_of(snapshot).findings if one.finding.key == key)
    return one


def total(key: str, snapshot: Snapshot) -> int:
    return found(key, snapshot).total


instances = st.sampled_from([INSTANCE, EFFECTIVE])


@given(seeds, instances)
@examples(150)
def test_figures_are_those_of_a_plain_count(seed: int, instance: object) -> None:
    snapshot = snapshot_of(steps_of(seed, instance), instance)  # type: ignore[arg-type]
    found = analysis_of(snapshot)
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
    everyone = {n: permissions for n, permissions in snapshot.default_permissions.items() if permissions}
    reads = {snapshot.projects[n].key for n, permissions in everyone.items() if permissions == {"PROJECT_READ"}}
    rows_of = {one.finding.key: one.first for one in found.findings}
    assert {row[0] for row in rows_of["projects-everyone-may-read"]} == reads
    assert {row[0] for row in rows_of["projects-everyone-may-change"]} == {
        snapshot.projects[n].key for n in everyone
    } - reads


@given(seeds, instances)
@examples(150)
def test_lists_are_those_of_a_plain_count(seed: int, instance: object) -> None:
    snapshot = snapshot_of(steps_of(seed, instance), instance)  # type: ignore[arg-type]
    found = analysis_of(snapshot)
    assert [(r.name, r.reads, r.writes, r.administers) for r in found.top_users] == plain.top_users(snapshot)
    assert [(r.name, r.reads, r.writes, r.administers) for r in found.top_groups] == plain.top_groups(snapshot)
    evidence = found.evidence()
    rows_of = {one.finding.key: [*one.finding.rows(evidence)] for one in found.findings}
    for one in found.findings:
        assert one.total == len(rows_of[one.finding.key])
        assert list(one.first) == rows_of[one.finding.key][:MOST_ROWS]
        assert {len(row) for row in one.first} <= {len(one.finding.columns)}
    orphaned = Counter(str(path).rpartition("/")[0] for path, *_ in rows_of["repositories-without-administrator"])
    assert orphaned == plain.orphaned(snapshot)
    assert sorted(str(name) for name, *_ in rows_of["administrators"]) == plain.administrators(snapshot)
    assert (
        sorted((name, own, groups, why) for name, _, why, own, groups, _ in rows_of["dormant-people"])
        == plain.dormant(snapshot)
    )  # fmt: skip
    assert sorted(rows_of["grants-to-gone-groups"]) == plain.grants_to_gone_groups(snapshot)
    assert sorted(name for name, *_ in rows_of["empty-groups-with-grants"]) == plain.empty_groups(snapshot)
    assert sorted((user, permission, on) for user, permission, on, *_ in rows_of["grants-that-say-nothing-new"]) == (
        plain.redundant_grants(snapshot)
    )
    public = {*rows_of["public-repositories"], *rows_of["public-if-switched-on"]}
    assert {path for path, _ in public} == plain.marked_public(snapshot)
    assert not rows_of["public-if-switched-on" if snapshot.public_access != "off" else "public-repositories"]


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
    assert analysis_of(snapshot, identity).users.without_identity == len(without)  # type: ignore[arg-type]


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
        return total("repositories-without-administrator", snapshot)

    assert orphaned() == 0
    assert orphaned(active=False) == 1, "nobody in the group can sign in"
    assert orphaned(members=False) == 1
    for missing in (Missing("group", "devs"), Missing("project", 7), Missing("repository", 9)):
        assert orphaned(missing, members=False) == 0


def test_an_empty_instance_has_nothing_to_show() -> None:
    found = analysis_of(Snapshot(INSTANCE))
    assert (found.users.total, found.things.repositories, found.grants) == (0, 0, 0)
    assert found.top_users == found.top_groups == ()
    assert [one.total for one in found.findings] == [0] * len(FINDINGS)


def ago(days: float) -> int:
    return int(NOW * 1000 - days * DAY)


def credentialed(*, told: bool = True) -> Snapshot:
    """A project with a repository, and two people; ada left."""
    snapshot = Snapshot(INSTANCE)
    snapshot.included = Included({*Include})
    for n, (name, active) in enumerate([("ada", False), ("bob", True)]):
        snapshot.add_user(rows.User(id=n, name=name, slug=name, display_name=name.title(), active=active), listed=True)
    project = rows.Project(id=7, key="P", name="Pay", type="NORMAL", public=False)
    snapshot.add_project(project)
    snapshot.add_repository(rows.Repository(id=9, slug="r", name="r", project=project, public=False))
    add = snapshot.included.add
    used = {"last_used": ago(10)} if told else {"last_used": None}
    add(kinds.USER_TOKENS, 0, [token("t1", created=ago(400), expires=ago(-5), last_used=None)])
    add(kinds.USER_TOKENS, 1, [token("t2", created=ago(400), expires=None, **used), token("t3", created=ago(100))])
    add(kinds.USER_SSH_KEYS, 0, [SshKey(1, "laptop", "SHA256:x", "RSA", 2048, ago(900), None, ago(200))])
    add(kinds.PROJECT_TOKENS, 7, [token("t4", created=ago(999), expires=ago(1), last_used=ago(500))])
    keys = [
        AccessKey(n, f"build{n}", "SHA256:y", "RSA", 2048, ago(900), None, ago(days), permission)
        for n, days, permission in ((3, 1, "PROJECT_WRITE"), (4, 181, "PROJECT_READ"), (5, 179, "PROJECT_READ"))
    ]
    add(kinds.PROJECT_ACCESS_KEYS, 7, keys)
    add(kinds.REPOSITORY_ACCESS_KEYS, 9, [])
    return snapshot


def token(name: str, *, created: int, expires: int | None = None, last_used: int | None = None) -> Token:
    return Token(name, name, created, expires, last_used, ("REPO_READ",))


def restriction(kind: str, matcher: str, matched: str) -> Restriction:
    return Restriction(kind=kind, matcher=matcher, matched=matched, active=True, users=(), groups=(), keys=())


def test_tokens_without_a_date_of_expiry() -> None:
    names = [row[0] for row in found("tokens-that-never-expire", credentialed()).first]
    assert names == ["t2", "t3"]


def test_what_was_not_used_for_half_a_year() -> None:
    """Not what has expired, and not what is younger than that."""
    one = found("unused-keys-and-tokens", credentialed())
    assert [row[1] for row in one.first] == ["build4", "t1", "laptop"]
    assert one.first[1][-1] == "never"
    names = [row[1] for row in found("unused-keys-and-tokens", credentialed(told=False)).first]
    assert "t1" in names, "an expired token was used once, so this server tells it"


def test_where_no_use_is_told_nothing_is_called_unused() -> None:
    snapshot = credentialed(told=False)
    snapshot.included.drop_kind(kinds.PROJECT_TOKENS, 7)
    assert [row[1] for row in found("unused-keys-and-tokens", snapshot).first] == ["build4", "laptop"]


def test_credentials_of_those_who_left() -> None:
    assert [row[:3] for row in found("credentials-of-inactive-people", credentialed()).first] == [
        ("ada", "token", "t1"),
        ("ada", "SSH key", "laptop"),
    ]


def test_keys_that_a_server_tells_of_several_people_are_nobodys() -> None:
    snapshot = credentialed()
    same = [SshKey(1, "laptop", "SHA256:x", "RSA", 2048, ago(900), None, ago(200))]
    snapshot.included.add(kinds.USER_SSH_KEYS, 1, same)
    assert [row[1] for row in found("credentials-of-inactive-people", snapshot).first] == ["token"]


def test_access_keys_that_may_write() -> None:
    (row,) = found("access-keys-that-may-write", credentialed()).first
    assert row[:3] == ("build3", "P", "PROJECT_WRITE")


@pytest.mark.parametrize(
    ("restrictions", "archived", "expected"),
    [
        (None, False, []),
        ([], False, [("P/r", "", 0)]),
        ([], True, []),
        ([restriction("pull-request-only", "ANY_REF", "*")], False, []),
        ([restriction("no-deletes", "ANY_REF", "*")], False, [("P/r", "", 1)]),
        ([restriction("read-only", "BRANCH", "refs/heads/main")], False, []),
    ],
)
def test_default_branches_that_nothing_protects(
    restrictions: list[Restriction] | None, archived: bool, expected: list[object]
) -> None:
    """Where it can't be told, nothing is said: here the name of the default branch is not known."""
    snapshot = credentialed()
    project = rows.Project(id=7, key="P", name="Pay", type="NORMAL", public=False)
    snapshot.add_repository(rows.Repository(id=9, slug="r", name="r", project=project, public=False, archived=archived))
    if restrictions is not None:
        snapshot.included.add(kinds.REPOSITORY_RESTRICTIONS, 9, restrictions)
    assert list(found("unprotected-default-branches", snapshot).first) == expected


def test_what_include_did_not_ask_for_is_not_known() -> None:
    snapshot = credentialed()
    snapshot.included.asked_for = frozenset({Include.ACCESS_KEYS})
    asked = {one.finding.key for one in analysis_of(snapshot).findings if not one.asked}
    assert asked == {
        "tokens-that-never-expire", "credentials-of-inactive-people", "unprotected-default-branches",
    }  # fmt: skip


def test_people_whom_nothing_links_to_an_identity_provider() -> None:
    snapshot = credentialed()
    assert [row[0] for row in found("people-without-identity", snapshot).first] == []
    snapshot.add_global_grants([rows.UserGrant(user=rows.User(id=1, name="bob"), permission="LICENSED_USER")], 1.0)
    assert [row[0] for row in found("people-without-identity", snapshot).first] == ["bob"], "ada can't sign in"


def test_each_finding_has_a_name_and_words_of_its_own() -> None:
    assert len({finding.key for finding in FINDINGS}) == len(FINDINGS)
    for finding in FINDINGS:
        assert re.fullmatch(r"[a-z-]+", finding.key), "it names a file"
        assert all(text.endswith(".") for text in (finding.means, finding.matters, finding.change))
        assert len(finding.columns) >= 2


def test_the_documentation_lists_every_finding() -> None:
    page = (Path(__file__).parents[3] / "docs" / "questions.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([^|]+?)( ¹)? \| (high|medium|low) \|$", page, re.MULTILINE)
    assert [what for what, _, _ in table if what.startswith("repositories that anybody")]
    assert {(what.split(",")[0], bool(mark), how) for what, mark, how in table} == {
        (finding.many.replace("’", "'"), bool(finding.includes), finding.seriousness.word.lower())
        for finding in FINDINGS
    }
