"""A bare aiohttp and msgspec loop, as a process of its own: what these libraries cost a simple script for a request.

It reads the same pages as the collector, decoded to the same types, over the same kind of connections and loop. It has
no pacing, checks or retries, and keeps nothing. It uses aiohttp's session, which the collector does without
(`bitbucket/transport.py`). Reads a Job from standard input, writes a Report to standard output.
"""

import asyncio
import base64
import gc
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.rows import Page
from oaa_bitbucket_async.run.loop import run_to_end

DECODERS: dict[str, "msgspec.json.Decoder[Any]"] = {
    "users": msgspec.json.Decoder(Page[rows.User]),
    "groups": msgspec.json.Decoder(Page[rows.Group]),
    "members": msgspec.json.Decoder(Page[rows.User]),
    "global-users": msgspec.json.Decoder(Page[rows.UserGrant]),
    "global-groups": msgspec.json.Decoder(Page[rows.GroupGrant]),
    "projects": msgspec.json.Decoder(Page[rows.Project]),
    "repositories": msgspec.json.Decoder(Page[rows.Repository]),
    "project-users": msgspec.json.Decoder(Page[rows.UserGrant]),
    "project-groups": msgspec.json.Decoder(Page[rows.GroupGrant]),
    "project-default": msgspec.json.Decoder(rows.Permitted),
    "repository-users": msgspec.json.Decoder(Page[rows.UserGrant]),
    "repository-groups": msgspec.json.Decoder(Page[rows.GroupGrant]),
}


class Job(msgspec.Struct, frozen=True):
    """Which questions (kind and path), to whom, and how many at one time."""

    url: str
    user: str
    password: str
    concurrency: int
    questions: list[tuple[str, str]]
    standard_loop: bool = False


class Report(msgspec.Struct, frozen=True):
    """Seconds by the clock and of processor; `values` is how many rows came."""

    requests: int
    wall: float
    cpu: float
    values: int


async def work(job: Job) -> Report:
    """Asks every question once."""
    questions = [(DECODERS[kind], job.url + path) for kind, path in job.questions]
    authorization = "Basic " + base64.b64encode(f"{job.user}:{job.password}".encode()).decode("ascii")
    gc.collect()
    gc.freeze()  # the list of questions is no part of what is measured, and neither is looking it through
    wall, cpu = time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Authorization": authorization, "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=120.0, sock_connect=30.0),
    ) as session:
        waiting = iter(questions)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_ask(session, waiting)) for _ in range(job.concurrency)]
    return Report(
        requests=len(questions),
        wall=time.perf_counter() - wall,
        cpu=time.process_time() - cpu,
        values=sum(task.result() for task in tasks),
    )


async def _ask(session: aiohttp.ClientSession, questions: "Iterator[tuple[msgspec.json.Decoder[Any], str]]") -> int:
    values = 0
    for decoder, url in questions:
        async with session.get(URL(url, encoded=True), allow_redirects=False) as response:
            answer = decoder.decode(await response.read())
        values += 1 if isinstance(answer, rows.Permitted) else len(answer.values)
    return values


def main() -> None:
    """One job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)

    async def play() -> int:
        report = await work(job)
        sys.stdout.buffer.write(msgspec.json.encode(report))
        sys.stdout.buffer.flush()
        return 0

    sys.exit(asyncio.run(play()) if job.standard_loop else run_to_end(play()))


if __name__ == "__main__":
    main()
