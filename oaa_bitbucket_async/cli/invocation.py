"""Sets up logging for one call of the command line, and determines its exit code."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

import click

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, Figures, json_line
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import LogFormat, Output, new_run_id
from oaa_bitbucket_async.text import escape, escape_lines

_SECRETS = ("BITBUCKET_TOKEN", "VEZA_API_KEY")
CLOSED_PIPE = 141
"""128 + SIGPIPE: the reader of standard output closed the pipe."""
BUG = 70
"""The exit code of a bug in commands that use exit code 1 as an answer (EX_SOFTWARE of sysexits.h)."""


class Interrupted(KeyboardInterrupt):
    """A signal came while no run was listening for it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """The handler of SIGINT and SIGTERM outside of a run."""
    raise Interrupted(number)


def interrupted_code(error: BaseException | None) -> int:
    """128 + the signal's number, as shells have it."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


@dataclass(slots=True)
class Invocation:
    """Logs and prints for one call: in the format `log_format` until the settings are known, then as they say."""

    log_format: LogFormat = "text"
    debug: bool = False
    redact: Redactor = field(default_factory=Redactor)
    run_id: str = field(default_factory=new_run_id)
    figures: Figures = field(default_factory=dict)
    """The result of the run: its fields in the last record of the JSON log."""

    @classmethod
    def of(cls, arguments: Sequence[str], environ: Mapping[str, str]) -> "Invocation":
        """Logs JSON from the start if the user asked for it, even if other arguments are wrong.

        It also masks the secrets of the environment before the settings are known.
        """
        wanted = environ.get("OAA_LOG_FORMAT", "")
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
            name, equals, value = argument.partition("=")
            if name == "--log-format":
                wanted = value if equals else following
        secrets = [Secret(environ[name]) for name in _SECRETS if environ.get(name)]
        return cls(log_format="json" if wanted == "json" else "text", redact=Redactor(secrets))

    def configure(self, output: Output, redact: Redactor, warnings: Sequence[str]) -> None:
        """Takes the settings, and logs their warnings."""
        self.log_format, self.debug, self.redact = output.log_format, output.debug, redact
        self.run_id = output.run_id
        for warning in warnings:
            self._say("warning", warning, Event.SETTINGS_WARNING)

    def guard(self, work: Callable[[], int], *, is_run: bool = True) -> int:
        """The exit code of `work`, or of the error that ended it. The error is printed in one line.

        A command that is not a run has no summary, so it logs nothing at its end unless it failed.
        """
        try:
            code = work()
            return self.end(code) if is_run else code
        except CollectorError as error:
            return self.end(error.exit_code, error.lines, self._trace(error) if self.debug else "")
        except KeyboardInterrupt as error:
            return self.end(interrupted_code(error), ["Interrupted."])
        except BrokenPipeError:
            close_standard_output()
            return self.end(CLOSED_PIPE)
        except Exception as error:
            return self.end(
                1 if is_run else BUG,
                [
                    "This is a bug in oaa-bitbucket-async. Please report it with the lines above and what --version "
                    "shows."
                ],
                self._trace(error),
            )

    def end(self, code: int, lines: Sequence[str] = (), trace: str = "") -> int:
        """Logs the end: an error in one line, or in JSON always one summary record. Gives `code` back."""
        error = " ".join(line.strip() for line in lines)
        if self.log_format == "json":
            more: Figures = {"exit_code": code, "error": error or None, **self.figures}
            if trace:
                more["traceback"] = trace
            level = "error" if error else "warning" if code else "info"
            self._say(level, error or f"ended with exit code {code}", Event.RUN_ENDED, more)
            return code
        if trace:
            _write(escape_lines(self.redact(trace)))
        for at, line in enumerate(lines):
            _write(f"{'' if at else 'Error: '}{escape(self.redact(line))}")
        return code

    def _say(self, level: str, message: str, name: Event, more: Figures | None = None) -> None:
        if self.log_format == "text":
            _write(f"{level.capitalize()}: {escape(self.redact(message))}")
            return
        line = json_line(
            self.redact,
            at=time.time(),
            level=level,
            name=name,
            message=message,
            logger=__name__,
            run=self.run_id,
            more=more or {},
        )
        _write(line)

    @staticmethod
    def _trace(error: BaseException) -> str:
        return "".join(traceback.format_exception(error))


def _write(line: str) -> None:
    """Print to standard error if that still works. The exit code reports the result in any case."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def let_go_of_standard_error() -> None:
    """Flush at the end. On a full disk Python's own last flush would fail and change the exit code."""
    if sys.stderr is None:  # closed before we began
        return
    try:
        sys.stderr.flush()
    except OSError:
        _into_nothing(sys.stderr.fileno())


def close_standard_output() -> None:
    """After a broken pipe, send the interpreter's last flush to the null device, so that it raises no second error."""
    _into_nothing(sys.stdout.fileno())


def _into_nothing(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, descriptor)
    finally:
        os.close(null)
