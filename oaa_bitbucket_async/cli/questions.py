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
    ("0", "the answer has at least one person or place"),
    ("1", "the answer is empty"),
    ("2", "wrong usage, no such place or user, or a file that can't be read or is not a payload"),
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
            help="Answer from a saved payload (plain or gzip); '-' reads standard input.",
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
            help="Data source whose last upload is used.",
        ),
        Setting(
            ["--csv", "as_csv"],
            group=SettingGroup.OUTPUT,
            envvar="OAA_ANSWER_CSV",
            is_flag=True,
            default=False,
            help="Print CSV, with one row for each way a person gets the access.",
        ),
        Setting(
            ["--json", "as_json"],
            group=SettingGroup.OUTPUT,
            envvar="OAA_ANSWER_JSON",
            is_flag=True,
            default=False,
            help="Print JSON, with one object per line for each place.",
        ),
        Setting(
            ["--limit"],
            group=SettingGroup.OUTPUT,
            envvar="OAA_ANSWER_LIMIT",
            type=click.IntRange(min=0),
            metavar="N",
            default_text="50, in CSV and JSON all",
            help="Show at most N people per place, or N places per user.",
        ),
    ]


def _question(name: str, short_help: str) -> Callable[[Callable[..., int]], click.Command]:
    return click.command(name, cls=HelpCommand, params=_options(), exit_codes=_EXIT_CODES, short_help=short_help)


@_question("who-can", "List who can read, write or administer a project or repository.")
@click.argument("level", type=click.Choice(["read", "write", "admin"]))
@click.argument("place")
@click.pass_obj
def who_can(invocation: Invocation, /, level: str, place: str, **params: Any) -> int:
    """List who can LEVEL (read, write or admin) PLACE, and how each person gets that access.

    PLACE is a project key, KEY/slug, or a shell pattern: 'CORE/*' means the repositories of a project, 'TEAM*'
    means projects, '*' means everything. Upper and lower case are the same. The answer comes from the last upload;
    Bitbucket and Veza are not asked.
    """

    def work() -> int:
        from oaa_bitbucket_async.run.answering import answer_who_can

        return answer_who_can(level, place, _question_of(params))

    return invocation.guard(work, is_run=False)


@_question("what-can", "List what a user or group can reach.")
@click.argument("user")
@click.pass_obj
def what_can(invocation: Invocation, /, user: str, **params: Any) -> int:
    """List what USER can reach. USER is a user name, or group:NAME for a group.

    Access that comes from a project is shown once, not for each of its repositories. The answer comes from the last
    upload; Bitbucket and Veza are not asked.
    """

    def work() -> int:
        from oaa_bitbucket_async.run.answering import answer_what_can

        return answer_what_can(user, _question_of(params))

    return invocation.guard(work, is_run=False)


def _question_of(params: dict[str, Any]) -> Question:
    if params["as_csv"] and params["as_json"]:
        raise ConfigurationError(
            "--csv (OAA_ANSWER_CSV) and --json (OAA_ANSWER_JSON) can't be used together; give one of them."
        )
    return Question(
        payload=params["payload"],
        state_dir=params["state_dir"] or default_state_dir(),
        data_source=params["data_source_name"],
        form="csv" if params["as_csv"] else "json" if params["as_json"] else "text",
        limit=params["limit"],
    )
