"""The log, on standard error: lines for people, or one JSON object a line for machines.

A record tells machines more with `extra={"event": "listing-done", "fields": {"kind": "users", "rows": 12}}`:
in JSON the event's name stays what it is when the message is worded anew, and `fields` become keys of their own.
At info a record is news of the run; what concerns one unit of work is logged at debug.
"""

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console

from oaa_bitbucket_async.ops.terminal import plain, write_line
from oaa_bitbucket_async.settings import Output

OURS = "oaa_bitbucket_async"
_QUIET = {"urllib3": logging.INFO, "oaaclient": logging.INFO, "aiohttp": logging.INFO, "asyncio": logging.INFO}
"""Never below these levels, not even with --debug: what they log at debug can hold bodies and addresses."""

Redact = Callable[[str], str]


def new_run_id() -> str:
    """Twelve letters that tell this run's records from any other's."""
    return uuid.uuid4().hex[:12]


@contextmanager
def logging_to(console: Console, output: Output, *, redact: Redact, run_id: str) -> Iterator[None]:
    """Logs to `console` as `output` says until the end of the block, then leaves logging as it was.

    Every text that leaves passes `redact`: messages, fields and tracebacks.
    """
    formatter = JsonFormatter(redact, run_id) if output.log_format == "json" else TextFormatter(redact)
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
        """The record as text, without secrets and without control characters."""
        line = f"{_time(record, 'seconds')} {record.levelname:<7} {record.getMessage()}"
        trace = _traceback(self, record)
        return plain(self._redact(f"{line}\n{trace}" if trace else line))


class JsonFormatter(logging.Formatter):
    """One JSON object: ts, level, event, message, logger, run, and the record's fields."""

    def __init__(self, redact: Redact, run_id: str) -> None:
        super().__init__()
        self._redact = redact
        self._run_id = run_id

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON without secrets."""
        found: dict[str, object] = {
            "ts": _time(record, "milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "log"),
            "message": record.getMessage(),
            "logger": record.name,
            "run": self._run_id,
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            found |= {str(key): value for key, value in fields.items() if key not in found}
        trace = _traceback(self, record)
        if trace:
            found["traceback"] = trace
        return json.dumps(self._clean(found), default=str, ensure_ascii=True)

    def _clean(self, value: object) -> object:
        if isinstance(value, dict):
            return {self._redact(str(key)): self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._redact(str(value))


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console, redact: Redact) -> None:
        super().__init__()
        self._console = console
        self._redact = redact

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_line(self._console, self.format(record))
        except BrokenPipeError:  # nobody reads the log any more; the run goes on
            return
        except Exception as error:
            # logging's own way would print the record's arguments, which may hold what redaction keeps back
            problem = f"a log record of {record.name}:{record.lineno} could not be written: {type(error).__name__}"
            write_line(self._console, self._redact(problem))


def _time(record: logging.LogRecord, precision: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)
