"""The flags, each with its environment variable, its default and the group under which `--help` shows it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from oaa_bitbucket_async.cli.setting import (
    CHOOSE,
    MAX_CONCURRENCY,
    AnyValueFlag,
    Concurrency,
    Number,
    OptionalPath,
    Setting,
)
from oaa_bitbucket_async.settings import Include, Output, Pace, Scope, Veza

F = TypeVar("F", bound=Callable[..., Any])

BITBUCKET = "Bitbucket"
VEZA = "Veza"
PACE = "Pace"
SCOPE = "Scope"
INTEGRITY = "Integrity and state"
OUTPUT = "Output"
MODE = "Mode"
DEMO = "The embedded Bitbucket"


def _option(*declarations: str, group: str, cls: type[Setting] = Setting, **rest: Any) -> Callable[[F], F]:
    return click.option(*declarations, cls=cls, group=group, **rest)


def apply(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator of several, in the order in which the help is to show them."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path, allow_dash=True)
_pace, _scope, _veza, _output = Pace(), Scope(), Veza(), Output()


def _count(flag: str, variable: str, default: int, lowest: int, highest: int, text: str) -> Callable[[F], F]:
    return _option(
        flag,
        group=PACE,
        envvar=variable,
        type=click.IntRange(lowest, highest),
        default=default,
        metavar="N",
        help=text,
    )


def _seconds(flag: str, variable: str, default: float, group: str, text: str, *, zero: bool) -> Callable[[F], F]:
    return _option(
        flag,
        group=group,
        envvar=variable,
        type=Number(min=0, min_open=not zero),
        default=default,
        metavar="S",
        help=text,
    )


bitbucket_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--bitbucket-url",
        group=BITBUCKET,
        envvar="BITBUCKET_URL",
        metavar="URL",
        default_text="required",
        help="Base URL, a context path included.",
    ),
    _option(
        "--ca-file",
        group=BITBUCKET,
        envvar="OAA_CA_FILE",
        type=_FILE,
        metavar="PATH",
        default_text="the system's",
        help="Certificates (PEM) to trust instead of the system's.",
    ),
    _option(
        "--client-cert",
        group=BITBUCKET,
        envvar="OAA_CLIENT_CERT",
        type=_FILE,
        metavar="PATH",
        default_text="none",
        help="Certificate (PEM) to show to Bitbucket.",
    ),
    _option(
        "--client-key",
        group=BITBUCKET,
        envvar="OAA_CLIENT_KEY",
        type=_FILE,
        metavar="PATH",
        default_text="in the certificate's file",
        help="Its private key (PEM).",
    ),
    _option(
        "--insecure",
        group=BITBUCKET,
        envvar="OAA_INSECURE",
        is_flag=True,
        default=False,
        help="Do not check Bitbucket's certificate; warns on every run.",
    ),
)

veza_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--veza-url",
        group=VEZA,
        envvar="VEZA_URL",
        metavar="URL",
        default_text="required",
        help="Veza instance; a bare host name means https.",
    ),
    _option(
        "--provider-name",
        group=VEZA,
        envvar="OAA_PROVIDER_NAME",
        default=_veza.provider_name,
        metavar="NAME",
        help="Provider in Veza.",
    ),
    _option(
        "--data-source-name",
        group=VEZA,
        envvar="OAA_DATA_SOURCE_NAME",
        metavar="NAME",
        default_text="bitbucket-server - HOST",
        help="Data source in Veza: one for each Bitbucket.",
    ),
    _option(
        "--wait",
        group=VEZA,
        envvar="OAA_WAIT",
        is_flag=True,
        default=False,
        help="After the upload, wait until Veza has read the payload.",
    ),
    _option(
        "--create-report/--no-create-report",
        group=VEZA,
        envvar="OAA_CREATE_REPORT",
        default=None,
        default_text="by the run that makes the provider",
        help="Make the report 'Bitbucket Server' in Veza, or add the queries that it lacks.",
    ),
)

identity_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--identity",
        group=VEZA,
        envvar="OAA_IDENTITY",
        type=click.Choice(["email", "name", "both"]),
        default="email",
        help="What links a local user to an identity provider.",
    ),
)

pace_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--concurrency",
        group=PACE,
        envvar="OAA_CONCURRENCY",
        type=Concurrency(),
        default="auto",
        metavar="N",
        help="Requests in flight; auto finds what the server can bear, a number fixes it.",
    ),
    _count(
        "--max-concurrency",
        "OAA_MAX_CONCURRENCY",
        _pace.max_concurrency,
        2,
        MAX_CONCURRENCY,
        "Upper bound for auto.",
    ),
    _count(
        "--project-concurrency",
        "OAA_PROJECT_CONCURRENCY",
        _pace.project_concurrency,
        1,
        MAX_CONCURRENCY,
        "Projects being worked on at one time.",
    ),
    _count(
        "--repo-concurrency",
        "OAA_REPO_CONCURRENCY",
        _pace.repo_concurrency,
        1,
        MAX_CONCURRENCY,
        "Repositories being worked on at one time.",
    ),
    _option(
        "--rate-limit",
        group=PACE,
        envvar="OAA_RATE_LIMIT",
        type=Number(min=0, min_open=True),
        metavar="R",
        default_text="read from the server",
        help="Requests a second at most.",
    ),
    _count("--page-size", "OAA_PAGE_SIZE", _pace.page_size, 1, 10_000, "Rows to ask for in a listing."),
    _seconds(
        "--request-timeout",
        "OAA_REQUEST_TIMEOUT",
        _pace.request_timeout,
        PACE,
        "Seconds that one request may take.",
        zero=False,
    ),
    _count("--max-attempts", "OAA_MAX_ATTEMPTS", _pace.max_attempts, 1, 100, "Tries of one request."),
    _seconds(
        "--max-outage",
        "OAA_MAX_OUTAGE",
        _pace.max_outage,
        PACE,
        "Seconds for which an outage of Bitbucket is waited for.",
        zero=True,
    ),
)

scope_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--project",
        "projects",
        group=SCOPE,
        envvar="OAA_PROJECTS",
        multiple=True,
        metavar="KEY",
        default_text="all",
        help="Collect only these projects (repeatable; shell patterns such as 'TEAM*').",
    ),
    _option(
        "--exclude-project",
        "exclude_projects",
        group=SCOPE,
        envvar="OAA_EXCLUDE_PROJECTS",
        multiple=True,
        metavar="KEY",
        default_text="none",
        help="Leave these projects out (repeatable; shell patterns).",
    ),
    _option(
        "--personal-projects/--no-personal-projects",
        group=SCOPE,
        envvar="OAA_PERSONAL_PROJECTS",
        default=_scope.personal_projects,
        help="Collect users' own projects.",
    ),
    _option(
        "--archived/--no-archived",
        group=SCOPE,
        envvar="OAA_ARCHIVED",
        default=_scope.archived,
        help="Collect archived repositories.",
    ),
)

include_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--include",
        group=SCOPE,
        envvar="OAA_INCLUDE",
        multiple=True,
        metavar="KIND",
        default_text="none",
        help=f"Collect more, for more requests (repeatable): {', '.join(Include)}.",
    ),
)

save_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--save-json",
        cls=OptionalPath,
        group=OUTPUT,
        envvar="OAA_SAVE_JSON",
        is_flag=False,
        flag_value=CHOOSE,
        type=_OUT,
        metavar="[PATH]",
        default_text="off",
        help="Write the payload to a file before the upload: to PATH, to standard output for '-', "
        "else to '<data source>-<UTC time>.json' here.",
    ),
)

log_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--progress/--no-progress",
        group=OUTPUT,
        envvar="OAA_PROGRESS",
        default=None,
        default_text="on a terminal",
        help="Show a progress display.",
    ),
    _option(
        "--log-format",
        group=OUTPUT,
        envvar="OAA_LOG_FORMAT",
        type=click.Choice(["text", "json"]),
        default=_output.log_format,
        help="Log to standard error as text or as one JSON object a line.",
    ),
    _option(
        "--debug",
        cls=AnyValueFlag,
        group=OUTPUT,
        envvar="OAA_DEBUG",
        is_flag=True,
        default=False,
        help="Log every step.",
    ),
)

metrics_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--metrics-file",
        group=OUTPUT,
        envvar="OAA_METRICS_FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PATH",
        default_text="off",
        help="Write figures of the run for Prometheus (textfile).",
    ),
)

report_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--report",
        group=OUTPUT,
        envvar="OAA_REPORT",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PATH",
        default_text="off",
        help="Write a report of what was found and how it went, as one HTML page.",
    ),
)

mode_options: tuple[Callable[[F], F], ...] = (
    _option(
        "--dry-run",
        group=MODE,
        envvar="OAA_DRY_RUN",
        is_flag=True,
        default=False,
        help="Collect and check the payload, upload nothing; needs no Veza settings.",
    ),
    _option(
        "--check",
        group=MODE,
        envvar="OAA_CHECK",
        is_flag=True,
        default=False,
        help="Only look whether a run would work: reachability, version, credential, rights, "
        "rate limit, Veza's key, and how many requests a run takes.",
    ),
)
