"""The layout of help: as wide as the terminal, at most 120 columns, whole words, headings and names in bold."""

import os
import shutil
import textwrap
from collections.abc import Sequence

import click

WIDEST = 120
_NARROW = 70
"""Below this many columns a text stands under its name instead of beside it."""
_LEFT = 26
"""Width of the column of names."""
_INDENT = "  "
_GLUE = "\N{NO-BREAK SPACE}"
"""Holds the words of a note together until the lines are made."""
_WHOLE = 48
"""Characters of a note in [brackets] up to which it stays on one line."""


class PageFormatter(click.HelpFormatter):
    """Keeps words whole. Click's formatter breaks lines at hyphens and within wide words, so it could split a flag."""

    def __init__(self) -> None:
        super().__init__(width=min(WIDEST, shutil.get_terminal_size().columns))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The usage line, called by click."""
        self._write(_wrapped(f"{prefix or 'Usage: '}{prog} {args}", self.width, "", 2 * _INDENT))

    def write_text(self, text: str) -> None:
        """Paragraphs, called by click."""
        paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
        indent = " " * self.current_indent
        self._write(
            "\n\n".join("\n".join(_wrapped(each, self.width, indent, indent)) for each in paragraphs).split("\n")
        )

    def write_rows(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """A heading, and names with their descriptions."""
        self.write_paragraph()
        self._write([bold(line) for line in _wrapped(f"{title}:", self.width)])
        beside = self.width >= _NARROW
        for name, text in rows:
            self._write(self._beside(name, text) if beside else self._below(name, text))

    def _beside(self, name: str, text: str) -> list[str]:
        indent = " " * (len(_INDENT) + _LEFT + 2)
        lines = _wrapped(text, self.width, indent, indent)
        if len(name) > _LEFT:
            return [*(_INDENT + bold(line) for line in _wrapped(name, self.width - 2)), *lines]
        padding = " " * (_LEFT + 2 - len(name))
        return [_INDENT + bold(name) + padding + (lines or [""])[0].strip(), *lines[1:]]

    def _below(self, name: str, text: str) -> list[str]:
        names = _wrapped(name, self.width - 2)
        return [*(_INDENT + bold(line) for line in names), *_wrapped(text, self.width, 3 * _INDENT, 3 * _INDENT)]

    def _write(self, lines: Sequence[str]) -> None:
        self.write("".join(f"{line.rstrip()}\n" for line in lines))


def bold(text: str) -> str:
    """In bold; click takes it away where the output is no terminal."""
    return text if os.environ.get("TERM") == "dumb" else click.style(text, bold=True)


def with_note(text: str, note: str) -> str:
    """`text [note]`, the note on one line if it fits one."""
    note = f"[{note}]"
    return f"{text} {note.replace(' ', _GLUE) if len(note) <= _WHOLE else note}"


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Lines of whole words: one that is wider than a line stands alone and is not broken."""
    narrow = width - len(rest)
    words = " ".join(_fitting(word, narrow) for word in text.split(" "))
    lines = textwrap.wrap(
        words,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def _fitting(word: str, width: int) -> str:
    """A note that was glued together comes apart again where even a whole line does not hold it."""
    return word if len(word) <= width else word.replace(_GLUE, " ")
