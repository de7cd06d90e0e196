"""A setting as a click option, with its environment variable, its default as shown, and its group."""

import dataclasses
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

import click

from oaa_bitbucket_async.cli.page import with_note
from oaa_bitbucket_async.settings import CHOOSE_NAME, Output, Pace, Scope, Settings, State, Tls, Veza

CommandName = Literal["run", "push", "demo"]

MAX_CONCURRENCY = 4096
CHOOSE = str(CHOOSE_NAME)
_DATED = "YmdHMSjyGVu%"
"""What a date in a path may be made of: figures only, the same in every language and on every system."""
_FALSE = {"0", "false", "no", "off", "n", "f"}
_TRUE = {"1", "true", "yes", "on", "y", "t"}
_SECTIONS = MappingProxyType(
    {"": Settings, "tls": Tls, "veza": Veza, "pace": Pace, "scope": Scope, "state": State, "output": Output}
)
"""The parts of `Settings`, by the name of their field."""
Complete = Callable[[click.Context, click.Parameter, str], list[str]]
"""What a shell offers for a value that was begun."""


class Number(click.FloatRange):
    """A finite number in a range; click's own lets `nan` and `inf` through."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click.BadParameter for anything but a finite number in the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class Seconds(Number):
    """A duration in seconds."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How the help names the value."""
        return "S"


class Hours(Number):
    """A duration in hours."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How the help names the value."""
        return "H"


class Count(click.IntRange):
    """A whole number in a range."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How the help names the value."""
        return "N"


class Concurrency(click.ParamType[int | None]):
    """`auto` (None) or a number of requests."""

    name = "auto|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text `auto` stays, since None means to click that nothing was given."""
        if str(value).strip().lower() == "auto":
            return "auto"
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'auto' nor a whole number.", param, ctx)
        if not 1 <= number <= MAX_CONCURRENCY:
            self.fail(f"{number} is not in the range 1 to {MAX_CONCURRENCY}.", param, ctx)
        return number


class Share(click.ParamType[float | None]):
    """`off` (None) or a number of per cent."""

    name = "PERCENT|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text `off` stays, since None means to click that nothing was given."""
        if str(value).strip().lower() == "off":
            return "off"
        try:
            return Number(min=0, max=100).convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither 'off' nor a number from 0 to 100.", param, ctx)


class DatedPath(click.Path):
    """A path that may hold the date, as `strftime` writes it (UTC): `bitbucket-%Y-%m-%d.html`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path of today. Raises click.BadParameter for what is no date or time in figures."""
        pattern = os.fspath(value)
        for part in re.findall("%.?", pattern, re.DOTALL):
            if part[1:] not in set(_DATED):
                known = ", ".join(f"%{letter}" for letter in _DATED)
                self.fail(f"{part!r} in {pattern!r} is no part of a date. Known are {known}.", param, ctx)
        return super().convert(datetime.now(UTC).strftime(pattern) if "%" in pattern else pattern, param, ctx)


class Setting(click.Option):
    """An option with its place in the help and in docs/settings.md.

    `needed`: `-h` shows it. `default_text` is the default as the reader sees it, where the value itself would not do.
    `details` is Markdown that docs/settings.md adds to the help.
    """

    def __init__(
        self,
        declarations: Iterable[str],
        *,
        group: str,
        default_text: str | None = None,
        needed: bool = False,
        details: str = "",
        **rest: Any,
    ) -> None:
        super().__init__(list(declarations), show_envvar=True, **rest)
        self.group = group
        self.default_text = default_text
        self.needed = needed
        self.details = details

    @property
    def variable(self) -> str:
        """The environment variable that does the same."""
        return str(self.envvar)

    @property
    def shown_default(self) -> str:
        """The default as `--help` and docs/settings.md show it."""
        if self.default_text is not None:
            return self.default_text
        if self.is_flag:
            return "on" if self.default is True else "off"
        return _told(self.default)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Left column and right column of the help."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        return record[0], with_note(self.help or "", f"{self.variable}; {self.shown_default}")


def _told(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


class AnyValueFlag(Setting):
    """A switch whose variable means on for any text except the words for off, as oaaclient's own does."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """None if the variable is not set or empty, else False for a word that means off, and True."""
        value = self.resolve_envvar_value(ctx)
        return None if value is None else value.strip().lower() not in _FALSE


class OptionalPath(Setting):
    """A flag with an optional path; its variable takes `1` for the flag alone, and `0` for off."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """The path, or the marker for a name of our choosing, or None."""
        value = self.resolve_envvar_value(ctx)
        if value is None or value.lower() in _FALSE:
            return None
        return CHOOSE if value.lower() in _TRUE else value


class SettingGroup(StrEnum):
    """The headings of `--help`, in their order."""

    BITBUCKET = "Bitbucket"
    VEZA = "Veza"
    PACE = "Pace"
    SCOPE = "Scope"
    INTEGRITY = "Integrity and state"
    OUTPUT = "Output"
    MODE = "Mode"


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting. Its default is that of the field it goes to, unless `default` says otherwise.

    `to` is the path of that field in `Settings`, such as `pace.page_size`; empty for what only the command line
    reads. `value` checks what is given; without one it is text, or a switch where the default is one. `shown` is
    what a reader is told about the default where its own text would not do. `takers` are the commands that have
    the flag. The settings that `-h` shows are `needed`. `complete` gives what a shell offers for a value that was
    begun. With `asks_if_given` click passes None for a missing flag, and the field keeps its default. So the command
    can tell a given value from the default. `details` are the sentences that docs/settings.md adds to the help, in
    Markdown.
    """

    flag: str
    to: str
    help: str
    variable: str = ""
    value: "click.ParamType[Any] | None" = None
    metavar: str | None = None
    shown: str | None = None
    default: str | bool | None = None
    many: bool = False
    takers: tuple[CommandName, ...] = ("run",)
    kind: type[Setting] = Setting
    asks_if_given: bool = False
    needed: bool = False
    complete: "Complete | None" = None
    details: str = ""

    @property
    def name(self) -> str:
        """The name of the parameter that click passes on."""
        return self.flag.partition("/")[0].removeprefix("--").replace("-", "_")

    @property
    def section(self) -> str:
        """The part of `Settings` that it goes to; empty for `Settings` itself."""
        return self.to.rpartition(".")[0]

    @property
    def field(self) -> str:
        """The field of that part."""
        return self.to.rpartition(".")[2]

    def option(self, group: SettingGroup) -> Setting:
        """The click option, a new one at each call."""
        default = self._default()
        more: dict[str, Any] = {}
        shown = self.shown
        if self.asks_if_given:
            shown, default = shown or _told(default), None
        if self.kind is OptionalPath:
            more.update(is_flag=False, flag_value=CHOOSE)
        elif self.value is None and isinstance(default, bool) and "/" not in self.flag:
            more.update(is_flag=True)
        if self.many:
            more.update(multiple=True)
        else:
            more.update(default=default)
        return self.kind(
            [self.flag, self.name],
            group=group,
            envvar=self.variable or f"OAA_{self.name.upper()}",
            type=self.value,
            metavar=self.metavar,
            default_text=shown,
            help=self.help,
            needed=self.needed,
            details=self.details,
            shell_complete=self.complete,
            **more,
        )

    def _default(self) -> Any:
        if self.default is not None:
            return self.default
        for field in dataclasses.fields(_SECTIONS[self.section]):
            if field.name == self.field and field.default is not MISSING:
                return field.default
        return None
