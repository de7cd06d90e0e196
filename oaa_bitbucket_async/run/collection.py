"""The way of the data from Bitbucket to a snapshot: preflight, journal, crawl."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from oaa_bitbucket_async.bitbucket.faults import Fault
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.crawl import Crawl
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.incremental.plan import Plan
from oaa_bitbucket_async.collect.journal import Base, Fingerprint, Journal
from oaa_bitbucket_async.collect.ledger import Ledger
from oaa_bitbucket_async.collect.public_access import flagged
from oaa_bitbucket_async.collect.snapshot import Instance, Snapshot
from oaa_bitbucket_async.errors import TemporaryError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.run.public_access import ask_for_public_access
from oaa_bitbucket_async.run.session import Session
from oaa_bitbucket_async.run.signals import Interruption
from oaa_bitbucket_async.settings import Settings
from oaa_bitbucket_async.urls import host_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """Where an incremental run starts from: the answers of the last upload, and which of them are asked for again."""

    base: Base
    plan: Plan


async def collect(
    session: Session,
    capabilities: Capabilities,
    journal: Journal,
    counts: CrawlCounts,
    interruption: Interruption,
    start: Start | None = None,
) -> tuple[Snapshot, Ledger]:
    """Crawls. Starts from the journal, and from the base of an incremental run.

    Gives what was found, and the outcome of every unit.

    All answers are in the journal when this returns or raises.

    Raises CredentialError, TemporaryError (in an ExceptionGroup), and what `Interruption.error` gives.
    """
    settings = session.settings
    snapshot = Snapshot(instance_of(settings, capabilities), included=Included(settings.include))
    ledger = Ledger()
    crawl = Crawl(
        session.client,
        session.api,
        capabilities,
        snapshot,
        ledger,
        counts,
        scope=settings.scope,
        pace=settings.pace,
        record=journal,
        clock=session.clock,
        plan=None if start is None else start.plan,
    )
    try:
        await _take_up(journal, crawl, session.clock.epoch(), whole=start is None)
        if start is not None:
            await _start_from(start.base, journal, crawl)
        with interruption.gently(session.pacer.stop):
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(session.client.watch_login())
                await crawl.run()
                watch.cancel()
    finally:
        await journal.flush()
    if interruption.stopped:  # also if all had been asked already: who stops a run wants no upload
        raise interruption.error("; nothing was uploaded", how_to_go_on(settings, capabilities, journal))
    snapshot.public_access = await ask_for_public_access(session, flagged(snapshot))
    await _prove_again(session)
    return snapshot, ledger


async def _prove_again(session: Session) -> None:
    """If answers do not carry our user name: checks once more before the upload who we are signed in as."""
    if not session.client.login.stripped:
        return
    try:
        await session.client.prove_login()
    except Fault as fault:
        raise TemporaryError(
            f"The login could not be confirmed before the upload: {fault}.",
            "Nothing was uploaded. Run again when the server answers.",
        ) from None


def instance_of(settings: Settings, capabilities: Capabilities) -> Instance:
    """The instance as the payload tells it."""
    return Instance(
        base_url=settings.bitbucket_url,
        host=host_of(settings.bitbucket_url),
        version=capabilities.version,
        authentication=capabilities.login,
        global_permissions=capabilities.global_permissions,
    )


def fingerprint_of(settings: Settings, capabilities: Capabilities) -> Fingerprint:
    """All that decides what a run collects."""
    return Fingerprint.of(
        base_url=settings.bitbucket_url,
        authentication=capabilities.login,
        user=capabilities.user or "",
        server_version=capabilities.version,
        global_permissions=capabilities.global_permissions,
        scope=settings.scope,
        include=settings.include,
    )


@asynccontextmanager
async def journal_of(settings: Settings, capabilities: Capabilities, path: Path, now: float) -> AsyncIterator[Journal]:
    """The journal for this instance and login, closed at the end (and kept, unless it was discarded).

    `now` is in seconds since 1970.
    """
    journal = await Journal.open(
        path,
        fingerprint=fingerprint_of(settings, capabilities),
        window=settings.state.resume_window,
        # without our name on every answer, what was read before a login was lost can't be told from what came after
        resume=settings.state.resume and not capabilities.header_stripped,
        now=now,
    )
    try:
        yield journal
    finally:
        await journal.close()


async def _take_up(journal: Journal, crawl: Crawl, now: float, *, whole: bool) -> None:
    """`whole`: for a full crawl. It reuses only answers from after the journal began, since it can't tell which answers
    of a base still hold."""
    if not journal.resumed:
        return
    count = 0
    async for item in journal.replay(own=whole):
        count += crawl.resume(item, now) and item.last
    _log.info(
        "continuing the run that began %.0f s ago: %d answers are reused",
        now - journal.began,
        count,
        extra=event(Event.RESUMED, answers=count, age_seconds=round(now - journal.began)),
    )
    if journal.outdated:
        _log.info(
            "%d answers are older than the resume window of %.0f s and are asked for again",
            journal.outdated,
            journal.window,
            extra=event(Event.RESUMED, outdated=journal.outdated),
        )


async def _start_from(base: Base, journal: Journal, crawl: Crawl) -> None:
    count = 0
    async for item in base.replay():
        if crawl.start_from(item) and item.last:
            count += 1
            await journal.ready()
    _log.info(
        "starting from the last upload: %d of its answers are reused",
        count,
        extra=event(Event.BASE_TAKEN, answers=count),
    )


def why_not_resumed(settings: Settings, capabilities: Capabilities, journal: Journal) -> str | None:
    """Why the next run with the same settings can't continue this one, and what it does instead. Else None."""
    if not settings.state.resume:
        return "asks for everything again, because resuming is off"
    if capabilities.header_stripped:
        return (
            "asks for everything again, because answers lack the X-AUSERNAME header: "
            "what an earlier run read can't be verified"
        )
    if not journal.active:  # what could be written before it failed is taken up
        return "may ask for everything again, because the answers could not be kept in --state-dir"
    return None


def how_to_go_on(settings: Settings, capabilities: Capabilities, journal: Journal) -> str:
    """What to do after a run that was stopped."""
    if why := why_not_resumed(settings, capabilities, journal):
        return f"Run again: it {why}."
    return (
        f"Run again with the same settings within {settings.state.resume_window / 3600:.1f} hours: "
        "it continues from here and asks only for what is missing."
    )
