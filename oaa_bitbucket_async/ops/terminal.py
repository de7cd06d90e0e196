"""Consoles. Log lines, progress and summary share one on standard error, so that none breaks another's lines."""

import codecs
import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO, cast

from rich.console import Console
from rich.text import Text

from oaa_bitbucket_async.settings import Output
from oaa_bitbucket_async.text import escape_json


class QuietConsole(Console):
    """A console that falls silent when its terminal or pipe is gone; rich's own would end the process, exit code 1."""

    def on_broken_pipe(self) -> None:
        """Called by rich in place of raising."""
        self.quiet = True


class StandardError:
    """Standard error, whichever file that is at the time. Output that can't be written is lost.

    It may be a log file on a full disk, or a closed terminal. That must not end a run or change its exit code.
    """

    def write(self, text: str) -> int:
        """Write as far as possible."""
        with contextlib.suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as possible."""
        with contextlib.suppress(OSError):
            self._file.flush()

    def __getattr__(self, name: str) -> object:
        """All else is the file's own: whether it is a terminal, how it encodes."""
        return getattr(self._file, name)

    @property
    def _file(self) -> IO[str]:
        """While there is a live display, rich's own file is in the place of the real one."""
        file: IO[str] = getattr(sys.stderr, "rich_proxied_file", sys.stderr) or io.StringIO()  # closed before we began
        return file


def error_console() -> Console:
    """A console on standard error: without colours and boxes where that is no terminal."""
    file = cast("IO[str]", StandardError())
    return QuietConsole(file=file, stderr=True, highlight=False, markup=False, emoji=False)


def output_console() -> Console:
    """A console on standard output, for what a command was asked for."""
    return Console(highlight=False, markup=False, emoji=False)


def shows_progress(output: Output, console: Console) -> bool:
    """Whether a live display is wanted and possible: on a terminal, and not between lines of JSON."""
    if output.progress is False or output.log_format == "json":
        return False
    return console.is_terminal and not console.is_dumb_terminal


@contextlib.contextmanager
def step(console: Console, output: Output, what: str) -> Iterator[None]:
    """Says on a terminal what is being done, while the block does it. Not inside another display."""
    if not shows_progress(output, console):
        yield
        return
    with console.status(f"{what} …", spinner="line", spinner_style="default"):
        yield


def write_line(console: Console, line: str) -> None:
    """One line above a live display, or straight to the file where there can be none."""
    if console.is_terminal:
        console.print(Text(line), soft_wrap=True)
    else:
        console.file.write(line + "\n")
        console.file.flush()


def write_json(file: BinaryIO, chunks: Iterable[bytes]) -> None:
    """Writes JSON unchanged to a file or a pipe. On a terminal, escapes control characters as JSON allows."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    file.writelines(escape_json(decode(chunk)).encode() if file.isatty() else chunk for chunk in chunks)
    file.flush()
