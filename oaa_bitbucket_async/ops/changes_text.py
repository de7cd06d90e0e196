"""What changed between two payloads, in words."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oaa_bitbucket_async.oaa.changes import Changes, Difference, Membership, NamedGrant, Thing
from oaa_bitbucket_async.text import escape

_STYLES = {"-": "red", "+": "green"}


def summed_up(changes: Changes) -> str:
    """In one line: `grants +40 -3, members +1 since 2026-11-23 02:00 UTC`."""
    parts = [
        f"{name} {' '.join(f'{sign}{n:,}' for sign, n in (('+', kind.added), ('-', kind.removed)) if n)}"
        for name, kind in changes.kinds().items()
        if kind
    ]
    if changes.grants_closed:
        parts.append(f"{changes.grants_closed:,} of the grants removed since public access is off")
    since = f" since {changes.since:%Y-%m-%d %H:%M} UTC" if changes.since else ""
    return f"{', '.join(parts) or 'none'}{since}"


def show_changes(changes: Changes, console: Console, *, limit: int) -> None:
    """Counts, then for each kind at most `limit` lines of what was removed (-) and added (+).

    The lines are sorted by holder or name. A grant that changed its level has two lines, one below the other.
    """
    console.print(_counts(changes))
    for name, kind in changes.kinds().items():
        if kind:
            _show(name, list(_lines(kind)), kind.added + kind.removed, console, limit)


def change_lines(changes: Changes, *, limit: int) -> list[str]:
    """The same in plain lines: `- ann: REPO_READ on KEY/slug`, and how many more there are."""
    told = []
    for name, kind in changes.kinds().items():
        lines = list(_lines(kind))[:limit]
        told += [f"{name}: {sign} {line}" for sign, line in lines]
        if (more := kind.added + kind.removed - len(lines)) and kind:
            told.append(f"{name}: … and {more:,} more")
    return told


def _counts(changes: Changes) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for heading in ("before", "after", "added", "removed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, kind in changes.kinds().items():
        if name == "credentials" and not (kind.before or kind.after):  # most payloads have none
            continue
        table.add_row(name.capitalize(), f"{kind.before:,}", f"{kind.after:,}", f"{kind.added:,}", f"{kind.removed:,}")
    return table


def _show(name: str, lines: Sequence[tuple[str, str]], count: int, console: Console, limit: int) -> None:
    shown = lines[:limit]
    if not shown:
        return
    console.print(Text(f"\n{name.capitalize()}", style="bold"))
    for sign, line in shown:
        console.print(Text(escape(f"{sign} {line}"), style=_STYLES[sign]), soft_wrap=True)
    if count > len(shown):
        console.print(Text(f"… and {count - len(shown):,} more", style="dim"))


def _lines(kind: Difference[NamedGrant] | Difference[Membership] | Difference[Thing]) -> Iterator[tuple[str, str]]:
    """The sign and the words of each example, sorted."""
    found = [
        *(("-", example) for example in kind.removed_examples),
        *(("+", example) for example in kind.added_examples),
    ]
    for sign, example in sorted(found, key=lambda one: (_place(one[1]), one[0] == "+")):
        yield sign, describe(example)


def _place(example: NamedGrant | Membership | Thing) -> tuple[str, ...]:
    if isinstance(example, NamedGrant):
        return example.holder_kind, example.holder, example.on
    if isinstance(example, Membership):
        return example.group, example.member_kind, example.member
    return example.name, example.id


def describe(example: NamedGrant | Membership | Thing) -> str:
    """`ann: REPO_READ on KEY/slug`. Most holders are users, so only others are called what they are: `group dev: …`."""
    if isinstance(example, NamedGrant):
        on = example.on if example.on_kind != "application" else "the instance"
        return f"{_who(example.holder_kind, example.holder)}: {example.permission} on {on}"
    if isinstance(example, Membership):
        return f"{_who(example.member_kind, example.member)} in {example.group}"
    return example.name


def _who(kind: str, name: str) -> str:
    return name if kind == "user" else f"{kind} {name}"
