"""Figures of a run for Prometheus, as a file for node_exporter's textfile collector.

Written whole, after failures too. Everything is a gauge about the last run, with the Bitbucket's host as a label, so
that the files of several instances can lie in one folder. The time of the last success is taken over from the file
that is being replaced. Names after Prometheus' rules: base units in the name, no `_total` on what can go down
(https://prometheus.io/docs/practices/naming/).
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket.faults import FaultReason
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.ops.summary import Summary
from oaa_bitbucket_async.reading import read_ours

_log = logging.getLogger(__name__)
PREFIX = "oaa_bitbucket"
FOR_ALL_TO_READ = 0o644
"""Prometheus' exporter runs as another user."""
_MOST = 256 << 10
"""Bytes: thirty times a metrics file of ours."""
LABEL = "bitbucket"
LAST_SUCCESS = f"{PREFIX}_last_success_timestamp_seconds"


def write_metrics(path: Path, summary: Summary, *, exit_code: int, finished_at: float) -> None:
    """Writes the file; `finished_at` in seconds since 1970. Blocks: call it off the event loop.

    A file that can't be written is worth a warning, not the run: what was uploaded is uploaded.
    """
    uploaded = summary.upload is not None and summary.upload.outcome == "uploaded"
    success = finished_at if exit_code == 0 and uploaded else _last_success(path, summary.instance)
    figures = _Figures(summary.instance)
    _run(figures, exit_code, finished_at, success, summary.duration)
    _requests(figures, summary.requests)
    _crawl(figures, summary)
    _payload(figures, summary)
    try:
        write_whole(path, generate_latest(figures.registry), mode=FOR_ALL_TO_READ)
    except CollectorError as error:
        _log.warning(
            "--metrics-file (OAA_METRICS_FILE): %s The run's result stands.",
            error.message,
            extra=event(Event.METRICS_FAILED),
        )


class _Figures:
    """A registry in which everything is a gauge that says of which Bitbucket it speaks."""

    def __init__(self, bitbucket: str) -> None:
        self.registry = CollectorRegistry()
        self._bitbucket = bitbucket

    def one(self, name: str, text: str, value: float) -> None:
        self.by((), name, text, {(): value})

    def by_one(self, label: str, name: str, text: str, values: Mapping[str, float]) -> None:
        self.by((label,), name, text, {(key,): value for key, value in values.items()})

    def by(self, labels: tuple[str, ...], name: str, text: str, values: Mapping[tuple[str, ...], float]) -> None:
        family = Gauge(f"{PREFIX}_{name}", text, [LABEL, *labels], registry=self.registry)
        for key, value in sorted(values.items()):
            family.labels(self._bitbucket, *key).set(value)


def _run(figures: _Figures, exit_code: int, finished_at: float, success: float | None, duration: float) -> None:
    if success is not None:
        figures.one("last_success_timestamp_seconds", "When a run last uploaded everything.", success)
    figures.one("last_run_timestamp_seconds", "When the last run ended.", finished_at)
    figures.one("exit_code", "Exit code of the last run.", exit_code)
    figures.one("duration_seconds", "How long the last run took.", duration)
    figures.by_one("version", "build_info", "Version of the collector.", {__version__: 1})


def _requests(figures: _Figures, requests: RequestStats) -> None:
    ends: dict[tuple[str, ...], float] = {}
    for kind, sent in requests.sent.items():
        answered = min(requests.answered[kind], sent)
        ends[kind, "answered"] = answered
        told = {word: count for (of, word), count in requests.unanswered.items() if of == kind}
        ends |= {(kind, word): count for word, count in told.items()}
        if given_up := sent - answered - sum(told.values()):
            ends[kind, "cut-off"] = given_up
    figures.by(("kind", "outcome"), "requests", "Requests that were sent to Bitbucket, retries included.", ends)
    retries = {str(reason): requests.retries[reason] for reason in FaultReason}
    figures.by_one("reason", "retries", "Requests that were sent again, by what ended the try before.", retries)


def _crawl(figures: _Figures, summary: Summary) -> None:
    if summary.users:  # whoever is signed in is one: without any user nothing was collected, and no figure is true
        entities = {
            "users": summary.users,
            "groups": summary.groups,
            "projects": summary.projects,
            "repositories": summary.repositories,
        }
        figures.by_one("kind", "entities", "What was collected.", entities)
        figures.one("grants", "Grants that were collected.", summary.grants)
    figures.one("missing_units", "Parts that could not be collected.", summary.missing_units)
    figures.one("gone_units", "Parts that were deleted during the run.", summary.gone)
    figures.one("resumed_units", "Answers taken over from an unfinished run.", summary.resumed)
    figures.one("warnings", "Warnings of the collector.", summary.warnings.total())
    figures.one("throttled", "Answers 429.", summary.throttled)
    figures.one("pauses", "Pauses that Bitbucket asked for.", summary.pauses)
    figures.one("paused_seconds", "Length of all pauses.", summary.paused_seconds)
    figures.one("outages", "Times at which nothing was answered any more.", summary.outages)
    figures.one("outage_seconds", "Length of all outages.", summary.outage_seconds)


def _payload(figures: _Figures, summary: Summary) -> None:
    if summary.payload_bytes is not None:
        figures.one("payload_bytes", "Size of the payload's JSON.", summary.payload_bytes)
    if summary.upload_bytes is not None:
        figures.one("upload_bytes", "Size of what was uploaded.", summary.upload_bytes)
    if summary.upload is not None:
        figures.one("upload_warnings", "Warnings in Veza's answer.", summary.upload.warnings.total())
    if summary.changes is not None:
        changed: dict[tuple[str, ...], float] = {}
        for kind, counts in summary.changes.counts().items():
            changed |= {(kind, change): count for change, count in counts.items()}
        figures.by(("kind", "change"), "changes", "What was added and removed since the last upload.", changed)


def _last_success(path: Path, instance: str) -> float | None:
    """That of this instance, from the file of the run before; None if there is none, or it can't be read."""
    try:
        text = read_ours(path, most=_MOST, mode=FOR_ALL_TO_READ).decode("utf-8")
        families = list(text_string_to_metric_families(text))
    except FileNotFoundError:
        return None
    except (CollectorError, ValueError) as error:
        _log.warning(
            "the time of the last success could not be taken over from %s: %s",
            path,
            error,
            extra=event(Event.METRICS_FAILED),
        )
        return None
    samples = (sample for family in families for sample in family.samples)
    return next((s.value for s in samples if s.name == LAST_SUCCESS and s.labels.get(LABEL) == instance), None)
