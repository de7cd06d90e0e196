"""How many requests a run expects, by its settings and by the last similar run."""

import asyncio
import logging

import msgspec

from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import UnitKind
from oaa_bitbucket_async.collect.units import Owner
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.oaa.target import scope_words
from oaa_bitbucket_async.ops.expected import Expected
from oaa_bitbucket_async.reading import read_ours
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.settings import Settings

_log = logging.getLogger(__name__)
_EVERY_PROJECT = 2
"""Permissions of users, and of groups; the default ones are asked level by level."""
_EVERY_REPOSITORY = 2


class _Last(msgspec.Struct):
    """Kept for the next run. It is used only by a run with the same scope and the same kinds of question."""

    requests: int
    of: list[str]


def _like(settings: Settings) -> list[str]:
    return [*scope_words(settings.scope), *sorted(settings.include)]


async def expected_of(settings: Settings, capabilities: Capabilities) -> Expected:
    """For the progress display. Never raises: without the last number it waits for the listings."""
    each: dict[Owner, int] = {
        "group": 1,
        "project": _EVERY_PROJECT + len(capabilities.default_levels),
        "repository": _EVERY_REPOSITORY,
        "user": 0,
    }
    for kind in kinds.INCLUDED:
        if kind.include in settings.include and not kind.helps:
            each[kind.of] += 1
    owners = {kind.name: kind.of for kind in vars(kinds).values() if isinstance(kind, UnitKind)}
    owners |= {kind.name: kind.of for kind in kinds.INCLUDED}
    return Expected(each, owners, await asyncio.to_thread(_last, settings))


async def keep_number(settings: Settings, requests: int) -> None:
    """Keeps the number of requests of a complete crawl. Never raises: the next display can do without it."""
    path = paths_of(settings).requests
    try:
        await asyncio.to_thread(write_whole, path, msgspec.json.encode(_Last(requests, _like(settings))))
    except CollectorError as error:
        _log.debug("the number of requests can't be kept: %s", error)


def _last(settings: Settings) -> int | None:
    path = paths_of(settings).requests
    try:
        last = msgspec.json.decode(read_ours(path), type=_Last)
    except FileNotFoundError:
        return None
    except (CollectorError, OSError, msgspec.MsgspecError, UnicodeError) as error:
        _log.debug("how many requests the last run took can't be read: %s", error)
        return None
    return last.requests if last.of == _like(settings) and last.requests > 0 else None
