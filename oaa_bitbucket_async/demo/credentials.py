"""Keys and tokens of an embedded Bitbucket. Their texts are made up, and shaped like real ones.

Times are milliseconds since 1970. A key's text is not stored. It is derived from the key's id on each use, so that a
hundred thousand keys need almost no memory.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

DAY = 86_400_000
_CURVES = {256: "nistp256", 384: "nistp384", 521: "nistp521"}


@dataclass(slots=True)
class ModelSshKey:
    """A public SSH key: of a user, or an access key of projects and repositories. No two have the same id.

    `algorithm` is RSA, ED25519 or ECDSA. It expires `expiry_days` after `created`, or never (None);
    `last_authenticated` is None for one that was never used.
    """

    id: int
    label: str = ""
    algorithm: str = "ED25519"
    bits: int = 256
    created: int = 1_700_000_000_000
    expiry_days: int | None = None
    last_authenticated: int | None = None

    @property
    def text(self) -> str:
        """The line that `authorized_keys` would have."""
        name, blob = self._blob()
        return f"{name} {base64.b64encode(blob).decode()} {self.label}".rstrip()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key in base64, without `SHA256:` and padding, as Bitbucket shows it."""
        digest = hashlib.sha256(self._blob()[1]).digest()
        return base64.b64encode(digest).decode().rstrip("=")

    @property
    def expires(self) -> int | None:
        """When it stops working."""
        return None if self.expiry_days is None else self.created + self.expiry_days * DAY

    def _blob(self) -> tuple[str, bytes]:
        if self.algorithm == "RSA":
            modulus = bytearray(_material(f"rsa {self.id}", self.bits // 8))
            modulus[0] |= 0x80
            modulus[-1] |= 1
            return "ssh-rsa", b"".join(map(_part, (b"ssh-rsa", b"\x01\x00\x01", b"\x00" + modulus)))
        if self.algorithm == "ECDSA":
            curve = _CURVES[self.bits]
            name = f"ecdsa-sha2-{curve}"
            point = b"\x04" + _material(f"ecdsa {self.id}", 2 * -(-self.bits // 8))
            return name, b"".join(map(_part, (name.encode(), curve.encode(), point)))
        return "ssh-ed25519", b"".join(map(_part, (b"ssh-ed25519", _material(f"ed25519 {self.id}", 32))))


class ModelAccessKey(NamedTuple):
    """What a key may do with a project (PROJECT_READ, PROJECT_WRITE) or a repository (REPO_READ, REPO_WRITE)."""

    key: ModelSshKey
    permission: str


@dataclass(slots=True)
class ModelAccessToken:
    """An HTTP access token of a user, a project or a repository. `expires` is None if it never does."""

    id: str
    name: str
    permissions: tuple[str, ...]
    created: int = 1_700_000_000_000
    expires: int | None = None
    last_authenticated: int | None = None


@dataclass(slots=True)
class ModelGpgKey:
    """A GPG key, with which its user signs commits. `id` is the last 16 hexadecimal digits of its fingerprint."""

    number: int
    email: str | None = None
    expires: int | None = None
    sub_keys: int = 1

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return _material(f"gpg {self.number}", 20)[-8:].hex()

    @property
    def fingerprint(self) -> str:
        """20 bytes, each in two hexadecimal digits, parted by colons."""
        return _material(f"gpg {self.number}", 20).hex(":")

    @property
    def text(self) -> str:
        """The key as it was uploaded."""
        body = base64.b64encode(_material(f"gpg text {self.number}", 384)).decode()
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----\n"

    def sub_fingerprint(self, number: int) -> str:
        """The fingerprint of a sub-key."""
        return _material(f"gpg {self.number} {number}", 20).hex(":")


def _material(of: str, length: int) -> bytes:
    return hashlib.shake_128(of.encode()).digest(length)


def _part(content: bytes | bytearray) -> bytes:
    return len(content).to_bytes(4, "big") + content
