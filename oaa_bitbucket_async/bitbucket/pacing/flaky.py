"""Whether requests fail because of our load, or whatever the load: a look with few in flight tells.

A server in trouble fails less, or answers slowly, when it is asked less. One that is flaky (one node of five is down,
a proxy drops connections) fails the same share at any load, and answers the rest quickly. So when many requests fail,
the crawl falls to its smallest limit and compares: that spares a server in trouble, and costs a flaky one three
seconds. The comparison is Wald's sequential test: the share that failed before, or two fifths of it?
"""

import math
from statistics import median

from oaa_bitbucket_async.bitbucket.pacing.baseline import Samples

MANY = 0.08
"""The share of failures from which on it matters where they come from."""
_FEW = 16.0
"""On fewer failures, a share is a guess."""
_MEMORY = 400.0
"""Attempts that the share of late rests on, at most."""
_CEILING = 0.8
_LESS = 0.4
"""Load is the cause if a look shows this part of the share from before, or less."""
_SURE = 4.0
"""The logarithm of the odds that end a look: 55 to 1."""
_LONGEST = 1000
"""Attempts of a look that comes to no end: then load is taken for the cause."""
_ANSWERS = 20
"""A look needs as many, to know how quick they are."""
_LASTS = 3.0
"""Seconds of the first look at least; the next ones are longer and longer: a server may need time to recover."""
_LASTS_MOST = 60.0
_DOUBT = 2.0
"""Standard errors by which the share may be higher than a look has seen it."""
QUICK = 1.0
"""Seconds: a server whose answers take longer, with so few in flight, is in trouble."""
SLOWER = 1.5
"""The same of one whose answers take so many times as long as they do without a queue."""
_SOON, _SELDOM = 2.0, 240.0
"""Seconds from a look to the next, while too much fails: `_SOON` after the first, and twice as long after each."""
_REST = 10.0
"""A flaky server is looked at again after so many times the seconds of the last look."""
_BY_CHANCE = 1e-6


def in_a_row(share: float, least: int) -> int:
    """How many failures in a row are no chance where this `share` of all requests fails; `least` at least."""
    return least if share <= 0.0 else max(least, math.ceil(math.log(_BY_CHANCE) / math.log(min(share, _CEILING))))


class Look:
    """Attempts with few in flight, compared with the `share` that failed before. `skip` attempts began earlier.

    It does not end well before `until` (clock seconds).
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
        """Logarithm of the odds that the share is the one from before."""
        self._heavy = False
        self._sure = False
        """Whether they have been high enough once."""
        self._until = until
        self.began = now
        self.attempts = 0
        self.failures = 0
        self.samples: Samples = {}
        """Latencies of the answers, in seconds by kind."""

    @property
    def share(self) -> float:
        """The share of its attempts that failed, or as much more as may be by chance."""
        share = self.failures / self.attempts
        return min(share + _DOUBT * math.sqrt(share * (1.0 - share) / self.attempts), _CEILING)

    def answered(self, kind: str, latency: float) -> None:
        """An answer."""
        if self._skip:
            self._skip -= 1
            return
        self.attempts += 1
        self._odds += self._success
        self.samples.setdefault(kind, []).append(latency)

    def failed(self, *, heavy: bool) -> None:
        """A failure; `heavy` if it is by itself a sign of trouble: a timeout, or the server asked for a pause."""
        if self._skip:
            self._skip -= 1
            return
        self.attempts += 1
        self.failures += 1
        self._odds = min(self._odds + self._failure, 2.0 * _SURE)  # what was long ago counts no more
        self._sure |= self._odds >= _SURE
        self._heavy |= heavy

    def over(self, now: float) -> bool:
        """Whether it has seen enough."""
        if self._heavy or self._odds <= -_SURE or self.attempts >= _LONGEST:
            return True
        enough = self._sure and self._odds > 0.0 and self.attempts - self.failures >= _ANSWERS
        return enough and now >= self._until

    def finds_flaky(self, slower: float | None) -> bool:
        """Whether load is not the cause. `slower`: latency by that without a queue, None where it is not known."""
        if self._heavy or not self._sure or self._odds <= 0.0 or not self.samples:
            return False
        if slower is not None and slower > SLOWER:
            return False
        return median(latency for latencies in self.samples.values() for latency in latencies) <= QUICK


class Flakiness:
    """The share of requests that failed of late, and looks at where it comes from when it is high.

    A flaky server is looked at again now and then: it can fall into trouble, or be mended.
    """

    __slots__ = ("_attempts", "_ended", "_interval", "_lasts", "_recent", "_rest", "_sent", "look", "share")

    def __init__(self) -> None:
        self.share = 0.0
        """What fails whatever the load; 0.0 until a look has found that, and again once the server is mended."""
        self.look: Look | None = None
        """The look that is on."""
        self._recent = 0.0
        self._attempts = 0.0
        """What `_recent` rests on."""
        self._sent = 0
        """Requests sent up to the last failure."""
        self._lasts = _LASTS
        self._interval = _SOON
        self._rest = 0.0
        self._ended = -math.inf
        """When the last look ended."""

    def failed(self, sent: int, *, restrained: bool) -> bool:
        """A failure outside a look, when so many requests had been `sent`; True if it shows that the server is mended.

        `restrained`: the limit is the smallest one. If it is known what fails at a higher one, this says nothing.
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
        """Begins a look if it is time for one; `in_flight` attempts began before it. `short`: too much fails."""
        if not self._many or not (short or self.share):
            return False
        if now < self._ended + (self._interval if short else self._rest):
            return False
        share = min(self._recent / self._attempts, _CEILING)
        share -= math.sqrt(share * (1.0 - share) / self._attempts)  # a look begins where it is high by chance
        self.look = Look(share, in_flight, now, now + self._lasts)
        return True

    def end(self, now: float, slower: float | None) -> None:
        """The look is over; see `Look.finds_flaky`. `share` is what it found."""
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
        """So many failures told nothing about the server; True if that called off a look."""
        self._recent = max(0.0, self._recent - failures)
        called_off, self.look = self.look is not None, None
        return called_off
