"""`demo`: a complete run against an embedded Bitbucket and an embedded Veza on this machine."""

import random
import re
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from oaa_bitbucket_async.collect.incremental.plan import Reason
from oaa_bitbucket_async.demo.bitbucket import EmbeddedBitbucket
from oaa_bitbucket_async.demo.changes import random_changes
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.events import Figures
from oaa_bitbucket_async.ops.formats import duration_text
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.terminal import error_console, step
from oaa_bitbucket_async.redaction import redactor_of
from oaa_bitbucket_async.run.answering import answer_what_can, answer_who_can, examples
from oaa_bitbucket_async.run.loop import run_to_end
from oaa_bitbucket_async.run.main_job import main_job
from oaa_bitbucket_async.run.reporting import reporting
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import (
    CHOOSE_NAME,
    STANDARD_OUTPUT,
    Identity,
    Include,
    Login,
    Output,
    Pace,
    Question,
    Scope,
    Settings,
    State,
    Veza,
)

_FEW_CHANGES = 4
_PLACE, _ITS_PATH = re.compile("<(?:Project|Repository) ([^>]+)>"), r"\1"
_FOR_REAL = """
That was a complete run, except for the real servers. To run it on yours,
with an HTTP access token (Project admin) of a Bitbucket administrator:

  export BITBUCKET_URL=https://bitbucket.example.com VEZA_URL=example.vezacloud.com
  export BITBUCKET_TOKEN=... VEZA_API_KEY=...
  oaa-bitbucket-async --check

and without --check to collect and upload. With BITBUCKET_USER, and its password
in BITBUCKET_TOKEN, global permissions are read as they were granted."""


def demonstrate(
    *,
    repositories: int,
    seed: int,
    pace: Pace,
    scope: Scope,
    output: Output,
    identity: Identity = "email",
    include: frozenset[Include] = frozenset(),
    changes: int | None = None,
    figures: Figures | None = None,
) -> int:
    """Runs it, prints the same summary as a real run, and leaves payload and report in files. Gives the exit code.

    `changes`: make this many changes after the run, do an incremental run, and show both runs side by side.
    """
    with step(error_console(), output, f"Making {repositories:,} repositories"):
        estate = generate(EstateShape.for_repositories(repositories, seed=seed))

    async def play(settings: Settings) -> int:
        async with EmbeddedBitbucket(estate) as bitbucket:
            login = Login(user=bitbucket.user, secret=Secret(bitbucket.password))
            whole = replace(settings, bitbucket_url=bitbucket.url, login=login)
            if changes is None:
                return (await _run(whole, figures))[0]
            whole = replace(whole, incremental=True)  # the first one is a full crawl, as in a schedule
            no_files = replace(output, save_json=None, report=None, report_dir=None, metrics_file=None)
            exit_code, full = await _run(replace(whole, output=no_files), None)
            if exit_code != 0:
                return exit_code
            _tell_changes(random_changes(estate, random.Random(seed), changes))  # noqa: S311  # the same for a seed
            exit_code, incremental = await _run(whole, figures)
            if exit_code == 0:
                _compare(full, incremental, changes)
            return exit_code

    with EmbeddedVeza() as veza, veza.trusted(), tempfile.TemporaryDirectory(prefix="oaa-demo-") as state:
        settings = Settings(
            bitbucket_url="",
            login=Login(secret=Secret("")),
            # the folder goes with the demo: nothing in it is there for a next one
            state=State(directory=Path(state), resume=False, keep_last=changes is not None),
            veza=Veza(
                url=veza.url,
                api_key=Secret(veza.api_key),
                provider_name="Bitbucket Server",
                data_source_name="bitbucket-server - demo",
            ),
            pace=pace,
            scope=scope,
            output=output,
            identity=identity,
            include=include,
        )
        exit_code = run_to_end(play(settings))
    payload = output.save_json
    if exit_code == 0 and payload is not None and payload not in (CHOOSE_NAME, STANDARD_OUTPUT):
        _answer_some(payload)
    print(_FOR_REAL)
    return exit_code


async def _run(settings: Settings, figures: Figures | None) -> tuple[int, RunResult]:
    """The main job: its exit code, and what happened."""
    redact = redactor_of(settings.login, settings.veza)
    with reporting("an embedded Bitbucket", settings.output, redact, figures) as reporter:
        return await main_job(settings, reporter), reporter.result


def _tell_changes(made: list[str]) -> None:
    print(f"\nThen {len(made):,} changes were made on that Bitbucket, such as:", file=sys.stderr)
    for line in made[:_FEW_CHANGES]:
        print(f"  {_PLACE.sub(_ITS_PATH, line)}", file=sys.stderr)
    print("An incremental run follows. It asks again only where something changed.\n", file=sys.stderr, flush=True)


def _compare(full: RunResult, incremental: RunResult, changes: int) -> None:
    """Both runs in a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("full run", justify="right")
    table.add_column(f"after {changes:,} changes", justify="right")
    fresh = incremental.freshness
    for name, before, after in (
        ("requests", f"{full.requests.total:,}", f"{incremental.requests.total:,}"),
        ("time", duration_text(full.duration), duration_text(incremental.duration)),
        ("answers kept", "–", f"{fresh.kept:,}"),
        ("asked again, as the audit log said", "–", f"{fresh.renewed[Reason.NAMED]:,}"),
        ("asked again for other reasons", "–", f"{fresh.renewed.total() - fresh.renewed[Reason.NAMED]:,}"),
    ):
        table.add_row(name, before, after)
    console = error_console()
    console.print()
    console.print(table)


def _answer_some(payload: Path) -> None:
    """Three questions about the payload, each as a command to copy, with the first lines of its answer."""
    try:
        place, person = examples(payload)
    except LookupError:  # nothing is held on anything: nothing to ask about
        return
    print("\nWho may do what? Three questions, answered from the payload:")
    few = Question(payload=payload, state_dir=payload.parent, limit=4)
    for command, name, level in (
        ("who-can write", place.name, "write"),
        ("who-can admin", place.project, "admin"),
        ("what-can", person.name, None),
    ):
        file = shlex.quote(str(payload))
        print(f"\n$ oaa-bitbucket-async {command} {shlex.quote(name)} --payload {file}", flush=True)
        if level is None:
            answer_what_can(name, few)
        else:
            answer_who_can(level, name, few)
