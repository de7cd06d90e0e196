"""Answers to `who-can` and `what-can` for a person, and as CSV and JSON lines for programs."""

import csv
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import BinaryIO, TextIO

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oaa_bitbucket_async.access.answers import KeyOrToken, Person, Way, WhatCan, WhoCan
from oaa_bitbucket_async.access.graph import ON_EVERYTHING
from oaa_bitbucket_async.ops.csv_cells import cells
from oaa_bitbucket_async.ops.terminal import write_json
from oaa_bitbucket_async.text import escape

WHO_COLUMNS = ("place", "level", "name", "id", "highest", "active", "licensed", "kind", "through", "permission", "on")
WHAT_COLUMNS = ("name", "place", "highest", "kind", "through", "permission", "on")
_EVERYTHING = "the whole instance"
_VERBS = MappingProxyType({"read": "read", "write": "write to", "admin": "administer"})


def write_json_lines(answers: Iterable[WhoCan | WhatCan], limit: int | None, file: BinaryIO) -> None:
    """One object a line, at most `limit` people or places in each."""
    write_json(file, (msgspec.json.encode(_as_json(answer, limit)) + b"\n" for answer in answers))


def write_who_csv(answers: Iterable[WhoCan], limit: int | None, file: TextIO) -> None:
    """One row for each way of each person, and of each key and token that opens the place by itself."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(WHO_COLUMNS)
    for answer in answers:
        for person in [*answer.people[:limit], *answer.unknown[:limit]]:
            for way in person.ways:
                about = (person.name, person.id, person.highest, person.active, person.licensed)
                table.writerow(cells(answer.place, answer.level, *about, *_way(way)))
        for opener in answer.credentials[:limit]:
            for way in opener.ways:
                about = (f"{opener.kind} {opener.name}", opener.id, opener.highest, opener.active, None)
                table.writerow(cells(answer.place, answer.level, *about, *_way(way)))


def write_what_csv(answer: WhatCan, limit: int | None, file: TextIO) -> None:
    """One row for each way to each place."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(WHAT_COLUMNS)
    for reached in answer.places[:limit]:
        for way in reached.ways:
            table.writerow(cells(answer.name, reached.place, reached.highest, *_way(way)))


def show_who(answer: WhoCan, limit: int, console: Console) -> None:
    """A heading that counts, and a table of people with the ways of each."""
    able = answer.anybody
    dormant = len(answer.people) - able
    aside = f" ({dormant:,} more can't sign in)" if dormant else ""
    heading = f"{_people(able)} can {_VERBS[answer.level]} {answer.place}{aside}"
    console.print(Text(escape(heading), style="bold"), soft_wrap=True)
    if not answer.collected:
        console.print(Text("Part of it could not be read, so there may be more.", style="yellow"), soft_wrap=True)
    if answer.people:
        table = _table("Person", "Highest", "How")
        for person in answer.people[:limit]:
            table.add_row(_name(person), Text(person.highest or "?"), _lines(_ways(person.ways, answer.place)))
        console.print(table)
    _say_rest(len(answer.people), limit, console)
    if answer.credentials:
        table = _table("Key or token", "Highest", "How")
        for opener in answer.credentials[:limit]:
            name = f"{opener.kind} {opener.name}{'' if opener.active else ' (inactive)'}"
            table.add_row(Text(escape(name)), Text(opener.highest or "?"), _lines(_ways(opener.ways, answer.place)))
        console.print(table)
        _say_rest(len(answer.credentials), limit, console)
    if answer.unknown:
        names = ", ".join(sorted({way.permission for person in answer.unknown for way in person.ways}))
        text = f"Permissions that this version does not know lead {_people(len(answer.unknown))} here: {names}"
        console.print(Text(escape(text), style="yellow"), soft_wrap=True)
    if answer.reach_repositories:
        more = answer.reach_repositories
        text = (
            f"{more:,} more {'person' if more == 1 else 'people'} can {_VERBS[answer.level]} single repositories of it."
        )
        console.print(Text(text), soft_wrap=True)


def show_what(answer: WhatCan, limit: int, console: Console) -> None:
    """A heading, the places with the ways to each, and keys and tokens."""
    who = f"group {answer.name}" if answer.is_group else answer.name
    console.print(Text(escape(f"{who} reaches {_places(answer)}{_state(answer)}"), style="bold"), soft_wrap=True)
    if answer.global_permissions:
        text = f"Global permissions: {', '.join(answer.global_permissions)}"
        console.print(Text(escape(text)), soft_wrap=True)
    if answer.places:
        table = _table("Place", "Highest", "How")
        for reached in answer.places[:limit]:
            place = _EVERYTHING if reached.place == ON_EVERYTHING else reached.place
            table.add_row(Text(escape(place)), Text(reached.highest or "?"), _lines(_ways(reached.ways, reached.place)))
        console.print(table)
    _say_rest(len(answer.places), limit, console)
    if answer.credentials:
        console.print(Text("Keys and tokens", style="bold"))
        for credential in answer.credentials:
            console.print(Text(escape(_credential(credential))), soft_wrap=True)


def way_text(way: Way, place: str) -> str:
    """How a right on `place` comes: `group release-managers → REPO_WRITE`, `Licensed users → project PROJECT_READ`."""
    above = "" if way.on == place else "project "
    match way.kind:
        case "global":
            return f"{_through(way)}global {way.permission}"
        case "owner":
            return "owner"
        case "public":
            return f"public: {_through(way)}{above}{way.permission}"
        case "default":
            return f"{_through(way)}{above}default {way.permission}"
        case "group":
            return f"{_through(way)}{above}{way.permission}"
        case "own":
            return f"own {above}{way.permission}"


def _through(way: Way) -> str:
    if way.kind in ("default", "public"):
        return f"{way.through} → "
    return f"group {way.through} → " if way.through else ""


def _ways(ways: Iterable[Way], place: str) -> Iterator[str]:
    return (way_text(way, place) for way in ways)


def _as_json(answer: WhoCan | WhatCan, limit: int | None) -> dict[str, object]:
    if isinstance(answer, WhoCan):
        return {
            "place": answer.place,
            "level": answer.level,
            "people": answer.people[:limit],
            "credentials": answer.credentials[:limit],
            "unknown": answer.unknown[:limit],
            "reach_repositories": answer.reach_repositories,
            "collected": answer.collected,
        }
    return {
        "group" if answer.is_group else "user": answer.name,
        "active": answer.active,
        "licensed": answer.licensed,
        "global_permissions": answer.global_permissions,
        "places": answer.places[:limit],
        "credentials": answer.credentials,
    }


def _way(way: Way) -> tuple[str, str | None, str, str]:
    return way.kind, way.through, way.permission, way.on


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(headings[0], overflow="fold", ratio=2)
    table.add_column(headings[1], no_wrap=True)
    table.add_column(headings[2], overflow="fold", ratio=5)
    return table


def _lines(lines: Iterable[str]) -> Text:
    return Text("\n".join(map(escape, lines)))


def _name(person: Person) -> Text:
    marks = [mark for mark, on in (("inactive", not person.active), ("unlicensed", person.licensed is False)) if on]
    if person.licensed is None and person.active:
        marks.append("license not known")
    if not marks:
        return Text(escape(person.name))
    return Text(escape(f"{person.name} ({', '.join(marks[:1])})"), style="dim")


def _state(answer: WhatCan) -> str:
    if answer.is_group:
        return ""
    if not answer.active:
        return ", but is inactive and can't sign in"
    return ", but has no license and can't sign in" if answer.licensed is False else ""


def _credential(credential: KeyOrToken) -> str:
    limits = f", limited to {', '.join(credential.permission_levels)}" if credential.permission_levels else ""
    return f"{credential.kind} {credential.name}{limits}{'' if credential.active else ' (inactive)'}"


def _places(answer: WhatCan) -> str:
    if answer.places and answer.places[0].place == ON_EVERYTHING:
        return _EVERYTHING
    count = len(answer.places)
    return f"{count:,} place{'' if count == 1 else 's'}" if count else "nothing"


def _people(count: int) -> str:
    return f"{count:,} {'person' if count == 1 else 'people'}" if count else "Nobody"


def _say_rest(total: int, limit: int, console: Console) -> None:
    if total > limit:
        console.print(
            Text(f"… and {total - limit:,} more (--limit {total} shows all, --csv and --json too)", style="dim"),
            soft_wrap=True,
        )
