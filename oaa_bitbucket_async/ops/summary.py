"""The summary at the end of a run: tables on a terminal, lines in the log."""

import logging
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.ops.figures import HOW_IT_WENT, WHAT_WAS_FOUND, rows_of
from oaa_bitbucket_async.ops.formats import milliseconds_text
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.settings import Output
from oaa_bitbucket_async.text import escape

_log = logging.getLogger(__name__)
_MOST_MISSING = 1000
"""Where thousands are missing one right is missing, and the first of them say which."""
_MOST_WARNINGS = 10
_SHOWN = (*WHAT_WAS_FOUND, *HOW_IT_WENT)


def render(result: RunResult, console: Console, output: Output) -> None:
    """Shows the summary: tables on a terminal, lines in a log.

    A JSON log gets only what is missing: the figures are in its last record, `run-ended`.
    """
    for entry in result.missing[_MOST_MISSING:]:
        _log.debug("missing: %s", _sentence(entry))
    if console.is_terminal and output.log_format == "text":
        console.print(_tables(result))
        return
    if output.log_format == "json":
        for entry in result.missing[:_MOST_MISSING]:
            _log.warning("missing: %s", _sentence(entry), extra=event(Event.MISSING, **_entry_fields(entry)))
        return
    for name, value in rows_of(result, _SHOWN):
        _log.info("%s: %s", name.lower(), value)
    for line in _kind_lines(result.requests):
        _log.debug("%s", line)
    for line in warning_lines(result):
        _log.warning("%s", line)
    for line in _missing_lines(result.missing):
        _log.warning("%s", line)


def _tables(result: RunResult) -> Group:
    parts: list[RenderableType] = [_grid(rows_of(result, _SHOWN))]
    if result.requests.sent:
        parts += [Text(""), _kinds(result.requests)]
    for lines, head in ((warning_lines(result), "Warning: "), (_missing_lines(result.missing), "")):
        if lines:
            parts += [Text(""), *(Text(escape(f"{head}{line}"), style="yellow") for line in lines)]
    return Group(Text(escape(result.instance), style="bold"), *parts)


def _grid(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
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
    """Each kind of request: how many were sent, the median latency, and the one of 95 %. The most frequent first."""
    found = []
    for kind, sent in sorted(requests.sent.items(), key=lambda item: (-item[1], item[0])):
        latencies = requests.latencies.get(kind)
        median, high = ("–", "–") if latencies is None else map(milliseconds_text, map(latencies.quantile, (0.5, 0.95)))
        found.append((kind, sent, median, high))
    return found


def _kind_lines(requests: RequestStats) -> list[str]:
    return [
        f"requests for {kind}: {sent:,}, median {median}, 95 % within {high}"
        for kind, sent, median, high in kind_rows(requests)
    ]


def warning_lines(result: RunResult) -> list[str]:
    """Our warnings, then Veza's: one line for each kind."""
    ours = [f"{kind} ({count:,})" if count > 1 else kind for kind, count in result.warnings.most_common()]
    veza = result.upload.warnings.most_common() if result.upload is not None else []
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
