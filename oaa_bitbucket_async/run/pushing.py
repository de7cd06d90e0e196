"""`push FILE`: uploads the payload of a run that could not upload it."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.payload import load_payload
from oaa_bitbucket_async.oaa.target import Target, scope_words
from oaa_bitbucket_async.oaa.upload import check_settings, check_veza
from oaa_bitbucket_async.reading import secure
from oaa_bitbucket_async.run.delivery import Delivery
from oaa_bitbucket_async.run.guards import compare_scope
from oaa_bitbucket_async.run.keeping import Kept
from oaa_bitbucket_async.run.known import passing_if
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.reporting import Reporter
from oaa_bitbucket_async.settings import PushSettings, Scope, Veza

_log = logging.getLogger(__name__)


async def push_file(settings: PushSettings, file: Path, reporter: Reporter) -> int:
    """Brings the payload in `file` where it belongs.

    Raises ConfigurationError if the file is no payload, or if a setting (`provider_name` as the user gave it, or
    `veza.data_source_name`) names another place than the payload; RemovalError if it would remove more than
    `max_removed` per cent, or is a part and would replace the whole; UploadError if Veza does not take it.
    """
    payload = await asyncio.to_thread(load_payload, file)
    veza = _addressed(settings, payload.target, file)
    data_source = check_settings(veza, payload.base_url)
    _tell(veza, data_source, payload.target, file)
    last = LastUpload.of(settings.state, veza, data_source)
    with passing_if(lambda: last is not None and last.known):
        await check_veza(veza)
    secure(settings.state.directory)
    scope = payload.target.scope if payload.target is not None else Scope()
    for notice in await compare_scope(scope, last, settings.max_removed):
        notice.log()
    delivery = Delivery(
        payload=payload,
        veza=veza,
        data_source=data_source,
        scope=scope,
        state=settings.state,
        last=last,
        result=reporter.result,
    )

    async def where_it_was() -> Kept:
        return Kept.at(file)

    await delivery.compare(settings.max_removed, where_it_was)
    await delivery.upload()
    reporter.built(payload)
    reporter.shown = True
    await reporter.finish(0)
    return 0


def _addressed(settings: PushSettings, target: Target | None, file: Path) -> Veza:
    """The settings with provider and data source of the payload. ConfigurationError if a setting contradicts it."""
    veza = settings.veza
    if target is None:
        return veza
    for what, made_for, flag, given in (
        ("provider", target.provider, "--provider-name (OAA_PROVIDER_NAME)", settings.provider_name),
        ("data source", target.data_source, "--data-source-name (OAA_DATA_SOURCE_NAME)", veza.data_source_name),
    ):
        if given is not None and given != made_for:
            raise ConfigurationError(
                f"{file} was made for the {what} {made_for!r}, and {flag} says {given!r}. Nothing was uploaded.",
                "Remove the setting to push the payload to where it belongs, or collect again with the setting.",
            )
    return replace(veza, provider_name=target.provider, data_source_name=target.data_source)


def _tell(veza: Veza, data_source: str, target: Target | None, file: Path) -> None:
    """Says where the payload goes before it does."""
    words = scope_words(target.scope) if target is not None else []
    if target is None:
        scope = "of unknown scope"
    else:
        scope = f"a part of the instance ({' '.join(words)})" if words else "the whole instance"
    _log.info(
        "pushing %s, %s, to the data source %r of the provider %r at %s",
        file,
        scope,
        data_source,
        veza.provider_name,
        veza.url,
        extra=event(Event.PUSH_TARGET, provider=veza.provider_name, data_source=data_source, scope=words),
    )
