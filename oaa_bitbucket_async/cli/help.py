"""`--help` in groups of options, at most 80 columns wide."""

import re
from collections.abc import Sequence
from typing import Any

import click

from oaa_bitbucket_async.cli.setting import Setting

Rows = Sequence[tuple[str, str]]

_LEFT = 26
"""Width of the left column, the same in all groups."""
_HYPHEN, _SPACE = "\ue000", "\ue001"
"""Stand in for a hyphen and a space at which no line may break, until the lines are made."""
_WHOLE = 48
"""Characters of a note in [brackets] up to which it stays on one line."""
_NOTE = re.compile(r" \[[^\[\]]+\]$")

_EXIT_CODES = (
    ("0", "done"),
    ("1", "a bug"),
    ("2", "usage or configuration"),
    ("3", "incomplete: not uploaded, or only under --allow-partial; or stopped by --max-removed"),
    ("4", "Bitbucket refused the credential, or forgot it on the way"),
    ("5", "Veza refused the upload; the payload was kept in a file"),
    ("75", "temporary: try again later"),
    ("130, 143", "interrupted: the next run goes on from there"),
    ("141", "whoever read the standard output went away"),
)
_EXAMPLES = (
    ("oaa-bitbucket-async --check", "would a run work, and what would it take?"),
    ("oaa-bitbucket-async --dry-run --save-json payload.json", "collect, upload nothing, look at the payload"),
    ("oaa-bitbucket-async", "collect and upload, all settings in the environment"),
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

    def get_help(self, ctx: click.Context) -> str:
        """The help as text."""
        return _lines(super().get_help(ctx))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for the middle of the help."""
        _write_options(self, ctx, formatter)
        _write_environment(self.variables, formatter)
        _write_rows("Exit codes", self.exit_codes, formatter)


class HelpGroup(click.Group):
    """A group with that help, whose bare call is a command of its own."""

    def get_help(self, ctx: click.Context) -> str:
        """The help as text."""
        return _lines(super().get_help(ctx))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for the middle of the help."""
        _write_options(self, ctx, formatter)
        _write_environment(_SECRETS, formatter)
        commands = [(name, self.commands[name].get_short_help_str(100)) for name in self.list_commands(ctx)]
        _write_rows("Commands", commands, formatter)
        _write_rows("Exit codes", _EXIT_CODES, formatter)
        _write_rows("Examples", _EXAMPLES, formatter)


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
        formatter.write_dl([(left.ljust(_LEFT), _keep_together(right)) for left, right in rows], col_max=_LEFT)


def _keep_together(text: str) -> str:
    """`text` with stand-ins: no flag is torn at its hyphens, and no note in two if it fits a line."""
    note = _NOTE.search(text)
    if note is not None and len(note[0]) <= _WHOLE + 1:
        text = text[: note.start()] + " " + note[0][1:].replace(" ", _SPACE)
    return text.replace("-", _HYPHEN)


def _lines(text: str) -> str:
    return text.replace(_HYPHEN, "-").replace(_SPACE, " ")
