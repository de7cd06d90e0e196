"""The machine on which figures were measured: its hardware, versions, and other load."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.processes import pinned

_LIBRARIES = ("aiohttp", "msgspec", "uvloop", "oaaclient")


def facts() -> list[str]:
    """One line each."""
    lines = [
        f"{os.cpu_count()} cores, {_model()}, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, " + ", ".join(_versions()),
        "server and collector on a core each" if pinned() else "server and collector not pinned to cores",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"load average before the first run: {os.getloadavg()[0]:.2f}")
    return lines


def _model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> Iterator[str]:
    for library in _LIBRARIES:
        try:
            yield f"{library} {version(library)}"
        except PackageNotFoundError:
            if library != "uvloop" or sys.platform != "win32":
                yield f"no {library}"
