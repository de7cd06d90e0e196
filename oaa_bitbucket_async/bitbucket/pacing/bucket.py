"""A token bucket whose rate can be changed while it runs."""

_FULL_TOKEN = 1.0 - 1e-6
"""Timers fire a rounding error early; the token is complete all the same."""


class Bucket:
    """Holds up to `capacity` tokens and gains `rate` of them a second; a request takes one.

    Times are the caller's clock's seconds. Whatever changes the bucket first settles what has been gained until then.
    """

    __slots__ = ("_at", "_rate", "_tokens", "capacity")

    def __init__(self, capacity: float, rate: float, now: float, tokens: float | None = None) -> None:
        self.capacity = capacity
        self._rate = rate
        self._at = now
        self._tokens = capacity if tokens is None else min(tokens, capacity)

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self._rate

    def set_rate(self, rate: float, now: float) -> None:
        """From `now` on; what was gained so far was gained at the old rate."""
        self._settle(now)
        self._rate = rate

    def take(self, now: float) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        self._settle(now)
        if self._tokens >= _FULL_TOKEN:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return (1.0 - self._tokens) / self._rate + max(0.0, self._at - now)

    def drain(self, tokens: float, until: float) -> None:
        """Keep `tokens` at most, and gain nothing before `until`: after a pause there is no burst."""
        self._settle(until)
        self._tokens = min(self._tokens, tokens)

    def _settle(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self.capacity, self._tokens + (now - self._at) * self._rate)
            self._at = now
