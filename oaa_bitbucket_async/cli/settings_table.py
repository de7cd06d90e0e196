"""Every setting of a run, described once: flag, variable, default, group, help, and where it goes in `Settings`.

The command line, its help, the documentation's table and the building of `Settings` all read this table.
A new setting is one entry here and one field in `oaa_bitbucket_async.settings`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from oaa_bitbucket_async.cli.completion import kinds, project_keys
from oaa_bitbucket_async.cli.setting import (
    MAX_CONCURRENCY,
    AnyValueFlag,
    CommandName,
    Concurrency,
    Count,
    DatedPath,
    Number,
    OptionalPath,
    Seconds,
    SettingGroup,
    Share,
    Spec,
)
from oaa_bitbucket_async.settings import Include

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_PUSH: tuple[CommandName, ...] = ("run", "push")
_DEMO: tuple[CommandName, ...] = ("run", "demo")
_ALL: tuple[CommandName, ...] = ("run", "push", "demo")


_BITBUCKET_SETTINGS = (
    Spec(
        "--bitbucket-url",
        "bitbucket_url",
        "Base URL, a context path included.",
        variable="BITBUCKET_URL",
        metavar="URL",
        shown="required",
        needed=True,
    ),
    Spec(
        "--ca-file",
        "tls.ca_file",
        "Certificates (PEM) to trust instead of the system's.",
        metavar="PATH",
        value=_FILE,
        shown="the system's",
        needed=True,
    ),
    Spec(
        "--client-cert",
        "tls.client_cert",
        "Certificate (PEM) to show to Bitbucket.",
        metavar="PATH",
        value=_FILE,
        shown="none",
    ),
    Spec(
        "--client-key",
        "tls.client_key",
        "Its private key (PEM).",
        metavar="PATH",
        value=_FILE,
        shown="in the certificate's file",
    ),
    Spec("--insecure", "tls.insecure", "Do not check Bitbucket's certificate; warns on every run."),
)
_VEZA_SETTINGS = (
    Spec(
        "--veza-url",
        "veza.url",
        "Veza instance; a bare host name means https.",
        variable="VEZA_URL",
        metavar="URL",
        shown="required",
        takers=_PUSH,
        needed=True,
    ),
    Spec(
        "--provider-name",
        "veza.provider_name",
        "Provider in Veza.",
        metavar="NAME",
        takers=_PUSH,
        asks_if_given=True,
    ),
    Spec(
        "--data-source-name",
        "veza.data_source_name",
        "Data source in Veza: one for each Bitbucket.",
        metavar="NAME",
        shown="bitbucket-server - HOST",
        takers=_PUSH,
    ),
    Spec("--wait", "veza.wait", "After the upload, wait until Veza has read the payload.", takers=_PUSH),
    Spec(
        "--create-report/--no-create-report",
        "veza.create_report",
        "Make the report 'Bitbucket Server' in Veza, or add the queries that it lacks.",
        shown="by the run that makes the provider",
        takers=_PUSH,
    ),
    Spec(
        "--identity",
        "identity",
        "What links a local user to an identity provider.",
        value=click.Choice(["email", "name", "both"]),
        takers=_DEMO,
    ),
)
_PACE_SETTINGS = (
    Spec(
        "--concurrency",
        "pace.concurrency",
        "Requests in flight; auto finds what the server can bear, a number fixes it.",
        metavar="N",
        value=Concurrency(),
        default="auto",
        takers=_DEMO,
    ),
    Spec(
        "--max-concurrency",
        "pace.max_concurrency",
        "Upper bound for auto.",
        value=Count(2, MAX_CONCURRENCY),
        takers=_DEMO,
    ),
    Spec(
        "--project-concurrency",
        "pace.project_concurrency",
        "Projects being worked on at one time.",
        value=Count(1, MAX_CONCURRENCY),
        takers=_DEMO,
    ),
    Spec(
        "--repo-concurrency",
        "pace.repo_concurrency",
        "Repositories being worked on at one time.",
        value=Count(1, MAX_CONCURRENCY),
        takers=_DEMO,
    ),
    Spec(
        "--rate-limit",
        "pace.rate_limit",
        "Requests a second at most.",
        metavar="R",
        value=Number(min=0, min_open=True),
        shown="read from the server",
        takers=_DEMO,
    ),
    Spec("--page-size", "pace.page_size", "Rows to ask for in a listing.", value=Count(1, 10_000), takers=_DEMO),
    Spec(
        "--request-timeout",
        "pace.request_timeout",
        "Seconds that one request may take.",
        value=Seconds(min=0, min_open=True),
        takers=_DEMO,
    ),
    Spec("--max-attempts", "pace.max_attempts", "Tries of one request.", value=Count(1, 100), takers=_DEMO),
    Spec(
        "--max-outage",
        "pace.max_outage",
        "Seconds to wait for Bitbucket to come back after an outage.",
        value=Seconds(min=0),
        takers=_DEMO,
    ),
    Spec(
        "--max-duration",
        "max_duration",
        "Seconds after which a run that has not ended stops and keeps what it has; exits 75.",
        value=Seconds(min=0, min_open=True),
        shown="off",
    ),
)
_SCOPE_SETTINGS = (
    Spec(
        "--project",
        "scope.projects",
        "Collect only these projects (repeatable; shell patterns such as 'TEAM*').",
        variable="OAA_PROJECTS",
        metavar="KEY",
        shown="all",
        many=True,
        takers=_DEMO,
        complete=project_keys,
        needed=True,
    ),
    Spec(
        "--exclude-project",
        "scope.exclude_projects",
        "Leave these projects out (repeatable; shell patterns).",
        variable="OAA_EXCLUDE_PROJECTS",
        metavar="KEY",
        shown="none",
        many=True,
        takers=_DEMO,
        complete=project_keys,
    ),
    Spec(
        "--personal-projects/--no-personal-projects",
        "scope.personal_projects",
        "Collect users' own projects.",
        takers=_DEMO,
    ),
    Spec("--archived/--no-archived", "scope.archived", "Collect archived repositories.", takers=_DEMO),
    Spec(
        "--include",
        "include",
        f"Collect more, for more requests (repeatable): {', '.join(Include)}.",
        metavar="KIND",
        shown="none",
        many=True,
        takers=_DEMO,
        complete=kinds,
        needed=True,
    ),
)
_INTEGRITY_SETTINGS = (
    Spec(
        "--allow-partial", "allow_partial", "Upload even though something could not be collected; exits 3 all the same."
    ),
    Spec(
        "--max-removed",
        "max_removed",
        "Do not upload what removes more of the last upload's grants, or of its memberships, nor a part over the "
        "whole; exits 3. off: no guard.",
        metavar="PERCENT",
        value=Share(),
        takers=_PUSH,
        asks_if_given=True,
    ),
    Spec(
        "--state-dir",
        "state.directory",
        "Where an unfinished run keeps what it has, and the last upload is kept.",
        metavar="DIR",
        value=click.Path(file_okay=False, path_type=Path),
        shown="the user's state folder",
        takers=_PUSH,
    ),
    Spec("--resume/--no-resume", "state.resume", "Go on where an unfinished run stopped."),
    Spec(
        "--resume-window",
        "state.resume_window",
        "How long an interrupted run's data can be reused, in seconds.",
        value=Seconds(min=0),
    ),
    Spec(
        "--keep-last/--no-keep-last",
        "state.keep_last",
        "Keep the last upload, to tell what the next one changes.",
        takers=_PUSH,
    ),
)
_OUTPUT_SETTINGS = (
    Spec(
        "--save-json",
        "output.save_json",
        "Write the payload to a file before the upload: to PATH, to standard output for '-', "
        "else to '<data source>-<UTC time>.json' here.",
        metavar="[PATH]",
        value=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
        shown="off",
        takers=_DEMO,
        kind=OptionalPath,
        needed=True,
    ),
    Spec("--progress/--no-progress", "output.progress", "Show a progress display.", shown="on a terminal", takers=_ALL),
    Spec(
        "--log-format",
        "output.log_format",
        "Log to standard error as text or as one JSON object a line.",
        value=click.Choice(["text", "json"]),
        takers=_ALL,
    ),
    Spec("--debug", "output.debug", "Log every step.", takers=_ALL, kind=AnyValueFlag),
    Spec(
        "--metrics-file",
        "output.metrics_file",
        "Write figures of the run for Prometheus (textfile).",
        metavar="PATH",
        value=_NEW_FILE,
        shown="off",
        takers=_DEMO,
        needed=True,
    ),
    Spec(
        "--report",
        "output.report",
        "Write a report of what was found and how it went, as one HTML page; %Y, %m, %d … are the date (UTC).",
        metavar="PATH",
        value=DatedPath(dir_okay=False, path_type=Path),
        shown="off",
        takers=_DEMO,
        needed=True,
    ),
    Spec(
        "--report-dir",
        "output.report_dir",
        "Write the report to a folder, each finding's whole list as a CSV file beside it; takes a date, too.",
        metavar="DIR",
        value=DatedPath(file_okay=False, path_type=Path),
        shown="off",
        takers=_DEMO,
    ),
)
_MODE_SETTINGS = (
    Spec(
        "--dry-run",
        "dry_run",
        "Collect and check the payload, upload nothing; needs no Veza settings.",
        needed=True,
    ),
    Spec(
        "--check",
        "",
        "Only look whether a run would work: reachability, version, credential, rights, "
        "rate limit, Veza's key, and how many requests a run takes.",
        default=False,
        needed=True,
    ),
    Spec(
        "--json",
        "",
        "With --check: one JSON object instead of text.",
        variable="OAA_CHECK_JSON",
        default=False,
    ),
)
SETTINGS: tuple[tuple[SettingGroup, tuple[Spec, ...]], ...] = (
    (SettingGroup.BITBUCKET, _BITBUCKET_SETTINGS),
    (SettingGroup.VEZA, _VEZA_SETTINGS),
    (SettingGroup.PACE, _PACE_SETTINGS),
    (SettingGroup.SCOPE, _SCOPE_SETTINGS),
    (SettingGroup.INTEGRITY, _INTEGRITY_SETTINGS),
    (SettingGroup.OUTPUT, _OUTPUT_SETTINGS),
    (SettingGroup.MODE, _MODE_SETTINGS),
)


def all_settings() -> Iterator[tuple[SettingGroup, Spec]]:
    """Each setting with its group, in the order of the help."""
    for group, specs in SETTINGS:
        for spec in specs:
            yield group, spec


def options_of(command: CommandName) -> list[click.Parameter]:
    """The options of a command: every setting that it takes, made anew for each command."""
    return [spec.option(group) for group, spec in all_settings() if command in spec.takers]


def values_of(section: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for one part of `Settings` (`pace`, `scope`, …), by the names of its fields.

    A setting that the command does not take, or that asks whether it was given and was not, is absent: the field
    keeps its default.
    """
    return {
        spec.field: params[spec.name]
        for _, spec in all_settings()
        if spec.to
        and spec.section == section
        and spec.name in params
        and not (spec.asks_if_given and params[spec.name] is None)
    }
