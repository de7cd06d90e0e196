"""Uploads a kept payload in parts, as Veza's limits ask for it of payloads above 75 MB, in a process of its own.

Reads a Job from standard input and writes a Usage to standard output, both as JSON.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.collector import VezaAt, peak_mb
from benchmarks.command import Usage
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.upload import Limits, push
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Veza


class Job(msgspec.Struct, frozen=True):
    """`payload` is a file (gzip) whose JSON has `raw_size` bytes."""

    payload: str
    raw_size: int
    veza: VezaAt


async def work(job: Job) -> None:
    """Uploads it. RuntimeError if it went in one piece."""
    content = await asyncio.to_thread(Path(job.payload).read_bytes)
    payload = Payload(content, job.raw_size, "https://git.example.com", Counts(0, 0, 0, 0, 0))
    veza = Veza(url=job.veza.url, api_key=Secret(job.veza.api_key), data_source_name="in parts")
    result = await push(payload, veza, limits=Limits(body=0))
    if not result.parts:
        raise RuntimeError("the upload was not in parts")


def main() -> None:
    """One job."""
    asyncio.run(work(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(Usage(time.process_time(), peak_mb())))


if __name__ == "__main__":
    main()
