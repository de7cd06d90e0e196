"""Figures of a run for Prometheus, as a file for node_exporter's textfile collector.

Written whole, after failures too. Everything is a gauge about the last run; the time of the last success is
taken over from the file that is being replaced.
"""

import logging
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.ops.summary import Summary

_log = logging.getLogger(__name__)
PREFIX = "oaa_bitbucket"
LAST_SUCCESS = f"{PREFIX}_last_success_timestamp_seconds"


def write_metrics(path: Path, summary: Summary, *, exit_code: int, finished_at: float) -> None:
    """Writes the file; `finished_at` in seconds since 1970. Blocks: call it off the event loop.

    A file that can't be written is worth a warning, not the run: what was uploaded is uploaded.
    """
    last_success = finished_at if exit_code == 0 else _last_success(path)
    registry = _registry(summary, exit_code=exit_code, finished_at=finished_at, last_success=last_success)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        _log.warning(
            "--metrics-file (OAA_METRICS_FILE): %s could not be written: %s. The run's result stands.",
            path,
            error.strerror or error,
            extra=event(Event.METRICS_FAILED),
        )


def _registry(summary: Summary, *, exit_code: int, finished_at: float, last_success: float | None) -> CollectorRegistry:
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(f"{PREFIX}_{name}", text, registry=registry).set(value)

    def by(name: str, text: str, label: str, values: dict[str, int]) -> None:
        family = Gauge(f"{PREFIX}_{name}", text, [label], registry=registry)
        for key, value in sorted(values.items()):
            family.labels(key).set(value)

    if last_success is not None:
        gauge("last_success_timestamp_seconds", "When a run last ended with exit code 0.", last_success)
    gauge("last_run_timestamp_seconds", "When the last run ended.", finished_at)
    gauge("exit_code", "Exit code of the last run.", exit_code)
    gauge("duration_seconds", "How long the last run took.", summary.duration)
    by(
        "entities",
        "What was collected.",
        "kind",
        {
            "users": summary.users,
            "groups": summary.groups,
            "projects": summary.projects,
            "repositories": summary.repositories,
            "grants": summary.grants,
        },
    )
    requests = summary.requests
    family = Gauge(f"{PREFIX}_requests", "Requests to Bitbucket.", ["kind", "outcome"], registry=registry)
    for kind, sent in sorted(requests.sent.items()):
        answered = min(requests.answered[kind], sent)
        family.labels(kind, "answered").set(answered)
        family.labels(kind, "other").set(sent - answered)
    by("refusals", "Last words of Bitbucket that were no answer.", "outcome", dict(requests.refused))
    by("faults", "Attempts that failed.", "reason", dict(requests.faults))
    by("retries", "Attempts that were made again.", "reason", dict(requests.retries))
    gauge("throttled", "Answers 429.", summary.throttled)
    gauge("pauses", "Pauses that Bitbucket asked for.", summary.pauses)
    gauge("paused_seconds", "Length of all pauses.", summary.paused_seconds)
    gauge("outages", "Times at which nothing was answered any more.", summary.outages)
    gauge("outage_seconds", "Length of all outages.", summary.outage_seconds)
    gauge("missing_units", "Parts that could not be collected.", len(summary.missing))
    gauge("gone_units", "Parts that were deleted during the run.", summary.gone)
    gauge("resumed_units", "Answers taken over from an unfinished run.", summary.resumed)
    gauge("warnings", "Warnings of the collector.", summary.warnings.total())
    if summary.payload_bytes is not None:
        gauge("payload_bytes", "Size of the payload's JSON.", summary.payload_bytes)
    if summary.upload_bytes is not None:
        gauge("upload_bytes", "Size of what was uploaded.", summary.upload_bytes)
    if summary.upload is not None:
        gauge("upload_warnings", "Warnings in Veza's answer.", summary.upload.warnings.total())
    return registry


def _last_success(path: Path) -> float | None:
    """From the file of the run before; None if there is none, or it can't be read."""
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning(
            "the time of the last success could not be taken over from %s: %s",
            path,
            error,
            extra=event(Event.METRICS_FAILED),
        )
        return None
    return next((s.value for family in families for s in family.samples if s.name == LAST_SUCCESS), None)
