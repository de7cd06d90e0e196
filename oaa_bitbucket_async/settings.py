"""Everything that a user can set, checked and typed. Built by `cli/`, read by `run`.

Field names follow the flags of docs/settings.md; durations are in seconds, rates in requests a second.
"""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from oaa_bitbucket_async.secret import Secret

Identity = Literal["email", "name", "both"]
LogFormat = Literal["text", "json"]
CHOOSE_NAME = Path("<choose>")
"""`--save-json` without a path: the name is made from the data source and the time."""
STANDARD_OUTPUT = Path("-")
"""`--save-json -`: the payload goes to standard output."""
STANDARD_INPUT = Path("-")
"""`diff - FILE`: a payload comes from standard input."""
VEZA_NAME_CHARACTERS = r" @#$%&*:()!,a-zA-Z0-9_'=.-"
"""The characters allowed in names of providers and data sources: oaaclient's rule without the double quote, which
breaks the filter (`name eq "…"`) that oaaclient uses to find them."""
MAX_REMOVED = 30.0
"""The default of `--max-removed`. Losing a third of all grants in a day is rare enough to deserve a look."""


def new_run_id() -> str:
    """Twelve letters that tell this run's log records from any other's."""
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How Bitbucket's certificate is verified, and which certificate we present."""

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The login: basic authentication with a user name, or else an HTTP access token."""

    secret: Secret
    user: str | None = None

    @property
    def kind(self) -> Literal["basic", "token"]:
        """As the payload names it (`authentication`)."""
        return "basic" if self.user is not None else "token"


OWN_ROW_WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each look for the audit log's row of our own search: the log is written behind what it tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast to ask. With `concurrency` None the crawl finds the limit itself (`auto`)."""

    concurrency: int | None = None
    max_concurrency: int = 256
    project_concurrency: int = 16
    repo_concurrency: int = 256
    rate_limit: float | None = None
    page_size: int = 1000
    request_timeout: float = 120.0
    max_attempts: int = 6
    max_outage: float = 900.0
    retry_wait: float = 0.5
    """First step of the exponential wait before a retry. Not a flag; tests shorten it."""
    retry_wait_max: float = 30.0
    set_aside_after: int = 50
    """How many units of one kind have to fail in a row before the kind is set aside. Not a flag."""
    try_every: float = 15.0
    """Seconds between two attempts of a kind that is set aside. Not a flag."""
    own_row_waits: tuple[float, ...] = OWN_ROW_WAITS
    """Not a flag, tests make them short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which part of the instance to collect. Patterns are shell patterns for project keys, in any case."""

    projects: tuple[str, ...] = ()
    exclude_projects: tuple[str, ...] = ()
    personal_projects: bool = True
    archived: bool = True

    @property
    def limited(self) -> bool:
        """True if a part of the instance is left out on purpose."""
        return bool(self.projects or self.exclude_projects) or not (self.personal_projects and self.archived)


class Include(StrEnum):
    """What `--include` adds to a run. Each kind takes more requests."""

    ACCESS_KEYS = "access-keys"
    """SSH keys that open projects and repositories and belong to no user."""
    TOKENS = "tokens"
    """HTTP access tokens of projects, repositories and users."""
    SSH_KEYS = "ssh-keys"
    GPG_KEYS = "gpg-keys"
    BRANCH_RESTRICTIONS = "branch-restrictions"
    SETTINGS = "settings"
    """What a pull request needs before it can be merged."""
    DEFAULT_REVIEWERS = "default-reviewers"
    """Who is asked to review which pull requests."""


CREDENTIALS = frozenset({Include.ACCESS_KEYS, Include.TOKENS, Include.SSH_KEYS, Include.GPG_KEYS})
"""The kinds that are keys and tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Veza:
    """Where the payload goes, and under which names. `data_source_name` None: made from Bitbucket's host.

    `url` is as `urls.veza_base` gives it: https, without a slash at the end.
    """

    url: str | None = None
    api_key: Secret | None = None
    provider_name: str = "Bitbucket Server"
    data_source_name: str | None = None
    wait: bool = False
    """After the upload, follow the data source's status until Veza has processed the payload."""
    create_report: bool | None = None
    """None: the report is made by the run that creates the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state folder, how long an interrupted run's data can be reused, and whether to keep the last upload."""

    directory: Path
    resume: bool = True
    resume_window: float = 21600.0
    keep_last: bool = True
    """Keep the last uploaded payload, so that the next one can be compared with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the run shows and writes."""

    save_json: Path | None = None
    debug: bool = False
    log_format: LogFormat = "text"
    progress: bool | None = None
    """None: show progress if standard error is a terminal."""
    metrics_file: Path | None = None
    run_id: str = field(default_factory=new_run_id, compare=False)
    """On every record of the JSON log."""
    report: Path | None = None
    """Where the report goes, an HTML page."""
    report_dir: Path | None = None
    """A folder for the same page, with a table (CSV) for each finding."""

    @property
    def wants_report(self) -> bool:
        """Whether any report is to be written."""
        return self.report is not None or self.report_dir is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run's settings. `bitbucket_url` has no trailing slash; a context path is part of it."""

    bitbucket_url: str
    login: Login
    state: State
    veza: Veza = field(default_factory=Veza)
    tls: Tls = field(default_factory=Tls)
    pace: Pace = field(default_factory=Pace)
    scope: Scope = field(default_factory=Scope)
    output: Output = field(default_factory=Output)
    identity: Identity = "email"
    include: frozenset[Include] = frozenset()
    allow_partial: bool = False
    max_removed: float | None = MAX_REMOVED
    """Percentage of the last upload's grants, or memberships, that the next upload may remove; None: no guard."""
    max_duration: float | None = None
    """Seconds after which a run is stopped as by SIGTERM; None: never."""
    dry_run: bool = False
    incremental: bool = False
    """Start from the answers of the last upload, and ask again only where something changed or an answer is old."""
    max_age: float = 24.0
    """How old an answer may be in what an incremental run uploads, in hours."""

    @property
    def max_age_seconds(self) -> float:
        """The same in seconds."""
        return self.max_age * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """The settings of `push`."""

    veza: Veza
    state: State
    output: Output
    provider_name: str | None = None
    """As the user gave it: the payload must be for this provider."""
    max_removed: float | None = MAX_REMOVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which payload answers a question, and in which form."""

    payload: Path | None
    """None: the last upload that `state_dir` holds."""
    state_dir: Path
    data_source: str | None = None
    """Which last upload, where there are several."""
    form: Literal["text", "csv", "json"] = "text"
    limit: int | None = None
