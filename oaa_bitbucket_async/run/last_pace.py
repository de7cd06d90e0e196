"""The pace that the last run found: kept for the next one, which tries it first and checks it before it believes it."""

import asyncio
import logging

import msgspec

from oaa_bitbucket_async.bitbucket.pacing.limit import Found
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.reading import read_ours
from oaa_bitbucket_async.settings import Settings
from oaa_bitbucket_async.state import pace_path

_log = logging.getLogger(__name__)


async def last_pace(settings: Settings) -> Found | None:
    """The pace of the last run. None if there is none. Never raises: without it a run finds its own pace."""
    if not settings.state.keep_last or settings.pace.concurrency is not None:
        return None
    return await asyncio.to_thread(_read, settings)


async def keep_pace(settings: Settings, pacer: Pacer) -> None:
    """Keeps what this run found, if it found anything. Never raises."""
    found = pacer.found()
    if found is None or not settings.state.keep_last:
        return
    path = pace_path(settings.state.directory, settings.bitbucket_url, settings.login)
    try:
        await asyncio.to_thread(write_whole, path, msgspec.json.encode(found))
    except CollectorError as error:
        _log.debug("the pace can't be kept for the next run: %s", error)


def _read(settings: Settings) -> Found | None:
    path = pace_path(settings.state.directory, settings.bitbucket_url, settings.login)
    try:
        found = msgspec.json.decode(read_ours(path), type=Found)
        if not found.plausible:
            raise ValueError("no run can have found that")
    except FileNotFoundError:
        return None
    except (CollectorError, OSError, ValueError) as error:  # those of msgspec and of UTF-8 are ValueErrors
        _log.info(
            "the pace that the last run found can't be read from %s, so this one finds its own: %s",
            path,
            error,
            extra=event(Event.LAST_PACE_UNREADABLE),
        )
        return None
    return found
