"""From flags and variables to settings."""

import dataclasses
import math
from pathlib import Path

import click
import pytest

from oaa_bitbucket_async.cli.main import cli
from oaa_bitbucket_async.cli.setting import Setting
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import CHOOSE_NAME, STANDARD_OUTPUT, Output, Pace, Scope, State, Tls, Veza
from tests.cli.conftest import Build


def test_the_minimum_gives_the_defaults_of_the_settings(build: Build) -> None:
    built = build()
    settings = built.settings
    assert built.warnings == []
    assert settings.bitbucket_url == "https://bitbucket.example.com"
    assert settings.login.kind == "token"
    assert settings.login.secret == Secret("bitbucket-secret")
    assert settings.veza == Veza(url="https://example.vezacloud.com", api_key=Secret("veza-secret"))
    assert (settings.tls, settings.pace, settings.scope, settings.output) == (Tls(), Pace(), Scope(), Output())
    assert settings.state == State(directory=settings.state.directory)
    assert (settings.identity, settings.allow_partial, settings.dry_run) == ("email", False, False)


# flag, its variable, a value that is not the default, another one, where it lands
TWINS = [
    ("--concurrency", "OAA_CONCURRENCY", "12", "13", "pace.concurrency"),
    ("--max-concurrency", "OAA_MAX_CONCURRENCY", "12", "13", "pace.max_concurrency"),
    ("--project-concurrency", "OAA_PROJECT_CONCURRENCY", "12", "13", "pace.project_concurrency"),
    ("--repo-concurrency", "OAA_REPO_CONCURRENCY", "12", "13", "pace.repo_concurrency"),
    ("--rate-limit", "OAA_RATE_LIMIT", "2.5", "0.1", "pace.rate_limit"),
    ("--page-size", "OAA_PAGE_SIZE", "12", "13", "pace.page_size"),
    ("--request-timeout", "OAA_REQUEST_TIMEOUT", "0.5", "7", "pace.request_timeout"),
    ("--max-attempts", "OAA_MAX_ATTEMPTS", "1", "2", "pace.max_attempts"),
    ("--max-outage", "OAA_MAX_OUTAGE", "0", "5", "pace.max_outage"),
    ("--max-duration", "OAA_MAX_DURATION", "5", "0.5", "max_duration"),
    ("--project", "OAA_PROJECTS", "A", "B", "scope.projects"),
    ("--exclude-project", "OAA_EXCLUDE_PROJECTS", "A", "B", "scope.exclude_projects"),
    ("--include", "OAA_INCLUDE", "tokens", "gpg-keys", "include"),
    ("--state-dir", "OAA_STATE_DIR", "a", "b", "state.directory"),
    ("--resume-window", "OAA_RESUME_WINDOW", "1", "0", "state.resume_window"),
    ("--max-age", "OAA_MAX_AGE", "168", "0.5", "max_age"),
    ("--max-removed", "OAA_MAX_REMOVED", "20", "0.5", "max_removed"),
    ("--provider-name", "OAA_PROVIDER_NAME", "P1", "P2", "veza.provider_name"),
    ("--data-source-name", "OAA_DATA_SOURCE_NAME", "D1", "D2", "veza.data_source_name"),
    ("--identity", "OAA_IDENTITY", "name", "both", "identity"),
    ("--log-format", "OAA_LOG_FORMAT", "json", "text", "output.log_format"),
    ("--metrics-file", "OAA_METRICS_FILE", "a", "b", "output.metrics_file"),
    ("--report", "OAA_REPORT", "a", "b", "output.report"),
    ("--report-dir", "OAA_REPORT_DIR", "a", "b", "output.report_dir"),
    ("--save-json", "OAA_SAVE_JSON", "a", "b", "output.save_json"),
    ("--bitbucket-url", "BITBUCKET_URL", "https://a", "https://b", "bitbucket_url"),
    ("--veza-url", "VEZA_URL", "https://a", "https://b", "veza.url"),
]
SWITCHES = [
    ("--personal-projects", "OAA_PERSONAL_PROJECTS", "scope.personal_projects"),
    ("--archived", "OAA_ARCHIVED", "scope.archived"),
    ("--resume", "OAA_RESUME", "state.resume"),
    ("--keep-last", "OAA_KEEP_LAST", "state.keep_last"),
    ("--progress", "OAA_PROGRESS", "output.progress"),
    ("--create-report", "OAA_CREATE_REPORT", "veza.create_report"),
]
FLAGS = [
    ("--dry-run", "OAA_DRY_RUN", "dry_run"),
    ("--allow-partial", "OAA_ALLOW_PARTIAL", "allow_partial"),
    ("--incremental", "OAA_INCREMENTAL", "incremental"),
    ("--wait", "OAA_WAIT", "veza.wait"),
    ("--insecure", "OAA_INSECURE", "tls.insecure"),
    ("--debug", "OAA_DEBUG", "output.debug"),
]


def test_what_compares_with_the_last_upload_needs_it(build: Build) -> None:
    assert build("--max-removed", "0").settings.max_removed == 0
    assert build("--max-removed", "OFF").settings.max_removed is None
    assert build().settings.max_removed == build("--no-keep-last").settings.max_removed == 30
    assert build(OAA_MAX_REMOVED="off").settings.max_removed is None
    assert build("--max-removed", "off", "--no-keep-last").settings.max_removed is None
    with pytest.raises(ConfigurationError, match=r"OAA_MAX_REMOVED.*OAA_KEEP_LAST"):
        build("--max-removed", "5", "--no-keep-last")
    with pytest.raises(ConfigurationError, match=r"OAA_MAX_REMOVED.*OAA_KEEP_LAST"):
        build("--no-keep-last", OAA_MAX_REMOVED="30")


def test_every_option_is_tried_below() -> None:
    tried = {row[0] for row in [*TWINS, *SWITCHES, *FLAGS]} | {
        "--check", "--json", "--ca-file", "--client-cert", "--client-key",
    }  # fmt: skip
    assert {p.opts[0] for p in cli.params if isinstance(p, Setting)} == tried


@pytest.mark.parametrize(("flag", "variable", "one", "other", "where"), TWINS)
def test_a_flag_and_its_variable_do_the_same_and_the_flag_wins(
    build: Build, flag: str, variable: str, one: str, other: str, where: str
) -> None:
    by_flag = _at(build(flag, one).settings, where)
    assert by_flag == _at(build(**{variable: one}).settings, where)
    assert by_flag != _at(build(flag, other).settings, where)
    assert by_flag == _at(build(flag, one, **{variable: other}).settings, where)


@pytest.mark.parametrize(("flag", "variable", "where"), SWITCHES)
def test_a_switch_and_its_variable(build: Build, flag: str, variable: str, where: str) -> None:
    no = flag.replace("--", "--no-", 1)
    assert _at(build(no).settings, where) is False
    assert _at(build(flag).settings, where) is True
    assert _at(build(**{variable: "false"}).settings, where) is False
    assert _at(build(flag, **{variable: "0"}).settings, where) is True


@pytest.mark.parametrize(("flag", "variable", "where"), FLAGS)
def test_a_plain_flag_and_its_variable(build: Build, flag: str, variable: str, where: str) -> None:
    assert _at(build(**{variable: None}).settings, where) is False
    assert _at(build(flag).settings, where) is True
    assert _at(build(**{variable: "1"}).settings, where) is True


@pytest.mark.parametrize(
    ("value", "debug"),
    [("1", True), ("on", True), ("all", True), ("2", True), ("0", False), ("No", False), ("false", False), ("", False)],
)
def test_oaa_debug_takes_the_words_of_a_switch_and_any_other_text_for_on(build: Build, value: str, debug: bool) -> None:
    assert build(OAA_DEBUG=value).settings.output.debug is debug
    assert build("--debug", OAA_DEBUG=value).settings.output.debug


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["--save-json"], "", CHOOSE_NAME),
        (["--save-json", "--dry-run"], "", CHOOSE_NAME),
        (["--save-json", "-"], "", STANDARD_OUTPUT),
        ([], "1", CHOOSE_NAME),
        ([], "no", None),
        ([], "x.json", Path("x.json")),
        (["--save-json"], "x.json", CHOOSE_NAME),
    ],
)
def test_save_json(build: Build, arguments: list[str], variable: str, expected: Path | None) -> None:
    assert build(*arguments, OAA_SAVE_JSON=variable).settings.output.save_json == expected


def test_project_keys_from_repeated_flags_and_from_lists(build: Build) -> None:
    assert build("--project", "A", "--project", "B*,C").settings.scope.projects == ("A", "B*", "C")
    assert build(OAA_PROJECTS=" A, B*  ,C,A ").settings.scope.projects == ("A", "B*", "C")


def test_auto_can_be_said(build: Build) -> None:
    assert build("--concurrency", "AUTO", OAA_CONCURRENCY="7").settings.pace.concurrency is None


BAD = [
    ("--concurrency", "0"), ("--concurrency", "4097"), ("--concurrency", "many"), ("--concurrency", "nan"),
    ("--max-concurrency", "1"), ("--project-concurrency", "0"), ("--repo-concurrency", "-1"),
    ("--rate-limit", "0"), ("--rate-limit", "nan"), ("--rate-limit", "inf"), ("--page-size", "0"),
    ("--request-timeout", "0"), ("--request-timeout", "nan"), ("--max-attempts", "0"), ("--max-outage", "-1"),
    ("--max-duration", "0"),
    ("--resume-window", "-1"), ("--resume-window", "soon"), ("--identity", "badge"), ("--log-format", "xml"),
    ("--ca-file", "no/such/file"), ("--client-cert", "no/such/file"), ("--client-key", "no/such/file"),
    ("--save-json", "."), ("--metrics-file", "."), ("--state-dir", __file__), ("--archived", "perhaps"),
    ("--dry-run", "perhaps"), ("--max-removed", "-1"), ("--max-removed", "101"), ("--max-removed", "nan"),
]  # fmt: skip


@pytest.mark.parametrize(("flag", "value"), BAD)
def test_a_bad_value_names_flag_and_variable(build: Build, flag: str, value: str) -> None:
    option = next(p for p in cli.params if isinstance(p, Setting) and flag in p.opts)
    calls = [lambda: build(**{option.variable: value})]
    if not option.is_flag:
        calls.append(lambda: build(flag, value))
    for call in calls:
        with pytest.raises(click.UsageError) as raised:
            call()
        assert raised.value.exit_code == 2
        assert flag in raised.value.format_message()
        assert option.variable in raised.value.format_message()


@pytest.mark.parametrize(
    ("arguments", "variables", "names"),
    [
        ([], {"BITBUCKET_URL": None}, ["--bitbucket-url", "BITBUCKET_URL"]),
        ([], {"BITBUCKET_URL": "ftp://x"}, ["--bitbucket-url", "BITBUCKET_URL"]),
        ([], {"BITBUCKET_TOKEN": None}, ["BITBUCKET_TOKEN", "BITBUCKET_TOKEN_FILE"]),
        ([], {"BITBUCKET_TOKEN": "€"}, ["BITBUCKET_TOKEN"]),
        ([], {"BITBUCKET_TOKEN": "a\nb"}, ["BITBUCKET_TOKEN"]),
        ([], {"BITBUCKET_USER": "a:b"}, ["BITBUCKET_USER"]),
        ([], {"BITBUCKET_USER": "a\nb"}, ["BITBUCKET_USER"]),
        ([], {"BITBUCKET_USER": "\udcff"}, ["BITBUCKET_USER"]),
        ([], {"VEZA_URL": None}, ["--veza-url", "VEZA_URL"]),
        ([], {"VEZA_URL": "http://x"}, ["--veza-url", "VEZA_URL"]),
        ([], {"VEZA_API_KEY": None}, ["VEZA_API_KEY", "VEZA_API_KEY_FILE"]),
        (["--check"], {"VEZA_API_KEY": None}, ["VEZA_API_KEY", "VEZA_API_KEY_FILE"]),
        (["--check"], {"VEZA_URL": None}, ["--veza-url", "VEZA_URL"]),
        (["--check", "--dry-run"], {}, ["--check", "OAA_CHECK", "--dry-run", "OAA_DRY_RUN"]),
        (["--client-key", __file__], {}, ["--client-key", "OAA_CLIENT_KEY", "--client-cert", "OAA_CLIENT_CERT"]),
        (["--insecure", "--ca-file", __file__], {}, ["--insecure", "OAA_INSECURE", "--ca-file", "OAA_CA_FILE"]),
        (["--project", "a", "--exclude-project", "A"], {}, ["--project", "OAA_PROJECTS", "--exclude-project"]),
        (["--include", "tokens,cookies"], {}, ["--include", "OAA_INCLUDE", "'cookies'", "access-keys"]),
        (["--provider-name", "a/b"], {}, ["--provider-name", "OAA_PROVIDER_NAME"]),
        (["--provider-name", ""], {}, ["--provider-name", "OAA_PROVIDER_NAME"]),
        (["--data-source-name", 'say "x"'], {}, ["--data-source-name", "OAA_DATA_SOURCE_NAME"]),
        (["--data-source-name", "x\n"], {}, ["--data-source-name", "OAA_DATA_SOURCE_NAME"]),
    ],
)
def test_what_is_missing_or_contradicts_is_named(
    build: Build, arguments: list[str], variables: dict[str, str | None], names: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(*arguments, **variables)
    assert "settings need attention" not in str(raised.value)  # one cause, one complaint
    for name in names:
        assert name in str(raised.value)


def test_a_name_and_password_may_hold_any_letter(build: Build) -> None:
    """They travel in Base64; a token stands in the header as it is."""
    login = build(BITBUCKET_USER="Łukasz", BITBUCKET_TOKEN="10 €").settings.login
    assert (login.user, login.secret.reveal()) == ("Łukasz", "10 €")


def test_everything_that_is_missing_is_named_at_once(build: Build) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(BITBUCKET_URL=None, BITBUCKET_TOKEN=None, VEZA_URL=None, VEZA_API_KEY=None)
    for name in ("--bitbucket-url", "BITBUCKET_TOKEN", "--veza-url", "VEZA_API_KEY"):
        assert name in str(raised.value)


@pytest.mark.parametrize("mode", ["--dry-run", "--check"])
def test_without_an_upload_no_veza_settings_are_needed(build: Build, mode: str) -> None:
    veza = build(mode, VEZA_URL=None, VEZA_API_KEY=None).settings.veza
    assert (veza.url, veza.api_key) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--insecure"], "--insecure (OAA_INSECURE)"),
        (["--bitbucket-url", "http://h"], "unencrypted"),
        (["--bitbucket-url", "https://h/scm/projects/A"], "https://h/scm"),
    ],
)
def test_what_is_risky_or_was_mended_is_warned_of(build: Build, arguments: list[str], word: str) -> None:
    (warning,) = build(*arguments).warnings
    assert word in warning


def test_oaaclients_switch_for_unchecked_certificates_is_ignored_with_a_warning(build: Build) -> None:
    (warning,) = build(VEZA_UNSAFE_HTTPS="True").warnings
    assert "VEZA_UNSAFE_HTTPS is ignored" in warning
    assert build(VEZA_UNSAFE_HTTPS="false").warnings == []


def test_defaults_in_the_help_are_those_of_the_settings(build: Build) -> None:
    settings = build().settings
    shown = {p.opts[0]: p.shown_default for p in cli.params if isinstance(p, Setting)}
    for flag, _, _, _, where in TWINS:
        value = _at(settings, where)
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert math.isclose(float(shown[flag]), value)
    for flag, _, where in SWITCHES[:4]:
        assert shown[flag] == ("on" if _at(settings, where) else "off")


def _at(settings: object, where: str) -> object:
    for name in where.split("."):
        assert name in {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
        settings = getattr(settings, name)
    return settings
