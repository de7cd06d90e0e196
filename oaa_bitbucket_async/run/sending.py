"""What an incremental run knows of the last upload in Veza: whether it still stands, and what this run sent."""

import asyncio
import logging

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.names import data_source_of
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.unchanged import Digests, Sent, digests_of, last_push, tells_nothing_new
from oaa_bitbucket_async.settings import Settings

_log = logging.getLogger(__name__)


async def still_stands(settings: Settings, payload: Payload, sent: Sent | None, now: float) -> bool:
    """Whether the upload `sent` is still the last one in Veza, and the payload tells nothing new.

    False where that can't be told. Never raises: the upload itself says what is wrong with Veza.
    """
    if sent is None or not tells_nothing_new(await asyncio.to_thread(digests_of, payload), sent, now):
        return False
    return await _last_push(settings) == sent.synced_at


async def sent_by(settings: Settings, payload: Payload, before: Sent | None, now: float) -> Sent | None:
    """What was just uploaded. None if Veza does not say that its last push is this one. Never raises."""
    synced_at = await _last_push(settings)
    if synced_at is None or (before is not None and before.synced_at == synced_at):
        return None
    digests: Digests = await asyncio.to_thread(digests_of, payload)
    return Sent(digests=digests, at=now, synced_at=synced_at)


async def _last_push(settings: Settings) -> str | None:
    try:
        return await last_push(settings.veza, data_source_of(settings.veza, settings.bitbucket_url))
    except CollectorError as error:
        _log.debug("it is unknown whether the last upload still stands in Veza: %s", error)
        return None
