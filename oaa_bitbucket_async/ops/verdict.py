"""The result of a run in one line, which people read first."""

from oaa_bitbucket_async.ops.formats import duration_text
from oaa_bitbucket_async.ops.result import RunResult

GOOD, INCOMPLETE, BAD = "✓", "!", "✗"


def verdict(result: RunResult) -> tuple[str, str]:
    """One of the three marks, and the line: `Uploaded 23,825 grants of 3,000 repositories in 15 s: 12 added, …`."""
    upload = result.upload
    if upload is not None and upload.outcome == "uploaded":
        lacking = f", without {_parts(result)} that could not be read" if result.missing else ""
        return (INCOMPLETE if lacking else GOOD), f"Uploaded {_what(result)}{lacking}{_changed(result)}"
    if upload is not None and upload.outcome == "unchanged":
        return GOOD, f"Nothing to send, Veza already has it: {_what(result)}"
    if upload is not None and upload.outcome == "dry run":
        lacking = f", without {_parts(result)} that could not be read" if result.missing else ""
        would = _changed(result, would="would be ")
        return (INCOMPLETE if lacking else GOOD), f"Dry run, nothing uploaded: {_what(result)}{lacking}{would}"
    if result.cut_short:
        return BAD, f"Stopped after {duration_text(result.duration)}, nothing uploaded{_how_far(result)}"
    if upload is not None and upload.outcome == "refused":
        return BAD, f"Not uploaded, Veza refused it: {_what(result)}"
    if result.missing:
        return BAD, f"Not uploaded, {_parts(result)} could not be read in {duration_text(result.duration)}"
    reason = f", {upload.reason}" if upload is not None and upload.reason else ""
    return BAD, f"Not uploaded{reason}: {_what(result)}"


def _what(result: RunResult) -> str:
    counts = result.counts
    things = f"{_many(counts.grants, 'grant')} of {_many(counts.repositories, 'repository', 'repositories')}"
    return f"{things} in {duration_text(result.duration)}"


def _changed(result: RunResult, would: str = "") -> str:
    if result.changes is None:
        return ""
    grants = result.changes.grants
    if not result.changes:
        return ": nothing would change" if would else ": nothing changed"
    return f": {grants.added:,} {would}added, {grants.removed:,} {would}removed"


def _how_far(result: RunResult) -> str:
    done, listed = result.repositories_done, result.repositories_listed
    if not listed:
        return ""
    kept = ", kept for the next run" if result.kept_for_next else ""
    return f": {done:,} of {listed:,}{'' if result.repositories_complete else '+'} repositories{kept}"


def _parts(result: RunResult) -> str:
    return _many(result.missing_units, "part")


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
