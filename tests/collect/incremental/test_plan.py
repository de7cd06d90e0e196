"""What of the base is asked again, and why; and what of it turns out to be another answer."""

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.incremental.comparison import EVERYONE, Comparison
from oaa_bitbucket_async.collect.incremental.index import BaseIndex
from oaa_bitbucket_async.collect.incremental.named import Named
from oaa_bitbucket_async.collect.incremental.plan import Plan, Reason
from oaa_bitbucket_async.collect.journal import AnyRow, Replayed
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit
from oaa_bitbucket_async.collect.snapshot import Instance, Snapshot
from oaa_bitbucket_async.collect.units import Subject

ANN, BEN = rows.User(1, "ann"), rows.User(2, "ben")
CORE = rows.Project(7, "CORE", "Core")
REPOSITORY = rows.Repository(9, "billing", "billing", CORE)
PROJECT_SUBJECT, SUBJECT = Subject("project", 7), Subject("repository", 9)
READ_AT = 1000.0
USERS_OF = Unit(kinds.REPOSITORY_USERS, "9")


def item(kind: AnyKind, key: str, *answer: AnyRow, read_at: float = READ_AT, last: bool = True) -> Replayed:
    return Replayed(Unit(kind, key), answer, read_at, "CORE/billing", last)


BASE = (
    item(kinds.USERS, "", ANN, BEN),
    item(kinds.GROUPS, "", rows.Group("Devs")),
    item(kinds.PROJECTS, "", CORE),
    item(kinds.REPOSITORIES, "", REPOSITORY),
    item(kinds.PROJECT_DEFAULT, "7/PROJECT_READ", rows.Permitted(True)),
    item(kinds.REPOSITORY_USERS, "9", rows.UserGrant(ANN, "REPO_READ"), last=False),
    item(kinds.REPOSITORY_USERS, "9", rows.UserGrant(BEN, "REPO_WRITE")),
    item(kinds.REPOSITORY_GROUPS, "9", rows.GroupGrant(rows.Group("devs"), "REPO_ADMIN"), read_at=READ_AT + 5),
)


def snapshot(*answers: Replayed) -> Snapshot:
    """What this run knows: by default all that the base has."""
    made = Snapshot(Instance("https://git.example.com", "git.example.com", "9.4.0", "basic", "explicit"))
    for one in answers or BASE:
        one.unit.kind.ingest(made, one.unit.key, one.rows, one.read_at)
    return made


def plan(named: Named | None = None, due: frozenset[Subject] = frozenset()) -> Plan:
    index = BaseIndex()
    for one in BASE:
        index.add(one)
    return Plan(index, named=named or Named(), to_server=lambda s: round(s * 1000), due=due, finished_at=READ_AT + 60)


def test_nothing_is_asked_again_without_a_reason() -> None:
    made = plan()
    assert [made.believes(one) for one in BASE] == [False] * 4 + [True] * 4, "listings always are"
    assert not made.touched(snapshot())
    assert made.oldest(snapshot()) == READ_AT


@pytest.mark.parametrize(("row_at", "believed"), [(READ_AT, False), (READ_AT - 290, False), (READ_AT - 310, True)])
def test_what_the_log_names_unless_it_was_read_since(row_at: float, believed: bool) -> None:
    made = plan(Named(permissions={SUBJECT: round(row_at * 1000)}))
    assert made.believes(BASE[6]) is believed
    assert made.believes(BASE[4]), "its project is not named"
    assert made.believes(item(kinds.REPOSITORY_TOKENS, "9")), "a row about permissions concerns grants only"


def test_what_is_due_unless_an_interrupted_run_has_asked_it() -> None:
    made = plan(due=frozenset({SUBJECT}))
    assert not made.believes(BASE[6])
    assert made.believes(item(kinds.REPOSITORY_USERS, "9", read_at=READ_AT + 61))


@pytest.mark.parametrize(
    ("listed", "changed"),
    [
        (REPOSITORY, False),
        (rows.Repository(9, "billing", "another name", CORE), False),
        (rows.Repository(9, "billing", "billing", CORE, public=True), True),
        (rows.Repository(9, "billing", "billing", CORE, archived=True), True),
        (rows.Repository(9, "billing", "billing", CORE, forkable=False), True),
        (rows.Repository(9, "billing", "billing", CORE, state="OFFLINE"), True),
    ],
)
def test_other_flags(listed: rows.Repository, changed: bool) -> None:
    made = plan()
    assert made.has_changed(SUBJECT, snapshot(item(kinds.REPOSITORIES, "", listed))) is changed
    made.asked(USERS_OF)
    assert made.counts == {Reason.CHANGED if changed else Reason.UNANSWERED: 1}


def test_a_project_that_became_public() -> None:
    public = rows.Project(7, "CORE", "Core", public=True)
    assert plan().has_changed(PROJECT_SUBJECT, snapshot(item(kinds.PROJECTS, "", public)))


@pytest.mark.parametrize(
    ("people", "touched"),
    [
        ((ANN, BEN), False),
        ((ANN,), True),
        ((ANN, rows.User(2, "benjamin")), True),
        ((ANN, BEN, rows.User(3, "new")), False),
        ((ANN, rows.User(3, "ben")), True),
    ],
)
def test_a_holder_who_is_not_who_they_were(people: tuple[rows.User, ...], touched: bool) -> None:
    made = plan()
    now = snapshot(item(kinds.USERS, "", *people), *BASE[1:])
    assert made.touched(now) == ({SUBJECT} if touched else set())
    made.asked(USERS_OF)
    assert (Reason.HOLDER in made.counts) is touched


def test_a_group_that_vanished() -> None:
    assert plan().touched(snapshot(BASE[0], item(kinds.GROUPS, ""), *BASE[2:])) == {SUBJECT}


def test_a_reason_for_each_answer() -> None:
    made = plan(Named(permissions={SUBJECT: round(READ_AT * 1000)}), frozenset({PROJECT_SUBJECT}))
    made.asked(USERS_OF)
    made.asked(Unit(kinds.PROJECT_USERS, "7"))
    made.asked(Unit(kinds.REPOSITORY_USERS, "10"))
    made.asked(Unit(kinds.REPOSITORY_TOKENS, "9"))
    made.asked(Unit(kinds.MEMBERS, "devs"))
    assert made.counts == {Reason.NAMED: 1, Reason.AGE: 1, Reason.CHANGED: 1, Reason.UNANSWERED: 1}
    assert made.renewed == {PROJECT_SUBJECT, Subject("repository", 10)}


# --- what turns out to be another answer ---------------------------------------------------------------------------


def compared(now: Snapshot, *, named: bool = False) -> Comparison:
    found = Comparison(now, is_named=lambda unit, _: named, is_renewed=lambda _: True)
    for one in BASE:
        found.add(one)
    return found


def test_the_same_answers() -> None:
    found = compared(snapshot())
    assert (found.differences, found.named_changes) == ([], set())


@pytest.mark.parametrize(
    ("instead", "holder"),
    [
        (item(kinds.REPOSITORY_USERS, "9", rows.UserGrant(ANN, "REPO_READ")), Principal("user", 2)),
        (item(kinds.REPOSITORY_USERS, "9", rows.UserGrant(rows.User(3, "new"), "REPO_READ")), Principal("user", 3)),
    ],
)
def test_another_holder(instead: Replayed, holder: Principal) -> None:
    [difference] = compared(snapshot(*BASE[:5], instead, BASE[7])).differences
    assert (difference.unit, difference.read_at) == (USERS_OF, READ_AT)
    assert holder in difference.holders


def test_another_level_is_one_change_as_the_log_said() -> None:
    other = item(kinds.REPOSITORY_GROUPS, "9", rows.GroupGrant(rows.Group("Devs"), "REPO_READ"))
    found = compared(snapshot(*BASE[:7], other), named=True)
    assert (found.differences, found.named_changes) == ([], {SUBJECT})


def test_another_default_permission() -> None:
    [difference] = compared(snapshot(*BASE[:4], *BASE[5:])).differences
    assert (difference.unit.key, difference.holders) == ("7/PROJECT_READ", {EVERYONE})


def test_other_details_of_a_user_are_no_change() -> None:
    other = item(kinds.REPOSITORY_USERS, "9", rows.UserGrant(rows.User(1, "anna", active=False), "REPO_READ"))
    assert not compared(snapshot(*BASE[:5], other, *BASE[6:])).differences


def test_what_was_deleted_is_not_compared() -> None:
    assert not compared(snapshot(*BASE[:2])).differences


def test_what_an_interrupted_run_asked_again_is_renewed_and_what_it_copied_is_of_the_base() -> None:
    made = plan(due=frozenset({SUBJECT}))
    assert made.oldest(snapshot()) == READ_AT
    own = item(kinds.REPOSITORY_USERS, "9", read_at=READ_AT + 61)
    assert made.believes(own)
    assert (made.is_of_base(own), made.is_of_base(BASE[4])) == (False, True)
    made.renewed.add(PROJECT_SUBJECT)
    assert made.oldest(snapshot()) is None, "the rest of the repository is asked by this run"


def test_what_was_taken_over_and_asked_again_is_not_kept() -> None:
    made = plan(due=frozenset({PROJECT_SUBJECT}))
    made.moved(SUBJECT)
    made.moved(PROJECT_SUBJECT)
    for unit in (USERS_OF, Unit(kinds.PROJECT_USERS, "7"), Unit(kinds.REPOSITORY_USERS, "10")):
        made.asked(unit)
    assert made.counts == {Reason.CHANGED: 3}
    assert made.dropped == 1, "the project was due anyway, and the other repository is new"
