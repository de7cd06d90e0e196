"""How one unit of work is brought to its end: asked, followed if it moved, confirmed if it is gone, recorded.

Every unit that is begun here ends in the ledger, and every one that ended well in the snapshot and the record.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from oaa_bitbucket_async.bitbucket.api import Question
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, Gone, Moved, RequestProblem
from oaa_bitbucket_async.bitbucket.pacing.gate import Stopped
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.existence import Whereabouts
from oaa_bitbucket_async.collect.intake import AnyRow, apply, row_key
from oaa_bitbucket_async.collect.ledger import Ledger, Outcome
from oaa_bitbucket_async.collect.questions import Questions
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.collect.units import GRANTS, INCLUDED, OF_PROJECT, OF_REPOSITORY, OF_USER, Unit, UnitKind
from oaa_bitbucket_async.collect.verdicts import missing_scopes, verdict
from oaa_bitbucket_async.collect.vocabulary import TooManyPermissionsError

_log = logging.getLogger(__name__)

T = TypeVar("T")
RowT = TypeVar("RowT", bound=AnyRow)


class Record(Protocol):
    """Where finished units are kept for the next run (collect.journal)."""

    def page(self, unit: Unit, rows: Sequence[AnyRow]) -> None:
        """A page of a unit that is not finished."""
        ...

    def done(self, unit: Unit, rows: Sequence[AnyRow], read_at: float, outcome: Outcome) -> None:
        """The unit's last rows; from now on it counts."""
        ...

    def forget(self, unit: Unit) -> None:
        """What was kept of the unit so far does not count: it is going to be asked anew."""
        ...

    async def ready(self) -> None:
        """Returns once there is room for more."""
        ...


class Work:
    """Brings units to their end, and remembers which are worth a second try."""

    def __init__(
        self,
        client: Client,
        questions: Questions,
        snapshot: Snapshot,
        ledger: Ledger,
        counts: CrawlCounts,
        record: Record,
    ) -> None:
        self.stopped = False
        """True once the run was told to stop before everything had been asked."""
        self.again: list[Unit] = []
        """Units that ended in a fault, to be asked once more."""
        self.listings_again: list[Callable[[], Awaitable[None]]] = []
        self.have: set[Unit] = set()
        """What an earlier run was answered."""
        self._client = client
        self._questions = questions
        self._snapshot = snapshot
        self._ledger = ledger
        self._counts = counts
        self._record = record
        self._gone: set[Unit] = set()
        self._absent: set[UnitKind] = set()
        """What `--include` asks and was answered 404 for something that is there."""

    def resume(self, unit: Unit, answer: Sequence[AnyRow], read_at: float, outcome: Outcome) -> None:
        """Takes over a page of what an earlier run was answered; the unit is not asked again."""
        self.have.add(unit)
        if outcome is Outcome.GONE:
            self._gone.add(unit)
            self._ledger.record(verdict(unit, self._snapshot, None))
        else:
            self._take(unit, answer, read_at)

    async def ask(self, unit: Unit) -> bool:
        """Asks one unit. False if its subject is gone: asking more about it is idle."""
        if unit in self.have:
            if unit in self._gone:
                return False
            self._ledger.ok()
            return True
        self._ledger.forget(unit)
        try:
            try:
                rows = await self._answer(unit)
            except (Gone, Moved) as problem:
                if isinstance(problem, Gone) and self._is_absent(unit.kind):
                    raise
                where = await self._questions.find(unit)
                if where is None:
                    raise
                if where is Whereabouts.GONE:
                    self._gone.add(unit)
                    self._ledger.record(verdict(unit, self._snapshot, None))
                    self._record.done(unit, (), time.time(), Outcome.GONE)
                    return False
                rows = await self._answer(unit)  # once more, where it is now; a second 404 is a failure
        except RequestProblem as problem:
            self._ended_badly(unit, problem)
            return True
        read_at = time.time()
        try:
            self._take(unit, rows, read_at)
        except TooManyPermissionsError as error:
            path = self._questions.of(unit).path
            self._ended_badly(unit, Fault(path, f"with this answer, {error}", reason=FaultReason.BAD_SHAPE))
            return True
        self._ledger.ok()
        self._record.done(unit, rows, read_at, Outcome.OK)
        await self._record.ready()
        return True

    async def listing(
        self,
        unit: Unit,
        pages: AsyncIterator[Sequence[RowT]],
        again: Callable[[], Awaitable[None]],
        wanted: Callable[[RowT], bool] | None = None,
    ) -> AsyncIterator[Sequence[RowT]]:
        """A listing's pages, each put into the snapshot and the record before it is given on.

        Ends, with an entry in the ledger, where the listing can't be read on; `again` then reads it anew.
        """
        if unit in self.have:
            self._ledger.ok()
            return
        self._ledger.forget(unit)
        try:
            async for page in pages:
                rows = page if wanted is None else [row for row in page if wanted(row)]
                self._take(unit, rows, time.time())
                self._record.page(unit, rows)
                await self._record.ready()
                yield rows
        except Stopped:
            self.stopped = True
        except RequestProblem as problem:
            self._ledger.record(verdict(unit, self._snapshot, problem))
            self._record.forget(unit)
            if isinstance(problem, Fault):
                self.listings_again.append(again)
        else:
            self._ledger.ok()
            self._record.done(unit, (), time.time(), Outcome.OK)

    def settle(self) -> None:
        """What was deleted while the crawl was under way leaves the snapshot; what is missing is marked in it."""
        projects, repositories = set(), set()
        for unit in self._gone:
            if unit.kind is UnitKind.MEMBERS:
                self._snapshot.forget_group(unit.key)
            elif unit.kind in OF_PROJECT:
                projects.add(int(unit.key.partition("/")[0]))
            elif unit.kind in OF_REPOSITORY:
                repositories.add(int(unit.key))
            elif unit.kind not in OF_USER:  # a user is kept, who was listed or holds a grant
                raise ValueError(f"a listing can't be gone: {unit}")
        self._snapshot.forget(projects, repositories)
        if self._gone or self.have:
            self._snapshot.prune()
        self._snapshot.missing |= missing_scopes(self._ledger)

    def unless_stopped(self, function: Callable[[T], Awaitable[object]]) -> Callable[[T], Awaitable[None]]:
        """Once the run was told to stop, work that has not begun is left; what is in flight ends."""

        async def call(item: T) -> None:
            if self.stopped:
                return
            try:
                await function(item)
            except Stopped:
                self.stopped = True

        return call

    async def quietly(self, work: Awaitable[object]) -> None:
        """Awaits `work`; that it was refused because the run is stopping only sets `stopped`."""
        try:
            await work
        except Stopped:
            self.stopped = True

    async def _answer(self, unit: Unit) -> Sequence[AnyRow]:
        question = self._questions.of(unit)
        if isinstance(question, Question):
            return (await self._client.ask(question),)
        page = await self._client.page(question)
        if page.is_last_page:
            return page.values
        return [row async for rows in self._client.pages(question, row_key, page) for row in rows]

    def _ended_badly(self, unit: Unit, problem: RequestProblem) -> None:
        if unit.kind in INCLUDED and isinstance(problem, (Denied, Gone)):
            # the right is lacking, or this server has no such thing (a plugin that is off, an old version)
            _log.debug("not visible: %s", problem)
            self._snapshot.included.hide(unit.kind, int(unit.key))
            self._ledger.hidden()
            if isinstance(problem, Gone):
                self._absent.add(unit.kind)
            return
        self._ledger.record(verdict(unit, self._snapshot, problem))
        if isinstance(problem, Fault):
            self.again.append(unit)

    def _is_absent(self, kind: UnitKind) -> bool:
        """Whether this server, by all that is known, has no such thing: then a 404 needs no second look each time."""
        return kind in self._absent and not self._snapshot.included.count(kind)

    def _take(self, unit: Unit, rows: Sequence[AnyRow], read_at: float) -> None:
        apply(self._snapshot, unit, rows, read_at)
        if unit.kind in GRANTS:
            self._counts.grants += len(rows)
            return
        match unit.kind:
            case UnitKind.USERS:
                self._counts.users += len(rows)
            case UnitKind.GROUPS:
                self._counts.groups += len(rows)
            case UnitKind.PROJECTS | UnitKind.REPOSITORIES:
                self._counts.projects = len(self._snapshot.projects)
                self._counts.repositories = len(self._snapshot.repositories)
