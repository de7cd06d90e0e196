"""Where a payload goes that was not uploaded: hours of a crawl are in it, so a full disk must not lose it."""

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.files import private_dir, write_private


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
    write_private(path, content)
    return path
