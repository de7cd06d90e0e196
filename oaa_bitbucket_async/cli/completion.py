"""Completes values on a shell's command line."""

from collections.abc import Iterable
from pathlib import Path

import click

from oaa_bitbucket_async.settings import Include


def kinds(_context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The kinds of `--include`; behind a comma those that are not named yet."""
    return _behind_commas(begun, Include)


def project_keys(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The project keys of the last uploads in the state folder."""
    if "state_dir" not in context.params:  # the demo keeps none
        return []
    from oaa_bitbucket_async.cli.build import default_state_dir
    from oaa_bitbucket_async.run.answering import project_keys as keys_in

    folder: Path | None = context.params["state_dir"]
    return _behind_commas(begun, keys_in(folder or default_state_dir()))


def _behind_commas(begun: str, words: Iterable[str]) -> list[str]:
    named, comma, last = begun.rpartition(",")
    taken = set(named.lower().split(","))
    return [
        f"{named}{comma}{word}" for word in words if word.lower().startswith(last.lower()) and word.lower() not in taken
    ]
