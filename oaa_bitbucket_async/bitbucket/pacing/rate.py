"""Requests a second: set by the user, told by the server, or learned from its 429 answers."""

from collections import deque

_LOOK_BACK = 2.0
_SAMPLE_EVERY = 0.1
_EVIDENCE = 6
"""The least requests to measure a rate. A 429 after fewer (another client drained the bucket) is only a pause."""
_FIRST_GUESS = 0.9
_BELOW = 0.97
"""The crawl starts at this part of a measured rate and approaches it slowly."""
_PLATEAU = 60.0
"""Seconds until the rate is back at the measured one. From there it grows faster and faster until the next 429."""
_ADJUST_EVERY = 0.5
_RESERVE = 3.0
"""Tokens of the server's bucket that we leave: for other requests of this user, and for refill in whole steps."""
_FULL_TOKEN = 1.0 - 1e-6
"""Timers fire a rounding error early, so this counts as a whole token."""


class Bucket:
    """Holds up to `capacity` tokens and gains `rate` tokens a second. Each request takes one.

    Times are clock seconds. Each change first adds the tokens that were gained until then.
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
        """Sets the rate from `now` on. Tokens gained before keep the old rate."""
        self._settle(now)
        self._rate = rate

    def take(self, now: float) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        self._settle(now)
        if self._tokens >= _FULL_TOKEN:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return (1.0 - self._tokens) / self._rate + max(0.0, self._at - now)

    def drain(self, tokens: float, until: float) -> None:
        """Keeps at most `tokens` and gains none before `until`, so that no burst follows a pause."""
        self._settle(until)
        self._tokens = min(self._tokens, tokens)

    def _settle(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self.capacity, self._tokens + (now - self._at) * self._rate)
            self._at = now


class Rate:
    """Owns the token bucket. `bucket` is None while nothing limits the rate.

    A 429 means that the server's bucket is empty. So the answers between two of them, divided by the time between them,
    give the server's fill rate. After the first 429, the guess is 0.9 of the rate at which requests were sent.
    """

    __slots__ = (
        "_answered",
        "_asked_for",
        "_at",
        "_before",
        "_ceiling",
        "_due",
        "_measured",
        "_refused_at",
        "_sent",
        "bucket",
        "learned",
    )

    def __init__(self, rate_limit: float | None, now: float) -> None:
        self._ceiling = self._asked_for = rate_limit
        self.bucket = None if rate_limit is None else Bucket(max(1.0, rate_limit), rate_limit, now)
        self._before = self.bucket
        """The bucket from the user and the server, before anything was learned."""
        self.learned = False
        """True once a rate was learned from 429 answers."""
        self._answered = 0
        self._sent: deque[tuple[float, int]] = deque([(now, 0)], maxlen=int(_LOOK_BACK / _SAMPLE_EVERY) + 1)
        self._measured = 0.0
        self._refused_at: float | None = None
        self._at = now
        self._due = now + _SAMPLE_EVERY

    @property
    def rate(self) -> float | None:
        """The requests a second that may be sent at present. None: only the limit counts."""
        return None if self.bucket is None else self.bucket.rate

    @property
    def own(self) -> bool:
        """Whether the user's own limit is in force, and not the server's (told or learned)."""
        rate = self.rate
        return rate is not None and self._asked_for is not None and rate >= self._asked_for

    def server(self, capacity: float, fill_rate: float, now: float, sent: int) -> None:
        """Adds the server's own bucket, `sent` requests after it was full, to the user's limit.

        Holds back the fill of one second if the capacity allows: servers may refill in whole seconds.
        """
        reserve = min(capacity / 4, fill_rate + _RESERVE)
        capacity = max(1.0, capacity - reserve)
        if self._ceiling is not None:
            capacity = min(capacity, max(1.0, self._ceiling))
            fill_rate = min(fill_rate, self._ceiling)
        self._ceiling = fill_rate
        self.learned = False
        self.bucket = self._before = Bucket(capacity, fill_rate, now, max(0.0, capacity - sent))

    def remaining(self, tokens: float, now: float) -> None:
        """The server says how many tokens are left. We use no more than that."""
        if self.bucket is not None:
            self.bucket.drain(tokens, now)

    def sending(self, now: float, sent: int) -> None:
        """Call it often, with the number of requests sent so far."""
        if now < self._due:
            return
        self._due = now + _SAMPLE_EVERY
        self._sent.append((now, sent))
        if self.learned and self.bucket is not None and now >= self._at + _ADJUST_EVERY:
            self._at = now
            self._grow(self.bucket, now)

    def answered(self) -> None:
        """An attempt ended that took a token from the server's bucket."""
        self._answered += 1

    def refused(self, now: float, sent: int, until: float) -> None:
        """The first 429 of a pause that ends at `until` came."""
        if self.bucket is not None:
            self.bucket.drain(0.0, until)
        if self._refused_at is None:
            self._refused_at, self._answered = now, 0
            if sent - self._look_back(now)[1] < _EVIDENCE:
                return
            rate = _FIRST_GUESS * self._sends_per_second(now, sent)
        elif self._answered < _EVIDENCE:
            return
        else:
            rate = self._answered / max(now - self._refused_at, 0.1)
        if self.bucket is not None:
            rate = min(max(rate, self.bucket.rate * 0.3), self.bucket.rate)
        self._measured = max(rate, 0.1)
        self._refused_at = now
        self._answered = 0
        self.learned = True
        # After the pause, requests are sent one by one, without a burst.
        self.bucket = Bucket(1.0, self._measured * _BELOW, now, 0.0)
        self.bucket.drain(0.0, until)

    def unlearn(self) -> None:
        """The 429 answers were not about the rate: goes back to the rate from the user and the server."""
        self.bucket = self._before
        self.learned = False
        self._refused_at = None

    def _sends_per_second(self, now: float, sent: int) -> float:
        """The rate of the last two seconds, or since the beginning."""
        at, count = self._look_back(now)
        return (sent - count) / max(now - at, 0.5)

    def _look_back(self, now: float) -> tuple[float, int]:
        """The first record of the last two seconds: its time, and the requests sent by then."""
        return next(((at, count) for at, count in self._sent if at >= now - _LOOK_BACK), self._sent[-1])

    def _grow(self, bucket: Bucket, now: float) -> None:
        """Grows the rate along a cubic: quickly back to the measured rate, then flat, then faster and faster."""
        if self._refused_at is None:
            return
        step = (now - self._refused_at - _PLATEAU) / _PLATEAU
        rate = self._measured * (1.0 + (1.0 - _BELOW) * step**3)
        if self._ceiling is not None:
            rate = min(rate, self._ceiling)
        bucket.set_rate(max(rate, bucket.rate), now)
