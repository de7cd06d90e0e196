"""`oaa-bitbucket-async demo`: the main job against an embedded Bitbucket and Veza."""

from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import click

from oaa_bitbucket_async.cli.build import (
    Problems,
    build_include,
    build_output,
    build_pace,
    build_scope,
    check_outputs,
)
from oaa_bitbucket_async.cli.help import HelpCommand
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.setting import Setting
from oaa_bitbucket_async.cli.settings_table import options_of
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.redaction import Redactor

_SHAPE: tuple[click.Parameter, ...] = (
    Setting(
        ["--repositories"],
        group="The embedded Bitbucket",
        envvar="OAA_DEMO_REPOSITORIES",
        type=click.IntRange(1, 1_000_000),
        default=1000,
        metavar="N",
        help="Repositories that it has; users, groups and projects follow.",
    ),
    Setting(
        ["--seed"],
        group="The embedded Bitbucket",
        envvar="OAA_DEMO_SEED",
        type=int,
        default=1,
        metavar="N",
        help="The same seed makes the same estate.",
    ),
)

_FILES = MappingProxyType({"save_json": "demo-payload.json", "report": "demo-report.html"})
"""What the demo leaves behind, unless it is told another place."""


@click.command(
    cls=HelpCommand,
    params=[*_SHAPE, *options_of("demo")],
    short_help="Run the main job against an embedded Bitbucket and Veza.",
)
@click.pass_obj
def demo(invocation: Invocation, /, repositories: int, seed: int, **params: Any) -> int:
    """Run the main job against an embedded Bitbucket and Veza: no server, no account, no network needed.

    Both listen on this machine only, for as long as the demo runs. The payload and the report are left in files.
    """

    def work() -> int:
        found = Problems()
        pace = build_pace(params, found.warnings)
        scope = build_scope(params, found.problems)
        include = build_include(params["include"], found.problems)
        check_outputs(params, found, prefix="OAA_DEMO_")
        found.raise_problems()
        output = build_output(params)
        invocation.configure(output, Redactor(), found.warnings)
        if find_spec("trustme") is None:
            raise ConfigurationError(
                "The demo makes its certificates with trustme, which is not installed.",
                "Install it: pip install 'oaa-bitbucket-async[demo]' (from a checkout: pip install '.[demo]').",
            )
        from oaa_bitbucket_async.run.demonstration import demonstrate

        return demonstrate(
            repositories=repositories,
            seed=seed,
            pace=pace,
            scope=scope,
            output=output,
            identity=params["identity"],
            include=include,
            figures=invocation.figures,
        )

    return invocation.guard(work)


for _option in demo.params:  # a variable that is set for real runs must not send the demo's files over theirs
    if _option.name in ("save_json", "metrics_file", "report", "report_dir"):
        _option.envvar = str(_option.envvar).replace("OAA_", "OAA_DEMO_", 1)
    if isinstance(_option, Setting) and _option.name in _FILES:
        _option.default = _option.default_text = _FILES[_option.name]
