"""Figures of a run for Prometheus, as a file for node_exporter's textfile collector.

Written whole, after failures too. Everything is a gauge about the last run, with the Bitbucket's host as a label, so
that the files of several instances can lie in one folder. The time of the last success is taken over from the file
that is being replaced. Names after Prometheus' rules: base units in the name, no `_total` on what can go down
(https://prometheus.io/docs/practices/naming/).
"""

import logging
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.ops.figures import FIGURES, Metric
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.reading import read_ours

_log = logging.getLogger(__name__)
PREFIX = "oaa_bitbucket"
FOR_ALL_TO_READ = 0o644
"""Prometheus' exporter runs as another user."""
_MOST = 256 << 10
"""Bytes: thirty times a metrics file of ours."""
LABEL = "bitbucket"
LAST_SUCCESS = f"{PREFIX}_last_success_timestamp_seconds"


def write_metrics(path: Path, result: RunResult) -> None:
    """Writes the file. Blocks: call it off the event loop.

    A file that can't be written is worth a warning, not the run: what was uploaded is uploaded.
    """
    success = result.finished_at if result.exit_code == 0 and result.uploaded else _last_success(path, result.instance)
    registry = _registry(result)
    metric = Metric("last_success_timestamp_seconds", "When a run last uploaded everything; 0: never.")
    _gauge(metric, registry).labels(result.instance).set(success)
    try:
        write_whole(path, generate_latest(registry), mode=FOR_ALL_TO_READ)
    except CollectorError as error:
        _log.warning(
            "--metrics-file (OAA_METRICS_FILE): %s The run's result stands.",
            error.message,
            extra=event(Event.METRICS_FAILED),
        )


def _registry(result: RunResult) -> CollectorRegistry:
    """Several figures can share a metric: each then has its own value of the metric's label."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for figure in FIGURES:
        samples = figure.samples_of(result)
        if figure.metric is None or samples is None:
            continue
        name = figure.metric.name
        if name not in gauges:
            gauges[name] = _gauge(figure.metric, registry)
        for labels, value in sorted(samples.items()):
            gauges[name].labels(result.instance, *labels).set(value)
    return registry


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"{PREFIX}_{metric.name}", metric.help, [LABEL, *metric.labels], registry=registry)


def _last_success(path: Path, instance: str) -> float:
    """That of this instance, from the file of the run before; 0 if there is none, or it can't be read.

    An alert compares it with the time: it has to be there for that.
    """
    try:
        text = read_ours(path, most=_MOST, mode=FOR_ALL_TO_READ).decode("utf-8")
        families = list(text_string_to_metric_families(text))
    except FileNotFoundError:
        return 0.0
    except (CollectorError, ValueError) as error:
        _log.warning(
            "the time of the last success could not be taken over from %s: %s",
            path,
            error,
            extra=event(Event.METRICS_FAILED),
        )
        return 0.0
    samples = (sample for family in families for sample in family.samples)
    return next((s.value for s in samples if s.name == LAST_SUCCESS and s.labels.get(LABEL) == instance), 0.0)
