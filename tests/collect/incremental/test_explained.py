"""Which changes, found without being named, the log or a known cascade explains."""

import pytest

from oaa_bitbucket_async.bitbucket.audit.rows import AuditEvent
from oaa_bitbucket_async.bitbucket.rows import User
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.incremental.comparison import EVERYONE
from oaa_bitbucket_async.collect.incremental.explained import Explanations, explains, is_cascade
from oaa_bitbucket_async.collect.incremental.named import CLOCKS_DIFFER, MOST_THINGS, what_is_named
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.collect.snapshot import Snapshot
from tests.collect.incremental.rows import NOON, PROJECTS, REPOSITORIES, USERS, row
from tests.collect.test_snapshot import INSTANCE

UNIT, PROJECT = Unit(kinds.REPOSITORY_USERS, "11"), Unit(kinds.PROJECT_DEFAULT, "1/PROJECT_READ")


@pytest.mark.parametrize(
    ("event", "unit", "explained"),
    [
        (row(f"{USERS}repositorypermissionrevoked", repositories=(11,)), UNIT, True),
        (row(f"{USERS}repositorypermissionrevoked", repositories=(12,)), UNIT, False),
        (row(f"{USERS}repositorypermissionrevoked", NOON - CLOCKS_DIFFER, repositories=(11,)), UNIT, True),
        (row(f"{USERS}repositorypermissionrevoked", NOON - CLOCKS_DIFFER - 1, repositories=(11,)), UNIT, False),
        (row(f"{REPOSITORIES}repositoryaccessed", repositories=(11,)), UNIT, False),
        (row("", projects=(1,), repositories=(11,)), PROJECT, True),
        (row(f"{PROJECTS}projectmodified", projects=(1,)), PROJECT, True),
        (row(f"{PROJECTS}projectmodified", projects=(11,)), UNIT, False),
    ],
)
def test_a_row_since_the_last_reading(event: AuditEvent, unit: Unit, explained: bool) -> None:
    assert explains([event], unit, NOON) is explained


def test_what_is_never_read_by_age_is_never_explained() -> None:
    assert not explains([row("", projects=(1,))], Unit(kinds.GROUPS), NOON)


def test_a_row_of_a_key_that_was_skipped_explains() -> None:
    events = [row("com.example.odd", repositories=(number,)) for number in range(1, MOST_THINGS + 2)]
    assert what_is_named(events, None).newest(UNIT) is None
    assert Explanations(events).explains(UNIT, NOON)


ANN, BOB, DEVS = Principal("user", 1), Principal("user", 2), Principal("group", "devs")


def test_the_grants_of_who_vanished_go_without_a_row() -> None:
    snapshot = Snapshot(INSTANCE)
    assert is_cascade([ANN, DEVS], (), snapshot), "they were gone before the base was made"
    snapshot.add_user(User(1, "ann"), listed=True)
    snapshot.add_user(User(2, "bob"), listed=True)
    snapshot.add_group("devs", listed=True)
    assert is_cascade([ANN, DEVS], {ANN, DEVS}, snapshot)
    assert not is_cascade([ANN, BOB], {ANN, DEVS}, snapshot), "another's grant differs too"
    assert not is_cascade([EVERYONE], (), snapshot)
