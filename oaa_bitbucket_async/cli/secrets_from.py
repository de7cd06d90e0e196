"""Reads the two secrets from the environment or from a file, never from the command line."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from oaa_bitbucket_async.secret import Secret

_LARGEST = 64 * 1024


class SecretError(ValueError):
    """Why there is no secret; names the variables, never shows what they hold."""


def read_secret(name: str, environ: Mapping[str, str], *, password: bool = False) -> tuple[Secret | None, list[str]]:
    """The secret of variable `name` or of the file that `name`_FILE names, and warnings.

    White space around a token or key is removed: it is never part of one, and gets into files and variables easily. A
    password is taken as it is. It is sent in Base64, so it may contain any character. None if neither is set. Raises
    SecretError.
    """
    file_name = f"{name}_FILE"
    value, path = environ.get(name, ""), environ.get(file_name, "")
    if value and path:
        raise SecretError(f"{name} and {file_name} are both set; keep one of them.")
    if value:
        return _checked(value, name, password=password), []
    if not path:
        return None, []
    text, warnings = _read(Path(path), f"{name} or {file_name}: the file {path!r}")
    return _checked(text, f"{file_name} (instead of {name}): the file {path!r}", password=password), warnings


def _read(path: Path, where: str) -> tuple[str, list[str]]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise SecretError(f"{where} can't be read: {error.strerror or error}.") from None
    if len(raw) > _LARGEST:
        raise SecretError(f"{where} is larger than {_LARGEST // 1024} KiB; it should contain only the secret.")
    try:
        text = raw.decode("utf-8-sig")  # Windows editors put a byte order mark in front
    except UnicodeDecodeError:
        raise SecretError(f"{where} is not UTF-8 text.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretError(f"{where} is empty.")
    return text, [f"{where} {problem}; `chmod 600` it." for problem in _open_to(status)]


def _open_to(status: os.stat_result) -> list[str]:
    """How other accounts can access a secret's file, in words; at most one entry.

    A file of root that another account may read through its group is how Kubernetes and systemd hand secrets over.
    """
    mode = status.st_mode
    if os.name != "posix" or not stat.S_ISREG(mode):
        return []
    handed_over = status.st_uid == 0 and os.geteuid() != 0
    if mode & stat.S_IWOTH:
        return ["can be written by every user of this machine"]
    if mode & stat.S_IROTH:
        return ["can be read by every user of this machine"]
    if mode & stat.S_IWGRP:
        return ["can be written by its group"]
    if mode & stat.S_IRGRP and not handed_over:
        return ["can be read by its group"]
    return []


def _checked(value: str, where: str, *, password: bool) -> Secret:
    if not password:
        value = value.strip()
    if not value.strip():
        raise SecretError(f"{where} contains only white space.")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise SecretError(
            f"{where} contains a line break or another control character; it should contain only the secret."
        )
    try:
        value.encode("utf-8" if password else "latin-1")
    except UnicodeEncodeError:
        if password:
            raise SecretError(f"{where} is not UTF-8 text.") from None
        raise SecretError(
            f"{where} contains a character outside Latin-1, which can't be sent in an HTTP header."
        ) from None
    return Secret(value)
