"""Runs a function over an async iterator, at most n calls at a time. All concurrent work goes through here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class _Shared(Generic[T]):
    """An iterator that several workers pull from. Its source is advanced by one of them at a time."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self._source = source
        self._lock = asyncio.Lock()
        self._ended = False

    def __aiter__(self) -> "_Shared[T]":
        return self

    async def __anext__(self) -> T:
        async with self._lock:
            if self._ended:
                raise StopAsyncIteration
            try:
                return await anext(self._source)
            except StopAsyncIteration:
                self._ended = True
                raise


async def for_each(function: Callable[[T], Awaitable[None]], items: AsyncIterator[T], limit: int) -> None:
    """Calls `function` for every item, at most `limit` at a time; work not yet begun stays in `items`.

    Workers start one after the other as long as there are items, so that a short list costs no more tasks than
    it has items. The first exception cancels the others and is raised (in an ExceptionGroup, as TaskGroup does).
    """
    shared = _Shared(items)

    async with asyncio.TaskGroup() as group:

        async def work(number: int) -> None:
            started_next = number + 1 >= limit
            async for item in shared:
                if not started_next:
                    started_next = True
                    group.create_task(work(number + 1))
                await function(item)

        group.create_task(work(0))


@asynccontextmanager
async def read_ahead(source: AsyncIterator[T], depth: int = 1) -> AsyncIterator[AsyncIterator[T]]:
    """Reads `source` in a task of its own, `depth` items ahead of the consumer, so that the next page of a
    listing arrives while the rows of the last one are processed. An exception of the source is raised to the
    consumer. Leaving the block early cancels the reading.
    """
    queue: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=depth)

    async def pump() -> None:
        try:
            async for item in source:
                await queue.put(item)
        except Exception as error:  # handed to the consumer, who raises it
            await queue.put(_End(error))
        else:
            await queue.put(_End(None))

    async def drain() -> AsyncIterator[T]:
        while not isinstance(item := await queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    async with asyncio.TaskGroup() as group:
        reader = group.create_task(pump())
        try:
            yield drain()
        finally:
            reader.cancel()


class _End:
    """The source has ended, well or badly."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
