"""Which files in the state folder belong to which instance and login, and which to which data source."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from oaa_bitbucket_async.settings import Login
from oaa_bitbucket_async.urls import base_url_parts

_LAST_PAYLOAD = ".last-payload.gz"


class StatePaths(NamedTuple):
    """The files of one schedule: of an instance, a login to it, and what this login collects for which data source.

    Only `lock` is the instance's, whoever asks it.
    """

    journal: Path
    """The answers of an interrupted run."""
    base: Path
    """The answers from which the last upload was made. An incremental run starts from them."""
    missing: Path
    """What the last run could not read, one line for each part."""
    requests: Path
    """How many requests the last complete crawl took."""
    lock: Path


def state_paths(directory: Path, base_url: str, login: Login, collects: Iterable[str]) -> StatePaths:
    """Name the files: the host is for people, and a digest tells the schedules apart.

    `collects` says the data source, the scope and what `--include` adds. The secret takes no part in it, not even as
    a digest. Scheme and a port that is the scheme's own don't count: `http://git.example.com` and
    `https://git.example.com:443` are one server to be careful with.
    """
    instance = _place(base_url)
    readable = _readable(base_url_parts(base_url).host) or "bitbucket"
    name = f"{readable}-{_digest(instance, login.kind, login.user or '', *collects)}"
    return StatePaths(
        journal=directory / f"{name}.journal",
        base=directory / f"{name}.base",
        missing=directory / f"{name}.missing.txt",
        requests=directory / f"{name}.requests",
        lock=directory / f"{readable}-{_digest(instance)}.lock",
    )


def pace_path(directory: Path, base_url: str, login: Login) -> Path:
    """The request rate that the server can handle, as the last run with this login measured it."""
    readable = _readable(base_url_parts(base_url).host) or "bitbucket"
    return directory / f"{readable}-{_digest(_place(base_url), login.kind, login.user or '')}.pace"


def known_path(directory: Path, base_url: str) -> Path:
    """The mark that a run has signed in at exactly this URL before: here the scheme counts."""
    readable = _readable(base_url_parts(base_url).host) or "bitbucket"
    return directory / f"{readable}-{_digest(base_url)}.known"


def last_payload_path(directory: Path, veza_url: str, provider: str, data_source: str) -> Path:
    """Where the last upload to a data source is kept. An upload replaces only this file."""
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
    """The part of a file's name that tells a person what it belongs to."""
    return re.sub(r"[^a-z0-9.-]+", "-", name)[:60].strip(".-")


def _digest(*parts: str) -> str:
    """Sixteen letters that differ when the parts do."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
