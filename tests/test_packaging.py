"""What is installed: the pinned set fits pyproject.toml, and names no place of its maker's machine."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^([a-z0-9-]+)==([\w.]+)( ; [^\\\n]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def test_every_line_is_a_pinned_package_with_hashes() -> None:
    rest = ENTRY.sub("", REQUIREMENTS)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []


def test_every_dependency_is_pinned_at_a_version_that_is_allowed() -> None:
    pinned = {name: (version, marker) for name, version, marker, _ in ENTRY.findall(REQUIREMENTS)}
    for dependency in PROJECT["dependencies"]:
        name, lowest = re.match(r"([a-z0-9-]+)>=([\d.]+)", dependency).groups()  # type: ignore[union-attr]
        assert name in pinned
        assert _number(pinned[name][0]) >= _number(lowest)
    assert "win32" in pinned["uvloop"][1]


def test_no_host_and_no_path() -> None:
    entries = "\n".join(line for line in REQUIREMENTS.splitlines() if not line.startswith("#"))
    assert not re.search(r"://|file:|index-url|find-links|trusted-host|/", entries)


def test_what_is_no_python_is_installed_too() -> None:
    package = ROOT / "oaa_bitbucket_async"
    others = {file for file in package.rglob("*.*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    data = PYPROJECT["tool"]["setuptools"]["package-data"]["oaa_bitbucket_async"]
    assert others == {file for pattern in data for file in package.glob(pattern)}


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
