"""The README and the pages of `docs/` say what the code does."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.results import load
from oaa_bitbucket_async import errors
from oaa_bitbucket_async.bitbucket.audit import reading
from oaa_bitbucket_async.cli.invocation import CLOSED_PIPE
from oaa_bitbucket_async.cli.main import cli
from oaa_bitbucket_async.cli.setting import Setting
from oaa_bitbucket_async.collect.incremental import doubts
from oaa_bitbucket_async.events import Event
from oaa_bitbucket_async.oaa.notes import Code
from tests import settings_page
from tests.messages import GAP, messages
from tests.pages import README, ROOT, blocks, page, rows, section


def test_the_settings_are_those_of_the_command_line() -> None:
    assert settings_page.rewritten(page("settings")) == page("settings"), "run: python -m tests.settings_page"


def test_the_tables_of_settings_have_every_setting() -> None:
    """The page is made by our own code, so this reads it as a person does."""
    told = {(row[0], row[1]) for row in rows(page("settings"))}
    for command in (cli, *cli.commands.values()):
        for param in command.params:
            if isinstance(param, Setting):
                names = ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])
                assert (names, f"`{param.variable}`") in told


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion(tmp_path: Path) -> None:
    (line,) = [block for block in blocks(page("install"), "sh") if "COMPLETE" in block]
    program = tmp_path / "oaa-bitbucket-async"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m oaa_bitbucket_async "$@"\n')
    program.chmod(0o755)
    script = f"""{line}
    COMP_WORDS=(oaa-bitbucket-async --max-at) COMP_CWORD=1
    $(complete -p oaa-bitbucket-async | sed 's/.*-F \\([^ ]*\\).*/\\1/') oaa-bitbucket-async --max-at
    echo "${{COMPREPLY[@]}}" """
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    if "4.4" in done.stderr:
        pytest.skip("bash is older than 4.4")
    assert done.stdout.strip() == "--max-attempts", done.stderr


def test_the_exit_codes() -> None:
    told = {int(row[0]) for row in rows(section("monitoring", "Exit codes"))}
    ours = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.CollectorError)
        and error is not errors.InterruptedRunError
    }
    interrupted = {errors.InterruptedRunError(number, "").exit_code for number in (2, 15)}
    assert told == {0, CLOSED_PIPE} | ours | interrupted


def test_the_events_of_the_log() -> None:
    told = [name for row in rows(section("monitoring", "Logs")) for name in re.findall(r"`([a-z-]+)`", row[0])]
    assert sorted(told) == sorted(str(event) for event in Event)


def _command(name: str) -> str:
    found = re.search(rf"<!-- command: {name} -->\n```sh\n(.*)\n```\n", README)
    assert found is not None
    return found[1]


def test_the_two_commands_stand_at_the_top() -> None:
    top = README.split("\n## ", 1)[0]
    assert _command("demo") in top
    assert _command("tests") in top


@pytest.mark.skipif(os.name != "posix", reason="needs bash")
def test_ci_runs_the_commands_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    shown = subprocess.run([script, "--show"], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.splitlines() == [_command("demo"), _command("tests")]


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    measured = load(ROOT / "benchmarks" / "results.json").figures
    largest = {figure.what: figure for figure in measured if figure.setting.startswith("100,000 repositories")}
    seconds, memory = largest["whole command, second run"].value, largest["peak memory of the whole command"].value
    assert f"takes {seconds:.0f} s and {memory:.0f} MB" in README
    worst = max(figure.value for figure in measured if figure.what == "time of auto ÷ best fixed number")
    assert f"at most {100 * (worst - 1):.0f} % more time than the best" in " ".join(README.split())


def test_the_codes_of_warnings() -> None:
    assert all(f"`{code}`" in section("monitoring", "Logs") for code in Code)


def _plain(text: str) -> str:
    """Without markup, and with each unknown part as one gap."""
    text = re.sub(r"\s+", " ", text.replace("`", "").replace("\\|", "|"))
    return re.sub(rf"{GAP}( ?{GAP})*", GAP, text)


def test_troubleshooting_has_every_message() -> None:
    told = _plain(page("troubleshooting"))
    absent = [
        f"{message.where}: {message.text}"
        for message in messages()
        if _plain(message.text).strip(f" .:;,({GAP}") not in told
    ]
    assert not absent, "\n".join(["add these to docs/troubleshooting.md:", *absent])


def test_troubleshooting_has_everything_that_may_be_wrong_with_the_audit_log() -> None:
    told = _plain(section("troubleshooting", "The audit log"))
    for module in (doubts, reading):
        words = re.findall(
            r'(?<!"")(?<=")((?:The|This|Bitbucket|A|Too|What) [^"{;:,.(]{12,})', inspect.getsource(module)
        )
        assert len(words) > 3
        assert [text for text in words if text.strip() not in told] == []


def test_the_messages_are_found() -> None:
    """What the test above rests on: errors with a text of their own, with one by a name, and problems of settings."""
    found = {message.text for message in messages()}
    assert "Bitbucket has answered no request for … seconds." in found
    assert "… could not be written: …." in found
    assert "VEZA_API_KEY or VEZA_API_KEY_FILE is not set: Veza's API key." in found
    assert "The run was interrupted…." in found
    assert "The payload holds … grants of …, and … were collected: not uploaded." in found
    assert len(found) > 100
