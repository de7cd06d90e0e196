"""A simple script with `requests`, in a separate process: sequential, or in a pool of threads.

A session for each thread, so that connections are kept; the same questions as the bare loop, answers taken as JSON.
Reads a bare.Job from standard input (`concurrency` 1: no threads), writes a bare.Report to standard output.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import requests

from benchmarks.bare import Job, Report


def work(job: Job) -> Report:
    """Asks every question once."""
    local = threading.local()

    def ask(question: tuple[str, str]) -> int:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.auth = (job.user, job.password)
        answer = local.session.get(job.url + question[1], timeout=120.0)
        answer.raise_for_status()
        return len(answer.json().get("values", [None]))

    wall, cpu = time.perf_counter(), time.process_time()
    if job.concurrency == 1:
        values = sum(map(ask, job.questions))
    else:
        with ThreadPoolExecutor(job.concurrency) as pool:
            values = sum(pool.map(ask, job.questions))
    return Report(len(job.questions), time.perf_counter() - wall, time.process_time() - cpu, values)


def main() -> None:
    """One job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(work(job)))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
