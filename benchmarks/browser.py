"""A browser without a window, if one is installed: Chromium, Chrome or Edge."""

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
LIGHT, DARK = 1, 0
"""As Chromium counts what people prefer."""
_PATIENCE = 120
"""Seconds for a page."""


def installed() -> str | None:
    """The path of a browser; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def browse(page: Path, scheme: int, scratch: Path, *options: str) -> bytes:
    """Opens a file in a browser with these options and gives its standard output.

    `scratch`: a folder for the browser's own files. Raises FileNotFoundError where no browser is installed.
    """
    program = installed()
    if program is None:
        raise FileNotFoundError("no browser is installed: install chromium, Chrome or Edge")
    command = [
        *(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
        *(f"--user-data-dir={scratch / 'profile'}", f"--blink-settings=preferredColorScheme={scheme}"),
        *(*options, page.resolve().as_uri()),
    ]
    environment = {**os.environ, "HOME": str(scratch)}
    return subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False, env=environment).stdout
