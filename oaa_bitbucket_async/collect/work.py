"""Works on one unit until it ends: asks it, follows a move, confirms a deletion, records the outcome.

Every unit that starts here ends in the ledger. One that ends well is also in the snapshot and the journal.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from oaa_bitbucket_async.bitbucket.api import REPO_CREATE, Endpoint, Listing
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import (
    Denied,
    Fault,
    FaultReason,
    Gone,
    Moved,
    NotAsked,
    Rejected,
    RequestProblem,
)
from oaa_bitbucket_async.bitbucket.pacing.gate import Stopped
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.answered import Answered
from oaa_bitbucket_async.collect.concurrent import for_each
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.endpoints import Endpoints
from oaa_bitbucket_async.collect.existence import Whereabouts
from oaa_bitbucket_async.collect.grant_codec import TooManyPermissionsError
from oaa_bitbucket_async.collect.incremental.plan import Plan
from oaa_bitbucket_async.collect.journal.records import Replayed
from oaa_bitbucket_async.collect.kinds import (
    AnyKind,
    AnyRow,
    Unit,
    UnitKind,
    first_unit_of,
    subject_of,
    units_of,
)
from oaa_bitbucket_async.collect.ledger import Ledger
from oaa_bitbucket_async.collect.outcome_text import entry_of, given_up, missing_scopes
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Keys, RowT, Subject
from oaa_bitbucket_async.collect.waiting import AskAgain, Waiting
from oaa_bitbucket_async.settings import Pace

_log = logging.getLogger(__name__)

MORE_LOOKS = 3
"""How many times restrictions are read again if one of them can't be decoded."""
MOST_ROUNDS = 4
"""From this round on, a unit ends at its first fault."""

T = TypeVar("T")


class Recorder(Protocol):
    """Where finished units are kept for the next run (collect.journal)."""

    def page(self, unit: Unit, rows: Sequence[AnyRow]) -> None:
        """A page of a unit that is not finished."""
        ...

    def done(self, unit: Unit, rows: Sequence[AnyRow], read_at: float, place: str = "") -> None:
        """The unit's last rows; from now on it counts, as asked under the path `place`."""
        ...

    def hidden(self, unit: Unit, read_at: float, place: str = "") -> None:
        """The login may not see the unit's rows, and a payload does without."""
        ...

    def forget(self, unit: Unit) -> None:
        """Discards what was kept of the unit so far. It will be asked again."""
        ...

    async def ready(self) -> None:
        """Returns once there is room for more."""
        ...


class Work:
    """Brings units to their end, and remembers which are worth a second try."""

    def __init__(
        self,
        client: Client,
        endpoints: Endpoints,
        snapshot: Snapshot,
        ledger: Ledger,
        counts: CrawlCounts,
        record: Recorder,
        pace: Pace,
        plan: Plan | None = None,
    ) -> None:
        self.stopped = False
        """True once the run was told to stop before everything had been asked."""
        self.listings_again: list[Callable[[], Awaitable[None]]] = []
        self.have = Answered()
        """Answers of an earlier run for units that this run has not reached yet."""
        self.lost: set[Subject] = set()
        """Subjects that are not at their path. A listing has to tell whether they were deleted or renamed."""
        self.left: set[Subject] = set()
        """Subjects that were moved out of the part that this run collects."""
        self._client = client
        self._endpoints = endpoints
        self._snapshot = snapshot
        self._ledger = ledger
        self._counts = counts
        self._record = record
        self._waiting = Waiting(client.clock, client.pacer, pace, counts)
        self._round = 1
        self._gone_groups: set[str] = set()
        self._listed: set[Unit] = set()
        self._lost_at: dict[Subject, str] = {}
        self._dropped = False
        self._absent: set[AnyKind] = set()
        """Units of `--include` that answered 404 although their subject exists."""
        self._plan = plan
        self._hidden_before: set[Unit] = set()

    def resume(self, item: Replayed) -> None:
        """Takes over a page that an earlier run received.

        The unit is not asked again if its subject is still there when its turn comes (`begin`).
        """
        unit = item.unit
        if item.last:
            self.have.add(unit, item.place)
        if item.hidden:
            self._hidden_before.add(unit)
            self._hide(unit)
        else:
            self._take(unit, item.rows, item.read_at)

    def start_from(self, item: Replayed) -> None:
        """Takes over a page of the base, and writes it to the journal of this run too."""
        self.resume(item)
        if item.hidden:
            self._record.hidden(item.unit, item.read_at, item.place)
        elif item.last:
            self._record.done(item.unit, item.rows, item.read_at, item.place)
        else:
            self._record.page(item.unit, item.rows)

    def begin(self, subject: Subject) -> None:
        """Starts work on a subject, under the path that the snapshot has now.

        Answers that an earlier run received under another path do not count.
        """
        self._snapshot.displaced.discard(subject)
        if not self.have:
            return
        here = self._snapshot.path(subject)
        if any(self.have.get(unit, here) != here for unit in units_of(subject)):
            self.forget(subject)
            if self._plan is not None:
                self._plan.moved(subject)
        elif self._plan is not None and self._plan.has_changed(subject, self._snapshot):
            self.forget(subject)

    def forget(self, subject: Subject) -> None:
        """Drops all answers and outcomes about the subject."""
        for unit in units_of(subject):
            self.have.discard(unit)
            self._hidden_before.discard(unit)
            self._ledger.forget(unit)
            self._record.forget(unit)
            self._waiting.forget(unit)
        self._snapshot.drop_answers(subject)
        self.lost.discard(subject)
        self._dropped = True

    async def ask(self, unit: Unit, *, trying: bool = False) -> bool:
        """Asks one unit. False if its subject is no longer at its path, so that more requests there are useless.

        While its kind is set aside, the unit waits, unless `trying` is true.
        """
        subject = subject_of(unit)
        if subject in self._snapshot.displaced or subject in self.lost or subject in self.left:
            return False
        if self.have.discard(unit):
            if unit in self._hidden_before:
                self._ledger.hidden()
            else:
                self._ledger.ok()
            return True
        if not trying and self._waiting.is_aside(unit.kind):
            self._waiting.leave(unit)
            return True
        self._ledger.forget(unit)
        place = "" if subject is None else self._snapshot.path(subject)
        try:
            try:
                rows = await self._answer(unit, urgent=trying)
            except (Gone, Moved) as problem:
                if isinstance(problem, Gone) and self._is_answer(unit):
                    raise
                where = await self._endpoints.find(unit)
                if where is None:
                    raise
                if where is not Whereabouts.THERE:
                    self._waiting.answered(unit.kind)
                    self._not_there(unit, subject, place, where, problem)
                    return False
                if subject in self._snapshot.displaced:
                    return False
                rows = await self._answer(unit, urgent=trying)  # once more, as it is there; a second 404 is a failure
        except NotAsked:
            self._waiting.leave(unit)
            return True
        except RequestProblem as problem:
            self._ended_badly(unit, problem, place)
            return True
        read_at = self._client.clock.epoch()
        try:
            self._take(unit, rows, read_at)
        except TooManyPermissionsError as error:
            path = self._endpoints.of(unit).path
            self._ended_badly(unit, Fault(path, f"with this answer, {error}", reason=FaultReason.BAD_SHAPE), place)
            return True
        self._waiting.answered(unit.kind)
        self._ledger.ok()
        if self._plan is not None:
            self._plan.asked(unit)
        self._record.done(unit, rows, read_at, place)
        await self._record.ready()
        return True

    def fail(self, subject: Subject) -> None:
        """Records a failure for a subject that moved too often to be asked about."""
        self.forget(subject)
        unit = first_unit_of(subject)
        text = "it was renamed or moved again and again during the run"
        problem = Rejected(self._snapshot.path(subject), text)
        self._ledger.record(entry_of(unit, self._snapshot, problem))

    def gone(self, subject: Subject) -> None:
        """A listing has shown that the subject was deleted."""
        self.forget(subject)
        self._ledger.record(entry_of(first_unit_of(subject), self._snapshot, None))

    async def listing(
        self,
        unit: Unit,
        pages: AsyncIterator[Sequence[RowT]],
        again: Callable[[], Awaitable[None]],
        wanted: Callable[[RowT], bool] | None = None,
    ) -> AsyncIterator[Sequence[RowT]]:
        """Yields a listing's pages. Each page is already in the snapshot and the journal.

        If the listing can't be read further, it ends with an entry in the ledger. `again` reads it once more.
        """
        self._ledger.forget(unit)
        if unit in self._listed:
            self._record.forget(unit)
        try:
            async for page in pages:
                rows = page if wanted is None else [row for row in page if wanted(row)]
                self._take(unit, rows, self._client.clock.epoch())
                self._record.page(unit, rows)
                await self._record.ready()
                yield rows
        except Stopped:
            self.stopped = True
        except RequestProblem as problem:
            self._ledger.record(entry_of(unit, self._snapshot, problem))
            self._record.forget(unit)
            if isinstance(problem, Fault):
                self.listings_again.append(again)
        else:
            self._ledger.ok()
            self._listed.add(unit)
            self._record.done(unit, (), self._client.clock.epoch())

    def trying(self, ask: AskAgain) -> AbstractAsyncContextManager[None]:
        """Within the block, kinds that are set aside are tried by `ask` now and then."""
        return self._waiting.trying(ask)

    async def finish(self, ask: AskAgain, limit: int) -> None:
        """Asks the waiting units through `ask`, at most `limit` at a time, until every unit has an outcome.

        A fault that outlasted all attempts may have passed by now. May be called again after more has been asked.
        """
        while not self.stopped:
            self._hide_what_is_off()
            taken = self._waiting.take()
            if taken:
                self._round += 1
                await for_each(self.unless_stopped(ask), _units(taken), limit)
            elif not await self._waiting.outcome():
                break
        self._round = 1

    def _hide_what_is_off(self) -> None:
        """A disabled app may answer every request with a 404 page of the web interface.

        If a kind of `--include` got only such pages, this server does not have the feature.
        """
        for kind, waits in list(self._waiting.left()):
            if kind.include is not None and waits.only_pages_404 and not self._snapshot.included.count(kind):
                for key in self._waiting.end(kind):
                    self._snapshot.included.hide(kind, int(key))
                    self._ledger.hidden()

    def settle(self) -> None:
        """Removes from the snapshot what this run does not collect, and marks what is missing."""
        snapshot = self._snapshot
        for name in self._gone_groups:
            snapshot.forget_group(name)
        for unit in self.have:  # nothing that is listed now led to it
            if unit.kind is kinds.MEMBERS:
                group = snapshot.groups.get(fold(unit.key))
                if group is None or not group.listed:
                    snapshot.forget_group(unit.key)
            elif unit.kind.of == "user":
                snapshot.included.drop_kind(unit.kind, int(unit.key))
            if not self.stopped and self._ledger.listings_complete and not self._helps_still(unit):
                self._record.forget(unit)
        for subject in self.left:
            self.forget(subject)
        snapshot.forget(
            {subject.id for subject in self.left if subject.kind == "project"},
            {subject.id for subject in self.left if subject.kind == "repository"},
        )
        if self._gone_groups or self._dropped or self.have or snapshot.earlier_users or snapshot.earlier_groups:
            snapshot.prune()
        if not self.stopped:
            for kind, waits in self._waiting.left():
                if waits.last is not None:
                    self._ledger.record(given_up(kind, waits.last, len(waits.failed), waits.keys()))
        snapshot.missing |= missing_scopes(self._ledger)

    def _helps_still(self, unit: Unit) -> bool:
        """Whether the unit is asked only if needed, so that an old answer counts although this run did not ask."""
        return unit.kind.helps and int(unit.key) in self._snapshot.repositories

    def unless_stopped(self, function: Callable[[T], Awaitable[object]]) -> Callable[[T], Awaitable[None]]:
        """Skips new work once the run was told to stop. Requests in flight finish."""

        async def call(item: T) -> None:
            if self.stopped:
                return
            try:
                await function(item)
            except Stopped:
                self.stopped = True

        return call

    async def quietly(self, work: Awaitable[object]) -> None:
        """Awaits `work`. If it was refused because the run is stopping, only sets `stopped`."""
        try:
            await work
        except Stopped:
            self.stopped = True

    def _answer(self, unit: Unit, *, urgent: bool) -> Awaitable[Sequence[AnyRow]]:
        if unit.kind.unreadable is not None:
            return self._readable_rows(unit, urgent=urgent)
        return self._rows(unit.kind, unit, urgent=urgent)

    async def _readable_rows(self, unit: Unit, *, urgent: bool) -> Sequence[AnyRow]:
        """Reads the rows, and reads them again if one was damaged on its way."""
        rows = await self._rows(unit.kind, unit, urgent=urgent)
        for _ in range(MORE_LOOKS):
            if unit.kind.unreadable not in rows:
                break
            rows = await self._rows(unit.kind, unit, urgent=urgent)
        return rows

    async def _rows(self, kind: UnitKind[RowT], unit: Unit, *, urgent: bool) -> Sequence[RowT]:
        endpoint: Listing[RowT] | Endpoint[RowT] = self._endpoints.of(unit)
        if isinstance(endpoint, Endpoint):
            return (await self._client.ask(endpoint, urgent=urgent),)
        page = await self._client.page(endpoint, urgent=urgent)
        if page.is_last_page:
            return page.values
        return [row async for rows in self._client.pages(endpoint, kind.row_key, page) for row in rows]

    def _ended_badly(self, unit: Unit, problem: RequestProblem, place: str) -> None:
        if isinstance(problem, Fault):
            self._failed(unit, problem)
            return
        self._waiting.answered(unit.kind)
        if unit.kind.include is not None and isinstance(problem, (Denied, Gone)):
            # the right is lacking, or this server has no such thing (a plugin that is off, an old version)
            _log.debug("not visible: %s", problem)
            self._hidden(unit, place)
            if isinstance(problem, Gone):
                self._absent.add(unit.kind)
            return
        if isinstance(problem, Gone) and self._may_be_unknown(unit):
            _log.debug("not known here: %s", problem)
            self._hidden(unit, place)
            return
        self._ledger.record(entry_of(unit, self._snapshot, problem))

    def _hidden(self, unit: Unit, place: str) -> None:
        self._hide(unit)
        self._ledger.hidden()
        if self._plan is not None:
            self._plan.asked(unit)
        self._record.hidden(unit, self._client.clock.epoch(), place)

    def _hide(self, unit: Unit) -> None:
        if unit.kind.include is not None:
            self._snapshot.included.hide(unit.kind, int(unit.key))

    def _failed(self, unit: Unit, fault: Fault) -> None:
        """In the first round it waits for the second. Later that is its end, unless it was tried once only because
        nothing of its kind is answered, or the server fails so many requests that this one failed by chance."""
        ended = entry_of(unit, self._snapshot, fault)
        pacer = self._client.pacer
        no_proof = (pacer.unanswered(unit.kind.name) or pacer.flaky) and self._round < MOST_ROUNDS
        again = self._round == 1 or no_proof or self._waiting.is_aside(unit.kind)
        if not again:
            self._ledger.record(ended)
        self._waiting.failed(unit, fault, ended, again=again)

    def _not_there(
        self, unit: Unit, subject: Subject | None, place: str, where: Whereabouts, problem: RequestProblem
    ) -> None:
        """Raises Rejected if a listing has shown the subject at `place` since it was not found there."""
        if subject is None or where is Whereabouts.GONE:
            if subject is None:
                self._gone_groups.add(unit.key)
            self._ledger.record(entry_of(unit, self._snapshot, None))
        elif where is Whereabouts.LEFT:
            self.left.add(subject)
        elif subject not in self.lost:
            if self._lost_at.get(subject) == place:
                raise Rejected(problem.path, f"the listing shows it, but it is not there: {problem.detail}", status=404)
            self._lost_at[subject] = place
            self.lost.add(subject)

    def _may_be_unknown(self, unit: Unit) -> bool:
        """Whether servers may not know this default permission although the project is there.

        Its users have been asked for just before, so that the project itself is.
        """
        if unit.kind is not kinds.PROJECT_DEFAULT:
            return False
        project, _, level = unit.key.partition("/")
        return level == REPO_CREATE or self._snapshot.projects[int(project)].personal

    def _is_answer(self, unit: Unit) -> bool:
        """Whether a 404 needs no second look: this server, by all that is known, has no such thing."""
        if unit.kind.helps or self._may_be_unknown(unit):
            return True
        return unit.kind in self._absent and not self._snapshot.included.count(unit.kind)

    def _take(self, unit: Unit, rows: Sequence[AnyRow], read_at: float) -> None:
        kind, key = unit
        kind.ingest(self._snapshot, key, rows, read_at)
        counts = self._counts
        if kind.grants:
            counts.grants += len(rows)
        elif kind is kinds.USERS:
            counts.users += len(rows)
        elif kind is kinds.GROUPS:
            counts.groups += len(rows)
        elif kind.listing:
            counts.projects = len(self._snapshot.projects)
            counts.repositories = len(self._snapshot.repositories)


async def _units(waiting: list[tuple[AnyKind, Keys]]) -> AsyncIterator[Unit]:
    for kind, keys in waiting:
        for key in keys:
            yield Unit(kind, key)
