"""Figures of a run for Prometheus, as a file for node_exporter's textfile collector.

Written whole, after failures too. Everything is a gauge about the last run, with the Bitbucket's host as a label, so
that the files of several instances can lie in one folder. What is about the last upload is taken over from the file
that is being replaced. Names after Prometheus' rules: base units in the name, no `_total` on what can go down
(https://prometheus.io/docs/practices/naming/).
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.ops.figure import Metric
from oaa_bitbucket_async.ops.figures import FIGURES
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
_OF_THE_LAST_UPLOAD = (LAST_SUCCESS, f"{PREFIX}_oldest_answer_seconds")
"""They stay as they were until there is another upload."""


def write_metrics(path: Path, result: RunResult) -> None:
    """Writes the file. Blocks: call it off the event loop.

    A file that can't be written is worth a warning, not the run: what was uploaded is uploaded.
    """
    succeeded = result.exit_code == 0 and result.uploaded
    before = {} if succeeded else _last_values(path, result.instance)
    registry = _registry(result, before)
    metric = Metric("last_success_timestamp_seconds", "When a run last uploaded everything; 0: never.")
    success = result.finished_at if succeeded else before.get(LAST_SUCCESS, 0.0)
    _gauge(metric, registry).labels(result.instance).set(success)
    try:
        write_whole(path, generate_latest(registry), mode=FOR_ALL_TO_READ)
    except CollectorError as error:
        _log.warning(
            "--metrics-file (OAA_METRICS_FILE): %s The result of the run is not affected.",
            error.message,
            extra=event(Event.METRICS_FAILED),
        )


def _registry(result: RunResult, before: Mapping[str, float]) -> CollectorRegistry:
    """Several figures can share a metric: each then has its own value of the metric's label.

    `before` has what stays as it was where this run has no value.
    """
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for figure in FIGURES:
        samples = figure.samples_of(result)
        if figure.metric is None:
            continue
        name = figure.metric.name
        if samples is None and (value := before.get(f"{PREFIX}_{name}")) is not None:
            samples = {(): value}
        if samples is None:
            continue
        if name not in gauges:
            gauges[name] = _gauge(figure.metric, registry)
        for labels, value in sorted(samples.items()):
            gauges[name].labels(result.instance, *labels).set(value)
    return registry


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"{PREFIX}_{metric.name}", metric.help, [LABEL, *metric.labels], registry=registry)


def _last_values(path: Path, instance: str) -> dict[str, float]:
    """What the file of the run before says of the last upload; nothing if there is none, or it can't be read.

    Alerts compare it with the time: it has to be there for that.
    """
    try:
        text = read_ours(path, most=_MOST, mode=FOR_ALL_TO_READ).decode("utf-8")
        families = list(text_string_to_metric_families(text))
    except FileNotFoundError:
        return {}
    except (CollectorError, ValueError) as error:
        _log.warning(
            "the time of the last success could not be read from %s: %s",
            path,
            error,
            extra=event(Event.METRICS_FAILED),
        )
        return {}
    samples = (sample for family in families for sample in family.samples)
    return {s.name: s.value for s in samples if s.name in _OF_THE_LAST_UPLOAD and s.labels.get(LABEL) == instance}
