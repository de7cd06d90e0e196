"""What a figure of a run is: `ops.figures` has all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from oaa_bitbucket_async.ops.formats import duration_text, size_text
from oaa_bitbucket_async.ops.result import RunResult

Value = float | str | Sequence[str] | Sequence[Mapping[str, object]] | Mapping[str, object] | None
Samples = Mapping[tuple[str, ...], float]
"""Values by the values of the labels."""


class Measure(Enum):
    """What a number counts: this decides how it is rounded and written."""

    COUNT = "count"
    SECONDS = "seconds"
    BYTES = "bytes"
    PER_SECOND = "per second"


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge for Prometheus. `name` is without our prefix."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    samples: Callable[[RunResult], Samples | None] | None = None
    """None: the figure's value is the only sample. If the function gives None, the file has no such metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a run, under all its names. An output in which it has no name leaves it out."""

    value: Callable[[RunResult], Value]
    """None where it is not known."""
    measure: Measure = Measure.COUNT
    key: str | None = None
    """Its name in JSON."""
    heading: str | None = None
    """What people read beside its text."""
    text: Callable[[RunResult], str | None] | None = None
    """The value in words, with details. None if it needs no row. The default follows `measure`."""
    metric: Metric | None = None

    def of(self, result: RunResult) -> Value:
        """The value, rounded: the same in JSON and metrics."""
        value = self.value(result)
        if isinstance(value, float) and self.measure is Measure.SECONDS:
            return round(value, 3)
        if isinstance(value, float) and self.measure is Measure.PER_SECOND:
            return round(value, 1)
        return value

    def text_of(self, result: RunResult) -> str | None:
        """What people read; None if there is nothing to say."""
        if self.text is not None:
            return self.text(result)
        value = self.of(result)
        if not isinstance(value, int | float):
            return None if value is None else str(value)
        if self.measure is Measure.SECONDS:
            return duration_text(value)
        return size_text(value) if self.measure is Measure.BYTES else f"{value:,}"

    def samples_of(self, result: RunResult) -> Samples | None:
        """The metric's samples; None if the file has no such metric this time."""
        if self.metric is None:
            return None
        if self.metric.samples is not None:
            return self.metric.samples(result)
        value = self.of(result)
        return {(): value} if isinstance(value, int | float) else None
