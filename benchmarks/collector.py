"""The collector in a separate process: the main job without the upload, measured phase by phase.

Reads a Job from standard input and writes a Report to standard output, both as JSON. It runs the same code as
`oaa-bitbucket-async --dry-run`, split only to read the clocks between the phases.
"""

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.journal import Journal
from oaa_bitbucket_async.oaa.payload import build_payload
from oaa_bitbucket_async.oaa.upload import push
from oaa_bitbucket_async.run.collection import collect, journal_of
from oaa_bitbucket_async.run.last_pace import keep_pace
from oaa_bitbucket_async.run.loop import run_to_end
from oaa_bitbucket_async.run.session import open_session
from oaa_bitbucket_async.run.signals import listen
from oaa_bitbucket_async.run.state_files import paths_of
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Include, Login, Pace, Settings, State, Veza


class VezaAt(msgspec.Struct, frozen=True):
    """Where to upload to."""

    url: str
    api_key: str


class Job(msgspec.Struct, frozen=True):
    """What to do.

    `journal` and `build` can leave out these parts; without `veza` nothing is uploaded. `profile`: a file for a profile
    of the crawl.
    """

    url: str
    user: str
    password: str
    state: str
    concurrency: int | None = None
    max_concurrency: int = 256
    journal: bool = True
    build: bool = True
    standard_loop: bool = False
    profile: str | None = None
    include: frozenset[Include] = frozenset()
    veza: VezaAt | None = None


class Phase(msgspec.Struct, frozen=True):
    """Seconds by the clock, seconds of processor (all threads), and the most memory so far in MB (0: not known)."""

    wall: float
    cpu: float
    peak_mb: float


class ServerStats(msgspec.Struct, frozen=True):
    """What the server measured (its `/-/stats`), as far as it is asked."""

    requests: int
    served: int
    busy_seconds: float
    refused: int
    counts: dict[str, int]
    statuses: dict[str, int] = {}
    drawn_seconds: float = 0.0
    undisturbed_seconds: float = 0.0
    faults: dict[str, int] = {}

    def __sub__(self, before: "ServerStats") -> "ServerStats":
        return ServerStats(
            requests=self.requests - before.requests,
            served=self.served - before.served,
            busy_seconds=self.busy_seconds - before.busy_seconds,
            refused=self.refused - before.refused,
            counts=_less(self.counts, before.counts),
            statuses=_less(self.statuses, before.statuses),
            drawn_seconds=self.drawn_seconds - before.drawn_seconds,
            undisturbed_seconds=self.undisturbed_seconds - before.undisturbed_seconds,
            faults=_less(self.faults, before.faults),
        )


class Report(msgspec.Struct, frozen=True):
    """The result of a Job: the phases start, preflight, crawl, build and, with a Veza, upload.

    `server` covers the crawl, `server_all` all of it.
    """

    phases: dict[str, Phase]
    sent: dict[str, int]
    server: ServerStats
    server_all: ServerStats
    limit: list[tuple[float, int, int, str]]
    """Changes of the limit: seconds since the crawl began, from, to, why."""
    complete: bool
    found: dict[str, int]
    payload_bytes: int = 0
    compressed_bytes: int = 0
    began: float = 0.0
    """When the crawl began, in seconds since the epoch."""

    @property
    def requests(self) -> int:
        """Requests of the crawl."""
        return self.server.requests

    @property
    def ramp_up(self) -> float:
        """Seconds until slow start had found the server full, or its first doubtful end; 0.0 for a fixed limit."""
        return next((at for at, _, _, why in self.limit if why != "slow start"), 0.0)


class _Clocks:
    """Marks the ends of phases."""

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self._wall, self._cpu = time.perf_counter(), 0.0

    def end(self, name: str) -> None:
        """The phase that began with the end of the last one is over."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.phases[name] = Phase(wall - self._wall, cpu - self._cpu, peak_mb())
        self.begin()

    def begin(self) -> None:
        """What happened since the last phase's end belongs to none."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()


def peak_mb() -> float:
    """The most memory that this process has had, in MB; 0.0 where the system does not tell.

    Linux's own high-water mark comes first, because `ru_maxrss` starts there with the value of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


async def stats_of(url: str) -> ServerStats:
    """What the server at `url` has measured so far."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/-/stats") as response:
        return msgspec.json.decode(await response.read(), type=ServerStats)


async def work(job: Job) -> Report:
    """Does the job."""
    clocks = _Clocks()
    clocks.end("start")
    settings = Settings(
        bitbucket_url=job.url,
        login=Login(user=job.user, secret=Secret(job.password)),
        state=State(directory=Path(job.state)),
        pace=Pace(concurrency=job.concurrency, max_concurrency=job.max_concurrency),
        include=job.include,
        dry_run=True,
    )
    path = paths_of(settings).journal
    counts = CrawlCounts()
    with listen() as interruption:
        at_first = await stats_of(job.url)
        clocks.begin()
        async with open_session(settings) as session:
            capabilities = await session.examine()
            clocks.end("preflight")
            before = await stats_of(job.url)
            sent_before = session.stats.sent.copy()
            profiler = _profiler() if job.profile else None
            clocks.begin()
            began_at = time.time()
            began = asyncio.get_running_loop().time()
            if job.journal:
                async with journal_of(settings, capabilities, path, session.clock.epoch()) as journal:
                    snapshot, ledger = await collect(session, capabilities, journal, counts, interruption)
                await journal.discard()
            else:
                snapshot, ledger = await collect(session, capabilities, Journal(path), counts, interruption)
            clocks.end("crawl")
            if profiler is not None:
                profiler.disable()
                profiler.dump_stats(job.profile)
            after = await stats_of(job.url)
            limit = [(c.at - began, c.old, c.new, c.reason) for c in session.pacer.history if c.at >= began]
            sent = dict(session.stats.sent - sent_before)
            await keep_pace(settings, session.pacer)
    clocks.begin()
    payload = await asyncio.to_thread(build_payload, snapshot) if job.build else None
    clocks.end("build")
    if payload is not None and job.veza is not None:
        await push(payload, Veza(url=job.veza.url, api_key=Secret(job.veza.api_key), data_source_name="benchmark"))
        clocks.end("upload")
    return Report(
        phases=clocks.phases,
        sent=sent,
        server=after - before,
        server_all=after - at_first,
        limit=limit,
        complete=ledger.complete,
        found={
            "users": len(snapshot.users),
            "groups": len(snapshot.groups),
            "projects": len(snapshot.projects),
            "repositories": len(snapshot.repositories),
            "grants": snapshot.grant_count(),
        },
        payload_bytes=payload.raw_size if payload else 0,
        compressed_bytes=len(payload.compressed) if payload else 0,
        began=began_at,
    )


def _profiler() -> Any:
    import cProfile

    profiler = cProfile.Profile()
    profiler.enable()
    return profiler


def _less(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key, 0)}


def main() -> None:
    """One job."""
    logging.basicConfig(level=logging.WARNING)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)

    async def play() -> int:
        report = await work(job)
        sys.stdout.buffer.write(msgspec.json.encode(report))
        sys.stdout.buffer.flush()
        return 0

    if job.standard_loop:
        sys.exit(asyncio.run(play()))
    sys.exit(run_to_end(play()))


if __name__ == "__main__":
    main()
