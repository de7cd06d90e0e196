"""What was found: each finding's rows, counted, and the first of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from oaa_bitbucket_async.ops.report.access_rows import Row
from oaa_bitbucket_async.ops.report.evidence import Evidence
from oaa_bitbucket_async.ops.report.findings import FINDINGS, Finding

MOST_ROWS = 500
"""Rows of one list on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding on this instance."""

    finding: Finding
    asked: bool
    """False if it rests on what `--include` did not ask for: nothing is known."""
    total: int
    first: tuple[Row, ...]
    hidden: int = 0
    """Users, projects and repositories of which the login may not see what it rests on."""

    @property
    def title(self) -> str:
        """`12 repositories that …`."""
        return f"{self.total:,} {self.finding.one if self.total == 1 else self.finding.many}"

    @property
    def more(self) -> int:
        """How many rows are not at hand."""
        return self.total - len(self.first)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        return tuple(isinstance(cell, int) for cell in self.first[0]) if self.first else ()


def find_all(evidence: Evidence, findings: Sequence[Finding] = FINDINGS) -> tuple[Found, ...]:
    """Every finding, the serious ones first."""
    return tuple(_find(finding, evidence) for finding in sorted(findings, key=lambda finding: finding.seriousness))


def _find(finding: Finding, evidence: Evidence) -> Found:
    included = evidence.snapshot.included
    asked = not finding.includes or bool(finding.includes & included.asked_for)
    rows = iter(finding.rows(evidence) if asked else ())
    first = tuple(islice(rows, MOST_ROWS))
    return Found(
        finding=finding,
        asked=asked,
        total=len(first) + sum(1 for _ in rows),
        first=first,
        hidden=sum(len(included.hidden.get(kind, ())) for kind in finding.reads),
    )
