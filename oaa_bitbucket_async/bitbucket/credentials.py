"""Keys and tokens as Bitbucket lists them. Decoding drops the text of a key.

The fingerprint is the server's. An old server sends only the text; the decoder then computes the fingerprint.
"""

import base64
import binascii
import hashlib
from datetime import UTC, datetime

import msgspec

from oaa_bitbucket_async.bitbucket.rows import Id, MappedPages, Name, Number, Page, Row

_DAY = 86_400_000
_SHA256_LETTERS = 43
_ALGORITHMS = {"ssh-rsa": "RSA", "ssh-dss": "DSA", "ssh-ed25519": "ED25519", "ssh-ed448": "ED448"}


class SshKey(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A public SSH key. Times are milliseconds since 1970; `fingerprint` is as `ssh-keygen -l` prints it, or ''."""

    id: Id
    label: str
    fingerprint: str
    algorithm: str
    bits: int | None
    created: int | None
    expires: int | None
    last_used: int | None


class AccessKey(SshKey, frozen=True, gc=False, array_like=True):
    """An SSH key that opens a project or repository and belongs to no user."""

    permission: Name


class Token(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What Bitbucket says about an HTTP access token, never the token itself."""

    id: Name
    name: str
    created: int | None
    expires: int | None
    last_used: int | None
    permissions: tuple[str, ...]


class GpgKey(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A GPG key that a user signs commits with."""

    id: Name
    fingerprint: str
    email: str
    expires: int | None


Time = Number | str | None
"""Milliseconds since 1970 as a number or as text, or an ISO 8601 text."""


class _Key(Row, frozen=True):
    """Old servers know only `id`, `text` and `label` (BITBUCKET.md section 5)."""

    id: Id
    text: str | None = None
    label: str | None = None
    fingerprint: str | None = None
    algorithm_type: str | None = None
    bit_length: Number | None = None
    created_date: Time = None
    expiry_days: Number | None = None
    last_authenticated: Time = None


class _AccessKey(Row, frozen=True):
    key: _Key
    permission: Name


class _Token(Row, frozen=True):
    id: Name | Number
    name: str | None = None
    created_date: Time = None
    expiry_date: Time = None
    last_authenticated: Time = None
    permissions: tuple[str, ...] = ()


class _GpgKey(Row, frozen=True):
    id: Name | Number
    fingerprint: str | None = None
    email_address: str | None = None
    expiry_date: Time = None


def milliseconds(time: Time) -> int | None:
    """Reads a time in any of Bitbucket's forms; None if it is not a time."""
    if not isinstance(time, str):
        return time
    if time.isascii() and time.isdecimal():
        return int(time) if len(time) <= 15 else None
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return None
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def fingerprint_of(text: str) -> str:
    """SHA-256 of the key within an `authorized_keys` line, as `ssh-keygen -l` prints it; '' if there is none."""
    blob = _blob(text)
    if blob is None:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _blob(text: str) -> bytes | None:
    words = text.split()
    encoded = next((word for word in words if word.startswith("AAAA")), None)
    try:
        return base64.b64decode(encoded, validate=True) if encoded else None
    except (binascii.Error, ValueError):
        return None


def _algorithm_of(text: str) -> str:
    """Reads the algorithm's name from the key itself: four bytes of length, then the name."""
    blob = _blob(text) or b""
    name = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii", "replace") if len(blob) > 4 else ""
    if name.startswith(("ecdsa-", "sk-ecdsa-")):
        return "ECDSA"
    return _ALGORITHMS.get(name.removeprefix("sk-").partition("@")[0], name)


def _shown(fingerprint: str) -> str:
    """Adds the `SHA256:` that Bitbucket leaves off; keeps any other form (MD5 with colons) as it is."""
    bare = fingerprint.rstrip("=")
    return f"SHA256:{bare}" if len(bare) == _SHA256_LETTERS and ":" not in bare else fingerprint


def _ssh_key(wire: _Key) -> SshKey:
    text = wire.text or ""
    created = milliseconds(wire.created_date)
    days = wire.expiry_days
    return SshKey(
        id=wire.id,
        label=wire.label or "",
        fingerprint=_shown(wire.fingerprint) if wire.fingerprint else fingerprint_of(text),
        algorithm=wire.algorithm_type or _algorithm_of(text),
        bits=wire.bit_length,
        created=created,
        expires=created + days * _DAY if created is not None and days else None,
        last_used=milliseconds(wire.last_authenticated),
    )


def _access_key(wire: _AccessKey) -> AccessKey:
    key = _ssh_key(wire.key)
    return AccessKey(
        key.id,
        key.label,
        key.fingerprint,
        key.algorithm,
        key.bits,
        key.created,
        key.expires,
        key.last_used,
        wire.permission,
    )


def _token(wire: _Token) -> Token:
    return Token(
        id=str(wire.id),
        name=wire.name or "",
        created=milliseconds(wire.created_date),
        expires=milliseconds(wire.expiry_date),
        last_used=milliseconds(wire.last_authenticated),
        permissions=tuple(sorted(set(wire.permissions))),
    )


def _gpg_key(wire: _GpgKey) -> GpgKey:
    return GpgKey(
        id=str(wire.id),
        fingerprint=wire.fingerprint or "",
        email=wire.email_address or "",
        expires=milliseconds(wire.expiry_date),
    )


ACCESS_KEYS = MappedPages(msgspec.json.Decoder(Page[_AccessKey]), _access_key)
SSH_KEYS = MappedPages(msgspec.json.Decoder(Page[_Key]), _ssh_key)
TOKENS = MappedPages(msgspec.json.Decoder(Page[_Token]), _token)
GPG_KEYS = MappedPages(msgspec.json.Decoder(Page[_GpgKey]), _gpg_key)
