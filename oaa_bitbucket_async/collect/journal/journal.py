"""The journal as the crawl sees it: calls that only take note, and one thread that writes."""

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from oaa_bitbucket_async.collect.journal.records import Fingerprint, Mark, PendingRecord, Replayed
from oaa_bitbucket_async.collect.journal.store import (
    NOT_A_JOURNAL,
    OpenedStore,
    Store,
    Untrusted,
    delete,
    in_use,
    open_store,
)
from oaa_bitbucket_async.collect.kinds import AnyRow, Unit
from oaa_bitbucket_async.errors import CollectorError, TemporaryError
from oaa_bitbucket_async.events import Event, event

_log = logging.getLogger(__name__)
WRITE_INTERVAL = 1.0
"""Seconds after which what was noted is on its way to the disk: what a kill can cost."""
_BATCH_ROWS = 4_000
"""Rows after which it is on its way sooner."""
_MOST_ROWS = 20_000
"""Rows noted and not yet written at which the crawl has to wait (`ready`)."""
_CLOCK_SLACK = 60.0
"""Seconds by which a unit may be younger than now: clocks are set."""


class Journal:
    """What a run has collected, kept for the next one until the upload has succeeded.

    `page`, `done`, `hidden` and `forget` return at once. All that touches the disk happens in a thread of the journal's
    own. A journal that can't be written warns once and is off from then on: the run goes on without it.
    """

    def __init__(self, path: Path, writer: ThreadPoolExecutor | None = None) -> None:
        """A journal that notes nothing. `open` makes one that does."""
        self.path = path
        self.resumed = False
        """True if there is something to replay."""
        self.began = 0.0
        """When the first of the runs that wrote this journal began, in epoch seconds."""
        self.set_aside: str | None = None
        """Why an older journal was not taken up."""
        self.window = math.inf
        """For how many seconds a unit counts since it was read."""
        self.outdated = 0
        """Units that are not replayed, because they were read too long ago."""
        self._now = 0.0
        self._store: Store | None = None
        self._others = False
        self._thread = writer or ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._entries: list[PendingRecord] = []
        self._noted = 0
        self._in_writing = 0
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        fingerprint: Fingerprint,
        window: float,
        resume: bool,
        now: float,
        writer: ThreadPoolExecutor | None = None,
    ) -> "Journal":
        """Take up the journal at `path` if it is sound and of the same fingerprint.

        Otherwise what is there is renamed to `NAME.old`, with a line in the log, and an empty one begun; also
        if `resume` is false. `now` is in epoch seconds; of what is taken up, units count that were read at most
        `window` seconds before. Where there can be no journal, the one returned is off.
        `writer` has the one thread that touches the file; the journal ends it.
        """
        journal = cls(path, writer)
        journal.window, journal._now = window, now
        opening = partial(open_store, path, fingerprint=fingerprint, resume=resume, now=now)
        future = asyncio.get_running_loop().run_in_executor(journal._thread, opening)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            future.add_done_callback(journal._close_unused)
            raise
        try:
            opened = future.result()
        except (sqlite3.Error, OSError, CollectorError) as error:
            journal._others = in_use(error)
            journal._give_up(error)
            return journal
        journal._store = opened.store
        journal.resumed = opened.resumed and opened.store.verified > 0
        journal.began = opened.started
        journal.set_aside = opened.set_aside
        if opened.set_aside is not None:
            _log.log(
                logging.INFO if opened.expected else logging.WARNING,
                "the journal of an earlier run is not used: %s; it is kept as %s.old until a run succeeds",
                opened.set_aside,
                path,
                extra=event(Event.JOURNAL_SET_ASIDE),
            )
        for unit in opened.store.unended:
            journal.forget(unit)
        return journal

    @property
    def active(self) -> bool:
        """False if nothing is being kept: it could not be opened or written, or is closed."""
        return self._store is not None

    async def replay(self, *, own: bool = False) -> AsyncIterator[Replayed]:
        """Every unit that earlier runs have asked to its end within the window, in the order of writing.

        `own`: without what they took over from a base, which is older than the journal.

        Raises:
            TemporaryError: the file, found sound when it was opened, has changed since; it is set aside.
        """
        store = self._store
        if store is None or not self.resumed:
            return
        loop = asyncio.get_running_loop()
        for number in range(store.verified):
            try:
                chunk = await loop.run_in_executor(self._thread, store.replay, number)
            except (*NOT_A_JOURNAL, Untrusted, OSError) as error:
                self._entries.clear()
                await self._end(store.put_aside)
                raise TemporaryError(
                    f"The journal {self.path} is damaged: {error}.",
                    "It was set aside. Check the disk and run again; the next run starts from the beginning.",
                ) from error
            for item in chunk:
                if own and item.read_at < self.began:
                    if item.last:
                        self.forget(item.unit)
                elif -_CLOCK_SLACK <= self._now - item.read_at <= self.window:
                    yield item
                elif item.last:
                    self.outdated += 1
                    self.forget(item.unit)
        await loop.run_in_executor(self._thread, store.replayed)

    def page(self, unit: Unit, rows: Sequence[AnyRow]) -> None:
        """A page of a unit that goes on. It counts only once `done` has been called for the unit."""
        self._note(unit, "page", rows)

    def done(self, unit: Unit, rows: Sequence[AnyRow], read_at: float, place: str = "") -> None:
        """The unit is complete: these are its rows, or its last ones after `page`.

        `read_at` (epoch seconds) is the earliest time that its rows are of, `place` the path under which it was asked.
        Units that were not answered are to be asked again, so they don't belong here.
        """
        self._note(unit, "done", rows, read_at, place)

    def hidden(self, unit: Unit, read_at: float, place: str = "") -> None:
        """The unit has no rows that this login may see, which a payload does without; the rest as with `done`."""
        self._note(unit, "hidden", (), read_at, place)

    def forget(self, unit: Unit) -> None:
        """The unit is asked again from its beginning: what was noted of it so far does not count."""
        self._note(unit, "forget", ())

    async def ready(self) -> None:
        """Wait while more is noted than memory should hold: only a disk that can't keep up makes it wait."""
        while self._writing is not None and self._noted + self._in_writing > _MOST_ROWS:
            await asyncio.wait([self._writing])

    async def flush(self) -> None:
        """Wait until everything noted so far is on the disk."""
        while self._entries or self._writing is not None:
            self._write()
            if self._writing is not None:
                await asyncio.wait([self._writing])

    async def close(self) -> None:
        """Write what is left and close the file, which stays for the next run. Calling it again does nothing.

        Whether or not the caller is cancelled meanwhile: it happens.
        """
        if self._store is not None:
            await self._end(self._store.close)

    async def discard(self) -> None:
        """The upload has succeeded: delete the file, and one that was set aside before.

        Also one that this run could not write: the next run must not take it up. Not one in use by another.
        """
        self._entries.clear()
        if self._store is not None:
            await self._end(self._store.close)
        if self._others:
            return
        try:
            await asyncio.to_thread(delete, self.path)
        except OSError as error:
            _log.warning(
                "the journal %s could not be deleted: %s; delete it before the next run",
                self.path,
                error,
                extra=event(Event.JOURNAL_FAILED),
            )

    async def keep(self, base: Path, facts: bytes, *, go_on: bool = False) -> None:
        """The upload has succeeded: what it was made from becomes the base at `base`, with `facts` (see `Base`).

        `go_on`: the upload lacks something, so the journal stays for a run that asks for that. Never raises: without a
        new base the old one stays, and what is too old in it is asked again.
        """
        store = self._store
        if store is None:
            await self.discard()
            return
        try:
            await self._end(partial(store.close_off, base, facts, go_on=go_on), strict=True)
        except (sqlite3.Error, OSError, CollectorError) as error:
            _log.warning(
                "the answers of this run can't be kept in %s for an incremental run: %s",
                base,
                error,
                extra=event(Event.BASE_NOT_KEPT),
            )
        if not go_on:
            await self.discard()

    def _note(self, unit: Unit, mark: Mark, rows: Sequence[AnyRow], read_at: float = 0.0, place: str = "") -> None:
        if self._store is None:
            return
        self._entries.append(PendingRecord(unit, mark, rows, read_at, place))
        self._noted += len(rows) + 1
        if self._noted >= _BATCH_ROWS:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_INTERVAL, self._write)

    def _write(self) -> None:
        """Hand what was noted to the thread, unless it is still busy: then `_written` comes back to it."""
        self._stop_timer()
        if self._store is None or self._writing is not None or not self._entries:
            return
        entries, self._entries = self._entries, []
        self._in_writing, self._noted = self._noted, 0
        self._writing = asyncio.get_running_loop().run_in_executor(self._thread, self._store.append, entries)
        self._writing.add_done_callback(self._written)

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._writing = None
        self._in_writing = 0
        error = future.exception()
        if error is not None:
            self._give_up(error)
        elif self._noted >= _BATCH_ROWS:
            self._write()
        elif self._entries and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_INTERVAL, self._write)

    async def _end(self, last: Callable[[], None], *, strict: bool = False) -> None:
        """Queue what is left and then `last` in the thread, whatever it is busy with, and wait for it.

        `strict`: raises what the writing raised, before or after `last`; else that is a line in the log.
        """
        store, self._store = self._store, None
        self._stop_timer()
        if store is None:
            return
        entries, self._entries = self._entries, []

        def finish() -> None:
            try:
                if entries:
                    store.append(entries)
            except BaseException:
                (store.close if strict else last)()
                raise
            last()

        future = asyncio.get_running_loop().run_in_executor(self._thread, finish)
        if not strict:
            future.add_done_callback(self._finished)
        self._thread.shutdown(wait=False)
        await asyncio.wait([future])
        if strict:
            future.result()

    def _finished(self, future: "asyncio.Future[None]") -> None:
        error = future.exception()
        if error is not None:
            _log.warning(
                "the last part of the journal %s could not be written: %s",
                self.path,
                error,
                extra=event(Event.JOURNAL_FAILED),
            )

    def _give_up(self, error: BaseException) -> None:
        """Off from now on. What is in the file stays: it is a whole, if shorter, journal."""
        store, self._store = self._store, None
        self._stop_timer()
        self._entries.clear()
        self._noted = 0
        if store is not None:
            self._thread.submit(store.close)
        self._thread.shutdown(wait=False)
        _log.warning(
            "the journal %s can't be used: %s; the run continues without it, and would start from the beginning after "
            "an interruption",
            self.path,
            error,
            extra=event(Event.JOURNAL_FAILED),
        )
        _log.debug("why the journal is off", exc_info=error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_unused(self, future: "asyncio.Future[OpenedStore]") -> None:
        """Opening was cancelled, but the thread has opened it all the same."""
        if future.exception() is None:
            self._thread.submit(future.result().store.close)
        self._thread.shutdown(wait=False)
