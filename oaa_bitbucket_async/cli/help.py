"""`--help` shows all options in groups. `-h` shows the ones that most people need."""

from collections.abc import Sequence
from typing import Any

import click

from oaa_bitbucket_async.cli.page import PageFormatter
from oaa_bitbucket_async.cli.setting import Setting

Rows = Sequence[tuple[str, str]]

_EXIT_CODES = (
    ("0", "done"),
    ("1", "a bug"),
    ("2", "wrong usage or configuration"),
    ("3", "incomplete: not uploaded unless --allow-partial is set; or stopped by --max-removed"),
    ("4", "Bitbucket refused the credential, at the start or during the run"),
    ("5", "Veza refused the upload; the payload is kept in a file"),
    ("75", "temporary: try again later"),
    ("130, 143", "interrupted: the next run continues from there"),
    ("141", "the reader of standard output closed the pipe"),
)
_EXAMPLES = (
    ("oaa-bitbucket-async --check", "check whether a run would work, and what it takes"),
    ("oaa-bitbucket-async --dry-run --save-json payload.json", "collect and save the payload, upload nothing"),
    ("oaa-bitbucket-async", "collect and upload, with all settings in the environment"),
)
_FEW_EXAMPLES = (
    (
        "oaa-bitbucket-async --bitbucket-url https://git.example.com --check",
        "check whether a run would work, upload nothing",
    ),
    ("oaa-bitbucket-async", "collect and upload, with all settings in the environment"),
)
ENVIRONMENT_ONLY = (
    ("BITBUCKET_TOKEN", "HTTP access token, or the password of BITBUCKET_USER [required]"),
    ("BITBUCKET_USER", "User name, for basic authentication; global permissions are then explicit"),
    ("VEZA_API_KEY", "Veza's API key [required]"),
)


VEZA_SECRET = ENVIRONMENT_ONLY[2:]


class _Page(click.Command):
    """A command whose help uses our own layout."""

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
        """Write the options and everything after them."""
        raise NotImplementedError


class HelpCommand(_Page):
    """A command whose help shows its options in groups.

    `variables` are environment variables without a flag. `exit_codes` are the codes that the command can end with.
    """

    def __init__(self, *args: Any, variables: Rows = (), exit_codes: Rows = _EXIT_CODES, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.variables = variables
        self.exit_codes = exit_codes

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Both names show the same help, since a command's help is short."""
        return ["-h", "--help"]

    def write_sections(self, ctx: click.Context, page: PageFormatter) -> None:
        """See _Page."""
        _write_options(self, ctx, page)
        _write_environment(self.variables, page)
        page.write_rows("Exit codes", self.exit_codes)


class HelpGroup(_Page, click.Group):
    """A group that shows the same help, and that is a command itself. `-h` shows a shorter page."""

    def write_sections(self, ctx: click.Context, page: PageFormatter) -> None:
        """See _Page."""
        _write_options(self, ctx, page)
        _write_environment(ENVIRONMENT_ONLY, page)
        page.write_rows("Commands", self._commands(ctx))
        page.write_rows("Exit codes", _EXIT_CODES)
        page.write_rows("Examples", _EXAMPLES)

    def few(self, ctx: click.Context) -> str:
        """The shorter page."""
        page = PageFormatter()
        self.format_usage(ctx, page)
        self.format_help_text(ctx, page)
        needed = [param for param in self.get_params(ctx) if isinstance(param, Setting) and param.needed]
        page.write_rows("What most people need", [record for p in needed if (record := p.get_help_record(ctx))])
        _write_environment(ENVIRONMENT_ONLY, page)
        page.write_rows("Examples", _FEW_EXAMPLES)
        page.write_paragraph()
        names = ", ".join(name for name, _ in self._commands(ctx))
        page.write_text(f"--help shows all settings and exit codes. Each command has its own --help: {names}.")
        return page.getvalue().rstrip("\n")

    def _commands(self, ctx: click.Context) -> list[tuple[str, str]]:
        return [(name, self.commands[name].get_short_help_str(100)) for name in self.list_commands(ctx)]


def few_option() -> click.Option:
    """The option `-h` of the group."""

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
