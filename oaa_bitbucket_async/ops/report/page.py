"""The report as one HTML page that needs nothing else: no network, no script.

The template escapes whatever it is given. Text is passed on without control characters and without our secrets.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.collect.ledger import Entry
from oaa_bitbucket_async.collect.units import UnitKind
from oaa_bitbucket_async.errors import CollectorError, IncompleteError
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.ops.figures import EXIT_CODE, HOW_IT_WENT, WHAT_WAS_FOUND, rows_of
from oaa_bitbucket_async.ops.formats import duration_text
from oaa_bitbucket_async.ops.report import charts
from oaa_bitbucket_async.ops.report.analysis import Analysis, Shown
from oaa_bitbucket_async.ops.report.charts import Bar
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.summary import kind_rows, warning_lines
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


def render(
    result: RunResult,
    analysis: Analysis | None = None,
    samples: Sequence[Sample] = (),
    *,
    run_id: str = "",
    clean: Callable[[str], str] = escape,
) -> bytes:
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
    context = {
        "program": f"oaa-bitbucket-async {__version__}",
        "run_id": run_id,
        **_about_the_run(result, analysis, samples),
        **(_about_the_instance(result, analysis) if analysis is not None else _NOTHING_KNOWN),
        "charts": {
            **dict.fromkeys(("users", "repositories", "levels", "throughput", "limit", "latency")),
            **(_charts_of_the_instance(analysis, clean) if analysis is not None else {}),
            **(_charts_over_time(samples) if samples else {}),
        },
    }
    return environment.get_template("report.html.j2").render(context).encode("utf-8", errors="replace")


def _about_the_run(result: RunResult, analysis: Analysis | None, samples: Sequence[Sample]) -> dict[str, object]:
    at = datetime.fromtimestamp(result.finished_at, UTC)
    good, verdict = _verdict(result, crawled=analysis is not None)
    return {
        "instance": result.instance,
        "day": f"{at:%Y-%m-%d}",
        "time": f"{at:%d %B %Y, %H:%M} UTC".lstrip("0"),
        "good": good,
        "verdict": verdict,
        "explanation": _explanation(result, crawled=analysis is not None),
        "changes": result.changes,
        "change_rows": _change_rows(result.changes) if result.changes else (),
        "run": _run(result),
        "failures": any(sample.failed for sample in samples),
        "kinds": kind_rows(result.requests),
        "warnings": warning_lines(result),
        "missing": Shown(tuple(result.missing[:_MOST_MISSING]), len(result.missing)),
    }


_NOTHING_KNOWN: Mapping[str, object] = MappingProxyType({"analysis": None, "link": None, "version": ""})


def _about_the_instance(result: RunResult, analysis: Analysis) -> dict[str, object]:
    instance = analysis.instance
    return {
        "analysis": analysis,
        "link": instance.base_url if instance.base_url.startswith(("http://", "https://")) else None,
        "version": instance.version,
        "effective": instance.global_permissions == "effective",
        "identity": _IDENTITY_WORDS[analysis.identity],
        "figures": _tiles_of_figures(result, analysis),
        "looks": _looks(analysis, result.missing),
        "levels_by_default": list(analysis.defaults_by_level.items()),
        "gone_global": any(group.on_everything for group in analysis.gone_groups.first),
        "public_access": _PUBLIC_ACCESS[analysis.public_access],
    }


def _verdict(result: RunResult, *, crawled: bool) -> tuple[bool, str]:
    missing = result.missing_units
    parts = f"{missing:,} part{'' if missing == 1 else 's'} could not be collected"
    if result.exit_code == 0:
        if result.uploaded:
            return True, "Complete, and uploaded to Veza."
        return True, "Complete. A dry run: nothing was uploaded."
    if missing and result.uploaded:
        return False, f"Incomplete, and uploaded nevertheless: {parts}."
    if missing:
        return False, f"Incomplete, nothing was uploaded: {parts}."
    if result.exit_code >= 128:
        return False, "Interrupted, nothing was uploaded."
    if result.upload is not None and result.upload.outcome == "refused":
        return False, "Everything was collected, but Veza did not take it."
    if result.exit_code == IncompleteError.exit_code:
        return False, "Everything was collected, and nothing was uploaded."
    if not crawled:
        return False, f"The run failed before everything was collected (exit code {result.exit_code})."
    return False, f"Everything was collected, but the run failed (exit code {result.exit_code})."


def _explanation(result: RunResult, *, crawled: bool) -> list[str]:
    error = result.error
    lines = [line for line in (error.message, error.advice) if line] if isinstance(error, CollectorError) else []
    if crawled and result.missing:
        lines.append("What is missing is missing from every figure below, too.")
    if result.uploaded and result.upload is not None and result.upload.detail:
        lines.append(f"In Veza: {result.upload.detail}.")
    return lines


def _known(missing: Sequence[Entry], *kinds: UnitKind) -> bool:
    return not any(entry.unit.kind in kinds for entry in missing)


def _tiles_of_figures(result: RunResult, analysis: Analysis) -> list[_Tile]:
    """The figures of what was found, each with what the analysis adds to it."""
    users, things = analysis.users, analysis.things
    to_groups = sum(level.groups for level in analysis.levels)
    details = {
        "users": ("users", f"{users.inactive:,} inactive, {users.without_identity:,} without identity"),
        "groups": ("groups", f"“Licensed users” among them; {things.empty_groups:,} empty"),
        "projects": ("projects", f"{things.personal_projects:,} of them personal"),
        "repositories": ("repositories", f"{things.archived_repositories:,} archived, {things.forks:,} forks"),
        "grants": ("grants", f"{to_groups:,} of them to groups of Bitbucket"),
        "credentials": ("keys and tokens", "collected by --include"),
    }
    texts = {figure.key: figure.text_of(result) for figure in WHAT_WAS_FOUND}
    return [_Tile(text, *details[key]) for key in details if (text := texts[key]) is not None]


def _looks(analysis: Analysis, missing: Sequence[Entry]) -> list[_Tile]:
    administrators, groups, things = analysis.administrators, analysis.administrator_groups, analysis.things
    inactive = sum(not who.active for who in administrators.first)
    to_write = sum(count for level, count in analysis.defaults_by_level.items() if level != "PROJECT_READ")
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
            f"{_PUBLIC_ACCESS[analysis.public_access]}; {_count(things.public_projects, 'project')} public as a whole",
            "public",
        ),
        _Tile(
            f"{analysis.defaults.total:,}",
            "projects open to everyone who may sign in",
            f"{to_write:,} of them for more than reading",
            "defaults",
        ),
        _Tile(
            f"{analysis.gone_group_grants:,}" if groups_known else "?",
            "grants to groups that no longer exist",
            _count(analysis.gone_groups.total, "group") if groups_known else "the listing of groups is missing",
            "gone",
        ),
        _Tile(
            f"{analysis.dormant.total:,}",
            "users who can’t sign in and hold grants",
            f"{analysis.dormant_by_why.get('inactive', 0):,} inactive, "
            f"{analysis.dormant_by_why.get('unlicensed', 0):,} without a licence",
            "dormant",
        ),
        _Tile(
            f"{analysis.orphaned_repositories:,}",
            "repositories without an administrator of their own",
            f"in {_count(analysis.orphaned.total, 'project')}",
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


def _charts_of_the_instance(analysis: Analysis, clean: Callable[[str], str]) -> dict[str, Markup]:
    users, things = analysis.users, analysis.things
    rows = [("active", users.active), ("inactive", users.inactive), ("without an identity", users.without_identity)]
    if users.may_sign_in is not None:
        rows.insert(1, ("of these licensed", users.may_sign_in))
    made = {
        "users": charts.bars("Users", [Bar(label, (count,)) for label, count in rows]),
        "repositories": charts.bars(
            "Repositories",
            [
                Bar("all", (things.repositories,)),
                Bar("in personal projects", (things.personal_repositories,)),
                Bar("public", (things.public_repositories,)),
                Bar("archived", (things.archived_repositories,)),
                Bar("forks", (things.forks,)),
            ],
        ),
    }
    held = [level for level in analysis.levels if level.total]
    if held:
        made["levels"] = charts.bars(
            "Grants by permission",
            [Bar(clean(level.permission), (level.users, level.groups, level.everyone)) for level in held],
        )
    return made


def _charts_over_time(samples: Sequence[Sample]) -> dict[str, Markup]:
    sent = _points(samples, lambda s: s.throughput)
    failed = _points(samples, lambda s: s.failures)
    return {
        "throughput": charts.timeline(
            "Requests a second over time", [sent, failed] if any(y for _, y in failed) else [sent], _number
        ),
        "limit": charts.timeline(
            "Limit of requests in flight, and requests in flight, over time",
            [_points(samples, lambda s: s.limit), _points(samples, lambda s: s.in_flight)],
            _number,
        ),
        "latency": charts.timeline(
            "Mean time until an answer, over time", [_points(samples, lambda s: s.latency)], _latency, filled=False
        ),
    }


def _run(result: RunResult) -> list[tuple[str, str]]:
    """The summary's rows of how it went. What the summary leaves out because there was none is shown here."""
    shown = rows_of(result, HOW_IT_WENT)
    headings = {heading for heading, _ in shown}
    return [
        *shown,
        *((heading, "none") for heading in ("Retries", "Pauses", "Outages") if heading not in headings),
        *rows_of(result, [EXIT_CODE]),
    ]


def _points(samples: Sequence[Sample], value: Callable[[Sample], float | None]) -> list[charts.Point]:
    """Each sample's value in its middle."""
    points, at = [], 0.0
    for sample in samples:
        points.append((at + sample.seconds / 2, value(sample)))
        at += sample.seconds
    return points


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 5 or value == int(value) else f"{value:,.1f}"


def _latency(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else duration_text(seconds)
