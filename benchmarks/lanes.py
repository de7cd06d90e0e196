"""Runs side by side that do not disturb each other: those that wait for a slow server most of the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lanes:
    """Room for runs with `budget` requests a second together; one that asks for more than that runs alone."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._taken = 0.0
        self._changed = asyncio.Condition()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def take(self, rate: float) -> AsyncIterator[None]:
        """Waits, in the order of asking, until a run of that many requests a second has room."""
        rate = min(rate, self._budget)
        async with self._turn, self._changed:
            await self._changed.wait_for(lambda: self._taken + rate <= self._budget * 1.000001)
            self._taken += rate
        try:
            yield
        finally:
            async with self._changed:
                self._taken -= rate
                self._changed.notify_all()
