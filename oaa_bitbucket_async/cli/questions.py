"""`oaa-bitbucket-async who-can LEVEL PLACE` and `what-can USER`: questions to a payload, answered offline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from oaa_bitbucket_async.cli.build import default_state_dir
from oaa_bitbucket_async.cli.help import HelpCommand
from oaa_bitbucket_async.cli.invocation import Invocation
from oaa_bitbucket_async.cli.setting import Setting, SettingGroup
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.settings import Question

_EXIT_CODES = (
    ("0", "there is somebody, or something that is reached"),
    ("1", "there is nobody, or nothing"),
    ("2", "usage, no such place or user, or a file that can't be read or is no payload"),
    ("70", "a bug"),
)
_FROM = "The payload"


def _options() -> list[click.Parameter]:
    return [
        Setting(
            ["--payload"],
            group=_FROM,
            envvar="OAA_PAYLOAD",
            type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path),
            metavar="FILE",
            default_text="the last upload",
            help="Answer from a saved payload (plain or gzip); '-' is the standard input.",
        ),
        Setting(
            ["--state-dir"],
            group=_FROM,
            envvar="OAA_STATE_DIR",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            default_text="the user's state folder",
            help="Where the last upload is kept.",
        ),
        Setting(
            ["--data-source-name"],
            group=_FROM,
            envvar="OAA_DATA_SOURCE_NAME",
            metavar="NAME",
            default_text="the only one",
            help="Which data source's last upload to ask.",
        ),
        Setting(
            ["--csv", "as_csv"],
            group=SettingGroup.OUTPUT,
            envvar="OAA_ANSWER_CSV",
            is_flag=True,
            default=False,
            help="A table for programs: one row for each way.",
        ),
        Setting(
            ["--json", "as_json"],
            group=SettingGroup.OUTPUT,
            envvar="OAA_ANSWER_JSON",
            is_flag=True,
            default=False,
            help="One JSON object a line for each place.",
        ),
        Setting(
            ["--limit"],
            group=SettingGroup.OUTPUT,
            envvar="OAA_ANSWER_LIMIT",
            type=click.IntRange(min=0),
            metavar="N",
            default_text="50, in CSV and JSON all",
            help="Show at most N people of a place, or N places of a user.",
        ),
    ]


def _question(name: str, short_help: str) -> Callable[[Callable[..., int]], click.Command]:
    return click.command(name, cls=HelpCommand, params=_options(), exit_codes=_EXIT_CODES, short_help=short_help)


@_question("who-can", "List who can read, write or administer a project or repository.")
@click.argument("level", type=click.Choice(["read", "write", "admin"]))
@click.argument("place")
@click.pass_obj
def who_can(invocation: Invocation, /, level: str, place: str, **params: Any) -> int:
    """List who can LEVEL (read, write or admin) PLACE, and how each person comes by it.

    PLACE is a project key, KEY/slug, or a shell pattern: 'CORE/*' means the repositories of a project, 'TEAM*'
    projects, '*' everything. Case does not count. The answer comes from the last upload: neither Bitbucket nor Veza is
    asked.
    """

    def work() -> int:
        from oaa_bitbucket_async.run.answering import answer_who_can

        return answer_who_can(level, place, _question_of(params))

    return invocation.guard(work, is_run=False)


@_question("what-can", "List what a user or group reaches.")
@click.argument("user")
@click.pass_obj
def what_can(invocation: Invocation, /, user: str, **params: Any) -> int:
    """List what USER reaches: a user name, or group:NAME for a group.

    What a project gives is told once, not for each of its repositories. The answer comes from the last upload: neither
    Bitbucket nor Veza is asked.
    """

    def work() -> int:
        from oaa_bitbucket_async.run.answering import answer_what_can

        return answer_what_can(user, _question_of(params))

    return invocation.guard(work, is_run=False)


def _question_of(params: dict[str, Any]) -> Question:
    if params["as_csv"] and params["as_json"]:
        raise ConfigurationError("--csv (OAA_ANSWER_CSV) and --json (OAA_ANSWER_JSON) exclude each other.")
    return Question(
        payload=params["payload"],
        state_dir=params["state_dir"] or default_state_dir(),
        data_source=params["data_source_name"],
        form="csv" if params["as_csv"] else "json" if params["as_json"] else "text",
        limit=params["limit"],
    )
