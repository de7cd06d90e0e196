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
    Hours,
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
        "Bitbucket's base URL, with its context path if it has one.",
        variable="BITBUCKET_URL",
        metavar="URL",
        shown="required",
        needed=True,
        details="An IPv6 address goes in brackets. `http://` sends the credential unencrypted, and every run warns "
        "about it.",
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
        "Client certificate (PEM) to present to Bitbucket.",
        metavar="PATH",
        value=_FILE,
        shown="none",
    ),
    Spec(
        "--client-key",
        "tls.client_key",
        "Private key (PEM) of the client certificate.",
        metavar="PATH",
        value=_FILE,
        shown="in the certificate's file",
    ),
    Spec("--insecure", "tls.insecure", "Do not verify Bitbucket's certificate; every run warns about it."),
)
_VEZA_SETTINGS = (
    Spec(
        "--veza-url",
        "veza.url",
        "Address of your Veza; a bare host name means https.",
        variable="VEZA_URL",
        metavar="URL",
        shown="required",
        takers=_PUSH,
        needed=True,
    ),
    Spec(
        "--provider-name",
        "veza.provider_name",
        "Name of the provider in Veza.",
        metavar="NAME",
        takers=_PUSH,
        asks_if_given=True,
        details="The run creates the provider if it does not exist.",
    ),
    Spec(
        "--data-source-name",
        "veza.data_source_name",
        "Name of the data source in Veza; use one for each Bitbucket.",
        metavar="NAME",
        shown="bitbucket-server - HOST",
        takers=_PUSH,
    ),
    Spec(
        "--wait",
        "veza.wait",
        "After the upload, wait until Veza has processed the payload.",
        takers=_PUSH,
        details="The run exits 5 if Veza reports that it could not process it.",
    ),
    Spec(
        "--create-report/--no-create-report",
        "veza.create_report",
        "Create the report 'Bitbucket Server' in Veza, or add the queries it lacks.",
        shown="on if the run creates the provider",
        takers=_PUSH,
        details="See [First run](first-run.md#a-key-from-veza).",
    ),
    Spec(
        "--identity",
        "identity",
        "Which property links a local user to an identity provider.",
        value=click.Choice(["email", "name", "both"]),
        takers=_DEMO,
    ),
)
_PACE_SETTINGS = (
    Spec(
        "--concurrency",
        "pace.concurrency",
        "Requests in flight; auto finds what the server can handle, a number fixes it.",
        metavar="N",
        value=Concurrency(),
        default="auto",
        takers=_DEMO,
        details="`auto` stays between 2 and `--max-concurrency`.",
    ),
    Spec(
        "--max-concurrency",
        "pace.max_concurrency",
        "Upper limit for auto.",
        value=Count(2, MAX_CONCURRENCY),
        takers=_DEMO,
    ),
    Spec(
        "--project-concurrency",
        "pace.project_concurrency",
        "Projects to work on at the same time.",
        value=Count(1, MAX_CONCURRENCY),
        takers=_DEMO,
    ),
    Spec(
        "--repo-concurrency",
        "pace.repo_concurrency",
        "Repositories to work on at the same time.",
        value=Count(1, MAX_CONCURRENCY),
        takers=_DEMO,
    ),
    Spec(
        "--rate-limit",
        "pace.rate_limit",
        "Maximum number of requests per second.",
        metavar="R",
        value=Number(min=0, min_open=True),
        shown="read from the server",
        takers=_DEMO,
    ),
    Spec(
        "--page-size",
        "pace.page_size",
        "Rows to request per page.",
        value=Count(1, 10_000),
        takers=_DEMO,
        details="The server may send fewer; the run follows what it sends.",
    ),
    Spec(
        "--request-timeout",
        "pace.request_timeout",
        "Timeout of one request, in seconds.",
        value=Seconds(min=0, min_open=True),
        takers=_DEMO,
    ),
    Spec(
        "--max-attempts",
        "pace.max_attempts",
        "Attempts per request.",
        value=Count(1, 100),
        takers=_DEMO,
    ),
    Spec(
        "--max-outage",
        "pace.max_outage",
        "How long to wait for Bitbucket to come back after an outage, in seconds.",
        value=Seconds(min=0),
        takers=_DEMO,
        details="With 0 the run ends at the first outage: eight failures in a row, and one more attempt a second "
        "later.",
    ),
    Spec(
        "--max-duration",
        "max_duration",
        "Stop a run after this many seconds; it keeps its data for the next run and exits 75.",
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
        details="Upper and lower case are the same. Separate several keys in the variable with commas or spaces. A key "
        "that matches nothing exits 2.",
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
        details="Written like `--project`.",
    ),
    Spec(
        "--personal-projects/--no-personal-projects",
        "scope.personal_projects",
        "Collect users' personal projects.",
        takers=_DEMO,
    ),
    Spec(
        "--archived/--no-archived",
        "scope.archived",
        "Collect archived repositories.",
        takers=_DEMO,
    ),
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
        details="[What each kind costs](what-is-collected.md#keys-tokens-and-guardrails). Separate several kinds in "
        "the variable with commas or spaces.",
    ),
)
_INTEGRITY_SETTINGS = (
    Spec(
        "--allow-partial",
        "allow_partial",
        "Upload even though something could not be collected; still exits 3.",
        details="What could not be collected has `collected: false` in Veza.",
    ),
    Spec(
        "--max-removed",
        "max_removed",
        "Refuse an upload that removes more of the last upload's grants or memberships, or that replaces the "
        "whole instance with a part; exits 3. off: no guard.",
        metavar="PERCENT",
        value=Share(),
        takers=_PUSH,
        asks_if_given=True,
        details="[How it counts](scheduling.md#guards-before-an-upload).",
    ),
    Spec(
        "--incremental",
        "incremental",
        "Start from the last upload: ask again only what Bitbucket's audit log names and what has become old.",
    ),
    Spec(
        "--max-age",
        "max_age",
        "With --incremental: how old an answer may be in an upload, in hours.",
        value=Hours(min=0, min_open=True),
    ),
    Spec(
        "--state-dir",
        "state.directory",
        "Where the last upload and the data of an interrupted run are kept.",
        metavar="DIR",
        value=click.Path(file_okay=False, path_type=Path),
        shown="the user's state folder",
        takers=_PUSH,
        details="[What is in it](scheduling.md#the-state-folder).",
    ),
    Spec("--resume/--no-resume", "state.resume", "Continue where an interrupted run stopped."),
    Spec(
        "--resume-window",
        "state.resume_window",
        "How long an interrupted run's data can be reused, in seconds.",
        value=Seconds(min=0),
    ),
    Spec(
        "--keep-last/--no-keep-last",
        "state.keep_last",
        "Keep the last upload, to show what the next one changes, and the pace that the run found.",
        takers=_PUSH,
    ),
)
_OUTPUT_SETTINGS = (
    Spec(
        "--save-json",
        "output.save_json",
        "Save the payload before the upload: to PATH, to standard output for '-', without a value to '<data "
        "source>-<UTC time>.json' here.",
        metavar="[PATH]",
        value=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
        shown="off",
        takers=_DEMO,
        kind=OptionalPath,
        needed=True,
        details="The variable takes `1` for the flag without a value.",
    ),
    Spec(
        "--progress/--no-progress",
        "output.progress",
        "Show progress on the terminal.",
        shown="on a terminal",
        takers=_ALL,
    ),
    Spec(
        "--log-format",
        "output.log_format",
        "Log to standard error as text, or as JSON with one object per line.",
        value=click.Choice(["text", "json"]),
        takers=_ALL,
    ),
    Spec(
        "--debug",
        "output.debug",
        "Log every step.",
        takers=_ALL,
        kind=AnyValueFlag,
        details="This includes each request with its status and time. The variable takes any text other than `0`, "
        "`false`, `no` or `off` for on.",
    ),
    Spec(
        "--metrics-file",
        "output.metrics_file",
        "Write metrics of the run to a file for Prometheus (textfile).",
        metavar="PATH",
        value=_NEW_FILE,
        shown="off",
        takers=_DEMO,
        needed=True,
        details="Failed runs write it too. [All metrics](monitoring.md#metrics).",
    ),
    Spec(
        "--report",
        "output.report",
        "Write a report of the findings and of the run as one HTML page; %Y, %m, %d … in its name are the date (UTC).",
        metavar="PATH",
        value=DatedPath(dir_okay=False, path_type=Path),
        shown="off",
        takers=_DEMO,
        needed=True,
        details="[What it shows](questions.md#the-report).",
    ),
    Spec(
        "--report-dir",
        "output.report_dir",
        "Write the report to a folder, with the full list of each finding as a CSV file; its name can hold a date too.",
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
        "Collect and check the payload, but upload nothing; needs no Veza settings.",
        needed=True,
        details="The run ends with what an upload would change.",
    ),
    Spec(
        "--check",
        "",
        "Only check whether a run would work: reachability, version, credential, rights, rate limit, Veza's key, "
        "and how many requests a run takes.",
        default=False,
        needed=True,
        details="It also reads the audit log's last hour, and tells what an [incremental run]"
        "(scheduling.md#incremental-runs) takes. Without Veza settings it checks only Bitbucket.",
    ),
    Spec(
        "--json",
        "",
        "With --check: print one JSON object instead of text.",
        variable="OAA_CHECK_JSON",
        default=False,
        details="It has `exit_code`, `error`, `notes`, and, as far as the check got, `version`, `user`, "
        "`administrator`, `rate_limit`, `veza`, `public_access`, `repositories`, `requests` (of a run), "
        "`include` (the requests of each kind), `seconds`, `audit_log` and `incremental`.",
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
    """The options of a command: every setting that it takes, created for each command."""
    return [spec.option(group) for group, spec in all_settings() if command in spec.takers]


def values_of(section: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for one part of `Settings` (`pace`, `scope`, …), by the names of its fields.

    A setting is absent if the command does not take it, or if it has `asks_if_given` and was not given. The field
    then keeps its default.
    """
    return {
        spec.field: params[spec.name]
        for _, spec in all_settings()
        if spec.to
        and spec.section == section
        and spec.name in params
        and not (spec.asks_if_given and params[spec.name] is None)
    }
