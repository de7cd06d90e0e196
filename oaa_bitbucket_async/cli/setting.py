"""An option of ours: a click option that knows its environment variable, its shown default and its group."""

import math
from collections.abc import Iterable
from typing import Any

import click

from oaa_bitbucket_async.settings import CHOOSE_NAME

MAX_CONCURRENCY = 4096
CHOOSE = str(CHOOSE_NAME)
_FALSE = {"0", "false", "no", "off", "n", "f"}
_TRUE = {"1", "true", "yes", "on", "y", "t"}


class Number(click.FloatRange):
    """A finite number in a range; click's own lets `nan` and `inf` through."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click.BadParameter for anything but a finite number in the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


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


class Setting(click.Option):
    """An option with its place in the help and in the README's table.

    `default_text` is what a reader is told about the default, where it is not simply the default's text.
    """

    def __init__(
        self, declarations: Iterable[str], *, group: str, default_text: str | None = None, **rest: Any
    ) -> None:
        super().__init__(list(declarations), show_envvar=True, **rest)
        self.group = group
        self.default_text = default_text

    @property
    def variable(self) -> str:
        """The environment variable that does the same."""
        return str(self.envvar)

    @property
    def shown_default(self) -> str:
        """The default as `--help` and the README show it."""
        if self.default_text is not None:
            return self.default_text
        if self.is_flag:
            return "on" if self.default is True else "off"
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return str(self.default)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Left column and right column of the help."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        return record[0], f"{self.help} [{self.variable}; {self.shown_default}]"


class AnyValueFlag(Setting):
    """A flag that any value of its variable switches on, as `OAA_DEBUG=0` does too."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """True if the variable is set and not empty."""
        return True if self.resolve_envvar_value(ctx) is not None else None


class OptionalPath(Setting):
    """A flag with an optional path; its variable takes `1` for the flag alone, and `0` for off."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """The path, or the marker for a name of our choosing, or None."""
        value = self.resolve_envvar_value(ctx)
        if value is None or value.lower() in _FALSE:
            return None
        return CHOOSE if value.lower() in _TRUE else value
