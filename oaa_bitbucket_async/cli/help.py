"""`--help` in groups of options, at most 80 columns wide."""

from collections.abc import Sequence
from typing import Any

import click

from oaa_bitbucket_async.cli.setting import Setting

Rows = Sequence[tuple[str, str]]

_LEFT = 26
"""Width of the left column, the same in all groups."""

_EXIT_CODES = (
    ("0", "done"),
    ("1", "a bug"),
    ("2", "usage or configuration"),
    ("3", "incomplete: not uploaded, or only under --allow-partial; or --max-removed"),
    ("4", "Bitbucket refused the credential, or forgot it on the way"),
    ("5", "Veza refused the upload; the payload was kept in a file"),
    ("75", "temporary: try again later"),
    ("130, 143", "interrupted"),
)
_SECRETS = (
    ("BITBUCKET_TOKEN", "HTTP access token, or the password of BITBUCKET_USER [required]"),
    ("BITBUCKET_USER", "User name: basic authentication, and with it explicit global permissions"),
    ("VEZA_API_KEY", "Veza's API key [required]"),
)


VEZA_SECRET = _SECRETS[2:]


class HelpCommand(click.Command):
    """A command whose help has its options in groups.

    `variables`: those of the environment that have no flag; `exit_codes`: what it ends with.
    """

    def __init__(self, *args: Any, variables: Rows = (), exit_codes: Rows = _EXIT_CODES, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.variables = variables
        self.exit_codes = exit_codes

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for the middle of the help."""
        _write_options(self, ctx, formatter)
        _write_environment(self.variables, formatter)
        _write_rows("Exit codes", self.exit_codes, formatter)


class HelpGroup(click.Group):
    """A group with that help, whose bare call is a command of its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for the middle of the help."""
        _write_options(self, ctx, formatter)
        _write_environment(_SECRETS, formatter)
        self.format_commands(ctx, formatter)
        _write_rows("Exit codes", _EXIT_CODES, formatter)


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            group = param.group if isinstance(param, Setting) else "Other"
            groups.setdefault(group, []).append(record)
    for group, records in groups.items():
        _write_rows(group, records, formatter)


def _write_environment(variables: Rows, formatter: click.HelpFormatter) -> None:
    if variables:
        _write_rows("Environment only (NAME_FILE names a file with the secret)", variables, formatter)


def _write_rows(title: str, rows: Rows, formatter: click.HelpFormatter) -> None:
    with formatter.section(title):
        formatter.write_dl([(left.ljust(_LEFT), right) for left, right in rows], col_max=_LEFT)
