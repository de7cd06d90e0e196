"""Which files in the state folder belong to which instance and login, and which to which data source."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from oaa_bitbucket_async.settings import Login
from oaa_bitbucket_async.urls import base_url_parts

_LAST_PAYLOAD = ".last-payload.gz"


class StatePaths(NamedTuple):
    """`lock` is the instance's, whoever asks it; `journal` that of one login to it."""

    journal: Path
    lock: Path


def state_paths(directory: Path, base_url: str, login: Login) -> StatePaths:
    """Name the files: by host for the reader, by a digest of instance, kind of login and user name for us.

    The secret takes no part in it, not even as a digest. Scheme and a port that is the scheme's own don't
    count: `http://git.example.com` and `https://git.example.com:443` are one server to be careful with.
    """
    instance = _place(base_url)
    readable = _readable(base_url_parts(base_url).host) or "bitbucket"
    return StatePaths(
        journal=directory / f"{readable}-{_digest(instance, login.kind, login.user or '')}.journal",
        lock=directory / f"{readable}-{_digest(instance)}.lock",
    )


def missing_path(directory: Path, base_url: str, login: Login) -> Path:
    """All that the last run of this login could not read, a line each."""
    return state_paths(directory, base_url, login).journal.with_suffix(".missing.txt")


def requests_path(directory: Path, base_url: str, login: Login) -> Path:
    """How many requests the last complete crawl of this login took."""
    return state_paths(directory, base_url, login).journal.with_suffix(".requests")


def known_path(directory: Path, base_url: str) -> Path:
    """The mark that a run has signed in at exactly this URL before: here the scheme counts."""
    readable = _readable(base_url_parts(base_url).host) or "bitbucket"
    return directory / f"{readable}-{_digest(base_url)}.known"


def last_payload_path(directory: Path, veza_url: str, provider: str, data_source: str) -> Path:
    """Where the payload lies that was last uploaded to a data source: an upload replaces that one, and no other."""
    readable = _readable(data_source.lower().replace(" - ", "-")) or "data-source"
    return directory / f"{readable}-{_digest(_place(veza_url), provider, data_source)}{_LAST_PAYLOAD}"


def last_payloads(directory: Path) -> list[Path]:
    """All the last uploads that a state folder holds, whatever data source they went to; sorted by name."""
    return sorted(directory.glob(f"*{_LAST_PAYLOAD}"))


def _place(url: str) -> str:
    """Host, port and path."""
    host, port, path = base_url_parts(url)
    return f"{host}:{port or ''}{path}"


def _readable(name: str) -> str:
    """The part of a file's name that tells a reader whose it is."""
    return re.sub(r"[^a-z0-9.-]+", "-", name)[:60].strip(".-")


def _digest(*parts: str) -> str:
    """Sixteen letters that differ when the parts do."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
