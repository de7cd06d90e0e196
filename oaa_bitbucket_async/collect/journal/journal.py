"""The journal as the crawl sees it: calls return at once, and one thread writes to the disk."""

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from oaa_bitbucket_async.collect.journal.records import Fingerprint, Mark, Replayed
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
"""Seconds until queued rows are sent to the disk. A killed run can lose this much work."""
_BATCH_ROWS = 4_000
"""Number of queued rows that are sent to the disk before that time."""
_MOST_ROWS = 20_000
"""Number of unwritten rows at which the crawl has to wait (`ready`)."""
_CLOCK_SLACK = 60.0
"""Seconds that a unit's time may lie in the future: clocks get adjusted."""


class Journal:
    """What a run has collected, kept for the next one until the upload has succeeded.

    `page`, `done`, `hidden` and `forget` return at once. The journal's own thread does everything that touches the
    disk. If the journal can't be written, it warns once and is off from then on: the run goes on without it.
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
        """How long a unit can be reused after it was read, in seconds."""
        self.outdated = 0
        """Units that are not replayed, because they were read too long ago."""
        self._now = 0.0
        self._store: Store | None = None
        self._others = False
        self._thread = writer or ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
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
        """Take up the journal at `path` if it is intact and has the same fingerprint.

        Otherwise, or if `resume` is false, rename the existing file to `NAME.old`, log that, and begin an empty
        journal. `now` is in epoch seconds. Units count if they were read at most `window` seconds before. If there
        can be no journal, the one returned is off.
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
        """Every unit that earlier runs finished within the window, in the order of writing.

        `own`: leave out what they took over from a base, which is older than the journal.

        Raises:
            TemporaryError: the file was intact when it was opened and has changed since; it is set aside.
        """
        store = self._store
        if store is None or not self.resumed:
            return
        loop = asyncio.get_running_loop()
        for number in range(store.verified):
            try:
                chunk = await loop.run_in_executor(self._thread, store.replay, number)
            except (*NOT_A_JOURNAL, Untrusted, OSError) as error:
                self._noted = 0
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

        `read_at` (epoch seconds) is the time of its earliest row, `place` the path under which it was asked.
        Do not call this for units without an answer: they have to be asked again.
        """
        self._note(unit, "done", rows, read_at, place)

    def hidden(self, unit: Unit, read_at: float, place: str = "") -> None:
        """The login may not see the unit's rows, and a payload does not need them. Otherwise like `done`."""
        self._note(unit, "hidden", (), read_at, place)

    def forget(self, unit: Unit) -> None:
        """The unit is asked again from its beginning: rows written so far do not count."""
        self._note(unit, "forget", ())

    async def ready(self) -> None:
        """Wait while too many rows are queued in memory. This happens only if the disk can't keep up."""
        while self._writing is not None and self._noted + self._in_writing > _MOST_ROWS:
            await asyncio.wait([self._writing])

    async def flush(self) -> None:
        """Wait until everything noted so far is on the disk."""
        while self._noted or self._writing is not None:
            self._write()
            if self._writing is not None:
                await asyncio.wait([self._writing])

    async def close(self) -> None:
        """Write what is left and close the file, which stays for the next run. Calling it again does nothing.

        It finishes even if the caller is cancelled.
        """
        if self._store is not None:
            await self._end(self._store.close)

    async def discard(self) -> None:
        """The upload has succeeded: delete the file, and one that was set aside before.

        Also deletes a file that this run could not write: the next run must not take it up. Leaves a file that
        another process uses.
        """
        self._noted = 0
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
        """The upload has succeeded: its journal becomes the base at `base`, with `facts` (see `Base`).

        `go_on`: something is missing in the upload, so the journal stays for the next run. Never raises: if there is
        no new base, the old one stays, and the next run asks again what is too old in it.
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
        try:
            self._store.packer.add(unit, mark, rows, read_at, place)
        except (OverflowError, ValueError) as error:
            self._give_up(error)
            return
        self._noted += len(rows) + 1
        if self._noted >= _BATCH_ROWS:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_INTERVAL, self._write)

    def _write(self) -> None:
        """Give the queued rows to the thread. If it is busy, `_written` does that later."""
        self._stop_timer()
        if self._store is None or self._writing is not None or not self._noted:
            return
        batch = self._store.packer.take()
        self._in_writing, self._noted = self._noted, 0
        self._writing = asyncio.get_running_loop().run_in_executor(self._thread, self._store.append, batch)
        self._writing.add_done_callback(self._written)

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._writing = None
        self._in_writing = 0
        error = future.exception()
        if error is not None:
            self._give_up(error)
        elif self._noted >= _BATCH_ROWS:
            self._write()
        elif self._noted and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_INTERVAL, self._write)

    async def _end(self, last: Callable[[], None], *, strict: bool = False) -> None:
        """Queue what is left and then `last` in the thread, even if it is busy, and wait for both.

        `strict`: raise an error of the writing, or of `last`. Otherwise log it.
        """
        store, self._store = self._store, None
        self._stop_timer()
        if store is None:
            return
        batch = store.packer.take() if self._noted else b""
        self._noted = 0

        def finish() -> None:
            try:
                if batch:
                    store.append(batch)
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
        """Turn the journal off. The file stays: it is a valid, shorter journal."""
        store, self._store = self._store, None
        self._stop_timer()
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
        """Close a file that the thread opened after the opening was cancelled."""
        if future.exception() is None:
            self._thread.submit(future.result().store.close)
        self._thread.shutdown(wait=False)
