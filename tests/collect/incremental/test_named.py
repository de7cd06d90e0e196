"""What a window of the audit log names: keys and ids decide, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.audit.rows import LOG_CHANGED, PLUGIN_ENABLED, SEARCHED, AuditEvent
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.incremental.keys import is_known, is_reading
from oaa_bitbucket_async.collect.incremental.mark import OVERLAP, mark_of
from oaa_bitbucket_async.collect.incremental.named import CLOCKS_DIFFER, MOST_THINGS, Named, what_is_named
from oaa_bitbucket_async.collect.kinds import Unit, units_of
from oaa_bitbucket_async.collect.units import Subject
from tests.collect.incremental.rows import (
    HOUR,
    NOON,
    PROJECTS,
    REPOSITORIES,
    USERS,
    mark_at,
    reading,
    row,
    searched,
)
from tests.examples import examples

ODD = "com.example.app.audit.something"
"""A key of somebody's app."""
PROJECT, REPOSITORY, USER = Subject("project", 1), Subject("repository", 11), Subject("user", 2)


def of(subject: Subject, *, permissions: bool | None = None) -> set[Unit]:
    """Its units; those about permissions only, or all others."""
    about = {*kinds.BY_NAME.values()} if permissions is None else {
        kind for kind in kinds.ALL if (kind.grants or kind is kinds.PROJECT_DEFAULT) is permissions
    }  # fmt: skip
    return {unit for unit in units_of(subject) if unit.kind in about}


def asked(named: Named) -> set[Unit]:
    """Of the project, its repository 11, the project's other repository 12, and a user: what is to be asked again."""
    return {
        unit
        for subject in (PROJECT, REPOSITORY, Subject("repository", 12), USER)
        for unit in units_of(subject)
        if named.newest(unit, 1 if subject.kind == "repository" else None) is not None
    }


ROWS: list[tuple[str, AuditEvent, set[Unit]]] = [
    (
        "project grant",
        row(f"{USERS}projectpermissiongranted", projects=(1,), users=(2,)),
        of(PROJECT, permissions=True),
    ),
    ("…requested", row(f"{USERS}projectpermissiongrantrequested", projects=(1,)), of(PROJECT, permissions=True)),
    ("project revoke", row(f"{USERS}projectpermissionrevoked", projects=(1,)), of(PROJECT, permissions=True)),
    ("default permission", row(f"{USERS}projectpermissionmodified", projects=(1,)), of(PROJECT, permissions=True)),
    (
        "repository grant",
        row(f"{USERS}repositorypermissiongranted", projects=(1,), repositories=(11,), users=(2,)),
        of(REPOSITORY, permissions=True),
    ),
    (
        "repository permission changed, by a key that nobody has recorded",
        row(f"{USERS}repositorypermissionmodified", projects=(1,), repositories=(11,)),
        of(REPOSITORY, permissions=True),
    ),
    ("global", row(f"{USERS}globalpermissiongranted", users=(2,)), set()),
    ("group membership", row(f"{USERS}groupmembershipscreated.user", users=(2,)), set()),
    ("group deleted", row(f"{USERS}groupdeleted", users=(2,)), set()),
    (
        "project settings: also what its repositories have of it",
        row(f"{PROJECTS}projectmodified", projects=(1,)),
        of(PROJECT) | of(REPOSITORY, permissions=False) | of(Subject("repository", 12), permissions=False),
    ),
    (
        "moved, renamed or made public",
        row(f"{REPOSITORIES}repositorymodified", projects=(1,), repositories=(11,)),
        of(REPOSITORY),
    ),
    (
        "access key",
        row("bitbucket.ssh.audit.action.sshaccesskeygranted.repository", projects=(1,), repositories=(11,)),
        of(REPOSITORY),
    ),
    (
        "access key of a project",
        row("bitbucket.ssh.audit.action.sshaccesskeygranted.project", projects=(1,)),
        of(PROJECT),
    ),
    (
        "token",
        row("bitbucket.access.tokens.audit.action.accesstokencreated.repository", projects=(1,), repositories=(11,)),
        of(REPOSITORY),
    ),
    ("personal token", row("bitbucket.access.tokens.audit.action.accesstokencreated.personal", users=(2,)), of(USER)),
    ("SSH key of a user", row("bitbucket.ssh.audit.action.sshkeycreated", users=(2,)), of(USER)),
    ("user renamed", row(f"{USERS}userrenamed", users=(2,)), of(USER)),
    ("an app's own key", row(ODD, projects=(1,), repositories=(11,), users=(2,)), of(REPOSITORY) | of(USER)),
    ("no key at all", row("", repositories=(11,)), of(REPOSITORY)),
    ("repository viewed", row(f"{REPOSITORIES}repositoryaccessed", projects=(1,), repositories=(11,)), set()),
    (
        "pull request",
        row("bitbucket.service.pullrequest.audit.action.pullrequestopened", projects=(1,), repositories=(11,)),
        set(),
    ),
    ("signed in", row(f"{USERS}authenticationsuccess", users=(2,)), set()),
    ("our own search", searched(), set()),
    ("a start", row(PLUGIN_ENABLED, node_start=True), set()),
]


@pytest.mark.parametrize(("event", "expected"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
def test_what_a_row_is_a_reason_to_ask(event: AuditEvent, expected: set[Unit]) -> None:
    assert asked(what_is_named([event], None)) == expected


def test_a_row_that_was_seen_is_no_reason_but_one_more_like_it_is() -> None:
    grant = row(f"{USERS}repositorypermissiongranted", NOON - 1000, repositories=(11,))
    mark = mark_at(NOON, grant)

    assert asked(what_is_named([grant], mark)) == set()
    assert asked(what_is_named([grant, grant], mark)) == of(REPOSITORY, permissions=True)


def test_a_row_that_arrives_late_in_the_overlap_is_a_reason() -> None:
    late = row(f"{USERS}repositorypermissiongranted", NOON - OVERLAP + 1, repositories=(11,))
    assert mark_at(NOON).window_start < late.time
    assert asked(what_is_named([late], mark_at(NOON))) == of(REPOSITORY, permissions=True)


def test_a_mark_keeps_what_may_be_a_reason_and_nothing_of_reading() -> None:
    grant = row(f"{USERS}repositorypermissiongranted", NOON - 1000, repositories=(11,))
    old = row(f"{USERS}repositorypermissiongranted", NOON - OVERLAP - 1, repositories=(11,))
    viewed = row(f"{REPOSITORIES}repositoryaccessed", NOON - 1000, repositories=(11,))
    changed, start = row(LOG_CHANGED, NOON - 2000, users=(3,)), row(PLUGIN_ENABLED, NOON - 3000, node_start=True)

    mark = mark_of(reading(grant, old, viewed, changed, start, own=searched()))

    assert set(mark.seen) == {grant, changed, start}
    assert mark.anchor == searched()


def test_without_an_own_row_the_newest_row_tells_the_server_s_clock() -> None:
    """It may be hours behind ours: the next window must not begin after what it has to show."""
    grant = row(f"{USERS}repositorypermissiongranted", NOON, repositories=(11,))
    mark = mark_of(reading(grant, read_at=NOON / 1000 + 7200))
    assert mark.server_time == NOON
    assert mark.to_server(mark.read_at) == NOON
    assert mark_of(reading(read_at=NOON / 1000)).server_time == NOON


def test_a_unit_that_was_read_after_the_newest_row_is_not_asked_again() -> None:
    unit = Unit(kinds.REPOSITORY_USERS, "11")
    named = what_is_named(
        [row(f"{USERS}repositorypermissiongranted", time, repositories=(11,)) for time in (NOON, NOON - HOUR)], None
    )
    assert named.asks_again(unit, NOON - HOUR // 2)
    assert named.asks_again(unit, NOON + CLOCKS_DIFFER), "so near to each other, either may have been first"
    assert not named.asks_again(unit, NOON + CLOCKS_DIFFER + 1)
    assert not named.asks_again(Unit(kinds.REPOSITORY_USERS, "12"), 0)
    assert not named.asks_again(Unit(kinds.MEMBERS, "11"), 0), "members are always asked"


def test_an_unknown_key_that_names_too_much_is_skipped_and_told_of() -> None:
    many = [row(ODD, repositories=(number,)) for number in range(1, MOST_THINGS + 2)]
    grants = [row(f"{USERS}repositorypermissiongranted", repositories=(number,)) for number in range(1, 500)]

    assert what_is_named(many[:-1], None).skipped == {}
    assert len(what_is_named(many[:-1], None).subjects) == MOST_THINGS
    assert what_is_named(many, None).skipped == {ODD: MOST_THINGS + 1}
    assert what_is_named(many, None).subjects == set()
    assert len(what_is_named([*many, *grants], None).subjects) == 499, "a known key counts however much it names"


def test_what_was_seen_does_not_fill_the_measure_of_an_unknown_key() -> None:
    seen = [row(ODD, NOON - 1000, repositories=(number,)) for number in range(1, MOST_THINGS + 1)]
    new = row(ODD, NOON + 1000, repositories=(MOST_THINGS + 1,))
    assert what_is_named([new, *seen], mark_at(NOON, *seen)).subjects == {Subject("repository", MOST_THINGS + 1)}


def test_no_key_is_of_reading_and_a_reason_by_name() -> None:
    for key in (SEARCHED, PLUGIN_ENABLED, LOG_CHANGED, f"{REPOSITORIES}repositoryaccessed"):
        assert is_reading(key)
        assert not is_known(key)


KEYS = st.sampled_from(
    [ODD, "", SEARCHED, f"{REPOSITORIES}repositoryaccessed", f"{USERS}repositorypermissiongranted",
     f"{USERS}projectpermissionrevoked", f"{PROJECTS}projectmodified", f"{USERS}userrenamed"]
)  # fmt: skip
IDS = st.lists(st.integers(1, 5), max_size=2).map(lambda ids: tuple(sorted(set(ids))))
EVENTS = st.lists(
    st.builds(AuditEvent, st.integers(NOON - HOUR, NOON + HOUR), KEYS, IDS, IDS, IDS), max_size=30
)  # fmt: skip
UNITS = [
    (unit, subject)
    for kind in ("project", "repository", "user")
    for number in range(1, 6)
    for subject in (Subject(kind, number),)  # type: ignore[arg-type]
    for unit in units_of(subject)
]


@examples(200)
@given(EVENTS, EVENTS)
def test_seen_rows_take_nothing_away_from_new_ones(old: list[AuditEvent], new: list[AuditEvent]) -> None:
    """With a mark that saw the old rows, the new ones name what they name alone."""
    mark = mark_of(reading(*(e for e in old if e.time <= NOON), own=searched()))
    window = [*new, *mark.seen]
    assert what_is_named(window, mark) == what_is_named(new, None)


@examples(200)
@given(EVENTS, st.randoms())
def test_the_order_of_rows_does_not_matter(events: list[AuditEvent], random: object) -> None:
    mixed = list(events)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert what_is_named(mixed, None) == what_is_named(events, None)


@examples(200)
@given(EVENTS, EVENTS)
def test_more_rows_name_no_less(some: list[AuditEvent], more: list[AuditEvent]) -> None:
    fewer, all_ = what_is_named(some, None), what_is_named([*some, *more], None)
    for unit, subject in UNITS:
        project = 1 if subject.kind == "repository" else None
        newest = fewer.newest(unit, project)
        assert newest is None or (all_.newest(unit, project) or 0) >= newest


def test_answers_from_before_the_reading_make_the_next_one_begin_where_they_were_read() -> None:
    old, new = row(f"{USERS}x", NOON - 1000, projects=(1,)), row(f"{USERS}x", NOON - 10, projects=(1,))
    mark = mark_at(NOON, new, old)
    back = mark.moved_back(mark.read_at - 0.5)
    assert back.window_start == mark.window_start - 500
    assert back.seen == (old,)
    assert back.anchor == mark.anchor
    assert back.to_server(mark.read_at) == mark.server_time
