"""The JSON of keys and tokens."""

from typing import NamedTuple

import msgspec

from oaa_bitbucket_async.demo.bitbucket.options import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.render import Renderer
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository

_encode = msgspec.json.encode


class Opened(NamedTuple):
    """An access key, and the place that it opens."""

    access: ModelAccessKey
    place: ModelProject | ModelRepository


class CredentialRenderer:
    """Renders keys and tokens as one version of Bitbucket does."""

    def __init__(self, options: ServerOptions, places: Renderer) -> None:
        self._places = places
        self._has_details = options.release >= (8, 0)

    def ssh_key(self, key: ModelSshKey) -> bytes:
        """An SSH key. Servers before 8.0 show fewer fields."""
        return _encode(self.ssh_key_fields(key))

    def ssh_key_fields(self, key: ModelSshKey) -> dict[str, object]:
        """The same, to be put into something else."""
        fields: dict[str, object] = {"id": key.id, "text": key.text, "label": key.label}
        if not self._has_details:
            return fields
        fields |= {
            "algorithmType": key.algorithm,
            "bitLength": key.bits,
            "fingerprint": key.fingerprint,
            "createdDate": key.created,
        }
        if key.expiry_days is not None:
            fields["expiryDays"] = key.expiry_days
        if key.last_authenticated is not None:
            fields["lastAuthenticated"] = key.last_authenticated
        return fields

    def access_key(self, row: Opened) -> bytes:
        """A key with what it may do, and where."""
        access, place = row
        if isinstance(place, ModelProject):
            where = b'"project":%s' % self._places.project(place)
        else:
            where = b'"repository":%s' % self._places.repository(place)
        return b'{"key":%s,"permission":"%s",%s}' % (self.ssh_key(access.key), access.permission.encode(), where)

    def token(self, token: ModelAccessToken, owner: bytes) -> bytes:
        """A token with its `owner`, as a field of JSON. The token itself was shown once, when it was made."""
        fields: dict[str, object] = {
            "id": token.id,
            "name": token.name,
            "permissions": token.permissions,
            "createdDate": token.created,
        }
        if token.expires is not None:
            fields["expiryDate"] = token.expires
        if token.last_authenticated is not None:
            fields["lastAuthenticated"] = token.last_authenticated
        return b"%s,%s}" % (_encode(fields)[:-1], owner)

    def gpg_key(self, key: ModelGpgKey) -> bytes:
        """A GPG key with its sub-keys."""
        fields: dict[str, object] = {"id": key.id, "fingerprint": key.fingerprint, "text": key.text}
        if key.email is not None:
            fields["emailAddress"] = key.email
        if key.expires is not None:
            fields["expiryDate"] = key.expires
        fields["subKeys"] = [self._sub_key(key, number) for number in range(key.sub_keys)]
        return _encode(fields)

    def _sub_key(self, key: ModelGpgKey, number: int) -> dict[str, object]:
        fields: dict[str, object] = {"fingerprint": key.sub_fingerprint(number)}
        if key.expires is not None:
            fields["expiryDate"] = key.expires
        return fields
