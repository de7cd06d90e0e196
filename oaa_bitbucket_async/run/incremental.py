"""Incremental runs: from the base to the plan of the crawl, and from the crawl to the next base (DESIGN.md section 7).

Read from top to bottom: what is known before the crawl, what the crawl gets, what is checked after it, and what the
next run gets.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from oaa_bitbucket_async.bitbucket.audit.log import AuditLog
from oaa_bitbucket_async.bitbucket.audit.reading import Reading, Unreadable
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect.incremental.age import due_by_age
from oaa_bitbucket_async.collect.incremental.comparison import Comparison, Difference
from oaa_bitbucket_async.collect.incremental.doubts import Doubt, age_bound, doubts
from oaa_bitbucket_async.collect.incremental.explained import Explanations, is_cascade
from oaa_bitbucket_async.collect.incremental.freshness import Freshness
from oaa_bitbucket_async.collect.incremental.index import BaseIndex
from oaa_bitbucket_async.collect.incremental.keys import is_wanted
from oaa_bitbucket_async.collect.incremental.mark import OVERLAP, AuditMark, mark_of, server_time_of
from oaa_bitbucket_async.collect.incremental.named import Named, what_is_named
from oaa_bitbucket_async.collect.incremental.plan import Plan
from oaa_bitbucket_async.collect.incremental.trust import Trust, updated
from oaa_bitbucket_async.collect.journal import Base, Fingerprint, Journal, NoBaseError
from oaa_bitbucket_async.collect.kinds import Unit, subject_of
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.unchanged import Sent
from oaa_bitbucket_async.run.collection import Start, fingerprint_of
from oaa_bitbucket_async.run.sending import sent_by, still_stands
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.settings import Settings
from oaa_bitbucket_async.text import quote
from oaa_bitbucket_async.urls import base_url_parts

_log = logging.getLogger(__name__)
PAGES = 1_000
"""Pages of the audit log that an incremental run reads at most."""
PAGES_OF_A_FULL_CRAWL = 5_000
_LONGEST_RUN = 0.1
"""The longest duration of a run that is assumed, as a share of `--max-age`."""


class BaseFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data for the next run, kept with the base. Times in seconds since 1970."""

    began_at: float
    finished_at: float
    incremental: bool
    """Whether incremental runs are made from it: then a full crawl reads the audit log as well."""
    mark: AuditMark | None = None
    trust: Trust | None = None
    sent: Sent | None = None
    """The upload that was made from it. None if Veza does not say that it is the last one."""


@dataclass(slots=True)
class Round:
    """How one run uses the base that it found. `start` is None for a full crawl."""

    settings: Settings
    clock: Clock
    began_at: float
    base: Base | None = None
    facts: BaseFacts | None = None
    reading: Reading | Unreadable | None = None
    """What the audit log said; None if it was not asked."""
    log: AuditLog | None = None
    named: Named = field(default_factory=Named)
    index: BaseIndex = field(default_factory=BaseIndex)
    start: Start | None = None
    sent: Sent | None = None
    """The upload that this run made, or that still stands."""

    @property
    def incremental(self) -> bool:
        """Whether this run or another makes incremental runs with these files."""
        return self.settings.incremental or (self.facts is not None and self.facts.incremental)

    async def after_crawl(self, snapshot: Snapshot, freshness: Freshness) -> None:
        """Compares new answers with the base, and records how fresh all answers are."""
        plan = None if self.start is None else self.start.plan
        if plan is not None:
            freshness.renewed = plan.counts
            freshness.kept -= plan.dropped
            oldest = plan.oldest(snapshot)
            freshness.oldest = None if oldest is None else self.clock.epoch() - oldest
        if self.base is None or not isinstance(self.reading, Reading) or not self.reading.complete:
            return
        if plan is not None:
            comparison = Comparison(snapshot, is_named=plan.is_named, is_renewed=plan.renewed.__contains__)
        else:
            comparison = Comparison(snapshot, is_named=self._is_named, is_renewed=lambda _: True)
        async for item in self.base.replay(comparison.wanted):
            comparison.add(item)
        unsettled = plan.unsettled if plan is not None else self.index.other_people(snapshot)[0]
        left = [one for one in comparison.differences if not is_cascade(one.holders, unsettled, snapshot)]
        unexplained = await self._unexplained(left, self.reading)
        freshness.compared = True
        freshness.named_changes = len(comparison.named_changes)
        freshness.unexplained = tuple(sorted(map(snapshot.path, unexplained)))
        if unexplained:
            _log.warning(
                "%d changes were found that the audit log does not name: %s",
                len(freshness.unexplained),
                ", ".join(freshness.unexplained[:5]),
                extra=event(Event.UNEXPLAINED_CHANGES, count=len(freshness.unexplained)),
            )

    async def _unexplained(self, differences: Sequence[Difference], reading: Reading) -> set[Subject]:
        """What changed without a row. A change during the crawl has a row by now."""
        if not differences or self.log is None:
            return set()
        later = await self.log.since(server_time_of(reading) - OVERLAP, keep=is_wanted)
        if isinstance(later, Unreadable):  # nobody knows what happened during the crawl
            return set()
        explanations = Explanations((*later, *reading.events))
        to_server = mark_of(reading).to_server
        found = {
            subject_of(one.unit) for one in differences if not explanations.explains(one.unit, to_server(one.read_at))
        }
        return {subject for subject in found if subject is not None}

    async def still_stands(self, payload: Payload) -> bool:
        """Whether nothing has to be sent, because the last upload says the same."""
        before = None if self.facts is None else self.facts.sent
        if not self.settings.incremental or not await still_stands(self.settings, payload, before, self.clock.epoch()):
            return False
        self.sent = before
        return True

    async def uploaded(self, payload: Payload) -> None:
        """Remembers what was sent."""
        if self.incremental:
            before = None if self.facts is None else self.facts.sent
            self.sent = await sent_by(self.settings, payload, before, self.clock.epoch())

    async def aclose(self) -> None:
        """Closes the base, so that another can replace it. Calling it again does nothing."""
        self.start, self.index = None, BaseIndex()
        if self.base is not None:
            base, self.base = self.base, None
            await base.close()

    def _is_named(self, unit: Unit, _subject: Subject) -> bool:
        return self.named.newest(unit) is not None

    def next_facts(self, freshness: Freshness, journal: Journal) -> bytes:
        """For the base that this run leaves, with what it took up from `journal`."""
        now = self.clock.epoch()
        began_at = self.began_at
        if journal.resumed and not freshness.incremental:  # no row was held against what was taken up
            began_at = min(began_at, journal.began)
        before = self.facts
        mark, trust = None, None
        if self.incremental:
            trust = updated(
                before.trust if before is not None else None,
                now=now,
                max_age=self.settings.max_age_seconds,
                unexplained=len(freshness.unexplained),
                named=freshness.named_changes,
            )
            if isinstance(self.reading, Reading):
                mark = mark_of(self.reading)
                if began_at < self.began_at:
                    mark = mark.moved_back(began_at)
            elif before is not None:  # the next run reads from where the last reading was
                mark = before.mark
        facts = BaseFacts(
            began_at=began_at,
            finished_at=now,
            incremental=self.incremental,
            mark=mark,
            trust=trust,
            sent=self.sent,
        )
        return msgspec.json.encode(facts)


async def begin_round(session: Session, capabilities: Capabilities, path: Path, freshness: Freshness) -> Round:
    """Looks at the base in `path` and at the audit log, and decides what is asked again. Close what it gives.

    Does nothing unless incremental runs are made from that base. If an incremental run has to be a full crawl, the log
    says why. Raises what `Client.ask` raises if reading the log ends the run.
    """
    settings, clock = session.settings, session.clock
    found = Round(settings, clock, began_at=clock.epoch())
    try:
        try:
            await _open(found, path, fingerprint_of(settings, capabilities))
        except NoBaseError as reason:
            await found.aclose()
            if settings.incremental:
                freshness.full_because = str(reason)
                _log.info("a full crawl: %s", reason, extra=event(Event.FULL_CRAWL, reason=str(reason)))
        if found.incremental:
            await _read(found, session, capabilities, freshness)
            if found.base is not None:
                async for item in found.base.replay(found.index.wanted):
                    found.index.add(item)
            if settings.incremental and found.base is not None and found.facts is not None:
                _plan(found, found.base, found.facts, freshness)
    except BaseException:
        await found.aclose()
        raise
    return found


async def _open(found: Round, path: Path, fingerprint: Fingerprint) -> None:
    """Raises NoBaseError."""
    found.base = base = await Base.open(path, fingerprint)
    try:
        found.facts = msgspec.json.decode(base.facts, type=BaseFacts)
    except msgspec.MsgspecError as error:
        raise NoBaseError(f"the answers of the last upload in {path} are of another version") from error
    if found.incremental:
        await base.prove()
    else:
        await found.aclose()


async def _read(found: Round, session: Session, capabilities: Capabilities, freshness: Freshness) -> None:
    """What the audit log says of the time since the base was made."""
    freshness.log_asked = True
    facts = found.facts
    mark = None if facts is None else facts.mark
    if mark is not None:
        since = mark.window_start
    else:
        since = round((found.began_at if facts is None else facts.began_at) * 1000) - OVERLAP
    path, waits = base_url_parts(found.settings.bitbucket_url).path, found.settings.pace.own_row_waits
    found.log = log = AuditLog(session.client, path, capabilities.user_id, own_row_waits=waits)
    most = PAGES if session.settings.incremental else PAGES_OF_A_FULL_CRAWL
    reading = await log.read(since, now=found.clock.epoch, sleep=found.clock.sleep, keep=is_wanted, most_pages=most)
    found.reading = reading
    if isinstance(reading, Unreadable):
        freshness.log_unusable = reading.words if reading.lasting else None
        return
    freshness.log_read = True
    found.named = what_is_named(reading.events, mark)
    for key, things in found.named.skipped.items():
        _log.warning(
            "the audit log names %d things for %s, which is no reason to ask for them all again",
            things,
            quote(key),
            extra=event(Event.AUDIT_KEY_SKIPPED, key=key, things=things),
        )


def _plan(found: Round, base: Base, facts: BaseFacts, freshness: Freshness) -> None:
    """What is asked again."""
    settings, reading = found.settings, found.reading
    index = found.index
    in_doubt: tuple[Doubt, ...] = ()
    if reading is not None:
        in_doubt = doubts(facts.mark, reading, include=settings.include, trust=facts.trust)
    for doubt in in_doubt:
        _log.warning("%s", doubt.words, extra=event(Event.AUDIT_LOG_DOUBTED, reason=doubt.reason))
    last_took = min(facts.finished_at - facts.began_at, settings.max_age_seconds * _LONGEST_RUN)
    due = due_by_age(
        index.read_at,
        now=found.began_at + max(0.0, last_took),
        max_age=settings.max_age_seconds,
        bound=age_bound(settings.max_age_seconds, in_doubt),
        since_last_run=found.began_at - facts.began_at,
        answers=index.answers,
    )
    to_server = _as_it_is if facts.mark is None else facts.mark.to_server
    plan = Plan(index, named=found.named, to_server=to_server, due=due, finished_at=facts.finished_at)
    freshness.incremental = True
    freshness.doubts = tuple(doubt.words for doubt in in_doubt)
    found.start = Start(base, plan)


def _as_it_is(ours: float) -> int:
    """In milliseconds, where nothing is known of the server's clock."""
    return round(ours * 1000)
