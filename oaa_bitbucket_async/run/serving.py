"""`demo --serve`: both embedded servers on fixed ports, for the real command line in another terminal."""

import asyncio
import contextlib
import errno
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from oaa_bitbucket_async.demo.estate import EstateShape, generate
from oaa_bitbucket_async.demo.rehearsal import API_KEY, BAD_NIGHTS, TOKEN, rehearsal_servers
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.files import write_whole
from oaa_bitbucket_async.run.loop import run_to_end
from oaa_bitbucket_async.run.signals import listen

CA_FILE = Path("demo-ca.pem")
STATE = Path("demo-state")
_NO_PORT = frozenset({errno.EADDRINUSE, errno.EACCES})
"""The port is taken, or it is below 1024 and needs root."""


def fault_list() -> str:
    """All faults, what they do and how a run ends, as text for people."""
    width = max(map(len, BAD_NIGHTS))
    lines = [
        f"{name:{width}}  {night.what}.\n{'':{width}}  Exit code {night.end}." for name, night in BAD_NIGHTS.items()
    ]
    return "\n".join(lines)


def serve_demo(*, repositories: int, seed: int, faults: Sequence[str], bitbucket_port: int, veza_port: int) -> int:
    """Serves until a signal comes, which is its normal end: exit code 0.

    Raises ConfigurationError for an unknown fault, and for a port that is taken.
    """
    unknown = [name for name in faults if name not in BAD_NIGHTS]
    if unknown:
        raise ConfigurationError(
            f"--fault (OAA_DEMO_FAULTS) does not know {', '.join(map(repr, unknown))}.",
            f"Known faults: {', '.join(BAD_NIGHTS)}; `--fault list` explains them.",
        )
    estate = generate(EstateShape.for_repositories(repositories, seed=seed))
    bitbucket, veza = rehearsal_servers(estate, faults, bitbucket_port, veza_port)

    async def serve() -> int:
        with listen() as interruption:
            try:
                async with bitbucket:
                    print(_introduction(bitbucket.url, veza.url, faults), flush=True)
                    await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not interruption.stopped:
                    raise
        return 0

    try:
        with veza:
            write_whole(CA_FILE, veza.ca_file.read_bytes())
            with contextlib.ExitStack() as ends:
                ends.callback(CA_FILE.unlink, missing_ok=True)
                return run_to_end(serve())
    except OSError as error:
        if error.errno not in _NO_PORT:
            raise
        raise ConfigurationError(
            f"The servers can't listen: {error.strerror or error}.",
            "Choose other ports: --bitbucket-port (OAA_DEMO_BITBUCKET_PORT), --veza-port (OAA_DEMO_VEZA_PORT).",
        ) from None


def _introduction(bitbucket_url: str, veza_url: str, faults: Sequence[str]) -> str:
    environment = {
        "BITBUCKET_URL": bitbucket_url,
        "BITBUCKET_TOKEN": TOKEN,
        "VEZA_URL": veza_url,
        "VEZA_API_KEY": API_KEY,
        "REQUESTS_CA_BUNDLE": str(CA_FILE.absolute()),
        "NO_PROXY": "127.0.0.1",
        "OAA_STATE_DIR": str(STATE.absolute()),
    }
    lines = [
        f"A Bitbucket at {bitbucket_url} and a Veza at {veza_url}, until Ctrl-C.",
        *(f"Fault {name}: {BAD_NIGHTS[name].what}. Exit code {BAD_NIGHTS[name].end}." for name in faults),
        "",
        "Copy this into another terminal. Then run `oaa-bitbucket-async --check`, and without --check to collect and "
        "upload:",
        "",
        *(_export(name, value) for name, value in environment.items()),
    ]
    return "\n".join(lines)


def _export(name: str, value: str) -> str:
    if sys.platform == "win32":
        return f"  $env:{name} = '{value}'"
    return f"  export {name}={shlex.quote(value)}"
