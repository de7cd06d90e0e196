"""What every run against Bitbucket needs: a connection, the pacing and a client."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from oaa_bitbucket_async.bitbucket.api import Api
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Fault
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock, LoopClock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.preflight import Capabilities, examine
from oaa_bitbucket_async.bitbucket.protocol import Account
from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.bitbucket.timeline import Timeline
from oaa_bitbucket_async.bitbucket.transport import connect
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.redaction import redactor_of
from oaa_bitbucket_async.run.known import is_there, passing_if
from oaa_bitbucket_async.run.last_pace import last_pace
from oaa_bitbucket_async.settings import Settings
from oaa_bitbucket_async.state import known_path
from oaa_bitbucket_async.urls import base_url_parts

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to Bitbucket. The next step is preflight."""

    settings: Settings
    api: Api
    client: Client
    pacer: Pacer
    stats: RequestStats
    timeline: Timeline | None
    """None if no report is wanted."""
    clock: Clock

    async def examine(self) -> Capabilities:
        """Preflight. After it the server's own rate limit is kept. Raises as `preflight.examine`."""
        settings = self.settings
        mark = known_path(settings.state.directory, settings.bitbucket_url)
        with passing_if(lambda: is_there(mark)):
            capabilities = await examine(
                self.client, self.api, settings.bitbucket_url, settings.pace.page_size, self._is_bitbucket
            )
        if capabilities.rate.bucket is not None:
            self.pacer.set_server_rate(capabilities.rate.bucket.capacity, capabilities.rate.bucket.fill_rate)
        return capabilities

    async def _is_bitbucket(self) -> bool:
        """Whether Bitbucket answers without a login. True if that is unknown."""
        settings = self.settings
        if settings.tls.client_cert is not None:  # without it nobody gets through to what is behind
            return True
        timeout, redact = settings.pace.request_timeout, redactor_of(settings.login, settings.veza)
        async with connect(settings.bitbucket_url, None, settings.tls, timeout, redact) as nobody:
            try:
                return await self.client.ask_anonymously(nobody, self.api.application_properties()) is not None
            except Fault:
                return True


@asynccontextmanager
async def open_session(settings: Settings, epoch: Callable[[], float] = time.time) -> AsyncIterator[Session]:
    """Connects with the first request, which is preflight's. Outages are watched for while the block runs.

    `epoch` tells the date, in seconds since 1970.

    Raises TemporaryError, in an ExceptionGroup, if nothing succeeds for `--max-outage`.
    """
    pace = settings.pace
    clock = LoopClock(time.perf_counter, epoch)
    rng = random.Random()  # noqa: S311  # spreads retries in time, guards nothing
    pacer = Pacer(
        concurrency=pace.concurrency,
        max_concurrency=pace.max_concurrency,
        rate_limit=pace.rate_limit,
        max_outage=pace.max_outage,
        clock=clock,
        rng=rng,
        found=await last_pace(settings),
    )
    stats = RequestStats()
    redact = redactor_of(settings.login, settings.veza)
    login = Account(kind=settings.login.kind, given_name=settings.login.user, redact=redact)
    async with connect(settings.bitbucket_url, settings.login, settings.tls, pace.request_timeout, redact) as transport:
        client = Client(transport, pacer, stats, login, pace, clock, rng)
        api = Api(base_url_parts(settings.bitbucket_url).path, pace.page_size)
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(pacer.watch(client.probe))
            timeline = Timeline(stats, pacer, clock) if settings.output.wants_report else None
            follow = None if timeline is None else group.create_task(_follow(timeline))
            try:
                yield Session(settings, api, client, pacer, stats, timeline, clock)
            finally:
                watch.cancel()
                if follow is not None:
                    follow.cancel()


async def _follow(timeline: Timeline) -> None:
    """Only the report needs the timeline, so a bug in it must not end the run."""
    try:
        await timeline.follow()
    except Exception:
        _log.exception(
            "the report will not show the whole run; this is a bug: please report it with these lines",
            extra=event(Event.REPORT_FAILED),
        )
