"""How a run went over time: a few hundred points, however long it takes."""

from dataclasses import astuple, dataclass

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.stats import RequestStats

MOST_SAMPLES = 400
FIRST_STEP = 0.05
"""Seconds that a sample lasts at first. Doubled whenever there are too many: 1.6 minutes after ten hours."""
_LONGEST_LOOK_AWAY = 1.0
"""Seconds between two looks. What the limit does in between is not seen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A piece of a run's time. It holds sums, so two neighbours add up to one. Times in seconds."""

    seconds: float
    sent: int
    """Attempts that left."""
    answered: int
    """Attempts that were answered."""
    latency_seconds: float
    """Latencies of these, summed up."""
    limit_seconds: float
    """Requests that might be in flight, times the seconds for which they might."""
    in_flight_seconds: float
    """Requests that were in flight, likewise."""
    failed: int
    """Attempts that failed, 429 answers included."""

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def throughput(self) -> float:
        """Attempts a second."""
        return self.sent / self.seconds if self.seconds else 0.0

    @property
    def failures(self) -> float:
        """Attempts that failed, a second."""
        return self.failed / self.seconds if self.seconds else 0.0

    @property
    def latency(self) -> float | None:
        """Mean seconds until an answer; None if none came."""
        return self.latency_seconds / self.answered if self.answered else None

    @property
    def limit(self) -> float:
        """Requests that might be in flight, on average."""
        return self.limit_seconds / self.seconds if self.seconds else 0.0

    @property
    def in_flight(self) -> float:
        """Requests that were in flight, on average."""
        return self.in_flight_seconds / self.seconds if self.seconds else 0.0


NOTHING = Sample(0.0, 0, 0, 0.0, 0.0, 0.0, 0)


class Timeline:
    """Reads statistics and pacing now and then, and keeps at most MOST_SAMPLES samples."""

    def __init__(self, stats: RequestStats, pacer: Pacer, clock: Clock) -> None:
        self._stats = stats
        self._pacer = pacer
        self._clock = clock
        self._step = FIRST_STEP
        self._closed: list[Sample] = []
        self._open = NOTHING
        self._at = clock.now()
        self._seen = self._totals()

    def samples(self) -> list[Sample]:
        """The samples so far, in order of time. All but the last are about equally long."""
        self.look()
        return [*self._closed, self._open] if self._open.seconds else list(self._closed)

    async def follow(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await self._clock.sleep(min(self._step, _LONGEST_LOOK_AWAY))
            self.look()

    def look(self) -> None:
        """Adds what happened since the last look."""
        now, totals = self._clock.now(), self._totals()
        seconds = now - self._at
        if seconds <= 0.0:
            return
        sent, answered, latency, failed = (new - old for new, old in zip(totals, self._seen, strict=True))
        pacer = self._pacer
        self._open += Sample(
            seconds,
            int(sent),
            int(answered),
            latency,
            pacer.limit * seconds,
            pacer.in_flight * seconds,
            int(failed),
        )
        self._at, self._seen = now, totals
        if self._open.seconds >= self._step * 0.99:  # timers fire a rounding error early
            self._close()

    def _close(self) -> None:
        self._closed.append(self._open)
        self._open = NOTHING
        if len(self._closed) >= MOST_SAMPLES:
            pairs = zip(self._closed[::2], self._closed[1::2], strict=True)
            self._closed = [first + second for first, second in pairs]
            self._step *= 2

    def _totals(self) -> tuple[float, float, float, float]:
        latencies = self._stats.latencies.values()
        return (
            self._stats.total,
            sum(kind.count for kind in latencies),
            sum(kind.total for kind in latencies),
            sum(self._stats.faults.values()),
        )
