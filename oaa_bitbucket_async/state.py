"""Which files in the state folder belong to which instance and login."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from oaa_bitbucket_async.settings import Login

_DEFAULT_PORTS = {"http": 80, "https": 443}


class StatePaths(NamedTuple):
    """`lock` is the instance's, whoever asks it; `journal` that of one login to it."""

    journal: Path
    lock: Path


def state_paths(directory: Path, base_url: str, login: Login) -> StatePaths:
    """Name the files: by host for the reader, by a digest of instance, kind of login and user name for us.

    The secret takes no part in it, not even as a digest. Scheme and a port that is the scheme's own don't
    count: `http://git.example.com` and `https://git.example.com:443` are one server to be careful with.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port if parts.port != _DEFAULT_PORTS.get(parts.scheme) else None
    instance = f"{host}:{port or ''}{parts.path.rstrip('/')}"
    readable = re.sub(r"[^a-z0-9.-]", "-", host)[:60].strip(".-") or "bitbucket"
    return StatePaths(
        journal=directory / f"{readable}-{_digest(instance, login.kind, login.user or '')}.journal",
        lock=directory / f"{readable}-{_digest(instance)}.lock",
    )


def _digest(*parts: str) -> str:
    """Sixteen letters that differ when the parts do."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
