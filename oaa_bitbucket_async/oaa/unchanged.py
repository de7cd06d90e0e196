"""Whether an upload would tell Veza nothing new: an incremental run does not send it then (DESIGN.md section 7)."""

import hashlib
import re
from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.oaa.follow import has_failed, synced_at
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.upload import look_up
from oaa_bitbucket_async.settings import Veza

USES_HOLD = 6 * 3600.0
"""Seconds for which an upload stays valid although users have signed in and keys have been used since."""
_USES = re.compile(rb'"last_(?:login|used)_at":(?:"[^"]*"|null)')


class Digests(NamedTuple):
    """Two payloads with the same `whole` are equal; with the same `but_uses`, but for last logins and last uses."""

    whole: str
    but_uses: str


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that Veza took."""

    digests: Digests
    at: float
    """Epoch seconds."""
    synced_at: str
    """What Veza says of the time of the data source's last push since then. Another text means another push."""


def digests_of(payload: Payload) -> Digests:
    """Reads all of it, in pieces: call it off the event loop."""
    whole, but_uses = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    rest = b""
    for chunk in payload.json_chunks():
        whole.update(chunk)
        rest += chunk
        cut = rest.rfind(b"}") + 1  # no time has one
        but_uses.update(_USES.sub(b"", rest[:cut]))
        rest = rest[cut:]
    but_uses.update(rest)
    return Digests(whole.hexdigest(), but_uses.hexdigest())


def tells_nothing_new(digests: Digests, sent: Sent, now: float) -> bool:
    """Whether the payload says what was sent, or differs only in uses from what was sent a short while ago."""
    if digests.whole == sent.digests.whole:
        return True
    return digests.but_uses == sent.digests.but_uses and 0 <= now - sent.at < USES_HOLD


async def last_push(veza: Veza, data_source: str) -> str | None:
    """What Veza says of the time of the data source's last push.

    None if there is no such data source, it has failed, or Veza does not tell. Raises as `check_veza`.
    """
    row = await look_up(veza, data_source)
    return None if row is None or has_failed(row) else synced_at(row)
