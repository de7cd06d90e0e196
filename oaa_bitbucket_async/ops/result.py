"""What happened in a run, held once. Summary, log, metrics and report are made from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.incremental.freshness import Freshness
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.collect.snapshot import PublicAccess
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.notes import Note
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.oaa.veza_report import ReportResult


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSummary:
    """The limit of requests in flight: at the start, at its highest, at the end, and how often it changed."""

    start: int
    peak: int
    end: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingSummary:
    """How fast the server let us ask."""

    limit: LimitSummary | None = None
    throttled: int = 0
    """429 answers."""
    pauses: int = 0
    paused_seconds: float = 0.0
    outages: int = 0
    outage_seconds: float = 0.0
    rate: float | None = None
    """Requests a second that were allowed at the end; None if nothing limited them."""
    rate_learned: bool = False

    @classmethod
    def of(cls, pacer: Pacer) -> "PacingSummary":
        """What the pacer has seen so far."""
        history = list(pacer.history)
        start = history[0].old if history else pacer.limit
        peak = max([start, pacer.limit, *(change.new for change in history)])
        return cls(
            limit=LimitSummary(start=start, peak=peak, end=pacer.limit, changes=len(history)),
            throttled=pacer.throttled,
            pauses=pacer.pauses.count,
            paused_seconds=pacer.pauses.seconds,
            outages=pacer.outage.count,
            outage_seconds=pacer.outage.seconds,
            rate=pacer.rate.rate,
            rate_learned=pacer.rate.learned,
        )


@dataclass(slots=True, kw_only=True)
class RunResult:
    """Filled while the run goes on. What the run did not reach keeps its default. Durations in seconds."""

    instance: str
    """Host and context path."""
    counts: Counts = field(default_factory=lambda: Counts(users=0, groups=0, projects=0, repositories=0, grants=0))
    """What the payload holds; without a payload what it would have held."""
    public_access: PublicAccess | None = None
    """As the payload has it. None if the crawl did not end."""
    requests: RequestStats = field(default_factory=RequestStats)
    pacing: PacingSummary = field(default_factory=PacingSummary)
    duration: float = 0.0
    crawl_duration: float | None = None
    """Until Bitbucket's last answer: without the upload and the wait for Veza. None if the crawl did not end."""
    missing: Sequence[Entry] = ()
    missing_file: Path | None = None
    """The file that has all that is missing, a line each."""
    gone: int = 0
    repositories_listed: int = 0
    repositories_done: int = 0
    repositories_complete: bool = False
    """Whether their listing has ended: until then there are more than those listed."""
    kept_for_next: bool = False
    """Whether the next run can continue from the answers of this one."""
    resumed: int = 0
    """Units that an earlier run had already answered."""
    freshness: Freshness = field(default_factory=Freshness)
    """How old the answers are, and how useful the audit log was."""
    warnings: list[Note] = field(default_factory=list)
    """Our own."""
    payload_bytes: int | None = None
    """The payload's JSON."""
    saved: Path | None = None
    """The file that holds the payload."""
    changes: Changes | None = None
    """Since the last upload to the same data source. None if that payload is not known."""
    compared_with: Path | None = None
    """The file of the last upload, which `changes` starts from."""
    upload: UploadResult | None = None
    """What became of the payload."""
    upload_bytes: int | None = None
    """What was sent to Veza."""
    veza_report: ReportResult | None = None
    """What became of the report in Veza. None if this run did not have to make it."""
    error: BaseException | None = None
    """What ended the run early."""
    exit_code: int = 0
    finished_at: float = 0.0
    """Seconds since 1970."""

    @property
    def crawl_seconds(self) -> float:
        """How long the crawl took, or the whole run if the crawl did not end."""
        return self.duration if self.crawl_duration is None else self.crawl_duration

    @property
    def throughput(self) -> float:
        """Requests a second over the whole crawl."""
        return self.requests.total / self.crawl_seconds if self.crawl_seconds > 0 else 0.0

    @property
    def missing_units(self) -> int:
        """Parts that could not be collected. One entry can stand for many."""
        return sum(entry.units for entry in self.missing)

    @property
    def cut_short(self) -> bool:
        """Whether it ended before everything had been asked, so that the content of a payload is unknown."""
        return self.error is not None and self.crawl_duration is None and self.upload is None and not self.missing

    @property
    def uploaded(self) -> bool:
        """Whether Veza has taken the payload, or had it already."""
        return self.upload is not None and self.upload.outcome in ("uploaded", "unchanged")
