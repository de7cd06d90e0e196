"""Runs the command line in a separate process, and prints its time and memory on the last line of standard error."""

import sys
import time

import msgspec

from benchmarks.collector import peak_mb
from oaa_bitbucket_async.cli.main import main


class Usage(msgspec.Struct, frozen=True):
    """Seconds of processor (all threads), and the most memory in MB."""

    cpu: float
    peak_mb: float


def run() -> None:
    """The command with this process's arguments."""
    try:
        main()
    finally:
        sys.stderr.write(f"\n{msgspec.json.encode(Usage(time.process_time(), peak_mb())).decode()}\n")


if __name__ == "__main__":
    run()
