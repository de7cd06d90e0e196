"""`who-can` and `what-can`: answers on standard output, from a saved payload or from the last upload."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from oaa_bitbucket_async.access.answers import WhatCan, WhoCan
from oaa_bitbucket_async.access.compute import what_can, what_group_can, who_can
from oaa_bitbucket_async.access.finding import NotFoundError, find_holder, find_places
from oaa_bitbucket_async.access.graph import AccessGraph, AnotherPayloadError, Place
from oaa_bitbucket_async.access.levels import Level
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError
from oaa_bitbucket_async.oaa.saved import head_of_ours, open_saved
from oaa_bitbucket_async.oaa.schema import SavedUser
from oaa_bitbucket_async.ops.answers_text import (
    show_what,
    show_who,
    write_json_lines,
    write_what_csv,
    write_who_csv,
)
from oaa_bitbucket_async.ops.terminal import error_console, output_console
from oaa_bitbucket_async.settings import STANDARD_INPUT, Question
from oaa_bitbucket_async.state import last_payloads
from oaa_bitbucket_async.text import escape

SOMEBODY = 0
NOBODY = 1
LINES = 50
"""How many people or places of one answer are shown on a terminal."""


def answer_who_can(level: str, place: str, question: Question) -> int:
    """Gives 0 if anybody can, 1 if nobody. Raises ConfigurationError if there is no such place, or no payload."""
    graph = _graph(question)
    try:
        places = find_places(graph, place)
    except NotFoundError as error:
        raise _not_found(error) from None
    somebody = False

    def answers() -> Iterator[WhoCan]:
        nonlocal somebody
        for answer in who_can(graph, Level[level.upper()], places):
            somebody = somebody or answer.anybody > 0
            yield answer

    if question.form == "csv":
        write_who_csv(answers(), question.limit, sys.stdout)
    elif question.form == "json":
        write_json_lines(answers(), question.limit, sys.stdout.buffer)
    else:
        console = output_console()
        for number, answer in enumerate(answers()):
            if number:
                console.print()
            show_who(answer, LINES if question.limit is None else question.limit, console)
    sys.stdout.flush()
    return SOMEBODY if somebody else NOBODY


def answer_what_can(holder: str, question: Question) -> int:
    """Gives 0 if the user or group reaches anything, 1 if not. Raises as `answer_who_can`."""
    graph = _graph(question)
    try:
        found = find_holder(graph, holder)
    except NotFoundError as error:
        raise _not_found(error) from None
    answer: WhatCan = what_group_can(graph, found) if isinstance(found, str) else what_can(graph, found)
    if question.form == "csv":
        write_what_csv(answer, question.limit, sys.stdout)
    elif question.form == "json":
        write_json_lines([answer], question.limit, sys.stdout.buffer)
    else:
        show_what(answer, LINES if question.limit is None else question.limit, output_console())
    sys.stdout.flush()
    return SOMEBODY if answer.places else NOBODY


def examples(payload: Path) -> tuple[Place, SavedUser]:
    """A place and a user of the saved payload for example questions: few users hold grants there.

    Raises as `open_saved` and `AccessGraph`, and LookupError if there is nothing to ask about.
    """
    graph = AccessGraph(open_saved(payload)[1])
    places = [place for place in graph.places() if not place.is_project and not place.project.startswith("~")]
    grants = graph.grants({place.key: place.name for place in places})
    for place in places:
        for one in grants.on(place.key):
            if one.holder in graph.number_of and graph.users[graph.number_of[one.holder]].is_active:
                return place, graph.users[graph.number_of[one.holder]]
    raise LookupError("no repository has a grant to a user")


def _graph(question: Question) -> AccessGraph:
    """Reads the payload and says which upload the answer comes from."""
    path = question.payload or _last_upload(question)
    _, source = open_saved(path, ours=question.payload is None)
    try:
        graph = AccessGraph(source)
    except AnotherPayloadError as error:
        raise ConfigurationError(
            f"{path} is not a payload of this collector: {error}.",
            "Give a file that --save-json has written, or leave out --payload to ask the last upload.",
        ) from None
    _introduce(graph, path, question)
    return graph


def _last_upload(question: Question) -> Path:
    """The one last upload that the state folder holds, or that of the data source. Raises ConfigurationError."""
    kept = last_payloads(question.state_dir)
    if question.data_source is None and len(kept) == 1:
        return kept[0]
    if not kept:
        raise ConfigurationError(
            f"No upload is kept in {question.state_dir}.",
            "Run the collector first, or give a saved payload with --payload.",
        )
    by_name: dict[str, Path] = {}
    for path in kept:
        target = head_of_ours(path).target
        by_name[target.data_source if target is not None else path.name] = path
    if question.data_source is None:
        raise ConfigurationError(
            f"Uploads to several data sources are kept in {question.state_dir}: {', '.join(sorted(by_name))}.",
            "Choose one with --data-source-name.",
        )
    if question.data_source not in by_name:
        raise ConfigurationError(
            f"No upload to the data source {question.data_source!r} is kept in {question.state_dir}; "
            f"there are {', '.join(sorted(by_name))}."
        )
    return by_name[question.data_source]


def _introduce(graph: AccessGraph, path: Path, question: Question) -> None:
    """On standard error where programs read the answer."""
    application = graph.application
    about = application.about
    if path == STANDARD_INPUT:
        when = "a payload from the standard input"
    else:
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        when = f"{'the payload' if question.payload else 'the upload'} of {at:%Y-%m-%d %H:%M} UTC"
    what = f"only {' '.join(about.scope)}" if about.scope else "all of the instance"
    console = output_console() if question.form == "text" else error_console()
    console.print(Text(escape(f"From {when}: {application.name}, {what}."), style="dim"), soft_wrap=True)
    if about.collected is False:
        console.print(
            Text("Warning: its global permissions could not be read in full, so answers may lack people."),
            style="yellow",
            soft_wrap=True,
        )


def _not_found(error: NotFoundError) -> ConfigurationError:
    nearest = f"The nearest names are {', '.join(error.nearest)}." if error.nearest else "No name looks like it."
    return ConfigurationError(f"{error.args[0]}.", nearest)


def project_keys(state_dir: Path) -> list[str]:
    """The project keys in all last uploads in `state_dir`. Skips an upload that can't be read."""
    keys: set[str] = set()
    for path in last_payloads(state_dir):
        try:
            keys |= head_of_ours(path).project_keys
        except (OSError, CollectorError):  # this completes words in a shell, where an error has no place
            continue
    return sorted(keys)
