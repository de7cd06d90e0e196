"""How much failure a crawl can afford, and trouble of one kind of question, told apart from that of the server."""

UNANSWERED_AFTER = 8
"""Faults of one kind in a row, while other kinds are answered. As many of all kinds are an outage."""
_SURE_AFTER = 4
"""An answer to something else tells nothing about a kind that has failed less often: an outage may just begin."""
BUDGET = 50.0
EARNED = 0.1
SHORT = 30.0
"""20 failures more than the budget allows: reason enough to look where they come from."""
REFILLED = 10.0


class RetryBudget:
    """Starts with 50 tokens; a failure costs 1, a success earns 0.1: a tenth of all requests may fail for good.

    `spent` is True from the moment it is empty until it has 10 tokens again, so it does not flicker.
    """

    __slots__ = ("_earned", "spent", "tokens")

    def __init__(self) -> None:
        self.tokens = BUDGET
        self.spent = False
        self._earned = EARNED

    @property
    def short(self) -> bool:
        """Whether far more than a tenth of all requests fail, so that it is on its way to be spent."""
        return self.tokens <= SHORT

    def allow(self, share: float) -> None:
        """This share of all requests fails whatever the load: it costs nothing, only what fails beyond it."""
        self._earned = max(EARNED, share / (1.0 - share))

    def fill(self) -> None:
        """What was spent tells nothing any more."""
        self.tokens = BUDGET
        self.spent = False

    def empty(self) -> None:
        """The server is known to be in trouble: nothing is to be spent."""
        self.tokens = 0.0
        self.spent = True

    def failed(self) -> bool:
        """A failure; True if it was the one that emptied the budget."""
        self.tokens = max(0.0, self.tokens - 1.0)
        if self.tokens == 0.0 and not self.spent:
            self.spent = True
            return True
        return False

    def refund(self, failures: int) -> bool:
        """So many failures told nothing about the server; True if that ended the time of scarcity."""
        self.tokens = min(BUDGET, self.tokens + failures)
        if self.spent and self.tokens >= REFILLED:
            self.spent = False
            return True
        return False

    def succeeded(self) -> bool:
        """A success; True if it ended the time of scarcity."""
        self.tokens = min(BUDGET, self.tokens + self._earned)
        if self.spent and self.tokens >= REFILLED:
            self.spent = False
            return True
        return False


class _Streak:
    """Faults in a row, and whether the server was heard to live meanwhile."""

    __slots__ = ("cost", "faults", "lives")

    def __init__(self) -> None:
        self.cost = 0
        self.faults = 0
        self.lives = False


class KindTrouble:
    """Which kinds of question are not answered, although the server lives."""

    __slots__ = ("_failing", "_streaks", "_unanswered", "after", "to_refund")

    def __init__(self) -> None:
        self.after = UNANSWERED_AFTER
        """Faults in a row that are no chance."""
        self._streaks: dict[str, _Streak] = {}
        self._failing: set[str] = set()
        """Kinds that failed since anything was answered."""
        self._unanswered: set[str] = set()
        self.to_refund = 0
        """Faults that were charged before it was clear that they were a kind's own."""

    def unanswered(self, kind: str) -> bool:
        """True after `after` faults in a row, if others were answered meanwhile, until one is answered."""
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
        if kind in self._unanswered or not streak.lives or streak.faults < self.after:
            return False
        self._unanswered.add(kind)
        self.to_refund += streak.cost
        return True
