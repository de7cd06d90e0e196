"""`oaa-bitbucket-async diff OLD NEW`: what changed from one saved payload to another."""

from pathlib import Path

import click

from oaa_bitbucket_async.cli.help import HelpCommand
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.setting import Setting, SettingGroup
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.settings import STANDARD_INPUT

_EXIT_CODES = (
    ("0", "nothing was added or removed"),
    ("1", "something was added or removed"),
    ("2", "wrong usage, or a file that can't be read or is not a payload"),
    ("70", "a bug"),
)
_PAYLOAD = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path)


@click.command(cls=HelpCommand, exit_codes=_EXIT_CODES, short_help="Show what changed between two saved payloads.")
@click.argument("old", type=_PAYLOAD)
@click.argument("new", type=_PAYLOAD)
@click.option(
    "--json",
    "as_json",
    cls=Setting,
    group=SettingGroup.OUTPUT,
    envvar="OAA_DIFF_JSON",
    is_flag=True,
    default=False,
    help="Print one JSON object instead of text.",
)
@click.option(
    "--limit",
    cls=Setting,
    group=SettingGroup.OUTPUT,
    envvar="OAA_DIFF_LIMIT",
    type=click.IntRange(min=0),
    metavar="N",
    default_text="20, in JSON all",
    help="Show at most N changes of each kind; all are counted.",
)
@click.pass_obj
def diff(invocation: Invocation, /, old: Path, new: Path, as_json: bool, limit: int | None) -> int:
    """Show what was added and removed between OLD and NEW: grants, members, users, groups, projects, repositories.

    Both are payloads, plain or gzip: from --save-json, from a refused upload or from the state folder. '-' reads
    standard input. A line with '-' was removed, a line with '+' was added. A grant whose level changed appears once
    as removed and once as added.
    """

    def work() -> int:
        if old == new == STANDARD_INPUT:
            raise ConfigurationError("Only one of OLD and NEW can be standard input.", "Give a file.")
        from oaa_bitbucket_async.run.diff import show_difference

        return show_difference(old, new, as_json=as_json, limit=limit)

    return invocation.guard(work, is_run=False)
