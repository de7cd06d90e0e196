"""What could not be read, one line for each cause; and the file that has all of it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.text import escape

_EXAMPLES = 5
_LINES = 1000
_MANY = {"repository": "repositories", "project": "projects", "group": "groups", "user": "users"}


def cause_lines(missing: Sequence[Entry], file: Path | None) -> list[str]:
    """`97 repositories in 12 projects could not be read: user permissions denied (401). …`; the most frequent first."""
    causes: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in missing:
        causes.setdefault((entry.unit.kind.name, entry.outcome, entry.cause), []).append(entry)
    found = sorted(causes.values(), key=lambda entries: -sum(entry.units for entry in entries))
    return [_line(entries, file) for entries in found]


def write_missing(path: Path, missing: Sequence[Entry], redact: Redact) -> None:
    """All that is missing, one line each, or no file if nothing is. Raises CollectorError."""
    if missing:
        write_whole(path, _lines(missing, redact))
    else:
        path.unlink(missing_ok=True)


def _lines(missing: Iterable[Entry], redact: Redact) -> Iterator[bytes]:
    """Some lines at a time: there can be as many as repositories."""
    rest = iter(missing)
    while some := list(islice(rest, _LINES)):
        yield "".join(escape(redact(sentence(entry))) + "\n" for entry in some).encode("utf-8", "replace")


def sentence(entry: Entry) -> str:
    """One part: what it is, what came back, what to do."""
    return f"{entry.what} ({entry.outcome}): {entry.reason} {entry.advice}".rstrip()


def _line(entries: Sequence[Entry], file: Path | None) -> str:
    first = entries[0]
    how = first.outcome + (f" ({first.cause})" if first.cause else "")
    one_by_one = all(entry.keys is None for entry in entries)
    if len(entries) == 1 and one_by_one:
        return f"Missing: {sentence(first)}"
    kind = first.unit.kind
    names = [entry.what.removeprefix(kind.what.format("")) for entry in entries]
    count = sum(entry.units for entry in entries)
    if kind.of == "project" and one_by_one:  # some questions are asked level by level; the same project counts once
        names = list(dict.fromkeys(name.partition(" (")[0] for name in names))
        count = len(names)
    question = kind.what.partition(f" of {kind.of} ")[0]
    where = ""
    if kind.of == "repository" and one_by_one:
        projects = len({name.partition("/")[0] for name in names})
        where = f" in {projects:,} project{'' if projects == 1 else 's'}"
    things = kind.of if count == 1 and kind.of in _MANY else _MANY.get(kind.of, "parts")
    line = f"{count:,} {things}{where} could not be read: {question} {how}."
    reason = "" if first.outcome == "denied" else f" {first.reason}."
    shown = ", ".join(names[:_EXAMPLES] if one_by_one else [entry.what for entry in entries[:_EXAMPLES]])
    head = "First five" if one_by_one and len(names) > _EXAMPLES else "Which" if one_by_one else "Among them"
    everything = f"; all of them: {file}" if file is not None else ""
    return f"{line}{reason} {first.advice} {head}: {shown}{everything}"
