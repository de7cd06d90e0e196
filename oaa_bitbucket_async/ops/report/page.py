"""The report as one HTML page that needs nothing else: no network, no script.

The template escapes whatever it is given. Text is passed on without control characters and without our secrets.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from markupsafe import escape as markup_escape

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket.timeline import Sample
from oaa_bitbucket_async.errors import CollectorError, IncompleteError
from oaa_bitbucket_async.ops.figures import EXIT_CODE, HOW_IT_WENT, WHAT_WAS_FOUND, rows_of
from oaa_bitbucket_async.ops.formats import duration_text
from oaa_bitbucket_async.ops.report import charts
from oaa_bitbucket_async.ops.report.analysis import Analysis, Shown
from oaa_bitbucket_async.ops.report.change_list import access_changes, thing_changes
from oaa_bitbucket_async.ops.report.charts import Bar
from oaa_bitbucket_async.ops.report.finding_views import views
from oaa_bitbucket_async.ops.report.found import MOST_ROWS
from oaa_bitbucket_async.ops.report.tables import MISSING_CSV, UNEXPLAINED_CSV
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.summary import kind_rows, warning_lines
from oaa_bitbucket_async.text import escape

_LONG_NAME = 24
_PARTS = re.compile(r"[/@.](?=\w)")
"""Where a name may break; none of these is part of how HTML writes a character."""
_IDENTITY_WORDS = {"email": "no e-mail address", "name": "no name", "both": "neither an e-mail address nor a name"}


class _Tile(NamedTuple):
    value: str
    label: str
    detail: str


def render(
    result: RunResult,
    analysis: Analysis | None = None,
    samples: Sequence[Sample] = (),
    *,
    run_id: str = "",
    in_folder: bool = False,
    clean: Callable[[str], str] = escape,
) -> bytes:
    """The page, in UTF-8. `clean` is what text goes through before it is escaped.

    `in_folder`: the CSV files of the findings lie beside it.
    """

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
    environment.filters["soft"] = lambda text: _soft(clean(text))
    context = {
        "program": f"oaa-bitbucket-async {__version__}",
        "run_id": run_id,
        "in_folder": in_folder,
        "missing_csv": MISSING_CSV,
        "unexplained_csv": UNEXPLAINED_CSV,
        **_about_the_run(result, analysis, samples),
        **(_about_the_instance(result, analysis) if analysis is not None else _NOTHING_KNOWN),
        "charts": {
            **dict.fromkeys(("users", "repositories", "levels", "throughput", "limit", "latency")),
            **(_charts_of_the_instance(analysis, clean) if analysis is not None else {}),
            **(_charts_over_time(samples) if samples else {}),
        },
    }
    return environment.get_template("report.html.j2").render(context).encode("utf-8", errors="replace")


def _soft(text: str) -> Markup:
    """A long name may break, on a phone, after its parts: an address after the `@`, a path after the project."""
    written = markup_escape(text)
    return written if len(text) <= _LONG_NAME else Markup(_PARTS.sub(r"\g<0><wbr>", str(written)))  # noqa: S704  # escaped


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
        "access_changes": access_changes(result.changes) if result.changes else None,
        "thing_changes": thing_changes(result.changes) if result.changes else None,
        "run": _run(result),
        "failures": any(sample.failed for sample in samples),
        "kinds": kind_rows(result.requests),
        "warnings": warning_lines(result),
        "missing": Shown(tuple(result.missing[:MOST_ROWS]), len(result.missing)),
        "unexplained": Shown(result.freshness.unexplained[:MOST_ROWS], len(result.freshness.unexplained)),
    }


_NOTHING_KNOWN: Mapping[str, object] = MappingProxyType({"analysis": None, "link": None, "version": ""})


def _about_the_instance(result: RunResult, analysis: Analysis) -> dict[str, object]:
    instance = analysis.instance
    return {
        "analysis": analysis,
        "link": instance.base_url if instance.base_url.startswith(("http://", "https://")) else None,
        "version": instance.version,
        "identity": _IDENTITY_WORDS[analysis.identity],
        "figures": _tiles_of_figures(result, analysis),
        "findings": views(analysis.findings, result.missing),
    }


def _verdict(result: RunResult, *, crawled: bool) -> tuple[bool, str]:
    missing = result.missing_units
    parts = f"{missing:,} part{'' if missing == 1 else 's'} could not be collected"
    if result.exit_code == 0:
        if result.upload is not None and result.upload.outcome == "unchanged":
            return True, "Complete. Veza already has it, so nothing was sent."
        if result.uploaded:
            return True, "Complete, and uploaded to Veza."
        return True, "Complete. A dry run: nothing was uploaded."
    if missing and result.uploaded:
        return False, f"Incomplete, but uploaded: {parts}."
    if missing:
        return False, f"Incomplete, nothing was uploaded: {parts}."
    if result.exit_code >= 128:
        return False, "Interrupted, nothing was uploaded."
    if result.upload is not None and result.upload.outcome == "refused":
        return False, "Everything was collected, but Veza refused it."
    if result.exit_code == IncompleteError.exit_code:
        return False, "Everything was collected, and nothing was uploaded."
    if not crawled:
        return False, f"The run failed before everything was collected (exit code {result.exit_code})."
    return False, f"Everything was collected, but the run failed (exit code {result.exit_code})."


def _explanation(result: RunResult, *, crawled: bool) -> list[str]:
    error = result.error
    lines = [line for line in (error.message, error.advice) if line] if isinstance(error, CollectorError) else []
    if crawled and result.missing:
        lines.append("The figures below lack it too.")
    if result.upload is not None and result.upload.outcome == "uploaded" and result.upload.detail:
        lines.append(f"In Veza: {result.upload.detail}.")
    return lines


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
