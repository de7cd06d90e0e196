"""The summary at the end of a run: tables on a terminal, lines in the log."""

import logging
import shlex
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.ops.causes import cause_lines, sentence
from oaa_bitbucket_async.ops.changes_text import change_lines, show_changes
from oaa_bitbucket_async.ops.figure import Figure
from oaa_bitbucket_async.ops.figures import CHANGES, HOW_IT_WENT, WHAT_WAS_FOUND, rows_of
from oaa_bitbucket_async.ops.formats import milliseconds_text
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.verdict import BAD, GOOD, INCOMPLETE, verdict
from oaa_bitbucket_async.settings import Output
from oaa_bitbucket_async.text import escape

_log = logging.getLogger(__name__)
_MOST_WARNINGS = 10
_PLANNED = 20
"""Lines of each kind in what an upload would change."""
_STYLES = {GOOD: "bold green", INCOMPLETE: "bold yellow", BAD: "bold red"}


def render(result: RunResult, console: Console, output: Output) -> None:
    """Shows the summary, the verdict first: tables on a terminal, lines in a log.

    A JSON log gets only what is missing: the figures are in its last record, `run-ended`.
    """
    if output.log_format == "json":
        for entry in result.missing:
            _log.warning("missing: %s", sentence(entry), extra=event(Event.MISSING, **_entry_fields(entry)))
        return
    for entry in result.missing:
        _log.debug("missing: %s", sentence(entry))
    if console.is_terminal:
        console.print(_tables(result, console, debug=output.debug))
        if (plan := _plan(result)) is not None:
            console.print(Text("\nWhat an upload would change", style="bold"))
            show_changes(plan, console, limit=_PLANNED)
            console.print(Text(escape(_the_rest(result)), style="dim"), soft_wrap=True)
        return
    _log.info("%s", _verdict_line(result, console))
    for name, value in rows_of(result, (CHANGES,)):
        _log.info("%s: %s", name.lower(), value)
    for line in (*warning_lines(result), *cause_lines(result.missing, result.missing_file)):
        _log.warning("%s", line)
    for name, value in rows_of(result, _shown(result)):
        _log.info("%s: %s", name.lower(), value)
    for line in _kind_lines(result.requests):
        _log.debug("%s", line)
    if (plan := _plan(result)) is not None:
        for line in change_lines(plan, limit=_PLANNED):
            _log.info("an upload would change %s", line)
        _log.info("%s", _the_rest(result))


def _plan(result: RunResult) -> Changes | None:
    """What an upload would have changed, after a dry run."""
    dry = result.upload is not None and result.upload.outcome == "dry run"
    return result.changes if dry and result.changes else None


def _the_rest(result: RunResult) -> str:
    last = shlex.quote(str(result.compared_with))
    payload = "PAYLOAD" if result.saved is None else shlex.quote(str(result.saved))
    how = "" if result.saved is not None else ", with the PAYLOAD that --save-json writes"
    return f"`oaa-bitbucket-async diff {last} {payload}` shows all changes{how}."


def _shown(result: RunResult) -> list[Figure]:
    """The figures to show. If the run ended before everything had been asked, leaves out what was found."""
    found = () if result.cut_short else WHAT_WAS_FOUND
    return [*found, *(figure for figure in HOW_IT_WENT if figure is not CHANGES)]


def _verdict_line(result: RunResult, console: Console) -> str:
    mark, line = verdict(result)
    return line if console.options.ascii_only else f"{mark} {line}"


def _tables(result: RunResult, console: Console, *, debug: bool) -> Group:
    mark, _ = verdict(result)
    parts: list[RenderableType] = [Text(escape(_verdict_line(result, console)), style=_STYLES[mark])]
    if changes := rows_of(result, (CHANGES,)):
        parts.append(_grid(changes))
    warnings = [f"Warning: {line}" for line in warning_lines(result)]
    for lines in (warnings, cause_lines(result.missing, result.missing_file)):
        if lines:
            parts += [Text(""), *(Text(escape(line), style="yellow") for line in lines)]
    parts += [Text(""), Text(escape(result.instance), style="bold"), _grid(rows_of(result, _shown(result)))]
    if debug and result.requests.sent:
        parts += [Text(""), _kinds(result.requests)]
    return Group(*parts)


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
    ours = [note.message for note in sorted(result.warnings, key=lambda note: -note.count)]
    veza = result.upload.warnings.most_common() if result.upload is not None else []
    return [
        *_capped(ours, _MOST_WARNINGS),
        *_capped([f"Veza warns: {kind} ({count:,})" for kind, count in veza], _MOST_WARNINGS),
    ]


def _capped(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"… and {len(lines) - most:,} more kinds."]


def _entry_fields(entry: Entry) -> dict[str, object]:
    return {
        "what": entry.what,
        "unit": entry.unit.kind,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "advice": entry.advice,
    }
