"""Makes `Settings` from the parsed flags and the environment. Everything is checked before the first request."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from oaa_bitbucket_async.cli.open_files import fit_to_open_files
from oaa_bitbucket_async.cli.secrets_from import SecretError, read_secret
from oaa_bitbucket_async.cli.settings_table import values_of
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError
from oaa_bitbucket_async.files import prove_writable
from oaa_bitbucket_async.folders import prove_folder
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import (
    CHOOSE_NAME,
    MAX_REMOVED,
    STANDARD_OUTPUT,
    VEZA_NAME_CHARACTERS,
    Include,
    Login,
    Output,
    Pace,
    PushSettings,
    Scope,
    Settings,
    State,
    Tls,
    Veza,
)
from oaa_bitbucket_async.urls import AddressError, bitbucket_base, veza_base

Params = Mapping[str, Any]
T = TypeVar("T")

APPLICATION = "oaa-bitbucket-async"
_VEZA_NAME = re.compile(f"[{VEZA_NAME_CHARACTERS}]+")


@dataclass(slots=True)
class Problems:
    """Everything that is wrong, so that a reader can correct it all at once, and all warnings."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, what: str, read: Callable[[], tuple[T, list[str]]]) -> T | None:
        """The value, or None and a problem noted. `what` names the flag and the variable."""
        try:
            value, warnings = read()
        except AddressError as error:
            self.problems.append(f"{what} {error}")
            return None
        except SecretError as error:
            self.problems.append(str(error))
            return None
        self.warnings += [f"{what}: {warning}" if what else warning for warning in warnings]
        return value

    def raise_problems(self) -> None:
        """Raises ConfigurationError if something is wrong."""
        if not self.problems:
            return
        advice = f"`{APPLICATION} --help` explains every setting."
        if len(self.problems) == 1:
            raise ConfigurationError(self.problems[0], advice)
        raise ConfigurationError(f"{len(self.problems)} settings need attention:", advice, self.problems)


@dataclass(frozen=True, slots=True)
class Built(Generic[T]):
    """The settings of a command, and warnings to show before it starts."""

    settings: T
    warnings: list[str]


def build_settings(params: Params, environ: Mapping[str, str]) -> Built[Settings]:
    """Settings of a run, a dry run or a check. Raises ConfigurationError with all that is wrong."""
    found = Problems()
    if params["dry_run"] and params["check"]:
        found.problems.append(
            "--dry-run (OAA_DRY_RUN) and --check (OAA_CHECK) can't be used together; give one of them."
        )
    if params["json"] and not params["check"]:
        found.problems.append("--json (OAA_CHECK_JSON) works only with --check (OAA_CHECK); give both or neither.")
    bitbucket_url = ""
    if params["bitbucket_url"]:
        bitbucket_url = (
            found.take("--bitbucket-url (BITBUCKET_URL)", lambda: bitbucket_base(params["bitbucket_url"])) or ""
        )
    else:
        found.problems.append(
            "--bitbucket-url (BITBUCKET_URL) is not set: the base URL, such as https://bitbucket.example.com."
        )
    user = environ.get("BITBUCKET_USER") or None
    secret = found.take("", lambda: read_secret("BITBUCKET_TOKEN", environ, password=user is not None))
    if secret is None and not any("BITBUCKET_TOKEN" in problem for problem in found.problems):
        found.problems.append(
            "BITBUCKET_TOKEN or BITBUCKET_TOKEN_FILE is not set: an HTTP access token, or BITBUCKET_USER's password."
        )
    _check_user(user, found)
    veza = _veza(params, environ, found, needed=not params["dry_run"] and not params["check"])
    check_outputs(params, found)
    include = build_include(params["include"], found.problems)
    settings = Settings(
        login=Login(secret=secret or Secret(""), user=user),
        veza=veza,
        tls=_tls(params, found),
        state=_state(params, found.problems),
        pace=build_pace(params, found.warnings),
        scope=build_scope(params, found.problems),
        output=build_output(params),
        **(
            values_of("", params)
            | {"bitbucket_url": bitbucket_url, "include": include, "max_removed": _max_removed(params)}
        ),
    )
    found.raise_problems()
    return Built(settings, found.warnings)


def build_push(params: Params, environ: Mapping[str, str]) -> Built[PushSettings]:
    """Settings of a push. Raises ConfigurationError with all that is wrong."""
    found = Problems()
    veza = _veza(params, environ, found, needed=True)
    state = _state(params, found.problems)
    found.raise_problems()
    settings = PushSettings(
        veza=veza,
        state=state,
        output=build_output(params),
        provider_name=params["provider_name"],
        max_removed=_max_removed(params),
    )
    return Built(settings, found.warnings)


def build_pace(params: Params, warnings: list[str]) -> Pace:
    """The pace, within the number of files that this process may open."""
    given = values_of("pace", params)
    pace = Pace(**(given | {"concurrency": None if given["concurrency"] == "auto" else given["concurrency"]}))
    fitted, warning = fit_to_open_files(pace)
    if warning:
        warnings.append(warning)
    return fitted


def build_scope(params: Params, problems: list[str]) -> Scope:
    """The scope. Commas or spaces may separate several keys in one value, since no key contains them."""
    given = values_of("scope", params)
    chosen, excluded = _words(given["projects"]), _words(given["exclude_projects"])
    both = sorted({key.lower() for key in chosen} & {key.lower() for key in excluded})
    if both:
        problems.append(
            f"--project (OAA_PROJECTS) and --exclude-project (OAA_EXCLUDE_PROJECTS) both name {', '.join(both)}."
        )
    return Scope(**(given | {"projects": chosen, "exclude_projects": excluded}))


def build_include(values: tuple[str, ...], problems: list[str]) -> frozenset[Include]:
    """What else to collect. Commas or spaces may separate several kinds in one value."""
    names = _words(values)
    unknown = [name for name in names if name.lower() not in set(Include)]
    if unknown:
        problems.append(
            f"--include (OAA_INCLUDE) does not know {', '.join(map(repr, unknown))}; it takes {', '.join(Include)}."
        )
    return frozenset(Include(name.lower()) for name in names if name not in unknown)


def check_outputs(params: Params, found: Problems, *, prefix: str = "OAA_") -> None:
    """Notes a problem for each file that can't be written to its path, so that the user learns it before the crawl.

    A disk that is full now may have room by then, so that is a warning.
    """
    page, folder = params["report"], params["report_dir"]
    for name in ("save_json", "metrics_file", "report", "report_dir"):
        path: Path | None = params[name]
        if path is None or path == STANDARD_OUTPUT:
            continue
        what = f"--{name.replace('_', '-')} ({prefix}{name.upper()})"
        prove = prove_folder if name == "report_dir" else prove_writable
        try:
            prove(Path(".payload") if path == CHOOSE_NAME else path)
        except ConfigurationError as error:
            found.problems.append(f"{what}: {error}")
        except CollectorError as error:
            found.warnings.append(f"{what}: {error}")
    if page is not None and folder is not None and folder.resolve() in page.resolve().parents:
        found.problems.append(
            f"--report ({prefix}REPORT): {page} is in {folder}, which --report-dir replaces as a whole."
        )


def build_output(params: Params) -> Output:
    """What the run shows and writes; a command without one of the flags has its default."""
    return Output(**values_of("output", params))


def _words(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for value in values for key in re.split(r"[,\s]+", value) if key))


def _check_user(user: str | None, found: Problems) -> None:
    if user is None:
        return
    if ":" in user:
        found.problems.append("BITBUCKET_USER contains a colon, which basic authentication does not allow.")
    elif not user.isprintable():
        found.problems.append("BITBUCKET_USER contains a line break or another control character.")
    else:
        try:
            user.encode()
        except UnicodeEncodeError:
            found.problems.append("BITBUCKET_USER is not UTF-8 text.")


def _veza(params: Params, environ: Mapping[str, str], found: Problems, *, needed: bool) -> Veza:
    url = None
    if params["veza_url"]:
        url = found.take("--veza-url (VEZA_URL)", lambda: veza_base(params["veza_url"]))
    before = len(found.problems)
    key = found.take("", lambda: read_secret("VEZA_API_KEY", environ))
    key_is_bad = len(found.problems) > before
    half = bool(params["veza_url"]) != (key is not None or key_is_bad) and not params.get("dry_run")
    if (needed or half) and not params["veza_url"]:
        found.problems.append(
            "--veza-url (VEZA_URL) is not set: the Veza instance, such as example.vezacloud.com"
            + (" (or --dry-run to upload nothing)." if "dry_run" in params else ".")
        )
    if (needed or half) and key is None and not key_is_bad:
        found.problems.append("VEZA_API_KEY or VEZA_API_KEY_FILE is not set: Veza's API key.")
    if environ.get("VEZA_UNSAFE_HTTPS", "").lower() not in ("", "false", "0", "no", "off"):
        found.warnings.append(
            "VEZA_UNSAFE_HTTPS is ignored: Veza's certificate is always verified. If your own authority signed it, set "
            "REQUESTS_CA_BUNDLE to the authority's certificate file."
        )
    for flag, variable, name in (
        ("--provider-name", "OAA_PROVIDER_NAME", params["provider_name"]),
        ("--data-source-name", "OAA_DATA_SOURCE_NAME", params["data_source_name"]),
    ):
        if name is not None and not (_VEZA_NAME.fullmatch(name) and name.strip() == name):
            found.problems.append(
                f"{flag} ({variable}) is {name!r}: Veza takes letters without accents, digits, inner spaces "
                "and @#$%&*:()!,_'=.- in a name."
            )
    return Veza(**(values_of("veza", params) | {"url": url, "api_key": key}))


def _tls(params: Params, found: Problems) -> Tls:
    tls = Tls(**values_of("tls", params))
    if tls.client_key and not tls.client_cert:
        found.problems.append(
            "--client-key (OAA_CLIENT_KEY) is set without --client-cert (OAA_CLIENT_CERT); give both."
        )
    if tls.insecure and tls.ca_file:
        found.problems.append(
            "--insecure (OAA_INSECURE) and --ca-file (OAA_CA_FILE) can't be used together; drop --insecure."
        )
    elif tls.insecure:
        found.warnings.append(
            "--insecure (OAA_INSECURE): Bitbucket's certificate is not verified. Anyone between here and Bitbucket can "
            "read the credential and change the data. Use --ca-file instead."
        )
    return tls


def _max_removed(params: Params) -> float | None:
    """None for `off`."""
    given: float | str | None = params["max_removed"]
    if given is None:
        return MAX_REMOVED
    return None if isinstance(given, str) else given


def _state(params: Params, problems: list[str]) -> State:
    given = values_of("state", params)
    if given["directory"] is None:
        given["directory"] = default_state_dir()
    if params["max_removed"] not in (None, "off") and not params["keep_last"]:
        problems.append(
            "--max-removed (OAA_MAX_REMOVED) needs the last upload, which --no-keep-last (OAA_KEEP_LAST) does not "
            "keep; drop one of them."
        )
    return State(**given)


def default_state_dir() -> Path:
    """The user's default state folder, where the last uploads are kept."""
    from platformdirs import user_state_path

    return user_state_path(APPLICATION, appauthor=False)
