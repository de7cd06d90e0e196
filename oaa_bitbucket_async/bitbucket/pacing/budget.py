"""How much failure a crawl can afford before it slows down to see what is wrong."""

CAPACITY = 50.0
EARNED = 0.1
REFILLED = 10.0


class RetryBudget:
    """Starts with 50 tokens; a failure costs 1, a success earns 0.1: a tenth of all requests may fail for good.

    `spent` is True from the moment it is empty until it has 10 tokens again, so it does not flicker.
    """

    __slots__ = ("spent", "tokens")

    def __init__(self) -> None:
        self.tokens = CAPACITY
        self.spent = False

    def failed(self) -> bool:
        """A failure; True if it was the one that emptied the budget."""
        self.tokens = max(0.0, self.tokens - 1.0)
        if self.tokens == 0.0 and not self.spent:
            self.spent = True
            return True
        return False

    def refund(self, failures: int) -> bool:
        """So many failures told nothing about the server; True if that ended the time of scarcity."""
        self.tokens = min(CAPACITY, self.tokens + failures)
        if self.spent and self.tokens >= REFILLED:
            self.spent = False
            return True
        return False

    def succeeded(self) -> bool:
        """A success; True if it ended the time of scarcity."""
        self.tokens = min(CAPACITY, self.tokens + EARNED)
        if self.spent and self.tokens >= REFILLED:
            self.spent = False
            return True
        return False
