"""Which findings the page lists, which it calls clear, and of which it can't tell."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.ops.report.found import Found


class Listed(NamedTuple):
    """A finding with rows. `note` says what the list may lack."""

    found: Found
    note: str


class Untold(NamedTuple):
    """A finding of which nothing is known, and why."""

    what: str
    why: str


class Views(NamedTuple):
    """All findings."""

    listed: Sequence[Listed]
    clear: Sequence[str]
    """What there is none of."""
    untold: Sequence[Untold]


def views(findings: Iterable[Found], missing: Sequence[Entry]) -> Views:
    """Parts the findings, each in the given order. `missing`: what could not be collected."""
    listed, clear, untold = [], [], []
    for found in findings:
        lacking = [entry for entry in missing if entry.unit.kind in found.finding.reads]
        if not found.asked:
            names = " or ".join(sorted(found.finding.includes))
            untold.append(Untold(found.finding.many, f"--include {names} tells it"))
        elif any(entry.unit.kind.include is None for entry in lacking):
            untold.append(Untold(found.finding.many, f"not all could be collected: {lacking[0].what}"))
        else:
            note = _note(found, lacking)
            if found.total:
                listed.append(Listed(found, note))
            elif note:
                untold.append(Untold(found.finding.many, f"none is known. {note}"))
            else:
                clear.append(found.finding.many)
    return Views(listed, clear, untold)


def _note(found: Found, lacking: Sequence[Entry]) -> str:
    lines = []
    if parts := sum(entry.units for entry in lacking):
        lines.append(f"{parts:,} {'part' if parts == 1 else 'parts'} could not be collected, so there may be more.")
    if found.hidden:
        places = "1 user or place" if found.hidden == 1 else f"{found.hidden:,} users and places"
        lines.append(f"The login may not see them all: it says nothing of {places}.")
    return " ".join(lines)
