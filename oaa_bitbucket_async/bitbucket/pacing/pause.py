"""How long everybody waits after the server said "too many requests", and whether it is one question's own doing."""

import random

SHORTEST = 0.5
LONGEST = 300.0
ALONE_AFTER = 3
"""Pauses that one kind or path caused alone. From then on nobody else waits for it."""


class Pauses:
    """Length and count of pauses. What the server asks for counts; else they double while nothing succeeds between."""

    __slots__ = ("_rng", "_steps", "count", "seconds", "until")

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._steps = 0
        self.until = now
        """End of the last pause, in the caller's clock's seconds."""
        self.count = 0
        """How often the server asked for a pause."""
        self.seconds = 0.0
        """Of all pauses."""

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


class PauseTrouble:
    """Whether the server's pauses are all caused by one kind of question, or by one path, while others are answered.

    A rate limit refuses whatever comes. A kind that has not been answered since it began to cause pauses, alone, has a
    reason of its own.
    """

    __slots__ = ("_answered", "_kind", "_kind_pauses", "_others_answered", "_path", "_path_pauses")

    def __init__(self) -> None:
        self._kind = ""
        self._kind_pauses = 0
        self._others_answered = False
        self._path = ""
        self._path_pauses = 0
        self._answered = False

    def kind_alone(self, kind: str) -> bool:
        """True if this kind caused the last three pauses, nothing else did, and others are answered."""
        return kind == self._kind and self._kind_pauses >= ALONE_AFTER and self._others_answered

    def alone(self, kind: str, path: str) -> bool:
        """The same of this kind or this path."""
        return self.kind_alone(kind) or (path == self._path and self._path_pauses >= ALONE_AFTER and self._answered)

    def in_doubt(self, kind: str, path: str) -> bool:
        """True if it could be `alone`, but nothing else was asked that could tell."""
        return not self.alone(kind, path) and (
            (kind == self._kind and self._kind_pauses >= ALONE_AFTER)
            or (path == self._path and self._path_pauses >= ALONE_AFTER)
        )

    def answered(self, kind: str) -> bool:
        """A question of this kind was answered; True if that was what showed that another is refused `alone`."""
        if not self._kind:  # nothing was refused, as nearly always
            return False
        doubted = not self._answered or not self._others_answered
        self._answered = True
        if kind == self._kind:
            self._kind_pauses = 0
        else:
            self._others_answered = True
        return doubted and self.alone(self._kind, self._path)

    def refused(self, kind: str, path: str, *, fresh: bool) -> None:
        """The server asked for a pause in answer to this; `fresh` if it began with it."""
        if kind != self._kind:
            self._kind, self._kind_pauses = kind, 0
        if path != self._path:
            self._path, self._path_pauses = path, 0
        if fresh:
            if not self._kind_pauses:
                self._others_answered = False
            if not self._path_pauses:
                self._answered = False
            self._kind_pauses += 1
            self._path_pauses += bool(path)
