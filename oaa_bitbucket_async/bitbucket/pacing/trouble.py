"""The budget of failures, and how to tell the trouble of one kind of question from that of the server."""

UNANSWERED_AFTER = 8
"""Faults of one kind in a row while other kinds are answered. The same number over all kinds is an outage."""
_SURE_AFTER = 4
"""For a kind with fewer faults, an answer to another kind proves nothing: an outage may be about to begin."""
BUDGET = 50.0
EARNED = 0.1
SHORT = 30.0
"""Below this, the crawl looks for the cause: 20 tokens are gone."""
REFILLED = 10.0


class RetryBudget:
    """Starts with 50 tokens. A failure costs 1, a success earns 0.1: about a tenth of all requests may fail.

    `spent` is True from when it is empty until it has 10 tokens again, so it does not flicker.
    """

    __slots__ = ("_earned", "spent", "tokens")

    def __init__(self) -> None:
        self.tokens = BUDGET
        self.spent = False
        self._earned = EARNED

    @property
    def short(self) -> bool:
        """Whether the budget runs short: far more than a tenth of all requests fail."""
        return self.tokens <= SHORT

    def allow(self, share: float) -> None:
        """Accepts that this share of requests fails at any load. Only failures beyond it cost tokens."""
        self._earned = max(EARNED, share / (1.0 - share))

    def fill(self) -> None:
        """Fills the budget: the failures so far no longer count."""
        self.tokens = BUDGET
        self.spent = False

    def empty(self) -> None:
        """Empties the budget: the server is known to be in trouble."""
        self.tokens = 0.0
        self.spent = True

    def failed(self) -> bool:
        """Counts a failure. True if it emptied the budget."""
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
        """Counts a success. True if `spent` ended with it."""
        self.tokens = min(BUDGET, self.tokens + self._earned)
        if self.spent and self.tokens >= REFILLED:
            self.spent = False
            return True
        return False


class _Streak:
    """Faults in a row, and whether the server answered something else meanwhile."""

    __slots__ = ("cost", "faults", "lives")

    def __init__(self) -> None:
        self.cost = 0
        self.faults = 0
        self.lives = False


class KindTrouble:
    """Finds the kinds of question that are not answered although the server is up."""

    __slots__ = ("_failing", "_streaks", "_unanswered", "after", "to_refund")

    def __init__(self) -> None:
        self.after = UNANSWERED_AFTER
        """How many faults in a row are not chance."""
        self._streaks: dict[str, _Streak] = {}
        self._failing: set[str] = set()
        """Kinds that failed since anything was answered."""
        self._unanswered: set[str] = set()
        self.to_refund = 0
        """Faults that the budget paid for before one kind was known to cause them."""

    def unanswered(self, kind: str) -> bool:
        """True after `after` faults in a row while others were answered, until this kind is answered."""
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
        """A question of this kind failed. True if that made the kind unanswered."""
        streak = self._streaks.get(kind)
        if streak is None:
            streak = self._streaks[kind] = _Streak()
        streak.cost += 1
        streak.faults += 1
        self._failing.add(kind)
        return self._judge(kind, streak)

    def server_lives(self) -> None:
        """A probe was answered at once. A kind that failed alone, or that fails again, is then the cause itself."""
        for kind, streak in self._streaks.items():
            if not streak.lives and self._failing != {kind}:
                streak.faults = 0
            streak.lives = True
            self._judge(kind, streak)
        self._failing.clear()

    def forget(self) -> None:
        """The server was down: the failures meanwhile say nothing about kinds."""
        self._streaks = {kind: streak for kind, streak in self._streaks.items() if kind in self._unanswered}
        self._failing.clear()

    def _judge(self, kind: str, streak: _Streak) -> bool:
        if kind in self._unanswered or not streak.lives or streak.faults < self.after:
            return False
        self._unanswered.add(kind)
        self.to_refund += streak.cost
        return True
