"""`oaa-bitbucket-async demo`: a complete run against an embedded Bitbucket and Veza."""

from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import click
from click.core import ParameterSource

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
        help="Number of repositories; users, groups and projects grow with it.",
    ),
    Setting(
        ["--seed"],
        group="The embedded Bitbucket",
        envvar="OAA_DEMO_SEED",
        type=int,
        default=1,
        metavar="N",
        help="The same seed gives the same repositories, users and grants.",
    ),
    Setting(
        ["--changes"],
        group="The embedded Bitbucket",
        envvar="OAA_DEMO_CHANGES",
        type=click.IntRange(1, 1_000_000),
        default_text="none",
        metavar="N",
        help="After the run, make N changes and an incremental run, and show both runs side by side.",
    ),
)
_SERVE: tuple[click.Parameter, ...] = (
    Setting(
        ["--serve"],
        group="Rehearsal with the real command line",
        envvar="OAA_DEMO_SERVE",
        is_flag=True,
        default=False,
        help="Keep the embedded Bitbucket and Veza running until Ctrl-C, and print the environment to copy.",
    ),
    Setting(
        ["--fault", "faults"],
        group="Rehearsal with the real command line",
        envvar="OAA_DEMO_FAULTS",
        multiple=True,
        default_text="none",
        metavar="NAME",
        help="With --serve: make something fail (repeatable). 'list' shows the names and the exit code of each.",
    ),
    Setting(
        ["--bitbucket-port"],
        group="Rehearsal with the real command line",
        envvar="OAA_DEMO_BITBUCKET_PORT",
        type=click.IntRange(0, 65535),
        default=7990,
        metavar="N",
        help="With --serve: port of the Bitbucket; 0 picks a free one.",
    ),
    Setting(
        ["--veza-port"],
        group="Rehearsal with the real command line",
        envvar="OAA_DEMO_VEZA_PORT",
        type=click.IntRange(0, 65535),
        default=7991,
        metavar="N",
        help="With --serve: port of the Veza; 0 picks a free one.",
    ),
)

_FILES = MappingProxyType({"save_json": "demo-payload.json", "report": "demo-report.html"})
"""The files that the demo writes, unless flags name other paths."""


@click.command(
    cls=HelpCommand,
    params=[*_SHAPE, *_SERVE, *options_of("demo")],
    short_help="Run everything once against an embedded Bitbucket and Veza.",
)
@click.pass_context
def demo(
    ctx: click.Context,
    /,
    repositories: int,
    seed: int,
    changes: int | None,
    serve: bool,
    faults: tuple[str, ...],
    bitbucket_port: int,
    veza_port: int,
    **params: Any,
) -> int:
    """Run everything once against an embedded Bitbucket and Veza. You need no server, no account and no network.

    Both listen on this machine only, while the demo runs. The demo writes the payload and the report to files. With
    --serve it collects nothing: both servers wait for the real command line in another terminal.
    """
    invocation: Invocation = ctx.obj

    def rehearse() -> int:
        from oaa_bitbucket_async.run.serving import fault_list, serve_demo

        if "list" in faults:
            click.echo(fault_list())
            return 0
        _check_serve(ctx, serve)
        _need_trustme()
        return serve_demo(
            repositories=repositories, seed=seed, faults=faults, bitbucket_port=bitbucket_port, veza_port=veza_port
        )

    def work() -> int:
        found = Problems()
        pace = build_pace(params, found.warnings)
        scope = build_scope(params, found.problems)
        include = build_include(params["include"], found.problems)
        check_outputs(params, found, prefix="OAA_DEMO_")
        found.raise_problems()
        output = build_output(params)
        invocation.configure(output, Redactor(), found.warnings)
        _need_trustme()
        from oaa_bitbucket_async.run.demonstration import demonstrate

        return demonstrate(
            repositories=repositories,
            seed=seed,
            pace=pace,
            scope=scope,
            output=output,
            identity=params["identity"],
            include=include,
            changes=changes,
            figures=invocation.figures,
        )

    if serve or faults:
        return invocation.guard(rehearse, is_run=False)
    return invocation.guard(work)


def _need_trustme() -> None:
    if find_spec("trustme") is None:
        raise ConfigurationError(
            "The demo makes its certificates with trustme, which is not installed.",
            "Install it: pip install 'oaa-bitbucket-async[demo]' (from a checkout: pip install '.[demo]').",
        )


def _check_serve(ctx: click.Context, serve: bool) -> None:
    """Flags that would have no effect are refused: those of a run with --serve, and --fault without it."""
    if not serve:
        raise ConfigurationError(
            "--fault (OAA_DEMO_FAULTS) needs --serve.",
            "Faults only affect runs of the real command line against `demo --serve`.",
        )
    own = {option.name for option in (*_SHAPE, *_SERVE)}
    for param in ctx.command.params:
        if param.name not in own and ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE:
            raise ConfigurationError(
                f"{param.opts[0]} has no effect with --serve, which collects nothing.",
                "Give it to the run in the other terminal.",
            )


for _option in demo.params:  # a variable that is set for real runs must not send the demo's files over theirs
    if _option.name in ("save_json", "metrics_file", "report", "report_dir"):
        _option.envvar = str(_option.envvar).replace("OAA_", "OAA_DEMO_", 1)
    if isinstance(_option, Setting) and _option.name in _FILES:
        _option.default = _option.default_text = _FILES[_option.name]
