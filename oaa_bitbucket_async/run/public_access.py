"""Is public access on? Bitbucket is asked without a login. If that does not decide it, the last upload does."""

import asyncio
from collections.abc import Sequence

from oaa_bitbucket_async.bitbucket.transport import connect
from oaa_bitbucket_async.collect.public_access import AccessProbe, Flagged
from oaa_bitbucket_async.collect.snapshot import PublicAccess, Snapshot
from oaa_bitbucket_async.oaa.notes import Code, Note
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.redaction import redactor_of
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.session import Session

_TIMEOUT = 30.0
"""Timeout of one request, in seconds."""


async def ask_for_public_access(session: Session, places: Sequence[Flagged]) -> PublicAccess:
    """What Bitbucket shows to nobody of these things that it calls public. Raises CredentialError."""
    if not places:
        return "none flagged"
    settings = session.settings
    timeout = min(_TIMEOUT, settings.pace.request_timeout)
    redact = redactor_of(settings.login, settings.veza)
    async with connect(settings.bitbucket_url, None, settings.tls, timeout, redact) as nobody:
        probe = AccessProbe(session.client, session.api, nobody, wait=lambda: asyncio.sleep(settings.pace.retry_wait))
        return await probe.find(places)


async def settle_public_access(snapshot: Snapshot, last: LastUpload | None, result: RunResult) -> None:
    """If this run could not find out, the last upload's value is kept. A warning says so, or what is assumed."""
    if snapshot.public_access == "unknown":
        kept = await last.public_access() if last is not None else None
        if kept in ("on", "off"):
            snapshot.public_access = kept
            result.warnings.append(Note(Code.PUBLIC_ACCESS_KEPT, _KEPT.format(kept)))
        else:
            result.warnings.append(Note(Code.PUBLIC_ACCESS_ASSUMED, _ASSUMED))
    result.public_access = snapshot.public_access


_KEPT = (
    "it is unknown whether public access is on, since Bitbucket itself does not answer requests without a login: "
    "it is treated as {}, as in the last upload"
)
_ASSUMED = (
    "it is unknown whether public access is on, since Bitbucket itself does not answer requests without a login, "
    "and no earlier upload says it: everyone who may sign in is shown as a reader of what is marked public"
)
