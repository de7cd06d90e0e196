"""The report as one HTML page that needs nothing else: no network, no script.

The template escapes whatever it is given. Text is passed on without control characters and without our secrets.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.collect.units import UnitKind
from oaa_bitbucket_async.errors import IncompleteError
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.ops.report import charts
from oaa_bitbucket_async.ops.report.analysis import Analysis, Shown
from oaa_bitbucket_async.ops.report.charts import Bar
from oaa_bitbucket_async.ops.report.run_report import RunReport
from oaa_bitbucket_async.ops.summary import duration_text, kind_rows, run_rows, warning_lines
from oaa_bitbucket_async.text import escape

_MOST_MISSING = 50
_MOST_CHANGES = 12
_IDENTITY_WORDS = {"email": "no e-mail address", "name": "no name", "both": "neither an e-mail address nor a name"}

_PUBLIC_ACCESS = {
    "on": "public access is on: everybody may read them",
    "off": "public access is off: nobody may read them by that",
    "unknown": "whether public access is on could not be told",
    "none flagged": "nothing is called public",
}


class _Tile(NamedTuple):
    value: str
    label: str
    detail: str
    anchor: str = ""


class _ChangeRow(NamedTuple):
    """Something that was added or removed."""

    sign: str
    kind: str
    text: str


def render(report: RunReport, *, clean: Callable[[str], str] = escape) -> bytes:
    """The page, in UTF-8. `clean` is what text goes through before it is escaped."""

    def finalize(value: object) -> object:
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("oaa_bitbucket_async.ops.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    page = environment.get_template("report.html.j2").render(_context(report, clean))
    return page.encode("utf-8", errors="replace")


def _context(report: RunReport, clean: Callable[[str], str]) -> dict[str, object]:
    summary, found, instance = report.summary, report.found, report.instance
    at = datetime.fromtimestamp(report.finished_at, UTC)
    good, verdict = _verdict(report)
    missing = Shown(tuple(summary.missing[:_MOST_MISSING]), len(summary.missing))
    return {
        "program": f"oaa-bitbucket-async {__version__}",
        "run_id": report.run_id,
        "instance": summary.instance,
        "link": instance.base_url if instance and instance.base_url.startswith(("http://", "https://")) else None,
        "version": instance.version if instance else "",
        "effective": instance is not None and instance.global_permissions == "effective",
        "identity": _IDENTITY_WORDS[report.identity],
        "day": f"{at:%Y-%m-%d}",
        "time": f"{at:%d %B %Y, %H:%M} UTC".lstrip("0"),
        "good": good,
        "verdict": verdict,
        "explanation": _explanation(report),
        "found": found,
        "figures": _figures(found, summary.credentials) if found else (),
        "looks": _looks(found, summary.missing) if found else (),
        "levels_by_default": list(found.defaults_by_level.items()) if found else (),
        "gone_global": found is not None and any(group.on_everything for group in found.gone_groups.first),
        "public_access": _PUBLIC_ACCESS[found.public_access] if found else "",
        "groups_known": _known(summary.missing, UnitKind.GROUPS),
        "changes": summary.changes,
        "change_rows": _change_rows(summary.changes) if summary.changes else (),
        "charts": _charts(report, clean),
        "run": _run(report),
        "failures": any(sample.failed for sample in report.timeline),
        "kinds": kind_rows(summary.requests),
        "warnings": warning_lines(summary),
        "missing": missing,
    }


def _verdict(report: RunReport) -> tuple[bool, str]:
    upload, missing = report.summary.upload, report.summary.missing_units
    parts = f"{missing:,} part{'' if missing == 1 else 's'} could not be collected"
    if report.exit_code == 0:
        if upload is not None and upload.outcome == "uploaded":
            return True, "Complete, and uploaded to Veza."
        return True, "Complete. A dry run: nothing was uploaded."
    if missing and upload is not None and upload.outcome == "uploaded":
        return False, f"Incomplete, and uploaded nevertheless: {parts}."
    if missing:
        return False, f"Incomplete, nothing was uploaded: {parts}."
    if report.exit_code >= 128:
        return False, "Interrupted, nothing was uploaded."
    if upload is not None and upload.outcome == "refused":
        return False, "Everything was collected, but Veza did not take it."
    if report.exit_code == IncompleteError.exit_code:
        return False, "Everything was collected, and nothing was uploaded."
    if report.found is None:
        return False, f"The run failed before everything was collected (exit code {report.exit_code})."
    return False, f"Everything was collected, but the run failed (exit code {report.exit_code})."


def _explanation(report: RunReport) -> list[str]:
    lines = [line for line in (report.message, report.advice) if line]
    if report.found and report.summary.missing:
        lines.append("What is missing is missing from every figure below, too.")
    upload = report.summary.upload
    if upload is not None and upload.outcome == "uploaded" and upload.detail:
        lines.append(f"In Veza: {upload.detail}.")
    return lines


def _known(missing: Sequence[Entry], *kinds: UnitKind) -> bool:
    return not any(entry.unit.kind in kinds for entry in missing)


def _figures(found: Analysis, credentials: int | None) -> list[_Tile]:
    users, things = found.users, found.things
    return [
        _Tile(f"{users.total:,}", "users", f"{users.inactive:,} inactive, {users.without_identity:,} without identity"),
        _Tile(f"{things.groups:,}", "groups", f"{things.empty_groups:,} of them empty"),
        _Tile(f"{things.projects:,}", "projects", f"{things.personal_projects:,} of them personal"),
        _Tile(
            f"{things.repositories:,}",
            "repositories",
            f"{things.archived_repositories:,} archived, {things.forks:,} forks",
        ),
        _Tile(f"{found.grants:,}", "grants", f"{sum(level.groups for level in found.levels):,} of them to groups"),
        *([] if credentials is None else [_Tile(f"{credentials:,}", "keys and tokens", "collected by --include")]),
    ]


def _looks(found: Analysis, missing: Sequence[Entry]) -> list[_Tile]:
    administrators, groups, things = found.administrators, found.administrator_groups, found.things
    inactive = sum(not who.active for who in administrators.first)
    to_write = sum(count for level, count in found.defaults_by_level.items() if level != "PROJECT_READ")
    groups_known = _known(missing, UnitKind.GROUPS)
    global_known = _known(missing, UnitKind.GLOBAL_USERS, UnitKind.GLOBAL_GROUPS, UnitKind.EFFECTIVE)
    return [
        _Tile(
            f"{administrators.total:,}" if global_known else "?",
            "can administer everything",
            (
                f"through {_count(groups.total, 'group')} or grants of their own"
                + (f"; {inactive:,} inactive" if inactive else "")
            )
            if global_known
            else "global permissions could not all be collected",
            "administrators",
        ),
        _Tile(
            f"{things.public_repositories:,}",
            "repositories called public",
            f"{_PUBLIC_ACCESS[found.public_access]}; {_count(things.public_projects, 'project')} public as a whole",
            "public",
        ),
        _Tile(
            f"{found.defaults.total:,}",
            "projects open to everyone who may sign in",
            f"{to_write:,} of them for more than reading",
            "defaults",
        ),
        _Tile(
            f"{found.gone_group_grants:,}" if groups_known else "?",
            "grants to groups that no longer exist",
            _count(found.gone_groups.total, "group") if groups_known else "the listing of groups is missing",
            "gone",
        ),
        _Tile(
            f"{found.dormant.total:,}",
            "users who can’t sign in and hold grants",
            f"{found.dormant_by_why.get('inactive', 0):,} inactive, "
            f"{found.dormant_by_why.get('unlicensed', 0):,} without a licence",
            "dormant",
        ),
        _Tile(
            f"{found.orphaned_repositories:,}",
            "repositories without an administrator of their own",
            f"in {_count(found.orphaned.total, 'project')}",
            "orphaned",
        ),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _change_rows(changes: Changes) -> list[_ChangeRow]:
    """Examples of what changed: what was removed first, for it may be a mistake; grants before the rest."""
    rows = []
    for sign, removed in (("−", True), ("+", False)):
        grants = changes.grants.removed_examples if removed else changes.grants.added_examples
        rows += [_ChangeRow(sign, "grant", f"{g.permission} of {g.holder} on {g.on or 'everything'}") for g in grants]
        members = changes.members.removed_examples if removed else changes.members.added_examples
        rows += [_ChangeRow(sign, "member", f"{m.member} in {m.group}") for m in members]
        for kind, things in (
            ("user", changes.users),
            ("group", changes.groups),
            ("project", changes.projects),
            ("repository", changes.repositories),
            ("credential", changes.credentials),
        ):
            examples = things.removed_examples if removed else things.added_examples
            rows += [_ChangeRow(sign, kind, thing.name) for thing in examples]
    by_kind: dict[tuple[str, str], int] = {}
    shown = []
    for one in rows:
        count = by_kind[one.sign, one.kind] = by_kind.get((one.sign, one.kind), 0) + 1
        if count <= _MOST_CHANGES:
            shown.append(one)
    return shown


def _charts(report: RunReport, clean: Callable[[str], str]) -> dict[str, Markup | None]:
    found, drawn = report.found, dict.fromkeys(("users", "repositories", "levels", "throughput", "limit", "latency"))
    made: dict[str, Markup | None] = dict(drawn)
    if found is not None:
        users = found.users
        rows = [("active", users.active), ("inactive", users.inactive), ("without an identity", users.without_identity)]
        if users.may_sign_in is not None:
            rows.insert(1, ("of these licensed", users.may_sign_in))
        made["users"] = charts.bars("Users", [Bar(label, (count,)) for label, count in rows])
        things = found.things
        made["repositories"] = charts.bars(
            "Repositories",
            [
                Bar("all", (things.repositories,)),
                Bar("in personal projects", (things.personal_repositories,)),
                Bar("public", (things.public_repositories,)),
                Bar("archived", (things.archived_repositories,)),
                Bar("forks", (things.forks,)),
            ],
        )
        held = [level for level in found.levels if level.total]
        if held:
            made["levels"] = charts.bars(
                "Grants by permission",
                [Bar(clean(level.permission), (level.users, level.groups, level.everyone)) for level in held],
            )
    if report.timeline:
        sent = _points(report.timeline, lambda s: s.throughput)
        failed = _points(report.timeline, lambda s: s.failures)
        made["throughput"] = charts.timeline(
            "Requests a second over time", [sent, failed] if any(y for _, y in failed) else [sent], _number
        )
        made["limit"] = charts.timeline(
            "Limit of requests in flight, and requests in flight, over time",
            [_points(report.timeline, lambda s: s.limit), _points(report.timeline, lambda s: s.in_flight)],
            _number,
        )
        made["latency"] = charts.timeline(
            "Mean time until an answer, over time",
            [_points(report.timeline, lambda s: s.latency)],
            _latency,
            filled=False,
        )
    return made


def _run(report: RunReport) -> list[tuple[str, str]]:
    """The summary's rows; what it leaves out because there was none is told here."""
    rows = run_rows(report.summary)
    told = {heading for heading, _ in rows}
    return [
        *rows,
        *((heading, "none") for heading in ("Retries", "Pauses", "Outages") if heading not in told),
        ("Exit code", str(report.exit_code)),
    ]


def _points(timeline: Sequence[Sample], value: Callable[[Sample], float | None]) -> list[charts.Point]:
    """Each sample's value in its middle."""
    points, at = [], 0.0
    for sample in timeline:
        points.append((at + sample.seconds / 2, value(sample)))
        at += sample.seconds
    return points


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 5 or value == int(value) else f"{value:,.1f}"


def _latency(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else duration_text(seconds)
