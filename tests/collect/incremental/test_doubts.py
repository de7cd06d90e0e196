"""Every reason to doubt what was read in the audit log, one by one, and that nothing else is one."""

from dataclasses import replace

import pytest

from oaa_bitbucket_async.bitbucket.audit.reading import LogSettings, Reading, Unreadable, Why
from oaa_bitbucket_async.bitbucket.audit.rows import LOG_CHANGED, PLUGIN_ENABLED
from oaa_bitbucket_async.collect.incremental.doubts import CLOCK_WENT_BACK, Doubt, Reason, age_bound, doubts
from oaa_bitbucket_async.collect.incremental.mark import AuditMark, mark_of
from oaa_bitbucket_async.collect.incremental.trust import Trust
from oaa_bitbucket_async.settings import Include
from tests.collect.incremental.rows import HOUR, NOON, USERS, mark_at, reading, row, searched

GRANT = row(f"{USERS}repositorypermissiongranted", NOON + HOUR // 2, repositories=(11,))
OWN = searched(NOON + HOUR)


def sound(*more: object, **changed: object) -> Reading:
    """An hour after the mark at noon, with all that has to be there."""
    given = {"own": OWN, **changed}
    return reading(GRANT, searched(NOON), *more, **given)  # type: ignore[arg-type]


def reasons(found: tuple[Doubt, ...]) -> list[Reason]:
    return [doubt.reason for doubt in found]


def judged(given: Reading | Unreadable, mark: AuditMark | None = None, **more: object) -> list[Reason]:
    arguments = {"include": (), "trust": None, **more}
    found = doubts(mark or mark_at(NOON), given, **arguments)  # type: ignore[arg-type]
    assert all(doubt.words.endswith(".") for doubt in found)
    return reasons(found)


def test_a_sound_reading_gives_no_doubt() -> None:
    assert judged(sound()) == []
    assert judged(sound(), include=tuple(Include), trust=Trust(round_began=0.0, unexplained=3)) == []


@pytest.mark.parametrize("why", [why for why in Why if why is not Why.FAULT])
def test_a_log_that_can_never_be_read_is_a_fact_and_no_doubt(why: Why) -> None:
    assert judged(Unreadable(why, "no"), trust=Trust(round_began=0.0, lost=True)) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Unreadable(Why.FAULT, "status 500"), [Reason.NOT_READ]),
        (replace(sound(), own=None), [Reason.OWN_ROW]),
        (reading(GRANT, searched(NOON - 1), own=OWN), [Reason.ANCHOR]),
        (reading(GRANT, own=OWN), [Reason.REACH]),
        (reading(own=OWN), [Reason.REACH]),
        (reading(GRANT, own=OWN, complete=False), [Reason.TOO_MANY]),
        (sound(row(PLUGIN_ENABLED, NOON + 1, node_start=True)), [Reason.NODE_START]),
        (sound(*[row(PLUGIN_ENABLED, NOON + 1)] * 149), [Reason.NODE_START]),
        (sound(*[row(PLUGIN_ENABLED, NOON - 1)] * 149), []),
        (sound(row(PLUGIN_ENABLED, NOON + 1)), []),
        (sound(row(LOG_CHANGED, NOON + 1, users=(3,))), [Reason.SETTINGS]),
        (sound(read_at=(NOON + HOUR + CLOCK_WENT_BACK) / 1000), []),
        (sound(read_at=(NOON + HOUR + CLOCK_WENT_BACK) / 1000 + 1), [Reason.CLOCK]),
        (sound(read_at=(NOON - HOUR) / 1000), []),
    ],
    ids=[
        *("could not be read", "own row did not show up", "anchor gone", "does not reach back", "empty", "too many"),
        *(
            "a node started",
            "149 plugins enabled",
            "149 before",
            "one plugin enabled",
            "settings changed",
            "clocks differ a little",
        ),
        *("server's clock went back", "our clock went back"),
    ],
)
def test_each_reason(given: Reading | Unreadable, expected: list[Reason]) -> None:
    assert judged(given) == expected


def test_what_was_seen_of_a_start_or_of_new_settings_is_no_doubt_again() -> None:
    seen = (row(PLUGIN_ENABLED, NOON - 5, node_start=True), row(LOG_CHANGED, NOON - 5, users=(3,)))
    assert judged(sound(*seen), mark_at(NOON, *seen)) == []
    assert judged(sound(*seen)) == [Reason.SETTINGS, Reason.NODE_START], "they arrived late"


def test_a_base_that_knows_nothing_of_the_log() -> None:
    assert reasons(doubts(None, sound(), include=(), trust=None)) == [Reason.NO_MARK]


def test_after_a_run_without_an_own_row_the_reach_is_told_by_any_old_row() -> None:
    mark = mark_of(replace(reading(searched(NOON - 1), own=None), read_at=NOON / 1000))
    assert mark.anchor is None
    assert judged(reading(GRANT, searched(NOON - 1), own=OWN), mark) == []
    assert judged(reading(GRANT, own=OWN), mark) == [Reason.REACH]


def test_trust_that_was_lost() -> None:
    assert judged(sound(), trust=Trust(round_began=0.0, lost=True)) == [Reason.TRUST]


@pytest.mark.parametrize(
    ("settings", "include", "doubted"),
    [
        (LogSettings(coverage=(("permissions", "off"),)), (), True),
        (LogSettings(coverage=(("permissions", "base"), ("end-user-activity", "off"))), (), False),
        (LogSettings(coverage=(("local-config-and-administration", "off"),)), (), False),
        (LogSettings(coverage=(("local-config-and-administration", "off"),)), (Include.ACCESS_KEYS,), True),
        (LogSettings(coverage=(("security", "off"),)), (Include.TOKENS,), True),
        (LogSettings(coverage=(("security", "off"),)), (Include.BRANCH_RESTRICTIONS,), False),
        (LogSettings(coverage=(("global-config-and-administration", "off"),)), (), True),
        (LogSettings(coverage=None), (), True),
        (LogSettings(denied=None), (), True),
        (LogSettings(denied=("Repository accessed by user",)), (), False),
        (LogSettings(denied=("Projektberechtigung erteilt",)), (), True),
    ],
)
def test_coverage_and_deny_list(settings: LogSettings, include: tuple[Include, ...], doubted: bool) -> None:
    mark = mark_of(reading(own=searched(NOON), settings=settings))
    expected = [Reason.COVERAGE] if doubted else []
    assert judged(sound(settings=settings), mark, include=include) == expected


def test_other_settings_than_the_base_knows_are_a_doubt_once() -> None:
    new = LogSettings(coverage=(("permissions", "full"),))
    first = sound(settings=new)
    assert judged(first) == [Reason.SETTINGS]
    later = reading(OWN, own=searched(NOON + 2 * HOUR), settings=new)
    assert judged(later, mark_of(first)) == []


def test_several_reasons_are_all_told() -> None:
    found = doubts(
        mark_at(NOON), replace(reading(GRANT), complete=False), include=(), trust=Trust(round_began=0.0, lost=True)
    )  # fmt: skip
    assert reasons(found) == [Reason.OWN_ROW, Reason.TOO_MANY, Reason.TRUST]
    assert age_bound(24.0, found) == 6.0
    assert age_bound(24.0, ()) == 24.0


def test_denied_actions_are_told_in_a_safe_way() -> None:
    settings = LogSettings(denied=("\x1b[31mone", "two", "three", "four"))
    (doubt,) = doubts(mark_of(reading(own=searched(NOON), settings=settings)), sound(settings=settings),
                      include=(), trust=None)  # fmt: skip
    assert "\x1b" not in doubt.words
    assert "4 actions" in doubt.words
