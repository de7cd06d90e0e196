import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from rich.console import Console

from oaa_bitbucket_async.ops.logs import logging_to
from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Output, new_run_id

log = logging.getLogger("oaa_bitbucket_async.something")
REDACT = Redactor([Secret("hunter2!")], user="me")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("oaa_bitbucket_async")
    before = (root.level, ours.level, root.handlers[:], warnings.showwarning)
    yield io.StringIO()
    assert before == (root.level, ours.level, root.handlers[:], warnings.showwarning)


def _to(stream: io.StringIO, output: Output) -> "logging_to":  # type: ignore[valid-type]
    return logging_to(Console(file=stream), output, redact=REDACT)


def test_lines_for_people(stream: io.StringIO) -> None:
    with _to(stream, Output()):
        log.info("found %d", 3)
        log.debug("not shown")
        log.warning("x" * 300)
    first, second = stream.getvalue().splitlines()
    assert first[10] == "T"
    assert first.endswith("Z INFO    found 3")
    assert second.endswith("Z WARNING " + "x" * 300)


def test_objects_for_machines(stream: io.StringIO) -> None:
    with _to(stream, Output(log_format="json", run_id="r1")):
        log.info("found %d\nhere", 3, extra={"event": "found", "fields": {"rows": 3, "level": "no", "names": ("a",)}})
        log.info("ü")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert {k: first[k] for k in ("level", "event", "message", "run", "rows", "names")} == {
        "level": "info", "event": "found", "message": "found 3\nhere", "run": "r1", "rows": 3, "names": ["a"],
    }  # fmt: skip
    assert first["ts"].endswith("Z")
    assert (second["event"], second["message"]) == ("log", "ü")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_leaves(stream: io.StringIO, log_format: str) -> None:
    with _to(stream, Output(debug=True, log_format=log_format)):  # type: ignore[arg-type]
        log.debug("sent %s", {"Authorization": "Basic bWU6aHVudGVyMiE="})
        log.info("x", extra={"fields": {"hunter2!": ["hunter2!", {"a": "hunter2%21"}]}, "event": "hunter2!"})
        try:
            raise ValueError("with hunter2!")
        except ValueError:
            log.exception("failed: hunter2!", stack_info=True)
        logging.getLogger("other").warning("hunter2!")
        warnings.warn("hunter2!", stacklevel=1)
    text = stream.getvalue()
    assert text.count("***") >= 5
    for form in ("hunter2", "bWU6aHVudGVyMiE"):
        assert form not in text.replace('hunter2!"', "")  # the line of this file in the traceback


@pytest.mark.parametrize(("debug", "lines"), [(False, ["w"]), (True, ["i", "w"])])
@pytest.mark.parametrize("name", ["urllib3.connectionpool", "oaaclient.client", "aiohttp.client", "asyncio"])
def test_libraries_never_log_at_debug(stream: io.StringIO, debug: bool, lines: list[str], name: str) -> None:
    library = logging.getLogger(name)
    with _to(stream, Output(debug=debug)):
        library.debug("d")
        library.info("i")
        library.warning("w")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == lines


def test_a_name_can_not_steer_the_terminal(stream: io.StringIO) -> None:
    with _to(stream, Output()):
        log.info("project \x1b[2J\x07 \x9b")
    assert stream.getvalue().rstrip("\n").endswith(r"project \x1b[2J\x07 \x9b")


def test_a_line_break_begins_no_line_of_the_log(stream: io.StringIO) -> None:
    with _to(stream, Output()):
        log.warning("Veza warns: %s", "x\r\n2026-01-31T22:00:05Z INFO    all is well\u2028\x85")
    assert stream.getvalue().endswith(r"x\r\n2026-01-31T22:00:05Z INFO    all is well\u2028\x85" + "\n")
    assert len(stream.getvalue().splitlines()) == 1


def test_of_a_traceback_no_line_passes_for_one_of_the_log(stream: io.StringIO) -> None:
    with _to(stream, Output()):
        try:
            raise ValueError("x\n2026-01-31T22:00:05Z INFO    all is \x1b[2Jwell")
        except ValueError:
            log.exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR   failed")
    assert all(line.startswith("  ") for line in rest)
    assert rest[-1] == r"  2026-01-31T22:00:05Z INFO    all is \x1b[2Jwell"


def test_a_record_that_can_not_be_written_does_not_show_its_arguments(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with _to(stream, Output()):
        log.info("%d", "hunter2!")
    assert "could not be written: TypeError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_run_ids_differ() -> None:
    assert len({new_run_id() for _ in range(100)}) == 100
