"""Consoles: the one on standard error that log lines, progress and summary share, so that none tears another."""

from rich.console import Console
from rich.text import Text

from oaa_bitbucket_async.settings import Output


class QuietConsole(Console):
    """A console that falls silent when its terminal or pipe is gone; rich's own would end the process, exit code 1."""

    def on_broken_pipe(self) -> None:
        """Called by rich in place of raising."""
        self.quiet = True


def error_console() -> Console:
    """A console on standard error: without colours and boxes where that is no terminal."""
    return QuietConsole(stderr=True, highlight=False, markup=False, emoji=False)


def output_console() -> Console:
    """A console on standard output, for what a command was asked for."""
    return Console(highlight=False, markup=False, emoji=False)


def shows_progress(output: Output, console: Console) -> bool:
    """Whether a live display is wanted and possible: on a terminal, and not between lines of JSON."""
    if output.progress is False or output.log_format == "json":
        return False
    return console.is_terminal and not console.is_dumb_terminal


def plain(text: str) -> str:
    """`text` with control characters spelled out: names from Bitbucket must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def write_line(console: Console, line: str) -> None:
    """One line above a live display, or straight to the file where there can be none."""
    if console.is_terminal:
        console.print(Text(line), soft_wrap=True)
    else:
        console.file.write(line + "\n")
        console.file.flush()
