"""How long all requests wait after a 429, and whether one kind of question alone causes the pauses."""

import random

SHORTEST = 0.5
LONGEST = 300.0
ALONE_AFTER = 3
"""After this many pauses that one kind or path caused alone, other requests no longer wait for it."""


class Pauses:
    """Length and count of pauses. The server's wait counts. Without one, pauses double until a request succeeds."""

    __slots__ = ("_rng", "_steps", "count", "seconds", "until")

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._steps = 0
        self.until = now
        """The end of the last pause, in clock seconds."""
        self.count = 0
        """How often the server asked for a pause."""
        self.seconds = 0.0
        """The length of all pauses."""

    def refused(self, now: float, retry_after: float | None) -> bool:
        """The server asked for a pause. True if a new pause began, False if one was on already.

        Requests that were sent before the pause belong to it. They make it longer only if the server asks for a longer
        wait.
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
        """Bitbucket answered. Outside a pause this shows that it accepts requests again."""
        if self._steps and now >= self.until:
            self._steps = 0


class PauseTrouble:
    """Finds out whether one kind of question, or one path, causes all pauses while others are answered.

    A rate limit refuses any request. If one kind alone causes the pauses and is never answered, the rate is not the
    reason.
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
        """Whether this kind or this path alone causes the pauses."""
        return self.kind_alone(kind) or (path == self._path and self._path_pauses >= ALONE_AFTER and self._answered)

    def in_doubt(self, kind: str, path: str) -> bool:
        """True if it may be `alone`, but no other question was asked that could show it."""
        return not self.alone(kind, path) and (
            (kind == self._kind and self._kind_pauses >= ALONE_AFTER)
            or (path == self._path and self._path_pauses >= ALONE_AFTER)
        )

    def answered(self, kind: str) -> bool:
        """A question of this kind was answered. True if this showed that another one is refused `alone`."""
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
        """The server answered this with a pause. `fresh`: a new pause began."""
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
