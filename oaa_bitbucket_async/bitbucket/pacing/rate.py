"""Requests a second: what the user allows, what the server says, and else what its refusals teach."""

from collections import deque

_LOOK_BACK = 2.0
_SAMPLE_EVERY = 0.1
_EVIDENCE = 6
"""Requests from which on a rate can be told. A 429 after fewer (another client drained the bucket) is only a pause."""
_FIRST_GUESS = 0.9
_BELOW = 0.97
"""A rate that was measured is kept this far below, and approached again slowly."""
_PLATEAU = 60.0
"""Seconds until the learned rate is back at what was measured; from there it grows faster the longer it goes well."""
_ADJUST_EVERY = 0.5
_RESERVE = 3.0
"""Tokens of a bucket we were told about that are left alone: other requests of this user, and refill in whole steps."""
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


class Rate:
    """Owns the token bucket. `bucket` is None while nothing limits the rate.

    Every 429 shows an empty bucket on the server, so what was answered between two of them, by the time between them,
    is the server's fill rate. From the first one alone it can't be told; a first guess is 0.9 of what was sent lately.
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
        """What user and server told, while more is learned."""
        self.learned = False
        """True once a 429 has told more than user and server did."""
        self._answered = 0
        self._sent: deque[tuple[float, int]] = deque([(now, 0)], maxlen=int(_LOOK_BACK / _SAMPLE_EVERY) + 1)
        self._measured = 0.0
        self._refused_at: float | None = None
        self._at = now
        self._due = now + _SAMPLE_EVERY

    @property
    def rate(self) -> float | None:
        """Requests a second that may leave at present; None: as many as the limit lets through."""
        return None if self.bucket is None else self.bucket.rate

    @property
    def own(self) -> bool:
        """Whether it is the user's limit that holds, not the server's, told or learned."""
        rate = self.rate
        return rate is not None and self._asked_for is not None and rate >= self._asked_for

    def server(self, capacity: float, fill_rate: float, now: float, sent: int) -> None:
        """The server's own bucket, `sent` requests after it was full. It comes on top of the user's limit.

        A second's fill is held back where the capacity allows: servers may refill in whole seconds.
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
        """The server says how many tokens are left: ours are not more."""
        if self.bucket is not None:
            self.bucket.drain(tokens, now)

    def sending(self, now: float, sent: int) -> None:
        """To be called now and then, with the number of requests that have left so far."""
        if now < self._due:
            return
        self._due = now + _SAMPLE_EVERY
        self._sent.append((now, sent))
        if self.learned and self.bucket is not None and now >= self._at + _ADJUST_EVERY:
            self._at = now
            self._grow(self.bucket, now)

    def answered(self) -> None:
        """An attempt that cost the server a token came back."""
        self._answered += 1

    def refused(self, now: float, sent: int, until: float) -> None:
        """The first 429 of a pause that lasts `until`."""
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
        # After the pause requests leave one by one: no burst.
        self.bucket = Bucket(1.0, self._measured * _BELOW, now, 0.0)
        self.bucket.drain(0.0, until)

    def unlearn(self) -> None:
        """The 429 answers were not about the rate: back to what user and server told."""
        self.bucket = self._before
        self.learned = False
        self._refused_at = None

    def _sends_per_second(self, now: float, sent: int) -> float:
        """Over the last two seconds, or over all of a shorter life."""
        at, count = self._look_back(now)
        return (sent - count) / max(now - at, 0.5)

    def _look_back(self, now: float) -> tuple[float, int]:
        """When, within the last two seconds, we first looked, and how many requests had left by then."""
        return next(((at, count) for at, count in self._sent if at >= now - _LOOK_BACK), self._sent[-1])

    def _grow(self, bucket: Bucket, now: float) -> None:
        """Quickly back to what was measured, then flat, then ever faster: a cubic around the last refusal."""
        if self._refused_at is None:
            return
        step = (now - self._refused_at - _PLATEAU) / _PLATEAU
        rate = self._measured * (1.0 + (1.0 - _BELOW) * step**3)
        if self._ceiling is not None:
            rate = min(rate, self._ceiling)
        bucket.set_rate(max(rate, bucket.rate), now)
