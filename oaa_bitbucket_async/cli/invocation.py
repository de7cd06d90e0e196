"""What one call of the command line needs beyond its settings: how to speak, and how errors end."""

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import click

from oaa_bitbucket_async.errors import CollectorError, InterruptedRunError
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.settings import LogFormat, Output

CLOSED_PIPE = 141
"""128 + SIGPIPE: whoever read our standard output went away."""


@dataclass(slots=True)
class Invocation:
    """Knows how to speak to the user: before settings are known as text, then as they say."""

    log_format: LogFormat = "text"
    debug: bool = False
    redact: Redactor = field(default_factory=Redactor)

    def configure(self, output: Output, redact: Redactor, warnings: Sequence[str]) -> None:
        """The settings are known; says what they warn of."""
        self.log_format, self.debug, self.redact = output.log_format, output.debug, redact
        for warning in warnings:
            self.say("warning", warning)

    def say(self, level: str, message: str, **fields: str | int) -> None:
        """One message on standard error."""
        message = self.redact(message)
        if self.log_format == "json":
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            click.echo(json.dumps({"ts": now, "level": level, "message": message, **fields}), err=True)
        else:
            click.echo(f"{level.capitalize()}: {message}", err=True)

    def guard(self, work: Callable[[], int]) -> int:
        """The exit code of `work`, or that of the error in which it ended, which is said in a line."""
        try:
            return work()
        except InterruptedRunError as error:
            return self._end(error, error.code)
        except CollectorError as error:
            return self._end(error, error.exit_code)
        except KeyboardInterrupt:
            self.say("error", "Interrupted.", exit_code=130)
            return 130
        except BrokenPipeError:
            close_standard_output()
            return CLOSED_PIPE
        except Exception:
            self._traceback()
            self.say(
                "error",
                "This is a bug in oaa-bitbucket-async. Please report it with the lines above and what --version shows.",
                exit_code=1,
            )
            return 1

    def _end(self, error: CollectorError, code: int) -> int:
        if self.debug:
            self._traceback()
        self.say("error", str(error), exit_code=code)
        return code

    def _traceback(self) -> None:
        text = self.redact(traceback.format_exc())
        if self.log_format == "json":
            self.say("error", "traceback", traceback=text)
        else:
            click.echo(text, err=True, nl=False)


def close_standard_output() -> None:
    """After a broken pipe: lets the interpreter's last flush go nowhere instead of into another error."""
    import os

    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    finally:
        os.close(null)
