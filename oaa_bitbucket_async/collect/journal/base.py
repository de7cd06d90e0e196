"""The base: the finished journal of the last upload, kept for incremental runs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oaa_bitbucket_async.collect.journal.records import Fingerprint, Replayed
from oaa_bitbucket_async.collect.journal.store import NOT_A_JOURNAL, Store, Untrusted, delete, open_base
from oaa_bitbucket_async.collect.kinds import Unit
from oaa_bitbucket_async.errors import CollectorError, TemporaryError


class NoBaseError(Exception):
    """There is no base that this run may start from; the text says why, as in `a full crawl: …`."""


class Base:
    """An intact base from a run with the same settings. It is only read; `Journal.keep` replaces it."""

    def __init__(self, path: Path, store: Store, facts: bytes, thread: ThreadPoolExecutor) -> None:
        self.facts = facts
        """Data that the run stored with the base for the next run."""
        self._path = path
        self._store = store
        self._thread = thread

    @classmethod
    async def open(cls, path: Path, fingerprint: Fingerprint) -> "Base":
        """Raises NoBaseError if there is none, or none of a run like this one. `prove` it before it is replayed."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="base")
        try:
            store, facts = await asyncio.get_running_loop().run_in_executor(thread, open_base, path, fingerprint)
        except FileNotFoundError:
            thread.shutdown(wait=False)
            raise NoBaseError("no upload with these settings left its answers here") from None
        except (Untrusted, OSError, sqlite3.Error, CollectorError) as error:
            thread.shutdown(wait=False)
            raise _no_base(path, error) from error
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(path, store, facts, thread)

    async def prove(self) -> None:
        """Reads all of it once. Raises NoBaseError if anything is not as it was written."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._store.verify)
        except (*NOT_A_JOURNAL, Untrusted, OSError) as error:
            raise _no_base(self._path, error) from error

    async def replay(self, wanted: Callable[[Unit], bool] | None = None) -> AsyncIterator[Replayed]:
        """Every unit, in the order in which they were written. Units that are not `wanted` come without their rows.

        Raises TemporaryError if the file was intact when it was opened and has changed since.
        """
        loop = asyncio.get_running_loop()
        for number in range(self._store.verified):
            try:
                chunk = await loop.run_in_executor(self._thread, self._store.replay, number, wanted)
            except (*NOT_A_JOURNAL, Untrusted, OSError) as error:
                raise TemporaryError(
                    f"{self._path}, with the answers of the last upload, is damaged: {error}.",
                    "Check the disk and run again. The next run asks for everything if the file is still damaged.",
                ) from error
            for item in chunk:
                yield item

    async def close(self) -> None:
        """Close the file."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        self._thread.shutdown(wait=False)
        await asyncio.wait([future])


def _no_base(path: Path, error: Exception) -> NoBaseError:
    return NoBaseError(f"the answers of the last upload in {path} can't be used: {error}")


async def delete_base(path: Path) -> None:
    """Deletes the base. Raises OSError."""
    await asyncio.to_thread(delete, path)
