"""What is installed: the pinned set fits pyproject.toml and names no place of its maker's machine; wheel and sdist."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = {
    file.relative_to(ROOT).as_posix()
    for file in (ROOT / "oaa_bitbucket_async").rglob("*")
    if file.is_file() and "__pycache__" not in file.parts
}
"""Every file of the package, templates and all."""
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
        name, lowest, below = re.match(r"([a-z0-9-]+)>=([\d.]+)(?:,<([\d.]+))?", dependency).groups()  # type: ignore[union-attr]
        assert name in pinned
        assert _number(pinned[name][0]) >= _number(lowest)
        assert below is None or _number(pinned[name][0]) < _number(below)
    assert "win32" in pinned["uvloop"][1]


def test_no_version_with_a_published_vulnerability_is_allowed() -> None:
    """The lowest versions that mend them: CVE-2025-68146 and CVE-2026-22701 of filelock."""
    assert "filelock>=3.20.3" in PROJECT["dependencies"]


def test_an_oaaclient_of_another_api_is_not_taken() -> None:
    """The payload and the calls rest on what its version 1 does."""
    assert "oaaclient>=1.2,<2" in PROJECT["dependencies"]


def test_no_host_and_no_path() -> None:
    entries = "\n".join(line for line in REQUIREMENTS.splitlines() if not line.startswith("#"))
    assert not re.search(r"://|file:|index-url|find-links|trusted-host|/", entries)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel; the wheel is made from the sdist, so that it has to hold what that takes."""
    folder = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    assert names == PACKAGE
    assert {"oaa_bitbucket_async/py.typed", "oaa_bitbucket_async/cli/main.py"} <= names
    assert f"\nVersion: {PROJECT['version']}\n" in text
    assert "reads who may do what" in text, "the README is its description"


def test_the_sdist_holds_what_the_wheel_is_made_of(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    others = {
        "CHANGELOG.md",
        "README.md",
        "pyproject.toml",
        "requirements.txt",
        "PKG-INFO",
        ".gitignore",
        ".dockerignore",
    }
    docs = {file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").rglob("*") if file.is_file()}
    assert names == PACKAGE | docs | others


@pytest.mark.thorough
def test_the_installed_wheel_works_away_from_the_checkout(built: Path, tmp_path: Path) -> None:
    """In a virtual environment of its own, to which the libraries of this one are lent."""
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    _run([sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)])
    lent = sysconfig.get_path("purelib")
    installed = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (installed / "lent.pth").write_text(f"{lent}\n{sysconfig.get_path('platlib')}\n")
    program = str(programs / "oaa-bitbucket-async")
    where = _run([str(python), "-c", "import oaa_bitbucket_async as package; print(package.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(installed)
    assert _run([program, "--version"], tmp_path) == f"oaa-bitbucket-async {PROJECT['version']}\n"
    assert "--bitbucket-url" in _run([program, "--help"], tmp_path)
    assert "a complete run" in _run([program, "demo", "--repositories", "20"], tmp_path)
    payload = json.loads((tmp_path / "demo-payload.json").read_text(encoding="utf-8"))
    assert payload["applications"]


def _run(command: list[str], cwd: Path | None = None) -> str:
    """Standard output of a command that has to succeed, without settings of whoever runs the tests."""
    own = ("BITBUCKET_", "VEZA_", "OAA_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
