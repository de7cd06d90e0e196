"""`demo`: the main job, as it is, against an embedded Bitbucket and an embedded Veza on this machine."""

import tempfile
from dataclasses import replace
from pathlib import Path

from oaa_bitbucket_async.demo.bitbucket import EmbeddedBitbucket
from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.events import Figures
from oaa_bitbucket_async.redaction import redactor_of
from oaa_bitbucket_async.run.loop import run_to_end
from oaa_bitbucket_async.run.main_job import main_job
from oaa_bitbucket_async.run.reporting import reporting
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Identity, Include, Login, Output, Pace, Scope, Settings, State, Veza

PAYLOAD = Path("demo-payload.json")
REPORT = Path("demo-report.html")

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
    estate = generate(EstateShape.for_repositories(repositories, seed=seed))
    if output.save_json is None:
        output = replace(output, save_json=PAYLOAD)
    if output.report is None:
        output = replace(output, report=REPORT)

    async def play(settings: Settings) -> int:
        async with EmbeddedBitbucket(estate) as bitbucket:
            login = Login(user=bitbucket.user, secret=Secret(bitbucket.password))
            whole = replace(settings, bitbucket_url=bitbucket.url, login=login)
            with reporting("an embedded Bitbucket", output, redactor_of(login, whole.veza), figures) as report:
                return await main_job(whole, report)

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
    print(_FOR_REAL)
    return exit_code
