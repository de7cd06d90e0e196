"""The chapter on security promises only what a test holds."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest

from tests.pages import README, ROOT

SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY)


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def promises() -> Iterator[tuple[str, str]]:
    """Promise and tests of each row of the tables in the part on promises."""
    part = SECURITY.split("\n## What it promises\n")[1].split("\n## ")[0]
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 2 and cells[0] not in ("promise", "---"):
            yield cells[0], cells[1]


@pytest.mark.parametrize(("path", "test"), sorted(set(NAMED)))
def test_every_test_that_is_named_exists(path: str, test: str) -> None:
    assert test.startswith("test_")
    assert (ROOT / path).is_file()
    assert test in names_in(path)


def test_every_promise_names_the_test_that_holds_it() -> None:
    found = list(promises())
    assert len(found) >= 20
    for promise, tests in found:
        assert re.fullmatch(r"`tests/[\w/]+\.py::\w+`(, `tests/[\w/]+\.py::\w+`)*", tests), promise


def test_the_readme_leads_to_it_and_the_sdist_has_it() -> None:
    assert "](docs/security.md)" in README
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "docs" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]


def test_the_audit_is_of_the_pinned_set_and_not_part_of_ci() -> None:
    (command,) = re.findall(r"^.*pip-audit.*$", SECURITY, re.MULTILINE)
    words = shlex.split(command)
    assert (ROOT / words[words.index("-r") + 1]).is_file()
    assert "pip-audit" not in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_schedules_set_the_limits_that_it_names() -> None:
    service = (ROOT / "docs" / "systemd" / "oaa-bitbucket@.service").read_text("utf-8")
    manifest = "".join(path.read_text("utf-8") for path in (ROOT / "docs" / "kubernetes").rglob("*.yaml"))
    for line in ("MemoryMax=1G", "LimitCORE=0"):
        assert f"\n{line}\n" in service
    assert re.search(r"^TimeoutStartSec=\d+h$", service, re.MULTILINE)
    assert "limits: {memory: 1Gi}" in manifest
    assert "activeDeadlineSeconds: " in manifest
