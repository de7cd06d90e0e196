"""A payload that was not uploaded: the file it is kept in, and the commands that go on from there.

Hours of a crawl are in it, so a full disk must not lose it. The commands stand in advice: they are complete, so that
they do the right thing when they are typed as printed, anywhere.
"""

import asyncio
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.files import private_dir, write_whole
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.settings import MAX_REMOVED, State, Veza


class Kept(NamedTuple):
    """The file that the payload is in, None if no folder took it, and a sentence that says so."""

    path: Path | None
    told: str

    @classmethod
    def at(cls, path: Path, why: str = "") -> "Kept":
        """It is in `path`; `why` says why there, and not in the state folder."""
        return cls(path, f"The payload is kept in {path}{f' ({why})' if why else ''}.")


async def keep(folder: Path, name: str, content: bytes) -> Kept:
    """Write `content` to the file `name` in `folder`, else in the working folder, else in the temporary one.

    Never raises a CollectorError: why the payload was not uploaded is what the user has to read.
    """
    problems = []
    for place in (folder, Path(), None):
        try:
            kept = await asyncio.to_thread(_write, place, name, content)
        except (CollectorError, OSError) as error:
            problems.append(error.message if isinstance(error, CollectorError) else str(error))
            continue
        return Kept.at(kept, problems[0].rstrip(".") if problems else "")
    return Kept(None, f"The payload could not be kept anywhere, so it is lost. {' '.join(problems)}")


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
