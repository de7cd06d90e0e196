"""A measured figure, its goal, and the table of all of them."""

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """`value` of `what` under `setting`. `goal`: the most it may be; None: only a number to know."""

    what: str
    setting: str
    value: float
    unit: str = "×"
    goal: float | None = None
    note: str = ""
    digits: int = 2

    @property
    def missed(self) -> bool:
        """True if there is a goal and the value, as it is printed, is beyond it."""
        return self.goal is not None and round(self.value, self.digits) > self.goal

    def row(self) -> str:
        """One line of the table."""
        goal = "" if self.goal is None else f"≤ {_number(self.goal, self.digits)}"
        verdict = "" if self.goal is None else "**missed**" if self.missed else "reached"
        value = f"{_number(self.value, self.digits)} {self.unit}".strip()
        return f"| {self.what} | {self.setting} | {value} | {goal} | {verdict} | {self.note} |"


def table(figures: Iterable[Figure]) -> str:
    """All figures as one Markdown table."""
    head = ("| what | setting | measured | goal | | beside it |", "| --- | --- | ---: | ---: | --- | --- |")
    return "\n".join([*head, *(figure.row() for figure in figures)])


def middle(values: Sequence[float]) -> float:
    """The median of several runs."""
    return float(median(values))


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Lowest and highest of several runs, in words; empty for one."""
    if len(values) < 2:
        return ""
    return f"{len(values)} runs: {_number(min(values), digits)} to {_number(max(values), digits)}"


def _number(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits > 2 else text
