"""How long everybody waits after the server said "too many requests"."""

import random

SHORTEST = 0.5
LONGEST = 300.0


class Pauses:
    """Length and count of pauses. What the server asks for counts; else they double while nothing succeeds between."""

    __slots__ = ("_rng", "_steps", "count", "seconds", "until")

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._steps = 0
        self.until = now
        """End of the last pause, in the caller's clock's seconds."""
        self.count = 0
        self.seconds = 0.0

    def refused(self, now: float, retry_after: float | None) -> bool:
        """The server asked for a pause; True if this one began with it, False if it was on already.

        Answers to requests that had left before belong to the pause that is on; they can make it longer only by
        asking for it.
        """
        fresh = now >= self.until
        if retry_after is not None:
            length = min(max(retry_after, SHORTEST), LONGEST)
        elif fresh:
            length = min(2.0**self._steps, LONGEST) * self._rng.uniform(0.75, 1.25)
            length = min(max(length, SHORTEST), LONGEST)
        else:
            length = 0.0
        if fresh:
            self.count += 1
            self._steps = min(self._steps + 1, 10)
        until = max(self.until, now + length)
        self.seconds += until - max(self.until, now)
        self.until = until
        return fresh

    def succeeded(self, now: float) -> None:
        """An answer: outside a pause it proves that the server lets us in again."""
        if self._steps and now >= self.until:
            self._steps = 0
