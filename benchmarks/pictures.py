"""`python -m benchmarks.pictures`: makes the pictures of the README from a real run of the demo.

A run on a terminal as SVG, and the report as PNG, each for a light and a dark page. Needs a POSIX system, and for the
report a browser (`benchmarks.browser`).
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from benchmarks.browser import DARK, LIGHT, browse

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
COLUMNS, LINES = 80, 50
"""Of the terminal."""
_SHARE = 0.6
"""How far the run is in the picture of its progress."""
PAGE_WIDTH, PAGE_HEIGHT = 1080, 908
"""What is shown of the report, in CSS pixels: the page's head and the first findings."""
_PIECE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+")
_STEERING = ("OAA_", "BITBUCKET_", "VEZA_", "NO_COLOR", "FORCE_COLOR", "TTY_")
"""Variables that would change what is shown."""
_DONE = re.compile(r"Requests +([0-9,]+) of ([0-9,]+)")

Colour = tuple[int, int, int]


def _rgb(colour: str) -> Colour:
    return int(colour[0:2], 16), int(colour[2:4], 16), int(colour[4:6], 16)


def _theme(background: str, foreground: str, colours: str) -> TerminalTheme:
    """`colours`: black, red, green, yellow, blue, magenta, cyan, white, and bright black."""
    *normal, grey = map(_rgb, colours.split())
    return TerminalTheme(_rgb(background), _rgb(foreground), normal, [grey, *normal[1:]])


THEMES = {
    "light": _theme("ffffff", "1f2328", "1f2328 cf222e 116329 7d4e00 0969da 8250df 1b7c83 6e7781 c4ccd4"),
    "dark": _theme("0d1117", "e6edf3", "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4 3d444d"),
}
"""The colours of GitHub's pages."""
_EDGES = {"light": "#d1d9e0", "dark": "#3d444d"}
_SCHEMES = {"light": LIGHT, "dark": DARK}

_FORMAT = """\
<svg viewBox="0 0 {{width}} {{height}}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>{title}</title>
<style>
.{{unique_id}}-matrix {{{{
  font: {{char_height}}px/{{line_height}}px ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono",
    monospace;
}}}}
.{{unique_id}}-title {{{{
  font: 600 17px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
}}}}
{{styles}}
</style>
<defs>
{{lines}}
</defs>
{{chrome}}
<g transform="translate({{terminal_x}}, {{terminal_y}})">
{{backgrounds}}
<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""


def watch(command: Sequence[str], folder: Path) -> str:
    """Runs a command in a folder on a terminal of its own, and gives what it wrote there. RuntimeError if it fails."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (LINES, COLUMNS))
    own = {name: value for name, value in os.environ.items() if not name.startswith(_STEERING)}
    own |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=own)
    os.close(theirs)
    written = bytearray()
    try:
        while chunk := os.read(ours, 1 << 16):
            written += chunk
    except OSError:  # so ends a terminal on Linux
        pass
    finally:
        os.close(ours)
        code = process.wait()
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {written.decode(errors='replace')[-1000:]}")
    return written.decode()


def screens(written: str) -> Iterator[list[str]]:
    """What stood on the terminal each time before something was erased, and at the end. Colours stay in the lines."""
    lines, row, erasing = [""], 0, False
    for piece in _PIECE.findall(written):
        if piece == "\x1b[2K":
            if not erasing:
                yield list(lines)
            lines[row], erasing = "", True
        elif piece == "\x1b[1A":
            row -= 1
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.endswith("m") or not piece.startswith(("\x1b", "\r")):
            lines[row] += piece
            erasing = False
    yield lines


def progress_of(shown: Sequence[Sequence[str]]) -> list[str]:
    """The display of the moment when the run was about as far as the picture wants it."""

    def away(lines: Sequence[str]) -> float:
        found = _DONE.search("\n".join(lines))
        done, total = (int(number.replace(",", "")) for number in found.groups()) if found else (0, 0)
        return abs(done / total - _SHARE) if total else 1.0

    moment = min(shown, key=away)
    first = next(number for number, line in enumerate(moment) if "━" in line)
    return [line for line in moment[first:] if line]


def summary_of(last: Sequence[str]) -> list[str]:
    """From the verdict to the last line of the table."""
    first = next(number for number, line in enumerate(last) if "✓" in line)
    end = next(number for number, line in enumerate(last[first:], first) if "Veza report" in line)
    return list(last[first : end + 1])


def scene(written: str) -> Text:
    """The command, how far it is half way, and how it ends."""
    shown = list(screens(written))
    lines = [
        "\x1b[1m$ oaa-bitbucket-async demo\x1b[0m",
        *("", "\x1b[2m# while it runs\x1b[0m", *progress_of(shown)),
        *("", "\x1b[2m# at the end\x1b[0m", *summary_of(shown[-1])),
    ]
    return Text("\n").join(Text.from_ansi(line.replace("\r", "").rstrip()) for line in lines)


def terminal_svg(text: Text, theme: str) -> str:
    """A terminal with this text; the same text gives the same bytes."""
    console = Console(record=True, width=COLUMNS + 4, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Padding(text, (1, 2)))
    picture = console.export_svg(
        title="",
        theme=THEMES[theme],
        code_format=_FORMAT.format(title="A run of oaa-bitbucket-async demo on a terminal"),
        unique_id="t",
    )
    edge = f'stroke="{_EDGES[theme]}"'
    return picture.replace('stroke="rgba(255,255,255,0.35)"', edge)


def demo(folder: Path, *options: str) -> str:
    """Runs the demo; gives what it wrote to the terminal. The report is in `demo-report.html`."""
    return watch([sys.executable, "-m", "oaa_bitbucket_async", "demo", *options], folder)


def report_png(page: Path, theme: str, target: Path, scratch: Path) -> None:
    """The head of the report in a browser. Raises RuntimeError if the browser makes no picture."""
    target.unlink(missing_ok=True)
    size = (f"--window-size={PAGE_WIDTH},{PAGE_HEIGHT}", "--force-device-scale-factor=1.5")
    browse(page, _SCHEMES[theme], scratch, *size, f"--screenshot={target.resolve()}")
    if not target.exists():
        raise RuntimeError("the browser made no picture of the report")


@click.command()
@click.option(
    "--to", "folder", default=FOLDER, type=click.Path(file_okay=False, path_type=Path), help="Another folder."
)
@click.option("--only", type=click.Choice(["terminal", "report"]), help="One of the two.")
def main(folder: Path, only: str | None) -> None:
    """Make the pictures of the README anew, from a run of the demo."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as scratch:
        written = demo(Path(scratch))
        for theme in THEMES:
            if only != "report":
                target = folder / f"terminal-{theme}.svg"
                target.write_text(terminal_svg(scene(written), theme), encoding="utf-8")
                click.echo(target)
            if only != "terminal":
                target = folder / f"report-{theme}.png"
                report_png(Path(scratch) / "demo-report.html", theme, target, Path(scratch))
                click.echo(target)


if __name__ == "__main__":
    main()
