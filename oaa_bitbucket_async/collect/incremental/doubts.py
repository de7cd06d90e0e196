"""May this run rely on what it read in the audit log? Gives each reason against it, in words for people.

DESIGN.md section 7, "In doubt about the log". In doubt the age bound is a quarter of `--max-age`. A log that can
never be read is not a doubt but a fact: then everything goes by age.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from oaa_bitbucket_async.bitbucket.audit.reading import LogSettings, Reading, Unreadable
from oaa_bitbucket_async.bitbucket.audit.rows import LOG_CHANGED, PLUGIN_ENABLED
from oaa_bitbucket_async.collect.incremental.mark import AuditMark, fingerprint, server_time_of
from oaa_bitbucket_async.collect.incremental.named import new_events
from oaa_bitbucket_async.collect.incremental.trust import Trust
from oaa_bitbucket_async.settings import Include
from oaa_bitbucket_async.text import quote

BOUND_IN_DOUBT = 0.25
"""The share of `--max-age` that is the age bound of a run in doubt."""
CLOCK_WENT_BACK = 300_000
"""The server's clock was set back if it lost more than this against ours, in milliseconds."""
_PLUGINS_OF_A_START = 50
"""So many plugins are enabled at one time only when a node starts; it enables about 150."""
_ALWAYS = ("permissions", "global-config-and-administration", "audit-log")
"""Grants, the starts of nodes, and our own searches with changes of the log's settings."""
_AREAS = {
    Include.ACCESS_KEYS: ("local-config-and-administration",),
    Include.TOKENS: ("security", "user-management", "local-config-and-administration"),
    Include.SSH_KEYS: ("user-management", "security"),
    Include.GPG_KEYS: ("user-management", "security"),
    Include.BRANCH_RESTRICTIONS: ("local-config-and-administration",),
    Include.SETTINGS: ("local-config-and-administration",),
    Include.DEFAULT_REVIEWERS: ("local-config-and-administration",),
}
_HARMLESS = frozenset(
    {
        *("repository accessed by user", "repository accessed", "plugin disabled"),
        *("pull request opened", "pull request merged", "pull request declined"),
        *("user login", "user logout", "user login failed"),
    }
)
"""Actions on the deny list that nothing here needs, as far as the site's language is English."""


class Reason(StrEnum):
    """Why the log is in doubt. The value is the name in the figures."""

    NOT_READ = "not-read"
    """The log gave no usable answer this time."""
    NO_MARK = "no-mark"
    """The base knows nothing of the log."""
    OWN_ROW = "own-row"
    """The row of our own search did not show up."""
    ANCHOR = "anchor"
    """The row of the last run is missing, although the log still covers its time."""
    REACH = "reach"
    """The log does not reach back to the last reading."""
    TOO_MANY = "too-many"
    """The window has more pages than may be read."""
    COVERAGE = "coverage"
    """Coverage or the deny list leave out needed rows, or the settings are unknown."""
    SETTINGS = "settings"
    """The log's settings were changed since the last reading."""
    NODE_START = "node-start"
    """A node started, and rows that waited in its memory may be lost."""
    CLOCK = "clock"
    """The server's clock went back."""
    TRUST = "trust"
    """Too many changes were found that the log did not name."""


class Doubt(NamedTuple):
    """One reason, with the sentence that people read."""

    reason: Reason
    words: str


def doubts(
    mark: AuditMark | None, reading: Reading | Unreadable, *, include: Collection[Include], trust: Trust | None
) -> tuple[Doubt, ...]:
    """Every reason to doubt what was read, in the order of `Reason`; none for a log that can never be read."""
    if isinstance(reading, Unreadable):
        if reading.lasting:
            return ()
        found = [Doubt(Reason.NOT_READ, reading.words)]
    elif mark is None:
        found = [Doubt(Reason.NO_MARK, "The last upload comes from a run that did not read the audit log.")]
        found += _of_the_reading(reading)
        found += _of_the_settings(reading.settings, include)
    else:
        found = [*_of_the_reading(reading), *_of_the_span(mark, reading)]
        found += _of_the_settings(reading.settings, include)
        found += _of_the_time_since(mark, reading)
    if trust is not None and trust.lost:
        found.append(
            Doubt(
                Reason.TRUST,
                "Too many changes were found that the audit log did not name. It is trusted again once no such "
                "change is found for the time of --max-age.",
            )
        )
    order = list(Reason)
    return tuple(sorted(found, key=lambda doubt: order.index(doubt.reason)))


def _of_the_reading(reading: Reading) -> list[Doubt]:
    found = []
    if reading.own is None:
        words = "Bitbucket did not log our own search within 15 seconds, so its audit log may be late or stuck."
        found.append(Doubt(Reason.OWN_ROW, words))
    if not reading.complete:
        words = f"The audit log has more than {reading.pages:,} pages since the last run, too many to read."
        found.append(Doubt(Reason.TOO_MANY, words))
    return found


def _of_the_span(mark: AuditMark, reading: Reading) -> list[Doubt]:
    """Does the log still have everything that the last run saw?"""
    if not reading.complete:
        return []  # what is missing may be on the pages that were not read
    if mark.anchor in reading.events:
        return []
    before = mark.anchor.time if mark.anchor is not None else mark.server_time
    if reading.oldest is not None and reading.oldest <= before:
        if mark.anchor is None:
            return []
        words = "The row that the last run left in the audit log is gone, though older ones are there: rows were lost."
        return [Doubt(Reason.ANCHOR, words)]
    words = "The audit log does not reach back to the last run: its older rows were removed."
    return [Doubt(Reason.REACH, words)]


def _of_the_settings(settings: LogSettings, include: Collection[Include]) -> list[Doubt]:
    found = []
    if settings.coverage is None:
        words = "What the audit log covers can't be read, so it may leave out permissions."
        found.append(Doubt(Reason.COVERAGE, words))
    else:
        levels = dict(settings.coverage)
        needed = dict.fromkeys((*_ALWAYS, *(area for word in sorted(include) for area in _AREAS.get(word, ()))))
        off = [area for area in needed if levels.get(area) == "off"]
        if off:
            words = f"The audit log's coverage is off for {', '.join(off)}. Set it to Base."
            found.append(Doubt(Reason.COVERAGE, words))
    if settings.denied is None:
        words = "The audit log's deny list can't be read, so it may leave out permissions."
        found.append(Doubt(Reason.COVERAGE, words))
    else:
        denied = [action for action in settings.denied if action.strip().lower() not in _HARMLESS]
        if denied:
            some = ", ".join(f'"{quote(action)}"' for action in denied[:3])
            words = f"The audit log's deny list has {len(denied):,} actions that may be needed, such as {some}."
            found.append(Doubt(Reason.COVERAGE, words))
    return found


def _of_the_time_since(mark: AuditMark, reading: Reading) -> list[Doubt]:
    found = []
    new = list(new_events(reading.events, mark))
    if mark.settings != fingerprint(reading.settings) or any(event.key == LOG_CHANGED for event in new):
        words = "The audit log's settings were changed since the last run, so it may lack rows."
        found.append(Doubt(Reason.SETTINGS, words))
    enabled = sum(event.key == PLUGIN_ENABLED and event.time > mark.server_time for event in new)
    if enabled >= _PLUGINS_OF_A_START or any(event.node_start for event in new):
        words = "A Bitbucket node started since the last run: rows that it had not yet written may be lost."
        found.append(Doubt(Reason.NODE_START, words))
    if reading.own is not None and mark.anchor is not None:
        behind = mark.to_server(reading.read_at) - server_time_of(reading)
        if behind > CLOCK_WENT_BACK:
            words = f"Bitbucket's clock went back by {behind // 60_000:,} minutes since the last run."
            found.append(Doubt(Reason.CLOCK, words))
    return found


def age_bound(max_age: float, found: Collection[Doubt]) -> float:
    """How old an answer may be at most in this run, in the unit of `max_age`."""
    return max_age * BOUND_IN_DOUBT if found else max_age
