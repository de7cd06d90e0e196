"""Writes the tables of docs/settings.md from the command line's own settings: `python -m tests.settings_page`."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import click

from oaa_bitbucket_async.cli.help import ENVIRONMENT_ONLY
from oaa_bitbucket_async.cli.main import cli
from oaa_bitbucket_async.cli.setting import Setting

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN = "<!-- settings: python -m tests.settings_page writes from here -->"
END = "<!-- settings: to here -->"
_HEAD = "| flag | environment | default | meaning |\n| --- | --- | --- | --- |"


def tables() -> str:
    """Everything between the two markers."""
    main = _settings(cli)
    parts = [f"## {group}\n\n{_table(settings)}" for group, settings in groupby(main, key=lambda each: each.group)]
    parts.append(f"## Environment only\n\n{_environment()}")
    parts += [_command(command, main) for command in cli.commands.values()]
    return "\n\n".join(parts)


def rewritten(text: str) -> str:
    """The page with its tables made anew. Raises ValueError if it lacks a marker."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there are no two lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def _settings(command: click.Command) -> list[Setting]:
    return [param for param in command.params if isinstance(param, Setting)]


def _table(settings: Iterable[Setting]) -> str:
    return "\n".join([_HEAD, *(_row(setting) for setting in settings)])


def _row(setting: Setting) -> str:
    names = "`, `".join([*setting.opts, *setting.secondary_opts])
    return _cells(f"`{names}`", f"`{setting.variable}`", setting.shown_default, _meaning(setting))


def _meaning(setting: Setting) -> str:
    choices = ""
    if isinstance(setting.type, click.Choice):
        choices = f"One of {', '.join(f'`{choice}`' for choice in setting.type.choices)}."
    return " ".join(filter(None, [_markdown(setting.help or ""), choices, setting.details]))


def _markdown(text: str) -> str:
    """The words of the help, with what Markdown would take for markup as code."""
    return text.replace("<data source>-<UTC time>.json", "DATA_SOURCE-UTC_TIME.json").replace("*", "\\*")


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _environment() -> str:
    """The variables that have no flag."""
    head = "| environment | meaning |\n| --- | --- |"
    return "\n".join([head, *(_cells(_secret(name), f"{meaning}.") for name, meaning in ENVIRONMENT_ONLY)])


def _secret(name: str) -> str:
    return f"`{name}`" if name == "BITBUCKET_USER" else f"`{name}` or `{name}_FILE`"


def _command(command: click.Command, main: Sequence[Setting]) -> str:
    """What a command takes: the flags that it shares with a run, and a table of its own ones."""
    known = {setting.variable for setting in main}
    shared = [f"`{setting.opts[0]}`" for setting in _settings(command) if setting.variable in known]
    own = [setting for setting in _settings(command) if setting.variable not in known]
    parts = [f"## {command.name}", command.get_short_help_str(limit=200)]
    if shared:
        parts.append(f"It takes these settings of a run: {', '.join(shared)}.")
    if own:
        parts.append(_table(own))
    return "\n\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
