import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oaa_bitbucket_async
from oaa_bitbucket_async.text import escape, escape_json, escape_lines

HOSTILE = "a\x1b]0;t\x07b\x1b[2Jc\x9b31md\u202ee\u2066f\r\n2026-01-31T22:00:05Z INFO    done\u2028g\x00\x7f\ud800"
"""Sequences that set the title, clear the screen and colour, controls of direction, and a forged line."""


def test_what_steers_a_terminal_or_begins_a_line_is_spelled_out() -> None:
    assert escape(HOSTILE) == (
        r"a\x1b]0;t\x07b\x1b[2Jc\x9b31md\u202ee\u2066f\r\n2026-01-31T22:00:05Z INFO    done\u2028g\x00\x7f\ud800"
    )
    assert escape("Übersicht – 表 🎉 ok") == "Übersicht – 表 🎉 ok"


@given(st.text(st.characters()))
def test_one_printable_line_whatever_comes(text: str) -> None:
    assert escape(text).isprintable()
    assert len(escape(text).splitlines()) <= 1


@given(st.lists(st.text(st.characters()), min_size=1))
def test_of_a_traceback_only_the_first_line_begins_at_the_margin(lines: list[str]) -> None:
    first, *rest = escape_lines("\n".join(lines)).split("\n")
    assert first.isprintable()
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("indent", [None, 2])
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_json_says_the_same(indent: int | None, text: str) -> None:
    shown = escape_json(json.dumps({"name": text}, ensure_ascii=False, indent=indent))
    assert json.loads(shown) == {"name": text}
    assert shown.replace("\n", "").isprintable()


PACKAGE = Path(oaa_bitbucket_async.__file__).parent
ONLY_OURS = {"run/demonstration.py", "cli/help.py", "cli/demo.py"}
"""They print our own words."""


def test_whoever_prints_escapes() -> None:
    """Every module that prints takes what stands before it from `text`, or prints through one that does."""
    speaking, escaping = set(), set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("demo/"):  # servers of their own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called(node) in ("print", "echo"):
                speaking.add(name)
            if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"):
                speaking.add(name)
            if isinstance(node, ast.ImportFrom) and any(a.name.startswith(("escape", "write_")) for a in node.names):
                escaping.add(name)
    assert {"cli/invocation.py", "run/check_report.py", "ops/summary.py", "run/diff.py"} <= speaking
    assert speaking - escaping == ONLY_OURS


def called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))
