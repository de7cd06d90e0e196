"""A run: collect, build, save, upload. Read from top to bottom."""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect.incremental.freshness import Freshness
from oaa_bitbucket_async.collect.journal import Journal, delete_base
from oaa_bitbucket_async.collect.ledger import Ledger, Outcome
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import (
    CollectorError,
    IncompleteError,
    RemovalError,
    UploadError,
)
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.oaa.names import data_source_of
from oaa_bitbucket_async.oaa.payload import LostGrantsError, Payload, build_payload
from oaa_bitbucket_async.oaa.target import Target
from oaa_bitbucket_async.oaa.upload import UploadResult, check_settings, check_veza
from oaa_bitbucket_async.ops.causes import write_missing
from oaa_bitbucket_async.ops.lock import hold
from oaa_bitbucket_async.ops.progress import progress
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.ops.terminal import shows_progress, step, write_json
from oaa_bitbucket_async.reading import secure
from oaa_bitbucket_async.run.collection import collect, how_to_go_on, journal_of, why_not_resumed
from oaa_bitbucket_async.run.delivery import Delivery
from oaa_bitbucket_async.run.expecting import expected_of, keep_number
from oaa_bitbucket_async.run.guards import before_crawl
from oaa_bitbucket_async.run.incremental import Round, begin_round
from oaa_bitbucket_async.run.keeping import Kept, keep, kept_name, push_command
from oaa_bitbucket_async.run.known import passing_if, remember
from oaa_bitbucket_async.run.last_pace import keep_pace
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.loop import exit_code_of, weightiest
from oaa_bitbucket_async.run.public_access import settle_public_access
from oaa_bitbucket_async.run.reporting import Reporter
from oaa_bitbucket_async.run.session import Session, open_session
from oaa_bitbucket_async.run.signals import Interruption, listen
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.settings import CHOOSE_NAME, STANDARD_OUTPUT, Settings
from oaa_bitbucket_async.state import known_path

_log = logging.getLogger(__name__)
INCOMPLETE_SUFFIX = ".incomplete"
"""Added to the name of an incomplete payload, so that nobody mistakes it for a complete one."""


async def main_job(settings: Settings, reporter: Reporter, epoch: Callable[[], float] = time.time) -> int:
    """Collects and, unless it is a dry run, uploads. Gives the exit code; raises CollectorErrors.

    `epoch` tells the date in seconds since 1970: by it answers become old.
    """
    with listen(settings.max_duration) as interruption:
        exit_code = 1
        try:
            exit_code = await _locked(settings, reporter, interruption, epoch)
        except asyncio.CancelledError:
            if not interruption.stopped:
                raise
            reporter.result.error = stopped = interruption.error("", interruption.advice)
            exit_code = exit_code_of(stopped)
            raise stopped from None
        except BaseExceptionGroup as group:
            reporter.result.error = first = weightiest(group)
            exit_code = exit_code_of(first)
            raise first from None
        except CollectorError as error:
            reporter.result.error = error
            exit_code = exit_code_of(error)
            raise
        finally:
            await interruption.end(reporter.finish(exit_code))
        return exit_code


async def _locked(
    settings: Settings, reporter: Reporter, interruption: Interruption, epoch: Callable[[], float]
) -> int:
    paths = paths_of(settings)
    with hold(paths.lock):
        secure(settings.state.directory)
        async with open_session(settings, epoch) as session:
            reporter.session = session
            with step(reporter.console, settings.output, "Signing in to Bitbucket"):
                capabilities = await session.examine()
            await remember(known_path(settings.state.directory, settings.bitbucket_url))
            introduce(settings, capabilities)
            if not settings.dry_run:
                check_settings(settings.veza, settings.bitbucket_url)
                last = LastUpload.of_run(settings)
                with (
                    passing_if(lambda: last is not None and last.known),
                    step(reporter.console, settings.output, "Checking Veza's key"),
                ):
                    await check_veza(settings.veza)
            with step(reporter.console, settings.output, "Reading the last upload"):
                notices = await before_crawl(session)
            for notice in notices:
                notice.log()
            async with journal_of(settings, capabilities, paths.journal, session.clock.epoch()) as journal:
                with step(reporter.console, settings.output, "Looking for what has changed since the last upload"):
                    this_round = await begin_round(session, capabilities, paths.base, reporter.result.freshness)
                async with aclosing(this_round):
                    try:
                        return await _collect_and_deliver(
                            session, capabilities, journal, this_round, reporter, interruption
                        )
                    except asyncio.CancelledError:
                        interruption.advice = how_to_go_on(settings, capabilities, journal)
                        raise


async def _collect_and_deliver(
    session: Session,
    capabilities: Capabilities,
    journal: Journal,
    this_round: Round,
    reporter: Reporter,
    interruption: Interruption,
) -> int:
    settings = session.settings
    last = LastUpload.of_run(settings)
    payload, ledger = await _collect_and_build(session, capabilities, journal, this_round, reporter, interruption, last)
    try:
        await _deliver(settings, reporter, payload, this_round, last, complete=ledger.complete)
    except RemovalError:  # the next run shall ask Bitbucket again, not this run's journal
        await journal.discard()
        raise
    await _keep_answers(settings, journal, this_round, reporter.result.freshness, complete=ledger.complete)
    return 0 if ledger.complete else IncompleteError.exit_code


async def _collect_and_build(
    session: Session,
    capabilities: Capabilities,
    journal: Journal,
    this_round: Round,
    reporter: Reporter,
    interruption: Interruption,
    last: LastUpload | None,
) -> tuple[Payload, Ledger]:
    """From the first request to the payload. The snapshot ends here: it is larger than all that comes after it.

    Raises IncompleteError if the payload is not to be uploaded.
    """
    settings, freshness = session.settings, reporter.result.freshness
    reporter.shown = True
    live = shows_progress(settings.output, reporter.console)
    expected = await expected_of(settings, capabilities)
    async with progress(
        reporter.console,
        requests=session.stats,
        counts=reporter.counts,
        pacer=session.pacer,
        live=live,
        expected=expected,
    ):
        try:
            snapshot, ledger = await collect(
                session, capabilities, journal, reporter.counts, interruption, this_round.start
            )
        finally:
            reporter.result.kept_for_next = why_not_resumed(settings, capabilities, journal) is None
    await keep_pace(settings, session.pacer)
    if ledger.complete:
        await keep_number(settings, expected.done(session.stats, reporter.counts))
    freshness.kept = reporter.counts.based
    await this_round.after_crawl(snapshot, freshness)
    if freshness.oldest is None:  # everything was asked by this run, or by the one that it goes on with
        began = journal.began if journal.resumed else this_round.began_at
        freshness.oldest = session.clock.epoch() - began
    await this_round.aclose()
    gc.collect()  # what the crawl needed: its parts know each other
    not_resumed = why_not_resumed(settings, capabilities, journal)
    payload = await _payload_of(settings, reporter, snapshot, ledger, last, not_resumed)
    return payload, ledger


async def _keep_answers(
    settings: Settings, journal: Journal, this_round: Round, freshness: Freshness, *, complete: bool
) -> None:
    """The upload has succeeded, or the dry run. What it was made from is the base of the next incremental run.

    If something is missing, the journal stays besides, for the next run asks for that.
    """
    base = paths_of(settings).base
    facts = this_round.next_facts(freshness, journal)
    if settings.dry_run:
        if complete:
            await journal.discard()
    elif settings.state.keep_last:
        await journal.keep(base, facts, go_on=not complete)
    else:
        if complete:
            await journal.discard()
        await delete_base(base)


def introduce(settings: Settings, capabilities: Capabilities) -> None:
    """Logs the login, the server, and what this run can't see."""
    _log.info(
        "Bitbucket %s at %s, signed in as %s by %s",
        capabilities.version,
        settings.bitbucket_url,
        capabilities.user or "a user whose name the server does not say",
        "password" if capabilities.login == "basic" else "token",
        extra=event(
            Event.SIGNED_IN,
            version=capabilities.version,
            url=settings.bitbucket_url,
            user=capabilities.user,
            login=capabilities.login,
        ),
    )
    for warning in capabilities.warnings():
        _log.warning("%s", warning, extra=event(Event.PREFLIGHT_WARNING))


async def _payload_of(
    settings: Settings,
    reporter: Reporter,
    snapshot: Snapshot,
    ledger: Ledger,
    last: LastUpload | None,
    not_resumed: str | None,
) -> Payload:
    """From the snapshot to a payload that may be uploaded. `not_resumed`: see `why_not_resumed`.

    Raises IncompleteError if it may not.
    """
    result = reporter.result
    result.missing = ledger.missing()
    result.gone = ledger.count(Outcome.GONE)
    await _list_missing(settings, reporter)
    await settle_public_access(snapshot, last, result)
    with step(reporter.console, settings.output, "Building the payload"):
        await reporter.crawled(snapshot, settings.identity)
    lacking = not ledger.complete and not (settings.allow_partial and ledger.listings_complete)
    if lacking and (settings.output.save_json is None or not ledger.listings_complete):
        raise _incomplete(settings, ledger, result, not_resumed)
    with step(reporter.console, settings.output, "Building the payload"):
        payload = await _build(settings, result, snapshot)
    reporter.built(payload)
    result.saved = await _save(settings, payload, complete=ledger.complete)
    if lacking:
        raise _incomplete(settings, ledger, result, not_resumed)
    return payload


async def _deliver(
    settings: Settings,
    reporter: Reporter,
    payload: Payload,
    this_round: Round,
    last: LastUpload | None,
    *,
    complete: bool,
) -> None:
    """From the payload to Veza.

    Raises RemovalError before anything is uploaded, UploadError after keeping the payload.
    """
    result = reporter.result
    delivery = Delivery(
        payload=payload,
        veza=settings.veza,
        data_source=data_source_of(settings.veza, settings.bitbucket_url),
        scope=settings.scope,
        state=settings.state,
        last=last,
        result=result,
    )
    with step(reporter.console, settings.output, "Comparing with the last upload"):
        await delivery.compare(settings.max_removed, lambda: _keep(settings, payload, result))
    if settings.dry_run:
        result.upload = UploadResult(outcome="dry run", reason="nothing was uploaded")
        return
    with step(reporter.console, settings.output, "Looking at the last upload in Veza"):
        unchanged = complete and await this_round.still_stands(payload)
    if unchanged:
        result.upload = UploadResult(outcome="unchanged", reason="Veza already has it, so nothing was sent")
        return
    with step(reporter.console, settings.output, "Uploading to Veza"):
        await _upload(settings, delivery)
    await this_round.uploaded(payload)


async def _build(settings: Settings, result: RunResult, snapshot: Snapshot) -> Payload:
    """The snapshot's payload. LostGrantsError, with the payload kept under a name that warns, if it lacks a grant."""
    target = Target(settings.veza.provider_name, data_source_of(settings.veza, settings.bitbucket_url), settings.scope)
    try:
        return await asyncio.to_thread(build_payload, snapshot, identity=settings.identity, target=target)
    except LostGrantsError as error:
        result.upload = UploadResult(outcome="not uploaded", reason="the payload lacks grants")
        kept = await _keep(settings, error.payload, result, suffix=INCOMPLETE_SUFFIX)
        error.advice += f" {kept.told}" + (" Do not upload it." if kept.path else "")
        raise


async def _upload(settings: Settings, delivery: Delivery) -> None:
    """Keeps the payload and raises UploadError if Veza refuses it."""
    result, payload = delivery.result, delivery.payload
    try:
        await delivery.upload()
    except CollectorError as error:
        result.upload = UploadResult(outcome="refused", reason=error.message)
        kept = await _keep(settings, payload, result)
        how = ""
        if kept.path is not None:
            again = push_command(kept.path, payload, settings.veza, settings.state, settings.max_removed)
            how = f"`{again}` uploads it."
        raise UploadError(error.message, f"{error.advice} {kept.told} {how}".strip()) from error


def _incomplete(settings: Settings, ledger: Ledger, result: RunResult, not_resumed: str | None) -> IncompleteError:
    result.upload = UploadResult(outcome="not uploaded", reason="something is missing")
    missing = ledger.missing()
    first = missing[0]
    parts = sum(entry.units for entry in missing)
    others = f" (and {parts - first.units:,} more)" if parts > first.units else ""
    partial = (
        "--allow-partial does not help, since a listing is missing."
        if not ledger.listings_complete
        else "--allow-partial uploads anyway and marks what is missing with `collected: false`."
    )
    next_run = (
        f"The next run within {settings.state.resume_window / 3600:.0f} hours asks only for what is missing."
        if not_resumed is None
        else f"The next run {not_resumed}."
    )
    return IncompleteError(
        f"{parts:,} parts could not be collected, so nothing was uploaded: {first.what}: {first.reason}{others}.",
        f"{first.advice} {next_run} {partial}",
    )


# --- files ----------------------------------------------------------------------------------------------------------


async def _list_missing(settings: Settings, reporter: Reporter) -> None:
    """Lists everything that is missing in a file beside the journal. Never raises, since the log has it too."""
    result = reporter.result
    path = paths_of(settings).missing
    try:
        await asyncio.to_thread(write_missing, path, result.missing, reporter.redact)
    except (CollectorError, OSError) as error:
        _log.warning(
            "the list of what is missing can't be written to a file: %s", error, extra=event(Event.MISSING_NOT_LISTED)
        )
    else:
        result.missing_file = path if result.missing else None


async def _save(settings: Settings, payload: Payload, *, complete: bool) -> Path | None:
    """`--save-json`: the file it went to, None if there is none."""
    wanted = settings.output.save_json
    if wanted is None:
        return None
    if wanted == STANDARD_OUTPUT:
        if complete:
            await asyncio.to_thread(write_json, sys.stdout.buffer, payload.json_chunks())
        else:
            _log.warning(
                "the payload is incomplete, so it is not written to standard output",
                extra=event(Event.PAYLOAD_NOT_PRINTED),
            )
        return None
    path = wanted
    if wanted == CHOOSE_NAME:
        path = Path(f"{kept_name(data_source_of(settings.veza, settings.bitbucket_url))}.json")
    if not complete:
        path = path.with_name(path.name + INCOMPLETE_SUFFIX)
    await asyncio.to_thread(write_whole, path, payload.json_chunks())
    _log.info("the payload is in %s", path, extra=event(Event.PAYLOAD_SAVED, path=str(path)))
    return path


async def _keep(settings: Settings, payload: Payload, result: RunResult, *, suffix: str = "") -> Kept:
    """A payload that was not uploaded: where `--save-json` put it, else compressed, in the state folder if it can."""
    if result.saved is not None:
        return Kept.at(result.saved)
    data_source = data_source_of(settings.veza, settings.bitbucket_url)
    kept = await keep(settings.state.directory, data_source, payload.compressed, suffix=suffix)
    result.saved = kept.path
    return kept
