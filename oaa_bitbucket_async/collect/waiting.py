"""Units that wait to be asked again, and kinds of question that are set aside because they get no answers.

Only keys are stored, so that memory stays flat with hundreds of thousands of units.
"""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.pacing.gate import Stopped
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.collect.outcome_text import kind_in_words
from oaa_bitbucket_async.collect.units import Keys
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.settings import Pace

_log = logging.getLogger(__name__)

TIMEOUTS = 8
"""Timeouts in a row that set a kind aside: each holds a place for as long as `--request-timeout`."""
FAILED_TRIES = 3
"""A kind is given up after this many failed tries in a row, once all other kinds have ended. Also the most tries
that run at one time."""
_SPREAD = 0.618
"""The share of the list to skip between two tries: neighbours may be in the same broken project."""


class AskAgain(Protocol):
    """Asks a unit; with `trying` True even if its kind is set aside."""

    async def __call__(self, unit: Unit, *, trying: bool = False) -> None:
        """Raises Stopped, and what ends the run."""


@dataclass(slots=True, eq=False)
class Waits:
    """The waiting units of one kind."""

    failed: Keys = field(default_factory=Keys)
    """Asked, and ended in a fault."""
    unasked: Keys = field(default_factory=Keys)
    streak: int = 0
    """Units in a row that ended in a fault."""
    only_pages_404: bool = True
    """Whether all answers were pages with status 404 and without JSON."""
    last: Entry | None = None
    """How the last one of them ended."""
    times_aside: int = 0
    aside: bool = False
    tries: int = 0
    failed_tries: int = 0
    running: dict[asyncio.Task[None], str] = field(default_factory=dict)
    """Tries under way, with what they ask."""
    given_up: bool = False
    """Whether the kind was given up, so that nothing is tried any more."""

    def __len__(self) -> int:
        return len(self.failed) + len(self.unasked)

    def keys(self) -> Keys:
        """All of them, as they are now."""
        return Keys((*self.failed, *self.unasked))


class Waiting:
    """The units to ask again, by kind.

    A kind is set aside after 50 of its units in a row ended in a fault (`Pace.set_aside_after`). From then on, only
    one unit is tried every 15 s (`Pace.try_every`). The first answer brings all of them back.
    """

    def __init__(self, clock: Clock, pacer: Pacer, pace: Pace, counts: CrawlCounts) -> None:
        self._clock = clock
        self._pacer = pacer
        self._pace = pace
        self._counts = counts
        self._kinds: dict[AnyKind, Waits] = {}
        self._changed = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._timers: set[asyncio.Task[None]] = set()
        self._ask: AskAgain | None = None

    def is_aside(self, kind: AnyKind) -> bool:
        """Whether units of this kind are not asked at present: `leave` them here."""
        if not self._kinds:  # as nearly always
            return False
        waits = self._kinds.get(kind)
        return waits is not None and waits.aside

    def leave(self, unit: Unit) -> None:
        """A unit that was not asked, because its kind is set aside."""
        self._kinds.setdefault(unit.kind, Waits()).unasked.add(unit.key)

    def answered(self, kind: AnyKind) -> None:
        """A unit of this kind got an answer, of any sort."""
        if not self._kinds:
            return
        waits = self._kinds.get(kind)
        if waits is None:
            return
        waits.streak = 0
        if waits.aside:
            waits.aside = False
            waits.failed_tries = 0
            self._pacer.release(kind.name)
            self._counts.set_aside.discard(kind_in_words(kind))
            self._changed.set()
            _log.info("%s are answered again", kind_in_words(kind), extra=event(Event.KIND_ANSWERED, unit=kind.name))

    def forget(self, unit: Unit) -> None:
        """The unit does not wait any more."""
        if (waits := self._kinds.get(unit.kind)) is not None:
            waits.failed.discard(unit.key)
            waits.unasked.discard(unit.key)

    def end(self, kind: AnyKind) -> Keys:
        """Takes all waiting units of a kind out, and stops its tries."""
        waits = self._kinds.pop(kind)
        waits.aside = False
        self._pacer.release(kind.name)
        self._counts.set_aside.discard(kind_in_words(kind))
        self._end_tries(waits)
        return waits.keys()

    def left(self) -> Iterator[tuple[AnyKind, Waits]]:
        """Kinds that still have waiting units."""
        return ((kind, waits) for kind, waits in self._kinds.items() if len(waits))

    def failed(self, unit: Unit, fault: Fault, ended: Entry, *, again: bool) -> None:
        """A unit ended in a fault. `again`: it waits here for the next round."""
        waits = self._kinds.setdefault(unit.kind, Waits())
        waits.streak += 1
        waits.last = ended
        waits.only_pages_404 &= fault.status == 404 and fault.reason is FaultReason.NOT_JSON
        if waits.aside and unit.key in waits.running.values():
            waits.failed_tries += 1
        if again:
            waits.failed.add(unit.key)
        enough = self._pace.set_aside_after
        if fault.reason is FaultReason.TIMEOUT and self._pacer.unanswered(unit.kind.name):
            enough = min(enough, TIMEOUTS)
        if waits.streak >= enough:
            self._set_aside(unit.kind, waits)

    # --- the end of a round -------------------------------------------------------------------------------------

    def take(self) -> list[tuple[AnyKind, Keys]]:
        """Takes out the waiting units of all kinds that are not set aside."""
        taken = []
        for kind, waits in self._kinds.items():
            if not waits.aside and len(waits) and self._pacer.unanswered(kind.name):
                self._set_aside(kind, waits)
            if not waits.aside:
                taken += [(kind, keys) for keys in (waits.failed, waits.unasked) if len(keys)]
                waits.failed, waits.unasked = Keys(), Keys()
        return taken

    async def outcome(self) -> bool:
        """Waits for the result of a try, once all other units have ended. False if there is nothing to wait for.

        A kind whose last three tries failed is given up: it stays set aside, and is not tried any more.
        """
        self._changed.clear()
        open_still = False
        for waits in self._kinds.values():
            if not waits.aside or waits.failed_tries < FAILED_TRIES:
                open_still |= bool(waits.running) or (waits.aside and len(waits) > 0)
            else:
                waits.given_up = True
                self._end_tries(waits)
        if open_still and not self._pacer.stopped:
            await self._changed.wait()
        return open_still and not self._pacer.stopped

    # --- tries ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def trying(self, ask: AskAgain) -> AsyncIterator[None]:
        """Within the block, a unit of each kind that is set aside is tried now and then."""
        self._ask = ask
        self._pacer.when_stopped(self._changed.set)
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                for timer in self._timers:
                    timer.cancel()

    def _set_aside(self, kind: AnyKind, waits: Waits) -> None:
        if waits.aside or self._group is None:
            return
        waits.aside = True
        waits.failed_tries = 0
        waits.times_aside += 1
        self._pacer.hold(kind.name)
        words, reason = kind_in_words(kind), waits.last.reason if waits.last is not None else ""
        self._counts.set_aside.add(words)
        _log.warning(
            "%s are not answered any more, and are set aside: one is tried every %.0f s (%s)",
            words,
            self._pace.try_every,
            reason,
            extra=event(Event.KIND_SET_ASIDE, unit=kind.name, reason=reason),
        )
        timer = self._group.create_task(self._try_now_and_then(kind, waits, waits.times_aside))
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _try_now_and_then(self, kind: AnyKind, waits: Waits, this_time: int) -> None:
        while True:
            await self._clock.sleep(self._pace.try_every)
            if not waits.aside or waits.times_aside != this_time or waits.given_up or self._group is None:
                return
            if len(waits.running) < FAILED_TRIES and len(waits):
                waits.tries += 1
                key = (waits.unasked or waits.failed).take(waits.tries * _SPREAD % 1.0)
                task = self._group.create_task(self._try(Unit(kind, key)))
                waits.running[task] = key
                task.add_done_callback(functools.partial(self._tried, waits))

    async def _try(self, unit: Unit) -> None:
        if self._ask is None:
            return
        with suppress(Stopped):
            await self._ask(unit, trying=True)

    def _tried(self, waits: Waits, task: asyncio.Task[None]) -> None:
        waits.running.pop(task, None)
        self._changed.set()

    @staticmethod
    def _end_tries(waits: Waits) -> None:
        """Cancels the tries of a kind that is given up."""
        for task, key in waits.running.items():
            task.cancel()
            waits.failed.add(key)
        waits.running.clear()
