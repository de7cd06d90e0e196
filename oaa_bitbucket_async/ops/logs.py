"""The log, on standard error: lines for people, or one JSON object a line for machines.

`extra=event(Event.RESUMED, answers=12)` adds data for machines. In JSON the event's name stays the same if the
message changes, and each field becomes a key.
News about the run is logged at info. News about one unit of work is logged at debug.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rich.console import Console

from oaa_bitbucket_async.events import Event, json_line
from oaa_bitbucket_async.ops.terminal import write_line
from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.settings import Output
from oaa_bitbucket_async.text import escape, escape_lines

OURS = "oaa_bitbucket_async"
_QUIET = {"urllib3": logging.INFO, "oaaclient": logging.INFO, "aiohttp": logging.INFO, "asyncio": logging.INFO}
"""Never below these levels, not even with --debug: what they log at debug can hold bodies and addresses."""


@contextmanager
def logging_to(console: Console, output: Output, *, redact: Redact) -> Iterator[None]:
    """Logs to `console` as `output` says until the end of the block, then leaves logging as it was.

    Every text that leaves passes `redact`: messages, fields and tracebacks.
    """
    formatter = JsonFormatter(redact, output.run_id) if output.log_format == "json" else TextFormatter(redact)
    handler = _ConsoleHandler(console, redact)
    handler.setFormatter(formatter)
    root, ours = logging.getLogger(), logging.getLogger(OURS)
    levels = {root: logging.WARNING, ours: logging.DEBUG if output.debug else logging.INFO}
    levels |= {logging.getLogger(name): level if output.debug else logging.WARNING for name, level in _QUIET.items()}
    before = {logger: logger.level for logger in levels}
    handlers = root.handlers[:]
    for logger, level in levels.items():
        logger.setLevel(level)
    root.handlers[:] = [handler]
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        for logger, level in before.items():
            logger.setLevel(level)


class TextFormatter(logging.Formatter):
    """`2026-01-31T22:00:05Z WARNING message`, a traceback below it."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line, without secrets; only a traceback has more lines."""
        line = escape(self._redact(f"{_time(record)} {record.levelname:<7} {record.getMessage()}".rstrip("\n")))
        trace = _traceback(self, record)
        return f"{line}\n  {escape_lines(self._redact(trace))}" if trace else line


class JsonFormatter(logging.Formatter):
    """One JSON object: ts, level, event, message, logger, run, and the record's fields."""

    def __init__(self, redact: Redact, run_id: str) -> None:
        super().__init__()
        self._redact = redact
        self._run_id = run_id

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON without secrets."""
        fields = getattr(record, "fields", None)
        more = dict(fields) if isinstance(fields, dict) else {}
        trace = _traceback(self, record)
        if trace:
            more["traceback"] = trace
        return json_line(
            self._redact,
            at=record.created,
            level=record.levelname.lower(),
            name=str(getattr(record, "event", Event.OTHER)),
            message=record.getMessage(),
            logger=record.name,
            run=self._run_id,
            more=more,
        )


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console, redact: Redact) -> None:
        super().__init__()
        self._console = console
        self._redact = redact

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_line(self._console, self.format(record))
        except Exception as error:
            # logging's own way would print the record's arguments, which may hold what redaction keeps back
            problem = f"a log record of {record.name}:{record.lineno} could not be written: {type(error).__name__}"
            with suppress(Exception):  # nobody is there to be told: who logs must not fail by it
                write_line(self._console, self._redact(problem))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)
