"""The command line: `oaa-bitbucket-async …`. Builds the settings, calls `run`, turns errors into exit codes."""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.cli.build import APPLICATION, build_output, build_settings
from oaa_bitbucket_async.cli.demo import demo
from oaa_bitbucket_async.cli.diff import diff
from oaa_bitbucket_async.cli.help import HelpGroup, few_option
from oaa_bitbucket_async.cli.invocation import (
    CLOSED_PIPE,
    Invocation,
    close_standard_output,
    interrupt,
    interrupted_code,
    let_go_of_standard_error,
)
from oaa_bitbucket_async.cli.push import push
from oaa_bitbucket_async.cli.questions import what_can, who_can
from oaa_bitbucket_async.cli.settings_table import options_of
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError
from oaa_bitbucket_async.files import prove_writable
from oaa_bitbucket_async.redaction import redactor_of
from oaa_bitbucket_async.text import escape
from oaa_bitbucket_async.urls import AddressError, bitbucket_base


@click.group(
    cls=HelpGroup,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND ...]",
    params=[*options_of("run"), few_option()],
)
@click.version_option(__version__, prog_name=APPLICATION, message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, /, **params: Any) -> int:
    """Read who may do what in a Bitbucket Server or Data Center and upload it to Veza.

    Without a command, collect from --bitbucket-url and upload to --veza-url. The [brackets] show the environment
    variable of a flag and its default. A flag overrides its variable.
    """
    invocation: Invocation = ctx.obj
    if ctx.invoked_subcommand is not None:
        _refuse_misplaced(ctx, ctx.invoked_subcommand)
        return 0

    def work() -> int:
        try:
            built = build_settings(params, os.environ)
        except ConfigurationError as error:
            _tell_metrics(params, error.exit_code)
            raise
        settings = built.settings
        invocation.configure(settings.output, redactor_of(settings.login, settings.veza), built.warnings)
        from oaa_bitbucket_async import run

        if params["check"]:
            return run.check(settings, as_json=params["json"])
        return run.collect_and_upload(settings, invocation.figures)

    return invocation.guard(work)


cli.add_command(push)
cli.add_command(who_can)
cli.add_command(what_can)
cli.add_command(diff)
cli.add_command(demo)


def _tell_metrics(params: dict[str, Any], exit_code: int) -> None:
    """Writes metrics for a run that can't begin. Otherwise the file would still show the last good run."""
    if params["metrics_file"] is None or params["check"]:
        return
    try:
        base, _ = bitbucket_base(params["bitbucket_url"] or "")
        prove_writable(params["metrics_file"])
    except (AddressError, CollectorError):  # no Bitbucket that the figures could be about, or nowhere to put them
        return
    from oaa_bitbucket_async import run

    run.never_began(base, build_output(params), exit_code)


def _refuse_misplaced(ctx: click.Context, command: str) -> None:
    """Refuses a flag before the command, which would be ignored silently."""
    for param in ctx.command.params:
        if param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            flag = param.opts[0]
            raise click.UsageError(
                f"{flag} comes before '{command}'. Write: {APPLICATION} {command} … with the flags that "
                f"`{APPLICATION} {command} --help` shows, or leave out '{command}' to collect from Bitbucket.",
                ctx,
            )


def _refused(error: click.ClickException, invocation: Invocation) -> int:
    """Prints click's message about wrong arguments, with advice if a secret was given as a flag."""
    hint = ""
    if isinstance(error, click.exceptions.NoSuchOption) and any(
        word in error.option_name for word in ("token", "password", "key", "secret")
    ):
        hint = "Secrets come from the environment or a file: see 'Environment only' in --help."
    if invocation.log_format == "json":
        return invocation.end(error.exit_code, [f"{error.format_message()} {hint}".rstrip()])
    with contextlib.suppress(OSError):  # a log on a full disk: the exit code tells
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n", err=True)
        # it repeats what was typed: a file's name, say
        click.echo(f"Error: {escape(invocation.redact(error.format_message()))}", err=True)
        if hint:
            click.echo(hint, err=True)
    return error.exit_code


def execute(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments (those of the process if None) ask for, and gives the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    invocation = Invocation.of(arguments, os.environ)
    try:
        result = cli.main(args=arguments, prog_name=APPLICATION, standalone_mode=False, obj=invocation)
    except click.ClickException as error:
        return _refused(error, invocation)
    except click.Abort as error:
        return invocation.end(interrupted_code(error.__cause__), ["Interrupted."])
    except SystemExit as ended:  # click's answer to a closed pipe is 1, which to us means a bug
        if ended.code != 1:
            raise
        close_standard_output()
        return CLOSED_PIPE
    return int(result or 0)


def main() -> NoReturn:
    """Entry point, once everything is loaded. A signal ends the process until a run handles signals itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        code = execute()
    except KeyboardInterrupt as error:
        code = interrupted_code(error)
    let_go_of_standard_error()
    sys.exit(code)
