"""`push FILE`: finishes the job of a run that could not upload."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from oaa_bitbucket_async.errors import ConfigurationError, RemovalError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.payload import load_payload
from oaa_bitbucket_async.oaa.target import Target, scope_words
from oaa_bitbucket_async.oaa.upload import check_settings, check_veza, push
from oaa_bitbucket_async.reading import secure
from oaa_bitbucket_async.run.guards import check_removed, check_scope, refused, unknown_upload
from oaa_bitbucket_async.run.keeping import Kept
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.reporting import Reporter
from oaa_bitbucket_async.run.veza_report import report_in_veza
from oaa_bitbucket_async.settings import Scope, State, Veza

_log = logging.getLogger(__name__)


async def push_file(
    veza: Veza,
    file: Path,
    reporter: Reporter,
    state: State | None = None,
    max_removed: float | None = None,
    provider_name: str | None = None,
) -> int:
    """Without `state` the last upload is neither compared with nor replaced.

    Raises ConfigurationError if the file is no payload, or if a setting (`provider_name` as the user gave it, or
    `veza.data_source_name`) names another place than the payload; RemovalError if it would remove more than
    `max_removed` per cent, or is a part and would replace the whole; UploadError if Veza does not take it.
    """
    payload = await asyncio.to_thread(load_payload, file)
    veza = _addressed(veza, payload.target, file, provider_name)
    data_source = check_settings(veza, payload.base_url)
    _tell(veza, data_source, payload.target, file)
    await check_veza(veza)
    result = reporter.result
    last, unknown = None, None
    if state is not None:
        secure(state.directory)
        last = LastUpload.of(state, veza, data_source)
        scope = payload.target.scope if payload.target is not None else Scope()
        await _check_scope(scope, last, max_removed)
        unknown = unknown_upload(last, data_source, scope)
        try:
            result.changes = await last.compare(payload, max_removed) if last is not None else None
            check_removed(result.changes, max_removed)
        except RemovalError as error:
            raise refused(error, last, Kept.at(file), payload, veza, state) from None
    uploaded = await push(payload, veza)
    if unknown is not None and not uploaded.created_data_source:
        unknown.log()
    if last is not None:
        await last.keep(payload)
    reporter.built(payload)
    result.upload, result.upload_bytes = uploaded, len(payload.compressed)
    await report_in_veza(veza, payload, uploaded, result)
    reporter.shown = True
    await reporter.finish(0)
    return 0


def _addressed(veza: Veza, target: Target | None, file: Path, provider_name: str | None) -> Veza:
    """The settings with provider and data source of the payload. ConfigurationError if a setting contradicts it."""
    if target is None:
        return veza
    for what, made_for, flag, given in (
        ("provider", target.provider, "--provider-name (OAA_PROVIDER_NAME)", provider_name),
        ("data source", target.data_source, "--data-source-name (OAA_DATA_SOURCE_NAME)", veza.data_source_name),
    ):
        if given is not None and given != made_for:
            raise ConfigurationError(
                f"{file} was made for the {what} {made_for!r}, and {flag} says {given!r}. Nothing was uploaded.",
                "Leave the setting out to push the payload where it belongs, or collect again with it.",
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


async def _check_scope(scope: Scope, last: LastUpload | None, max_removed: float | None) -> None:
    """As a run does before its crawl."""
    head = await last.head(max_removed) if last is not None and scope.limited else None
    for notice in check_scope(scope, head, max_removed) if head is not None else ():
        notice.log()
