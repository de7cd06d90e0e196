"""The figures of a run. Each is described once, and every output is made from that description.

The terminal's summary and the log have `heading` and text, the last record of the JSON log has `key` and value, the
metrics file has `metric`, and the report has all of the summary's rows. People base alerts on keys and on the
names of metrics, so these stay the same. A new figure is one more entry in WHAT_WAS_FOUND or HOW_IT_WENT.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.collect.snapshot import PublicAccess
from oaa_bitbucket_async.oaa.notes import Code, Note
from oaa_bitbucket_async.ops.changes_text import summed_up
from oaa_bitbucket_async.ops.figure import Figure, Measure, Metric, Samples
from oaa_bitbucket_async.ops.formats import duration_text, rate_text, size_text
from oaa_bitbucket_async.ops.freshness_figures import FRESHNESS
from oaa_bitbucket_async.ops.result import RunResult

_WORTH_A_ROW = 1.0
"""Seconds that a run must take longer than its crawl to have a row for its duration."""


def fields(result: RunResult) -> dict[str, object]:
    """All figures by their names in JSON."""
    return {figure.key: figure.of(result) for figure in FIGURES if figure.key is not None}


def rows_of(result: RunResult, figures: Iterable[Figure]) -> list[tuple[str, str]]:
    """Headings and texts of those that have something to say."""
    return [
        (figure.heading, text)
        for figure in figures
        if figure.heading is not None and (text := figure.text_of(result)) is not None
    ]


def public_access_text(public_access: PublicAccess) -> str:
    """What the instance's switch means for what is marked public, in a few words."""
    return {
        "on": "on: everybody can read what is marked public",
        "off": "off: a public mark gives nobody access",
        "unknown": "unknown: treated as on",
        "none flagged": "nothing is marked public",
    }[public_access]


# --- texts ----------------------------------------------------------------------------------------------------------


def _requests_text(result: RunResult) -> str:
    seconds = duration_text(result.crawl_seconds)
    return f"{result.requests.total:,} in {seconds}, {result.throughput:,.0f} a second"


def _warning(note: Note) -> dict[str, object]:
    return {"code": str(note.code), "count": note.count, "examples": list(note.examples), "message": note.message}


def _missing_text(result: RunResult) -> str | None:
    if result.missing:
        return f"{result.missing_units:,} could not be collected"
    return None if result.cut_short else "nothing"


def _latencies(result: RunResult) -> Mapping[str, object]:
    return {
        kind: {f"{name}_seconds": round(found.quantile(share), 6) for name, share in (("median", 0.5), ("p95", 0.95))}
        for kind, found in result.requests.latencies.items()
    }


def _duration_text(result: RunResult) -> str | None:
    if result.duration - result.crawl_seconds < _WORTH_A_ROW:
        return None
    return f"{duration_text(result.duration)}, upload and waiting included"


def _limit_text(result: RunResult) -> str | None:
    limit = result.pacing.limit
    if limit is None:
        return None
    return f"began with {limit.start}, at most {limit.peak}, {limit.end} at the end ({limit.changes} changes)"


def _rate_text(result: RunResult) -> str | None:
    if result.pacing.rate is None:
        return None
    how = "learned from refusals" if result.pacing.rate_learned else "kept"
    return f"{rate_text(result.pacing.rate)} requests a second, {how}"


def _retries_text(result: RunResult) -> str | None:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in result.requests.retries.most_common())
    return f"{result.requests.total_retries:,}: {reasons}" if result.requests.total_retries else None


def _pauses_text(result: RunResult) -> str | None:
    pacing = result.pacing
    if not pacing.pauses:
        return None
    length = duration_text(pacing.paused_seconds)
    return f"{pacing.pauses:,} asked for by the server, {length} ({pacing.throttled:,} answers 429)"


def _outages_text(result: RunResult) -> str | None:
    pacing = result.pacing
    return f"{pacing.outages:,}, {duration_text(pacing.outage_seconds)}" if pacing.outages else None


def _payload_text(result: RunResult) -> str | None:
    if result.payload_bytes is None:
        return None
    sent = f", {size_text(result.upload_bytes)} uploaded" if result.upload_bytes is not None else ""
    return f"{size_text(result.payload_bytes)}{sent}"


def _upload_text(result: RunResult) -> str | None:
    if result.upload is None:
        return None
    detail = f": {result.upload.detail}" if result.upload.detail else ""
    return f"{result.upload.outcome}{detail}"


def _veza_report_text(result: RunResult) -> str | None:
    report = result.veza_report
    if report is None:
        return None
    if report.outcome == "failed":
        return "failed: the upload is not affected"
    lacking = (
        "need --include"
        if result.counts.projects and result.counts.repositories
        else "look at what the instance does not have"
    )
    waiting = f", {len(report.absent)} more {lacking}" if report.absent else ""
    return f"{report.outcome}: {report.name}, {len(report.queries)} queries{waiting}"


# --- samples --------------------------------------------------------------------------------------------------------


def _collected(result: RunResult) -> bool:
    """The login itself is a user: without any user nothing was collected, and no count is true."""
    return result.counts.users > 0


def _ends_of_requests(result: RunResult) -> Samples:
    requests = result.requests
    ends: dict[tuple[str, ...], float] = {}
    for kind, sent in requests.sent.items():
        answered = min(requests.answered[kind], sent)
        ends[kind, "answered"] = answered
        failed = {word: count for (of, word), count in requests.unanswered.items() if of == kind}
        ends |= {(kind, word): count for word, count in failed.items()}
        if given_up := sent - answered - sum(failed.values()):
            ends[kind, "cut-off"] = given_up
    return ends


def _changed(result: RunResult) -> Samples | None:
    if result.changes is None:
        return None
    return {
        (kind, change): count for kind, counts in result.changes.counts().items() for change, count in counts.items()
    }


# --- the figures ----------------------------------------------------------------------------------------------------


def _removed(result: RunResult) -> Samples | None:
    if result.changes is None:
        return None
    return {(kind,): round(share / 100, 4) for kind, share in result.changes.removed_shares().items()}


def _entity(key: str, count: Callable[[RunResult], int | None]) -> Figure:
    """A count that is None has no sample: nothing of the kind was asked for."""

    def samples(result: RunResult) -> Samples | None:
        number = count(result)
        return None if number is None or not _collected(result) else {(key,): number}

    return Figure(
        key=key,
        heading=key.capitalize(),
        value=count,
        metric=Metric("entities", "What was collected.", ("kind",), samples),
    )


WHAT_WAS_FOUND = (
    Figure(key="instance", value=lambda r: r.instance),
    _entity("users", lambda r: r.counts.users),
    _entity("groups", lambda r: r.counts.groups),
    _entity("projects", lambda r: r.counts.projects),
    _entity("repositories", lambda r: r.counts.repositories),
    Figure(
        key="grants",
        heading="Grants",
        value=lambda r: r.counts.grants,
        metric=Metric(
            "grants",
            "Grants that were collected.",
            samples=lambda r: {(): r.counts.grants} if _collected(r) else None,
        ),
    ),
    _entity("credentials", lambda r: r.counts.credentials),
    Figure(
        key="public_access",
        heading="Public access",
        value=lambda r: r.public_access,
        text=lambda r: None if r.public_access is None else public_access_text(r.public_access),
    ),
)
CHANGES = Figure(
    key="changes",
    heading="Changes",
    value=lambda r: None if r.changes is None else r.changes.counts(),
    text=lambda r: None if r.changes is None else summed_up(r.changes),
    metric=Metric("changes", "What was added and removed since the last upload.", ("kind", "change"), _changed),
)
"""The first figure, because what an upload changes matters most."""
HOW_IT_WENT = (
    Figure(
        key="requests",
        heading="Requests",
        value=lambda r: r.requests.total,
        text=_requests_text,
        metric=Metric(
            "requests",
            "Requests that were sent to Bitbucket, retries included.",
            ("kind", "outcome"),
            _ends_of_requests,
        ),
    ),
    Figure(key="requests_by_kind", value=lambda r: dict(r.requests.sent)),
    Figure(key="latencies_by_kind", value=_latencies),
    Figure(key="requests_per_second", measure=Measure.PER_SECOND, value=lambda r: r.throughput),
    Figure(
        key="duration_seconds",
        heading="Duration",
        measure=Measure.SECONDS,
        value=lambda r: r.duration,
        text=_duration_text,
        metric=Metric("duration_seconds", "How long the last run took."),
    ),
    Figure(
        key="limit",
        heading="In flight",
        value=lambda r: None if (limit := r.pacing.limit) is None else asdict(limit),
        text=_limit_text,
    ),
    Figure(heading="Rate limit", measure=Measure.PER_SECOND, value=lambda r: r.pacing.rate, text=_rate_text),
    Figure(
        key="retries",
        heading="Retries",
        value=lambda r: dict(r.requests.retries),
        text=_retries_text,
        metric=Metric(
            "retries",
            "Requests that were sent again, by what ended the attempt before.",
            ("reason",),
            lambda r: {(str(reason),): r.requests.retries[reason] for reason in FaultReason},
        ),
    ),
    Figure(key="throttled", value=lambda r: r.pacing.throttled, metric=Metric("throttled", "Answers 429.")),
    Figure(
        key="pauses",
        heading="Pauses",
        value=lambda r: r.pacing.pauses,
        text=_pauses_text,
        metric=Metric("pauses", "Pauses that Bitbucket asked for."),
    ),
    Figure(
        key="paused_seconds",
        measure=Measure.SECONDS,
        value=lambda r: r.pacing.paused_seconds,
        metric=Metric("paused_seconds", "Length of all pauses."),
    ),
    Figure(
        key="outages",
        heading="Outages",
        value=lambda r: r.pacing.outages,
        text=_outages_text,
        metric=Metric("outages", "Periods in which nothing was answered."),
    ),
    Figure(
        key="outage_seconds",
        measure=Measure.SECONDS,
        value=lambda r: r.pacing.outage_seconds,
        metric=Metric("outage_seconds", "Length of all outages."),
    ),
    Figure(
        key="resumed",
        heading="Resumed",
        value=lambda r: r.resumed,
        text=lambda r: f"{r.resumed:,} answers reused from an interrupted run" if r.resumed else None,
        metric=Metric("resumed_units", "Answers reused from an interrupted run."),
    ),
    *FRESHNESS,
    Figure(
        key="gone",
        heading="Deleted meanwhile",
        value=lambda r: r.gone,
        text=lambda r: f"{r.gone:,}" if r.gone else None,
        metric=Metric("gone_units", "Parts that were deleted during the run."),
    ),
    Figure(
        key="missing",
        heading="Left out",
        value=lambda r: r.missing_units,
        text=_missing_text,
        metric=Metric("missing_units", "Parts that could not be collected."),
    ),
    Figure(
        key="warnings",
        value=lambda r: [_warning(note) for note in r.warnings],
        metric=Metric(
            "warnings", "Warnings of the collector.", samples=lambda r: {(): sum(note.count for note in r.warnings)}
        ),
    ),
    Figure(
        key="payload_bytes",
        heading="Payload",
        measure=Measure.BYTES,
        value=lambda r: r.payload_bytes,
        text=_payload_text,
        metric=Metric("payload_bytes", "Size of the payload's JSON."),
    ),
    Figure(
        key="upload_bytes",
        measure=Measure.BYTES,
        value=lambda r: r.upload_bytes,
        metric=Metric("upload_bytes", "Size of what was uploaded."),
    ),
    CHANGES,
    Figure(
        value=lambda r: None if r.changes is None else r.changes.removed_shares(),
        metric=Metric(
            "removed_ratio", "Share of the last upload that is gone: what --max-removed limits.", ("kind",), _removed
        ),
    ),
    Figure(key="saved", heading="Saved in", value=lambda r: None if r.saved is None else str(r.saved)),
    Figure(
        key="upload",
        heading="Upload",
        value=lambda r: None if r.upload is None else r.upload.outcome,
        text=_upload_text,
    ),
    Figure(
        key="upload_warnings",
        value=lambda r: (
            []
            if r.upload is None
            else [_warning(Note(Code.VEZA, kind, count)) for kind, count in r.upload.warnings.most_common()]
        ),
        metric=Metric(
            "upload_warnings",
            "Warnings in Veza's answer.",
            samples=lambda r: None if r.upload is None else {(): r.upload.warnings.total()},
        ),
    ),
    Figure(
        key="veza_report",
        heading="Veza report",
        value=lambda r: None if r.veza_report is None else r.veza_report.outcome,
        text=_veza_report_text,
    ),
)
EXIT_CODE = Figure(
    heading="Exit code", value=lambda r: r.exit_code, metric=Metric("exit_code", "Exit code of the last run.")
)
AT_THE_END = (
    EXIT_CODE,
    Figure(value=lambda r: r.finished_at, metric=Metric("last_run_timestamp_seconds", "When the last run ended.")),
    Figure(
        value=lambda _: __version__,
        metric=Metric("build_info", "Version of the collector.", ("version",), lambda _: {(__version__,): 1}),
    ),
)
"""Not in JSON: the record in which the figures stand has the exit code and the time of its own."""
FIGURES = (*WHAT_WAS_FOUND, *HOW_IT_WENT, *AT_THE_END)
