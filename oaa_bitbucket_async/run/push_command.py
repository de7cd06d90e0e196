"""Commands in advice: complete, so that they do the right thing when they are typed as printed, anywhere."""

import os
import shlex
import subprocess
from pathlib import Path

from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.settings import MAX_REMOVED, State, Veza


def command(*words: str | Path) -> str:
    """`oaa-bitbucket-async …`, quoted for the shell; paths are absolute."""
    parts = ["oaa-bitbucket-async", *(str(word.absolute()) if isinstance(word, Path) else word for word in words)]
    return shlex.join(parts) if os.name == "posix" else subprocess.list2cmdline(parts)


def push_command(file: Path, payload: Payload, veza: Veza, state: State, max_removed: float | None) -> str:
    """Uploads the payload, which is in `file`, as this run would have done.

    Provider and data source stand in the payload, but for one of another origin. The key for Veza comes from the
    environment, as always.
    """
    words: list[str | Path] = ["push", file]
    if veza.url is not None:
        words += ["--veza-url", veza.url]
    if payload.target is None:
        words += ["--provider-name", veza.provider_name]
        words += ["--data-source-name", veza.data_source_name] if veza.data_source_name else []
    words += ["--state-dir", state.directory]
    if not state.keep_last:
        words.append("--no-keep-last")
    elif max_removed is None:
        words += ["--max-removed", "off"]
    elif max_removed != MAX_REMOVED:
        words += ["--max-removed", f"{max_removed:g}"]
    return command(*words)
