"""What the report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.snapshot import Instance
from oaa_bitbucket_async.ops.report.analysis import Analysis
from oaa_bitbucket_async.ops.summary import Summary
from oaa_bitbucket_async.settings import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Everything that the page shows."""

    summary: Summary
    exit_code: int
    finished_at: float
    """Seconds since 1970."""
    run_id: str = ""
    message: str = ""
    """What ended the run early, if anything did, and what to do about it."""
    advice: str = ""
    instance: Instance | None = None
    """None if the run did not come so far."""
    identity: Identity = "email"
    found: Analysis | None = None
    """None if the crawl did not come to its end."""
    timeline: Sequence[Sample] = ()
