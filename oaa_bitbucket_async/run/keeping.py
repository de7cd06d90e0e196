"""Keeps a payload that was not uploaded in a file, and prints the commands to continue from there.

The payload can be the work of hours, so a full disk must not lose it. The printed commands are complete: they work
as printed, from any folder.
"""

import asyncio
import logging
import os
import re
import shlex
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.files import private_dir, write_whole
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.settings import MAX_REMOVED, State, Veza

MOST_KEPT = 3
"""Payloads of one data source that stay in the state folder."""
_ENDING = ".json.gz"
_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """The file that the payload is in, None if no folder took it, and a sentence that says so."""

    path: Path | None
    told: str

    @classmethod
    def at(cls, path: Path, why: str = "") -> "Kept":
        """The payload is in `path`. `why` says why it is not in the state folder."""
        return cls(path, f"The payload is kept in {path}{f' ({why})' if why else ''}.")


async def keep(folder: Path, data_source: str, content: bytes, *, suffix: str = "") -> Kept:
    """Write `content` to a new file in `folder`, else in the working folder, else in the temporary one.

    Its name is `kept_name`, with `suffix`. In `folder` the last three of a data source stay. Never raises a
    CollectorError: why the payload was not uploaded is what the user has to read.
    """
    name, problems = f"{kept_name(data_source)}{_ENDING}{suffix}", []
    for place in (folder, Path(), None):
        try:
            kept = await asyncio.to_thread(_write, place, name, content)
        except (CollectorError, OSError) as error:
            problems.append(error.message if isinstance(error, CollectorError) else str(error))
            continue
        if place is folder:
            await asyncio.to_thread(_remove_older, folder, data_source)
        return Kept.at(kept, problems[0].rstrip(".") if problems else "")
    return Kept(None, f"The payload could not be kept anywhere, so it is lost. {' '.join(problems)}")


def kept_name(data_source: str) -> str:
    """Data source and UTC time, without characters that file systems do not allow."""
    return f"{_words(data_source)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _words(data_source: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in data_source.replace(" - ", "-"))


def _remove_older(folder: Path, data_source: str) -> None:
    """A Veza that refuses every night must not fill the disk. The names sort by time."""
    name = re.compile(rf"{re.escape(_words(data_source))}-\d{{8}}T\d{{6}}Z{re.escape(_ENDING)}(\.\w+)?")
    for old in sorted(path for path in folder.iterdir() if name.fullmatch(path.name))[:-MOST_KEPT]:
        try:
            old.unlink()
        except OSError as error:
            _log.debug("an older payload stays: %s", error)


def _write(place: Path | None, name: str, content: bytes) -> Path:
    folder = Path(tempfile.gettempdir()) if place is None else place.absolute()
    path = private_dir(folder) / name
    write_whole(path, content)
    return path


def command(*words: str | Path) -> str:
    """`oaa-bitbucket-async …`, quoted for the shell; paths are absolute."""
    parts = ["oaa-bitbucket-async", *(str(word.absolute()) if isinstance(word, Path) else word for word in words)]
    return shlex.join(parts) if os.name == "posix" else subprocess.list2cmdline(parts)


def push_command(file: Path, payload: Payload, veza: Veza, state: State, max_removed: float | None) -> str:
    """Uploads the payload, which is in `file`, as this run would have done.

    Provider and data source stand in the payload, but for one of another origin. The key for Veza comes from the
    environment, as always.
    """
    words: list[str | Path] = ["push", file]
    if veza.url is not None:
        words += ["--veza-url", veza.url]
    if payload.target is None:
        words += ["--provider-name", veza.provider_name]
        words += ["--data-source-name", veza.data_source_name] if veza.data_source_name else []
    words += ["--state-dir", state.directory]
    if not state.keep_last:
        words.append("--no-keep-last")
    elif max_removed is None:
        words += ["--max-removed", "off"]
    elif max_removed != MAX_REMOVED:
        words += ["--max-removed", f"{max_removed:g}"]
    return command(*words)
