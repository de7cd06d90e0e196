"""Server and client processes, each on a core of its own where the system can pin one."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec

from benchmarks.collector import Job, Report, VezaAt
from benchmarks.command import Usage
from oaa_bitbucket_async.demo.veza import EmbeddedVeza
from oaa_bitbucket_async.settings import Include

_STARTS_WITHIN = 300.0
"""Seconds for a server to make its estate: 100,000 repositories take a good part of a minute."""

T = TypeVar("T")


class _Account(msgspec.Struct):
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Server:
    """A running embedded Bitbucket."""

    url: str
    user: str
    password: str


@asynccontextmanager
async def serving(repositories: int, *options: str, seed: int = 1) -> AsyncIterator[Server]:
    """An embedded Bitbucket with an estate of that size; `options` as its command line takes them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers"),
        *("--repositories", str(repositories), "--seed", str(seed), *options),
        stdout=asyncio.subprocess.PIPE,
    )
    _pin(process.pid, first=True)
    if process.stdout is None:
        raise RuntimeError("the server has no standard output")
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            url = (await process.stdout.readline()).decode().strip()
            second = await process.stdout.readline()
        if not second:
            raise RuntimeError("the server did not start: its standard error says why")
        account = msgspec.json.decode(second, type=_Account)
        yield Server(url, account.user, account.password)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def collect(
    server: Server,
    *,
    concurrency: int | None = None,
    max_concurrency: int = 256,
    journal: bool = True,
    build: bool = False,
    standard_loop: bool = False,
    profile: str | None = None,
    state: Path | None = None,
    include: frozenset[Include] = frozenset(),
    veza: EmbeddedVeza | None = None,
) -> Report:
    """One run of the collector against `server`, complete or an error.

    `state`: the folder of an unfinished run. `veza`: what `build` gives is uploaded to it.
    """
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        job = msgspec.structs.replace(
            job_for(server, state or Path(scratch)),
            concurrency=concurrency,
            max_concurrency=max_concurrency,
            journal=journal,
            build=build,
            standard_loop=standard_loop,
            profile=profile,
            include=include,
            veza=VezaAt(veza.url, veza.api_key) if veza is not None else None,
        )
        report = await client("benchmarks.collector", job, Report)
    if not report.complete:
        raise RuntimeError("the crawl is not complete: such a run measures nothing")
    return report


def job_for(server: Server, state: Path) -> Job:
    """A crawl with all defaults, without a payload."""
    return Job(url=server.url, user=server.user, password=server.password, state=str(state), build=False)


async def change(server: Server, count: int, seed: int) -> None:
    """Makes as many changes by chance at the server."""
    query = {"count": str(count), "seed": str(seed)}
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/-/changes", params=query) as response:
        response.raise_for_status()


async def client(module: str, job: msgspec.Struct, answer: type[T]) -> T:
    """Runs a module that reads its job from standard input and writes its report to standard output."""
    async with begin(module, job) as process:
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{module} ended with {process.returncode}")
    return msgspec.json.decode(output, type=answer)


@asynccontextmanager
async def begin(module: str, job: msgspec.Struct) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has its job; ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    _pin(process.pid, first=False)
    if process.stdin is None:
        raise RuntimeError("the process has no standard input")
    try:
        process.stdin.write(msgspec.json.encode(job))
        await process.stdin.drain()
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


class Ended(NamedTuple):
    """How a command ended that ran with code 0."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor, all threads."""
    peak_mb: float


async def command(
    server: Server, veza: EmbeddedVeza, state: Path, *arguments: str, codes: Collection[int] = (0,)
) -> Ended:
    """`oaa-bitbucket-async` with these arguments, as a schedule runs it, without its standard output.

    RuntimeError if it ends with no such code.
    """
    environment = os.environ | {
        "BITBUCKET_URL": server.url,
        "BITBUCKET_USER": server.user,
        "BITBUCKET_TOKEN": server.password,
        "VEZA_URL": veza.url,
        "VEZA_API_KEY": veza.api_key,
        "OAA_STATE_DIR": str(state),
    }
    called = [sys.executable, "-m", "benchmarks.command", *arguments]
    process = await asyncio.create_subprocess_exec(
        *called, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _pin(process.pid, first=False)
    began = time.perf_counter()
    _, errors = await process.communicate()
    wall = time.perf_counter() - began
    if process.returncode not in codes:
        raise RuntimeError(f"oaa-bitbucket-async ended with {process.returncode}: {errors.decode()[-1000:]}")
    usage = msgspec.json.decode(errors.splitlines()[-1], type=Usage)
    return Ended(wall, usage.cpu, usage.peak_mb)


def pinned() -> bool:
    """Whether server and client have a core each."""
    return len(_cores()) > 1


def _cores() -> Sequence[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ()


def _pin(pid: int, *, first: bool) -> None:
    """The server gets the first core, the client the last one."""
    cores = _cores()
    if len(cores) > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {cores[0] if first else cores[-1]})
