"""The README's pictures: they are there, small, and say what a run says today."""

import html
import os
import re
from pathlib import Path

import pytest
from rich.text import Text

from benchmarks.pictures import FOLDER, THEMES, demo, progress_of, scene, screens, summary_of, terminal_svg

posix = pytest.mark.skipif(os.name != "posix", reason="a terminal of POSIX")
MOST = 200_000
"""Bytes of a picture: they travel with every clone."""
NOT_ALWAYS = {"Duration"}
"""The crawl's and the run's time are told apart if they differ by enough."""
ERASE = "\r\x1b[2K\x1b[1A\x1b[2K"


def paragraphs(svg: str) -> list[list[str]]:
    """The lines of a picture of a terminal, as they stand there, divided where a line is empty."""
    rows: dict[float, str] = {}
    texts = re.findall(r'<text [^>]*\bx="([0-9.]+)" y="([0-9.]+)"[^>]*>([^<]*)</text>', svg)
    for x, y, text in texts:
        column = round(float(x) / 12.2)
        rows[float(y)] = rows.get(float(y), "").ljust(column) + html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    found: list[list[str]] = [[]]
    for _, line in sorted(rows.items()):
        if line.strip():
            found[-1].append(line[2:].rstrip())
        elif found[-1]:
            found.append([])
    return [lines for lines in found if lines]


def labels(svg: str) -> list[str]:
    """What a run says whatever it finds: names of rows, and sentences without their numbers."""
    found = []
    for lines in paragraphs(svg):
        if lines[0].startswith("Warning"):
            continue
        for line in lines:
            row = re.fullmatch(r"(\w+( \w+)*) {2,}\S.*", line)
            found.append(row[1] if row else re.sub("[0-9][0-9,.]*", "#", line.partition(", about ")[0]))
    return [label for label in found if "━" not in label and label not in NOT_ALWAYS]


def test_all_pictures_are_there_and_small() -> None:
    names = [*(f"terminal-{theme}.svg" for theme in THEMES), *(f"report-{theme}.png" for theme in THEMES)]
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(names)
    for name in names:
        picture = (FOLDER / name).read_bytes()
        assert len(picture) < MOST
        assert picture.startswith(b"\x89PNG" if name.endswith("png") else b"<svg")


@pytest.mark.parametrize("theme", THEMES)
def test_a_picture_names_no_machine(theme: str) -> None:
    svg = (FOLDER / f"terminal-{theme}.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"https?:[^\s\"<]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"/(root|home|tmp|Users)\b|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+", svg)


@posix
def test_the_picture_of_a_terminal_says_what_a_run_says(tmp_path: Path) -> None:
    pytest.importorskip("trustme")
    written = demo(tmp_path, "--repositories", "120")
    for theme in THEMES:
        now = labels(terminal_svg(scene(written), theme))
        assert labels((FOLDER / f"terminal-{theme}.svg").read_text(encoding="utf-8")) == now, (
            "make the pictures anew: python -m benchmarks.pictures"
        )
    assert {"Requests", "In flight", "✓ Uploaded # grants of # repositories in # s"} <= set(now)


def test_each_screen_is_what_stood_there_before_it_was_erased() -> None:
    written = f"log\r\n\x1b[1mone\x1b[0m\r\n1{ERASE}\x1b[?25lone\r\n2{ERASE}end\r\n"
    shown = [[Text.from_ansi(line).plain for line in lines] for lines in screens(written)]
    assert shown == [["log", "one", "1"], ["log", "one", "2"], ["log", "end", ""]]


def test_the_moment_that_is_shown_is_past_the_middle_of_the_run() -> None:
    moments = [["log", "━━", f"Requests  {done:,} of 2,000+", ""] for done in (0, 600, 1_300, 2_000)]
    assert progress_of([["Making …"], *moments]) == ["━━", "Requests  1,300 of 2,000+"]


def test_the_summary_is_what_stands_from_the_verdict_on() -> None:
    assert summary_of(["log", "✓ Uploaded", "", "Veza report  created", "log"]) == [
        "✓ Uploaded",
        "",
        "Veza report  created",
    ]
