"""Finds out whether requests fail because of our load or at any load, by a look with few requests in flight.

A server in trouble fails less, or answers slowly, when we send less. A flaky server (one node of five is down, a proxy
drops connections) fails the same share of requests at any load and answers the others quickly. So when many requests
fail, the crawl goes down to its smallest limit and compares. That spares a server in trouble, and costs three seconds
on a flaky one. The comparison is Wald's sequential test: does the same share fail as before, or two fifths of it?
"""

import math
from statistics import median

from oaa_bitbucket_async.bitbucket.pacing.baseline import Samples

MANY = 0.08
"""From this share of failures on, their cause matters."""
_FEW = 16.0
"""With fewer failures, a share is a guess."""
_MEMORY = 400.0
"""The most attempts that the recent share is based on."""
_CEILING = 0.8
_LESS = 0.4
"""Load is the cause if the share falls to this part of what it was, or less."""
_SURE = 4.0
"""The logarithm of the odds that end a look: 55 to 1."""
_LONGEST = 1000
"""The most attempts of a look. If it is still undecided, load counts as the cause."""
_ANSWERS = 20
"""The answers that a look needs to measure latency."""
_LASTS = 3.0
"""The least seconds of the first look. Each one lasts longer than the last: a server may need time to recover."""
_LASTS_MOST = 60.0
_DOUBT = 2.0
"""Standard errors that are added to the share that a look has seen."""
QUICK = 1.0
"""Seconds. A server that answers more slowly, with so few requests in flight, is in trouble."""
SLOWER = 1.5
"""The same, as a multiple of the unloaded latency."""
_SOON, _SELDOM = 2.0, 240.0
"""Seconds between looks while too much fails: `_SOON` at first, then twice as long each time, up to `_SELDOM`."""
_REST = 10.0
"""The next look at a flaky server comes after this many times the length of the last one."""
_BY_CHANCE = 1e-6


def in_a_row(share: float, least: int) -> int:
    """How many failures in a row are not chance if this `share` of all requests fails. Never below `least`."""
    return least if share <= 0.0 else max(least, math.ceil(math.log(_BY_CHANCE) / math.log(min(share, _CEILING))))


class Look:
    """Attempts with few requests in flight, compared with the `share` that failed before.

    The first `skip` attempts began earlier and do not count. The look does not end well before `until` (clock seconds).
    """

    __slots__ = (
        "_failure",
        "_heavy",
        "_odds",
        "_skip",
        "_success",
        "_sure",
        "_until",
        "attempts",
        "began",
        "failures",
        "samples",
    )

    def __init__(self, share: float, skip: int, now: float, until: float) -> None:
        less = min(_LESS, 2.0 * share)  # what the budget nearly bears needs less proof
        self._failure = -math.log(less)
        self._success = math.log((1.0 - share) / (1.0 - share * less))
        self._skip = skip
        self._odds = 0.0
        """The logarithm of the odds that the share is the same as before."""
        self._heavy = False
        self._sure = False
        """Whether the odds were high enough once."""
        self._until = until
        self.began = now
        self.attempts = 0
        self.failures = 0
        self.samples: Samples = {}
        """Latencies of the answers, in seconds by kind."""

    @property
    def share(self) -> float:
        """The share of its attempts that failed, plus a margin for chance."""
        share = self.failures / self.attempts
        return min(share + _DOUBT * math.sqrt(share * (1.0 - share) / self.attempts), _CEILING)

    def answered(self, kind: str, latency: float) -> None:
        """Counts an answer."""
        if self._skip:
            self._skip -= 1
            return
        self.attempts += 1
        self._odds += self._success
        self.samples.setdefault(kind, []).append(latency)

    def failed(self, *, heavy: bool) -> None:
        """Counts a failure. `heavy`: it alone shows trouble (a timeout, or the server asked for a pause)."""
        if self._skip:
            self._skip -= 1
            return
        self.attempts += 1
        self.failures += 1
        self._odds = min(self._odds + self._failure, 2.0 * _SURE)  # old attempts no longer count
        self._sure |= self._odds >= _SURE
        self._heavy |= heavy

    def over(self, now: float) -> bool:
        """Whether the look has seen enough."""
        if self._heavy or self._odds <= -_SURE or self.attempts >= _LONGEST:
            return True
        enough = self._sure and self._odds > 0.0 and self.attempts - self.failures >= _ANSWERS
        return enough and now >= self._until

    def finds_flaky(self, slower: float | None) -> bool:
        """Whether load is not the cause. `slower`: latency divided by unloaded latency, None if not known."""
        if self._heavy or not self._sure or self._odds <= 0.0 or not self.samples:
            return False
        if slower is not None and slower > SLOWER:
            return False
        return median(latency for latencies in self.samples.values() for latency in latencies) <= QUICK


class Flakiness:
    """Follows the share of requests that failed recently. If it is high, a look finds the cause.

    The look at a flaky server is repeated: the server may get into trouble, or recover.
    """

    __slots__ = ("_attempts", "_ended", "_interval", "_lasts", "_recent", "_rest", "_sent", "look", "share")

    def __init__(self) -> None:
        self.share = 0.0
        """The share that fails at any load. 0.0 until a look finds it, and again once the server has recovered."""
        self.look: Look | None = None
        """The current look, if any."""
        self._recent = 0.0
        self._attempts = 0.0
        """The attempts that `_recent` is based on."""
        self._sent = 0
        """Requests sent up to the last failure."""
        self._lasts = _LASTS
        self._interval = _SOON
        self._rest = 0.0
        self._ended = -math.inf
        """When the last look ended."""

    def failed(self, sent: int, *, restrained: bool) -> bool:
        """Counts a failure outside a look; `sent` is the number of requests so far. True if the server has recovered.

        `restrained`: the limit is the smallest one. The failure is then ignored if the share is known to be high.
        """
        mended = False
        if not restrained or not self._many:
            kept = (1.0 - 1.0 / _MEMORY) ** max(1, sent - self._sent)
            self._attempts = self._attempts * kept + (1.0 - kept) * _MEMORY
            self._recent = self._recent * kept + 1.0
            mended = self.share > 0.0 and self._recent < MANY / 2 * self._attempts
        if mended:
            self.share = 0.0
        self._sent = sent
        return mended

    @property
    def _many(self) -> bool:
        return self._recent >= max(_FEW, MANY * self._attempts)

    def begin(self, now: float, in_flight: int, *, short: bool) -> bool:
        """Begins a look if it is time. `in_flight` attempts began before it. `short`: too much fails."""
        if not self._many or not (short or self.share):
            return False
        if now < self._ended + (self._interval if short else self._rest):
            return False
        share = min(self._recent / self._attempts, _CEILING)
        share -= math.sqrt(share * (1.0 - share) / self._attempts)  # looks tend to begin when it is high by chance
        self.look = Look(share, in_flight, now, now + self._lasts)
        return True

    def end(self, now: float, slower: float | None) -> None:
        """Ends the look and sets `share` to what it found; see `Look.finds_flaky`."""
        look, self.look = self.look, None
        if look is None:
            return
        if self._ended > -math.inf:
            self._interval = min(2.0 * self._interval, _SELDOM)
        self._ended = now
        self._lasts = min(2.0 * self._lasts, _LASTS_MOST)
        self._rest = _REST * (now - look.began)
        self.share = look.share if look.finds_flaky(slower) else 0.0

    def refund(self, failures: int) -> bool:
        """Takes back failures that say nothing about the server. True if that called off a look."""
        self._recent = max(0.0, self._recent - failures)
        called_off, self.look = self.look is not None, None
        return called_off
