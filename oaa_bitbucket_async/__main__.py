"""The command `oaa-bitbucket-async`, and `python -m oaa_bitbucket_async`, which is the same.

Loading the program takes a quarter of a second. A signal in that time must end it with the same exit code as later.
So this module sets the handlers before it loads anything else, and loads as little as it can.
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
    """Nothing needs cleaning up yet. It prints nothing for a JSON log, because each line there must be an object."""
    try:
        if not any(word.endswith("json") for word in (os.environ.get("OAA_LOG_FORMAT", ""), *sys.argv)):
            os.write(2, b"Error: Interrupted.\n")
    finally:
        os._exit(128 + number)


if __name__ == "__main__":
    main()
