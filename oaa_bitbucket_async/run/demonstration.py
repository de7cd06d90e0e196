"""`demo`: the main job, as it is, against an embedded Bitbucket and an embedded Veza on this machine."""

import shlex
import tempfile
from dataclasses import replace
from pathlib import Path

from oaa_bitbucket_async.demo.bitbucket import EmbeddedBitbucket
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.events import Figures
from oaa_bitbucket_async.oaa.saved import read_saved
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

_FOR_REAL = """
That was the main job, with nothing left out but the real servers. For yours,
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
    figures: Figures | None = None,
) -> int:
    """Runs it, prints the same summary as a real run, and leaves payload and report in files. Gives the exit code."""
    with step(error_console(), output, f"Making {repositories:,} repositories"):
        estate = generate(EstateShape.for_repositories(repositories, seed=seed))

    async def play(settings: Settings) -> int:
        async with EmbeddedBitbucket(estate) as bitbucket:
            login = Login(user=bitbucket.user, secret=Secret(bitbucket.password))
            whole = replace(settings, bitbucket_url=bitbucket.url, login=login)
            with reporting("an embedded Bitbucket", output, redactor_of(login, whole.veza), figures) as reporter:
                return await main_job(whole, reporter)

    with EmbeddedVeza() as veza, veza.trusted(), tempfile.TemporaryDirectory(prefix="oaa-demo-") as state:
        settings = Settings(
            bitbucket_url="",
            login=Login(secret=Secret("")),
            state=State(directory=Path(state), keep_last=False),
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


def _answer_some(payload: Path) -> None:
    """Three questions about the payload, each as a command to copy, with the first lines of its answer."""
    try:
        place, person = examples(read_saved(payload).text)
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
