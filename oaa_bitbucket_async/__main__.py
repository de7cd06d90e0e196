"""The command `oaa-bitbucket-async`, and `python -m oaa_bitbucket_async`, which is the same.

Loading the program takes a quarter of a second. A signal that comes meanwhile ends it with the exit code that it has
later, so the handlers are set before anything else is loaded, and this module loads as little as it can.
"""

import os
import signal
import sys


def main() -> None:
    """Entry point; ends the process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from oaa_bitbucket_async.cli.main import main as cli

    cli()


def _leave(number: int, _frame: object) -> None:
    """There is nothing to tidy up yet. Lines of a log in JSON are objects, so there it says nothing."""
    try:
        if not any(word.endswith("json") for word in (os.environ.get("OAA_LOG_FORMAT", ""), *sys.argv)):
            os.write(2, b"Error: Interrupted.\n")
    finally:
        os._exit(128 + number)


if __name__ == "__main__":
    main()
