"""Trouble of one kind of question, or of one path, told apart from trouble of the whole server."""

UNANSWERED_AFTER = 8
"""Faults of one kind in a row, while other kinds are answered. As many of all kinds are an outage."""
_SURE_AFTER = 4
"""An answer to something else tells nothing about a kind that has failed less often: an outage may just begin."""
ALONE_AFTER = 3
"""Pauses that one kind or path caused alone. From then on nobody else waits for it."""


class _Streak:
    """Faults in a row, and whether the server was heard to live meanwhile."""

    __slots__ = ("cost", "faults", "lives")

    def __init__(self) -> None:
        self.cost = 0
        self.faults = 0
        self.lives = False


class KindTrouble:
    """Which kinds of question are not answered, although the server lives."""

    __slots__ = ("_failing", "_streaks", "_unanswered", "to_refund")

    def __init__(self) -> None:
        self._streaks: dict[str, _Streak] = {}
        self._failing: set[str] = set()
        """Kinds that failed since anything was answered."""
        self._unanswered: set[str] = set()
        self.to_refund = 0
        """Faults that were charged before it was clear that they were a kind's own."""

    def unanswered(self, kind: str) -> bool:
        """True from the eighth fault in a row on, if others were answered meanwhile, until one is answered."""
        return kind in self._unanswered

    def answered(self, kind: str) -> None:
        """A question of this kind was answered."""
        if not self._streaks:  # as nearly always
            return
        self._streaks.pop(kind, None)
        self._unanswered.discard(kind)
        self._failing.clear()
        for other, streak in self._streaks.items():
            if streak.faults >= _SURE_AFTER:
                streak.lives = True
                self._judge(other, streak)

    def failed(self, kind: str) -> bool:
        """A question of this kind was not; True if it was the one that made the kind unanswered."""
        streak = self._streaks.get(kind)
        if streak is None:
            streak = self._streaks[kind] = _Streak()
        streak.cost += 1
        streak.faults += 1
        self._failing.add(kind)
        return self._judge(kind, streak)

    def server_lives(self) -> None:
        """A probe was answered at once. If one kind alone had failed, it was not the server, nor if they fail again."""
        for kind, streak in self._streaks.items():
            if not streak.lives and self._failing != {kind}:
                streak.faults = 0
            streak.lives = True
            self._judge(kind, streak)
        self._failing.clear()

    def forget(self) -> None:
        """The server was out: what failed meanwhile tells nothing about kinds."""
        self._streaks = {kind: streak for kind, streak in self._streaks.items() if kind in self._unanswered}
        self._failing.clear()

    def _judge(self, kind: str, streak: _Streak) -> bool:
        if kind in self._unanswered or not streak.lives or streak.faults < UNANSWERED_AFTER:
            return False
        self._unanswered.add(kind)
        self.to_refund += streak.cost
        return True


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
