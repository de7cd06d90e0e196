"""How fresh a run's answers are and how useful the audit log was, for summary, report, log and metrics."""

from collections import Counter
from dataclasses import dataclass, field

from oaa_bitbucket_async.collect.incremental.plan import Reason


@dataclass(slots=True, kw_only=True)
class Freshness:
    """Filled while the run goes on. Times in seconds."""

    incremental: bool = False
    """Whether the run started from a base. False: it was a full crawl."""
    full_because: str | None = None
    """Why an incremental run became a full crawl."""
    kept: int = 0
    """Answers of the last upload that were not asked for again."""
    renewed: Counter[Reason] = field(default_factory=Counter)
    """Answers that were asked for again, by reason; listings, members and global permissions are not counted."""
    log_asked: bool = False
    """Whether the run tried to read the audit log."""
    log_read: bool = False
    """Whether the audit log said what has changed."""
    log_unusable: str | None = None
    """Why this login can never read changes from this server's log. This is a fact, not a doubt."""
    doubts: tuple[str, ...] = ()
    """Why this run does not trust the audit log, so that answers are renewed sooner."""
    compared: bool = False
    """Whether new answers were compared with the last upload, so that the changes are known."""
    named_changes: int = 0
    """Projects and repositories whose grants have changed and that the audit log names."""
    unexplained: tuple[str, ...] = ()
    """Those whose grants have changed although the audit log does not name them: key, or key and slug."""
    oldest: float | None = None
    """The age of the oldest answer at the end of the crawl, at most. None if the crawl did not end."""

    @property
    def changes(self) -> int:
        """All changes that were found."""
        return self.named_changes + len(self.unexplained)

    @property
    def log_usable(self) -> bool | None:
        """Whether the audit log told what has changed and is believed; None if it was not asked."""
        return self.log_read and not self.doubts if self.log_asked else None
