"""Records how a run went over time, in a few hundred samples however long it takes."""

from dataclasses import astuple, dataclass

from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.stats import RequestStats

MOST_SAMPLES = 400
FIRST_STEP = 0.05
"""The length of a sample at first, in seconds. It doubles whenever there are too many: 1.6 minutes after ten hours."""
_LONGEST_LOOK_AWAY = 1.0
"""The most seconds between two looks. Changes of the limit in between are not seen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One period of a run. It holds sums, so two neighbours can be added. Times are in seconds."""

    seconds: float
    sent: int
    """Attempts that were sent."""
    answered: int
    """Attempts that were answered."""
    latency_seconds: float
    """The sum of the latencies of the answered attempts."""
    limit_seconds: float
    """The limit of requests in flight, times the seconds for which it held."""
    in_flight_seconds: float
    """The number of requests in flight, times its seconds."""
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
        """Failed attempts a second."""
        return self.failed / self.seconds if self.seconds else 0.0

    @property
    def latency(self) -> float | None:
        """The mean latency in seconds; None without an answer."""
        return self.latency_seconds / self.answered if self.answered else None

    @property
    def limit(self) -> float:
        """The limit of requests in flight, on average."""
        return self.limit_seconds / self.seconds if self.seconds else 0.0

    @property
    def in_flight(self) -> float:
        """The number of requests in flight, on average."""
        return self.in_flight_seconds / self.seconds if self.seconds else 0.0


NOTHING = Sample(0.0, 0, 0, 0.0, 0.0, 0.0, 0)


class Timeline:
    """Reads the statistics and the pacer at intervals, and keeps at most MOST_SAMPLES samples."""

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
        """Runs until cancelled, and looks at intervals."""
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
