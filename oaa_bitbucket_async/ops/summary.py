"""What a run came to, for a person on a terminal and for whoever reads the log."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.collect.snapshot import PublicAccess
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.ops.changes_text import summed_up
from oaa_bitbucket_async.settings import Output
from oaa_bitbucket_async.text import escape

_log = logging.getLogger(__name__)
_MOST_MISSING = 1000
"""Each is named; but what lacks thousands lacks a right, and the first of them tell which."""
_MOST_WARNINGS = 10
_WORTH_TELLING = 1.0
"""Seconds beside the crawl that have a line of their own."""
_WARNING = "Warning: "


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWay:
    """How the number of requests in flight went."""

    start: int
    peak: int
    end: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOutcome:
    """What became of the payload. `detail` says more, for people: the data source's name, why not."""

    outcome: Literal["uploaded", "dry run", "not uploaded", "refused"]
    detail: str = ""
    warnings: Counter[str] = field(default_factory=Counter)
    """Warnings of Veza's answer, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOutcome:
    """What became of the report in Veza. `detail` says more, for people."""

    outcome: Literal["created", "completed", "unchanged", "failed"]
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Summary:
    """A run in figures. Durations in seconds, sizes in bytes; what was not reached keeps its default."""

    instance: str
    """Host and context path."""
    users: int = 0
    groups: int = 0
    projects: int = 0
    repositories: int = 0
    grants: int = 0
    credentials: int | None = None
    """Keys and tokens; None if they were not asked for."""
    public_access: PublicAccess | None = None
    """As the payload has it; None if the crawl did not come to its end."""
    requests: RequestStats = field(default_factory=RequestStats)
    duration: float = 0.0
    crawl_duration: float | None = None
    """Until the last answer of Bitbucket: neither the upload nor what is waited for in Veza. None if it did not end."""
    throttled: int = 0
    """429 answers."""
    pauses: int = 0
    paused_seconds: float = 0.0
    outages: int = 0
    outage_seconds: float = 0.0
    limit: LimitWay | None = None
    rate: float | None = None
    """Requests a second that were allowed at the end; None if nothing limited them."""
    rate_learned: bool = False
    missing: Sequence[Entry] = ()
    gone: int = 0
    resumed: int = 0
    """Units that an earlier run had already answered."""
    warnings: Counter[str] = field(default_factory=Counter)
    """Our own warnings by kind, as people read it."""
    upload: UploadOutcome | None = None
    veza_report: ReportOutcome | None = None
    """None if it was not this run's turn."""
    payload_bytes: int | None = None
    """The payload's JSON."""
    upload_bytes: int | None = None
    """What went over the wire."""
    saved: Path | None = None
    """The file in which the payload was left."""
    changes: Changes | None = None
    """Since the last upload to the same data source; None if that payload is not known."""

    @property
    def throughput(self) -> float:
        """Requests a second over the whole crawl."""
        seconds = self.duration if self.crawl_duration is None else self.crawl_duration
        return self.requests.total / seconds if seconds > 0 else 0.0

    @property
    def missing_units(self) -> int:
        """Parts that could not be collected; an entry can stand for many."""
        return sum(entry.units for entry in self.missing)

    def fields(self) -> dict[str, object]:
        """The figures for a log record in JSON; the names stay."""
        upload = self.upload
        return {
            "instance": self.instance,
            "users": self.users,
            "groups": self.groups,
            "projects": self.projects,
            "repositories": self.repositories,
            "grants": self.grants,
            "credentials": self.credentials,
            "public_access": self.public_access,
            "duration_seconds": round(self.duration, 3),
            "requests": self.requests.total,
            "requests_by_kind": dict(self.requests.sent),
            "requests_per_second": round(self.throughput, 1),
            "retries": dict(self.requests.retries),
            "throttled": self.throttled,
            "pauses": self.pauses,
            "paused_seconds": round(self.paused_seconds, 3),
            "outages": self.outages,
            "outage_seconds": round(self.outage_seconds, 3),
            "limit": None if self.limit is None else [self.limit.start, self.limit.peak, self.limit.end],
            "missing": self.missing_units,
            "gone": self.gone,
            "resumed": self.resumed,
            "warnings": dict(self.warnings),
            "upload": None if upload is None else upload.outcome,
            "upload_warnings": {} if upload is None else dict(upload.warnings),
            "changes": None if self.changes is None else self.changes.counts(),
            "veza_report": None if self.veza_report is None else self.veza_report.outcome,
            "payload_bytes": self.payload_bytes,
            "upload_bytes": self.upload_bytes,
            "saved": None if self.saved is None else str(self.saved),
        }


def render(summary: Summary, console: Console, output: Output) -> None:
    """Shows the summary: tables on a terminal, log lines elsewhere. In JSON only what is missing:
    the figures are in the last record, `run-ended`."""
    for entry in summary.missing[_MOST_MISSING:]:
        _log.debug("missing: %s", _sentence(entry))
    if console.is_terminal and output.log_format == "text":
        console.print(_tables(summary))
        return
    if output.log_format == "json":
        for entry in summary.missing[:_MOST_MISSING]:
            _log.warning("missing: %s", _sentence(entry), extra=event(Event.MISSING, **_entry_fields(entry)))
        return
    for name, value in _rows(summary):
        _log.info("%s: %s", name.lower(), value)
    for line in _kind_lines(summary.requests):
        _log.debug("%s", line)
    for line in warning_lines(summary):
        _log.warning("%s", line.removeprefix(_WARNING))
    for line in _missing_lines(summary.missing):
        _log.warning("%s", line)


def duration_text(seconds: float) -> str:
    """`4.2 s`, `3 min 5 s`, `2 h 7 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def public_access_text(public_access: PublicAccess) -> str:
    """What the instance's switch means for what is called public, in a few words."""
    return {
        "on": "on: everybody may read what is called public",
        "off": "off: a public flag gives nobody anything",
        "unknown": "could not be told: taken to be on",
        "none flagged": "nothing is called public",
    }[public_access]


def size_text(size: int) -> str:
    """`812 B`, `4.1 kB`, `118.8 MB`."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:,.1f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"


def _rows(summary: Summary) -> list[tuple[str, str]]:
    return [
        ("Users", f"{summary.users:,}"),
        ("Groups", f"{summary.groups:,}"),
        ("Projects", f"{summary.projects:,}"),
        ("Repositories", f"{summary.repositories:,}"),
        ("Grants", f"{summary.grants:,}"),
        *([] if summary.credentials is None else [("Credentials", f"{summary.credentials:,}")]),
        *([] if summary.public_access is None else [("Public access", public_access_text(summary.public_access))]),
        *run_rows(summary),
    ]


def run_rows(summary: Summary) -> list[tuple[str, str]]:
    """How the run went, apart from what it found: headings and what stands beside them."""
    requests = summary.requests
    crawl = summary.duration if summary.crawl_duration is None else summary.crawl_duration
    rows = [
        (
            "Requests",
            f"{requests.total:,} in {duration_text(crawl)}, {summary.throughput:,.0f} a second",
        ),
    ]
    if summary.duration - crawl >= _WORTH_TELLING:
        rows.append(("Duration", f"{duration_text(summary.duration)}, upload and waiting included"))
    if summary.limit is not None:
        way = summary.limit
        rows.append(
            ("In flight", f"began with {way.start}, at most {way.peak}, {way.end} at the end ({way.changes} changes)")
        )
    if summary.rate is not None:
        how = "learned from refusals" if summary.rate_learned else "kept"
        rows.append(("Rate limit", f"{summary.rate:g} requests a second, {how}"))
    if requests.total_retries:
        rows.append(("Retries", f"{requests.total_retries:,}: {_counts(requests.retries)}"))
    if summary.pauses:
        rows.append(
            (
                "Pauses",
                f"{summary.pauses:,} asked for by the server, {duration_text(summary.paused_seconds)}"
                f" ({summary.throttled:,} answers 429)",
            )
        )
    if summary.outages:
        rows.append(("Outages", f"{summary.outages:,}, {duration_text(summary.outage_seconds)}"))
    if summary.resumed:
        rows.append(("Resumed", f"{summary.resumed:,} answers taken over from an unfinished run"))
    if summary.gone:
        rows.append(("Deleted meanwhile", f"{summary.gone:,}"))
    rows.append(("Left out", f"{summary.missing_units:,} could not be collected" if summary.missing else "nothing"))
    if summary.payload_bytes is not None:
        wire = f", {size_text(summary.upload_bytes)} uploaded" if summary.upload_bytes is not None else ""
        rows.append(("Payload", f"{size_text(summary.payload_bytes)}{wire}"))
    if summary.changes is not None:
        rows.append(("Changes", summed_up(summary.changes)))
    if summary.saved is not None:
        rows.append(("Saved in", str(summary.saved)))
    if summary.upload is not None:
        detail = f": {summary.upload.detail}" if summary.upload.detail else ""
        rows.append(("Upload", f"{summary.upload.outcome}{detail}"))
    if summary.veza_report is not None:
        rows.append(("Veza report", f"{summary.veza_report.outcome}: {summary.veza_report.detail}"))
    return rows


def _tables(summary: Summary) -> Group:
    parts: list[RenderableType] = [_grid(_rows(summary))]
    if summary.requests.sent:
        parts += [Text(""), _kinds(summary.requests)]
    for lines, head in ((warning_lines(summary), "Warning: "), (_missing_lines(summary.missing), "")):
        if lines:
            parts += [Text(""), *(Text(escape(f"{head}{line}"), style="yellow") for line in lines)]
    return Group(Text(escape(summary.instance), style="bold"), *parts)


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(name), Text(escape(value)))
    return grid


def _kinds(requests: RequestStats) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Requests for", no_wrap=True)
    for heading in ("sent", "median", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for kind, sent, median, high in kind_rows(requests):
        table.add_row(Text(kind), f"{sent:,}", median, high)
    return table


def kind_rows(requests: RequestStats) -> list[tuple[str, int, str, str]]:
    """By kind of request: sent, median latency, latency that 95 % keep within; the most frequent first."""
    rows = []
    for kind, sent in sorted(requests.sent.items(), key=lambda item: (-item[1], item[0])):
        latencies = requests.latencies.get(kind)
        median, high = ("–", "–") if latencies is None else map(_milliseconds, map(latencies.quantile, (0.5, 0.95)))
        rows.append((kind, sent, median, high))
    return rows


def _kind_lines(requests: RequestStats) -> list[str]:
    return [
        f"requests for {kind}: {sent:,}, median {median}, 95 % within {high}"
        for kind, sent, median, high in kind_rows(requests)
    ]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def warning_lines(summary: Summary) -> list[str]:
    """Our warnings and Veza's, a line for each kind."""
    ours = [f"{kind} ({count:,})" if count > 1 else kind for kind, count in summary.warnings.most_common()]
    veza = summary.upload.warnings.most_common() if summary.upload is not None else []
    return [
        *_capped(ours, _MOST_WARNINGS),
        *_capped([f"Veza warns: {kind} ({count:,})" for kind, count in veza], _MOST_WARNINGS),
    ]


def _missing_lines(missing: Sequence[Entry]) -> list[str]:
    if not missing:
        return []
    lines = [f"Missing: {_sentence(entry)}" for entry in missing[:_MOST_MISSING]]
    if len(missing) > _MOST_MISSING:
        lines.append(f"… and {len(missing) - _MOST_MISSING:,} more, all in the debug log (--debug).")
    return lines


def _capped(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"… and {len(lines) - most:,} more kinds."]


def _sentence(entry: Entry) -> str:
    return f"{entry.what} ({entry.outcome}): {entry.reason} {entry.advice}".rstrip()


def _entry_fields(entry: Entry) -> dict[str, object]:
    return {
        "what": entry.what,
        "unit": entry.unit.kind,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "advice": entry.advice,
    }


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counter.most_common())
