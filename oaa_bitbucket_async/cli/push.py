"""`oaa-bitbucket-async push FILE`: uploads a saved payload."""

import os
from pathlib import Path
from typing import Any

import click

from oaa_bitbucket_async.cli.build import build_push
from oaa_bitbucket_async.cli.help import VEZA_SECRET, HelpCommand
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.settings_table import options_of
from oaa_bitbucket_async.redaction import redactor_of


@click.command(
    cls=HelpCommand,
    params=options_of("push"),
    variables=VEZA_SECRET,
    short_help="Upload a saved payload (plain or gzip).",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.pass_obj
def push(invocation: Invocation, /, file: Path, **params: Any) -> int:
    """Upload the payload in FILE (plain or gzip), saved by --save-json or by a failed upload.

    It goes to the provider and data source that FILE was made for. A setting that names a different one is refused.
    """

    def work() -> int:
        built = build_push(params, os.environ)
        settings = built.settings
        invocation.configure(settings.output, redactor_of(None, settings.veza), built.warnings)
        from oaa_bitbucket_async import run

        return run.push(settings, file, invocation.figures)

    return invocation.guard(work)
