"""The commands on the README and the pages of `docs/` are run as they stand there, against the embedded servers.

A block of commands has a marker before it: `<!-- run -->`, `<!-- command: NAME -->` (`.ci/run` runs these), or
`<!-- not run: WHY -->`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oaa_bitbucket_async.run.answering import examples
from tests.integration.conftest import Benches
from tests.integration.process import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- (?P<marker>[^\n]*) -->\n)?^```(?:sh|powershell)\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL
)


def _blocks(path: Path) -> list[tuple[str, str]]:
    """Marker and commands of each block; the marker is empty if there is none."""
    return [(found["marker"] or "", found["script"]) for found in BLOCK.finditer(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_block_of_commands_says_whether_it_is_run(path: Path) -> None:
    for marker, script in _blocks(path):
        assert re.fullmatch(r"run|command: \w+|not run: .+", marker), script
        for named, test in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", marker):
            assert f"def {test}" in (ROOT / named).read_text(encoding="utf-8"), marker


RUN = [path for path in PAGES if any(marker == "run" for marker, _ in _blocks(path))]


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("bash") is None or os.name != "posix", reason="needs bash")
@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
def test_the_commands_of_a_page_succeed(bench: Benches, tmp_path: Path, path: Path) -> None:
    made = bench()
    secrets, work, programs = tmp_path / "secrets", tmp_path / "work", tmp_path / "bin"
    for folder in (secrets, work, programs):
        folder.mkdir()
    for name, secret in (("main.token", made.bitbucket.token), ("main.veza-key", made.veza.api_key)):
        (secrets / name).write_text(secret)
        (secrets / name).chmod(0o600)
    program = programs / "oaa-bitbucket-async"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m oaa_bitbucket_async "$@"\n')
    program.chmod(0o755)
    with made.veza.trusted():
        environment = {name: os.environ[name] for name in ("PATH", "REQUESTS_CA_BUNDLE", "NO_PROXY")}
    environment |= {
        "PATH": f"{programs}:{environment['PATH']}",
        "OAA_STATE_DIR": str(made.state),
        "BITBUCKET_URL": made.bitbucket.url,
        "VEZA_URL": made.veza.url,
        "BITBUCKET_TOKEN_FILE": str(secrets / "main.token"),
        "VEZA_API_KEY_FILE": str(secrets / "main.veza-key"),
    }

    def run(script: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment, cwd=work, capture_output=True, text=True, check=False, timeout=110,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"

    names = {
        "https://bitbucket.example.com": made.bitbucket.url,
        "example.vezacloud.com": made.veza.url,
        "/etc/oaa-bitbucket": str(secrets),
    }
    if "CORE/billing" in path.read_text(encoding="utf-8"):  # questions about an upload
        run("oaa-bitbucket-async --save-json saved.json")
        place, user = examples(work / "saved.json")
        names |= {
            "CORE/billing": place.name, "CORE/*": f"{place.project}/*", "ann.baker": user.name,
            "OLD NEW": "saved.json saved.json",
        }  # fmt: skip
    for marker, script in _blocks(path):
        if marker == "run":
            for name, real in names.items():
                script = script.replace(name, real)
            run(script)
