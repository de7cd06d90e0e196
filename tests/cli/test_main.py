"""The command line as its user meets it: help, messages, exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from oaa_bitbucket_async import errors
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.main import cli, execute
from oaa_bitbucket_async.cli.setting import Setting
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
from tests.pages import rows, section

COMMANDS: list[list[str]] = [[], ["push"], ["diff"], ["demo"], ["who-can"], ["what-can"]]


WIDTHS = [45, 80, 120, 160]


def help_page(command: list[str], width: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        assert execute(command) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal_and_shows_every_variable_and_default(
    command: list[str], width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = help_page([*command, "--help"], width, capsys)
    assert max(map(len, lines)) <= min(width, 120)
    assert width < 120 or max(map(len, lines)) > 100, "as wide as there is room"
    words = " ".join(" ".join(lines).split())
    shown = cli.commands[command[0]] if command else cli
    for param in shown.params:
        if isinstance(param, Setting):
            assert all(flag in words for flag in [*param.opts, *param.secondary_opts])
            assert f"[{param.variable}; {param.shown_default}]" in words


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_of_the_help_breaks_where_it_hurts(
    command: list[str], width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = help_page([*command, "--help"], width, capsys)
    assert [line for line in lines if line.endswith("-")] == [], "a flag torn at a hyphen"
    for opened, line in enumerate(lines):
        if width >= 80 and line.rpartition("[")[2].count("]") == 0 and "[" in line:  # goes on in the next line
            whole = f"{line.rpartition('[')[2]} {lines[opened + 1].strip()}"
            assert len(whole) > 45, f"[{whole} fits one line"
    assert not any(character == "\xa0" for line in lines for character in line), "a stand-in is shown"


@pytest.mark.parametrize("width", WIDTHS)
def test_h_is_a_page_of_the_ten_settings_that_people_need(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = help_page(["-h"], width, capsys)
    assert max(map(len, lines)) <= min(width, 120)
    flags = {word for line in lines for word in re.findall(r"^  (--[a-z-]+)", line)}
    assert flags == {p.opts[0] for p in cli.params if isinstance(p, Setting) and p.needed}
    assert len(flags) == 10
    text = "\n".join(lines)
    assert text.partition("Examples:")[2].count("  oaa-bitbucket-async") == 2
    assert all(name in text for name in ("BITBUCKET_TOKEN", "VEZA_API_KEY", "--help"))
    assert len(lines) < (85 if width < 80 else 55)


def test_h_of_a_command_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.commands:
        assert help_page([name, "-h"], 80, capsys) == help_page([name, "--help"], 80, capsys)


def test_the_help_of_the_demo_has_the_demos_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(help_page(["demo", "--help"], 120, capsys))
    assert "[OAA_DEMO_SAVE_JSON; demo-payload.json]" in text
    assert "[OAA_DEMO_REPORT; demo-report.html]" in text
    assert "[OAA_DEMO_REPOSITORIES; 1000]" in text


@pytest.mark.skipif(os.name != "posix", reason="a terminal of POSIX")
@pytest.mark.parametrize(("term", "bold"), [("xterm", True), ("dumb", False)])
def test_headings_are_bold_on_a_terminal_alone(
    term: str, bold: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", term)
    assert "\x1b" not in "\n".join(help_page(["--help"], 80, capsys))
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        subprocess.run(
            [sys.executable, "-m", "oaa_bitbucket_async", "-h"],
            cwd=Path(__file__).parents[2], stdout=terminal, check=True, timeout=60,
        )  # fmt: skip
        shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert ("\x1b[1m" in shown) is bold


def offered(*words: str, begun: str) -> list[str]:
    complete = ShellComplete(cli, {}, "oaa-bitbucket-async", "_OAA_BITBUCKET_ASYNC_COMPLETE")
    return [item.value for item in complete.get_completions(list(words), begun)]


def test_a_shell_is_offered_values(tmp_path: Path) -> None:
    assert offered("--identity", begun="") == ["email", "name", "both"]
    assert offered("--include", begun="s") == ["ssh-keys", "settings"]
    assert offered("--include", begun="tokens,s") == ["tokens,ssh-keys", "tokens,settings"]
    assert "tokens,tokens" not in offered("--include", begun="tokens,")
    assert offered("--state-dir", str(tmp_path), "--project", begun="") == []
    assert offered("demo", "--project", begun="") == []
    assert offered("--max-at", begun="--max-at") == ["--max-attempts"]


def test_the_help_has_the_readmes_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    told = capsys.readouterr().out.partition("Exit codes:\n")[2].partition("\n\n")[0]
    codes = {code for line in told.splitlines() for code in re.findall(r"^  (\d+)(?:, (\d+))?", line)}
    assert {int(code) for pair in codes for code in pair if code} == {
        int(row[0]) for row in rows(section("monitoring", "Exit codes"))
    }


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out.startswith("oaa-bitbucket-async ")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--bitbucket-url (BITBUCKET_URL)"),
        (["--concurrency", "0"], "OAA_CONCURRENCY"),
        (["--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["push"], "FILE"),
        (["push", "no/such/file"], "no/such/file"),
        (["push", __file__], "VEZA_API_KEY"),
        (["--veza-url", "x", "push", __file__], "--veza-url comes before 'push'"),
        (["--debug", "demo"], "--debug comes before 'demo'"),
        (["demo", "--repositories", "0"], "OAA_DEMO_REPOSITORIES"),
        (["demo", "--project", "A", "--exclude-project", "A"], "--exclude-project"),
    ],
)
def test_misuse_exits_2_and_says_why(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert word in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("arguments", [["--bitbucket-token=hunter2"], ["--veza-api-key", "hunter2"]])
def test_a_secret_as_a_flag_is_refused_and_not_repeated(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 2
    text = capsys.readouterr().err
    assert "environment or a file" in text
    assert "hunter2" not in text


def test_an_address_with_a_password_is_refused_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--bitbucket-url", "https://me:hunter2@h", "--veza-url", "https://me:hunter2@h"]) == 2
    assert "hunter2" not in capsys.readouterr().err


def _raises(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("What.", "Do."), 2),
        (errors.IncompleteError("What.", "Do."), 3),
        (errors.CredentialError("What.", "Do."), 4),
        (errors.UploadError("What.", "Do."), 5),
        (errors.TemporaryError("What.", "Do."), 75),
        (errors.InterruptedRunError(signal.SIGINT, "What.", "Do."), 130),
        (errors.InterruptedRunError(15, "What.", "Do."), 143),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_exit_code(
    error: errors.CollectorError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Invocation().guard(_raises(error)) == code
    assert capsys.readouterr().err == "Error: What. Do.\n"


def test_what_an_error_quotes_neither_steers_the_terminal_nor_begins_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = errors.IncompleteError("A\x1b]0;x\x07\x9b2J\u202e.", "B\r\nError: C\u2028.")
    assert Invocation(debug=True).guard(_raises(error)) == 3
    *trace, last = capsys.readouterr().err.splitlines()
    assert last == r"Error: A\x1b]0;x\x07\x9b2J\u202e. B\r\nError: C\u2028."
    assert all(line.isprintable() for line in trace)
    assert [line for line in trace if line.startswith("Error")] == []


def test_several_points_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.ConfigurationError("2 settings:", "See --help.", ["a\nb", "c"])
    assert Invocation().guard(_raises(error)) == 2
    assert capsys.readouterr().err == "Error: 2 settings:\n  a\\nb\n  c\nSee --help.\n"
    assert Invocation(log_format="json").guard(_raises(error)) == 2
    assert json.loads(capsys.readouterr().err)["error"] == "2 settings: a\nb c See --help."


def test_a_file_s_name_on_the_command_line_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["push", "no\x1b[2J\nsuch"], ["diff", "a", "b", "c\x1b[2J\nd"], ["x\x1b[2J\ny"], ["--x\x1b[2J"]):
        assert execute(arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert all(line.isprintable() for line in lines)
        assert [line for line in lines if line.startswith("Error")] == lines[-1:]


def test_with_debug_the_traceback_comes_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert Invocation(debug=True).guard(_raises(errors.UploadError("What."))) == 5
    text = capsys.readouterr().err
    assert text.startswith("Traceback")
    assert text.endswith("Error: What.\n")


def test_a_bug_shows_where_and_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    redact = Redactor([Secret("hunter2")])
    assert Invocation(redact=redact).guard(_raises(ZeroDivisionError("over hunter2"))) == 1
    text = capsys.readouterr().err
    assert "ZeroDivisionError: over ***" in text
    assert "report" in text.splitlines()[-1]
    assert "hunter2" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_bug_before_the_settings_are_known_shows_no_secret_either(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"BITBUCKET_TOKEN": " hunter2-hunter2\n", "VEZA_API_KEY": "v3za-v3za", "OAA_LOG_FORMAT": log_format}
    invocation = Invocation.of([], environ)
    assert invocation.guard(_raises(ZeroDivisionError("over hunter2-hunter2 and v3za-v3za"))) == 1
    text = capsys.readouterr().err
    assert "over *** and ***" in text
    assert "hunter2-" not in text


def test_an_interrupt_that_nobody_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert Invocation().guard(_raises(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "Error: Interrupted.\n"


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    invocation = Invocation(log_format="json")
    assert invocation.guard(_raises(errors.UploadError("What.", "Do."))) == 5
    assert invocation.guard(_raises(ZeroDivisionError())) == 1
    ours, bug = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["level"], ours["event"], ours["message"]) == ("error", "run-ended", "What. Do.")
    assert (ours["error"], ours["exit_code"], ours["run"]) == ("What. Do.", 5, invocation.run_id)
    assert "ZeroDivisionError" in bug["traceback"]
    assert bug["exit_code"] == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--log-format", "json"], "--bitbucket-url (BITBUCKET_URL)"),
        (["--log-format=json", "--concurrency", "0"], "OAA_CONCURRENCY"),
        (["push", "--log-format", "json", "no/such/file"], "no/such/file"),
        (["--log-format=json", "--bitbucket-token=hunter2"], "environment or a file"),
    ],
)
def test_misuse_as_json(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments) == 2
    captured = capsys.readouterr()
    (record,) = map(json.loads, captured.err.splitlines())
    assert (record["event"], record["exit_code"], record["level"]) == ("run-ended", 2, "error")
    assert word in record["error"]
    assert "hunter2" not in captured.err + captured.out


def _python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BITBUCKET_", "VEZA_", "OAA_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**clean, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_help_does_not_wait_for_what_only_a_run_needs() -> None:
    heavy = "{'aiohttp', 'oaaclient', 'rich', 'requests', 'msgspec', 'prometheus_client', 'uvloop'}"
    code = f"import sys; from oaa_bitbucket_async.cli.main import cli; print(sorted({heavy} & set(sys.modules)))"
    assert _python("-c", code).stdout == "[]\n"


def test_as_a_module() -> None:
    done = _python("-m", "oaa_bitbucket_async", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    done = _python("-m", "oaa_bitbucket_async")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_went_away() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "oaa_bitbucket_async", "--help"],
            cwd=Path(__file__).parents[2],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")
