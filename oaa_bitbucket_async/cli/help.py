"""`--help`: all options, in groups. `-h`: the page of those that most people need."""

from collections.abc import Sequence
from typing import Any

import click

from oaa_bitbucket_async.cli.page import PageFormatter
from oaa_bitbucket_async.cli.setting import Setting

Rows = Sequence[tuple[str, str]]

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
_FEW_EXAMPLES = (
    ("oaa-bitbucket-async --bitbucket-url https://git.example.com --check", "would a run work, without uploading?"),
    ("oaa-bitbucket-async", "collect and upload, all settings in the environment"),
)
_SECRETS = (
    ("BITBUCKET_TOKEN", "HTTP access token, or the password of BITBUCKET_USER [required]"),
    ("BITBUCKET_USER", "User name: basic authentication, and with it explicit global permissions"),
    ("VEZA_API_KEY", "Veza's API key [required]"),
)


VEZA_SECRET = _SECRETS[2:]


class _Page(click.Command):
    """A command whose help is a page of ours."""

    def get_help(self, ctx: click.Context) -> str:
        """The help as text."""
        formatter = PageFormatter()
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for the middle of the help."""
        if isinstance(formatter, PageFormatter):
            self.write_sections(ctx, formatter)

    def write_sections(self, ctx: click.Context, page: PageFormatter) -> None:
        """Options and all that follows."""
        raise NotImplementedError


class HelpCommand(_Page):
    """A command whose help has its options in groups.

    `variables`: those of the environment that have no flag; `exit_codes`: what it ends with.
    """

    def __init__(self, *args: Any, variables: Rows = (), exit_codes: Rows = _EXIT_CODES, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.variables = variables
        self.exit_codes = exit_codes

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Both: a command's help is a page already."""
        return ["-h", "--help"]

    def write_sections(self, ctx: click.Context, page: PageFormatter) -> None:
        """See _Page."""
        _write_options(self, ctx, page)
        _write_environment(self.variables, page)
        page.write_rows("Exit codes", self.exit_codes)


class HelpGroup(_Page, click.Group):
    """A group with that help, whose bare call is a command of its own. `-h` shows a page of it."""

    def write_sections(self, ctx: click.Context, page: PageFormatter) -> None:
        """See _Page."""
        _write_options(self, ctx, page)
        _write_environment(_SECRETS, page)
        page.write_rows("Commands", self._commands(ctx))
        page.write_rows("Exit codes", _EXIT_CODES)
        page.write_rows("Examples", _EXAMPLES)

    def few(self, ctx: click.Context) -> str:
        """The page of what most people need."""
        page = PageFormatter()
        self.format_usage(ctx, page)
        self.format_help_text(ctx, page)
        needed = [param for param in self.get_params(ctx) if isinstance(param, Setting) and param.needed]
        page.write_rows("What most people need", [record for p in needed if (record := p.get_help_record(ctx))])
        _write_environment(_SECRETS, page)
        page.write_rows("Examples", _FEW_EXAMPLES)
        page.write_paragraph()
        names = ", ".join(name for name, _ in self._commands(ctx))
        page.write_text(f"All settings and exit codes: --help. Commands, each with a --help of its own: {names}.")
        return page.getvalue().rstrip("\n")

    def _commands(self, ctx: click.Context) -> list[tuple[str, str]]:
        return [(name, self.commands[name].get_short_help_str(100)) for name in self.list_commands(ctx)]


def few_option() -> click.Option:
    """`-h` of the group."""

    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing and isinstance(ctx.command, HelpGroup):
            click.echo(ctx.command.few(ctx), color=ctx.color)
            ctx.exit()

    return click.Option(
        ["-h", "few"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the ten settings that most people need, and exit.",
    )


def _write_options(command: click.Command, ctx: click.Context, page: PageFormatter) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            group = param.group if isinstance(param, Setting) else "Other"
            groups.setdefault(group, []).append(record)
    for group, records in groups.items():
        page.write_rows(group, records)


def _write_environment(variables: Rows, page: PageFormatter) -> None:
    if variables:
        page.write_rows("Environment only (NAME_FILE names a file with the secret)", variables)
