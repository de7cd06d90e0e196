"""The entries of a payload's long lists, laid out as oaaclient does it, in less than half the time.

oaaclient makes an object of a dozen attributes for each user and repository, then a dictionary, then another without
what is empty. msgspec leaves out what is empty while it writes the JSON. A test holds the payload against the one that
oaaclient makes of the same facts, byte by byte.
"""

from collections.abc import Mapping

import msgspec
from oaaclient.templates import OAAIdentityType

from oaa_bitbucket_async.oaa.values import PropertyValue

Properties = Mapping[str, PropertyValue]


class User(msgspec.Struct, omit_defaults=True, gc=False):
    """A local user. Times are RFC 3339 in UTC."""

    name: str
    email: str | None = None
    identities: list[str] = []
    groups: list[str] = []
    """Ids."""
    access_creds: list[str] = []
    """Ids."""
    is_active: bool | None = None
    created_at: str | None = None
    last_login_at: str | None = None
    user_type: str | None = None
    custom_properties: Properties = {}
    id: str = ""


class Group(msgspec.Struct, omit_defaults=True, gc=False):
    """A local group."""

    name: str
    groups: list[str] = []
    """Ids of the groups that it is in."""
    custom_properties: Properties = {}
    id: str = ""


class Resource(msgspec.Struct, omit_defaults=True, gc=False):
    """A project with its repositories, or a repository."""

    id: str
    name: str
    resource_type: str
    description: str | None = None
    sub_resources: "list[Resource]" = []
    custom_properties: Properties = {}


class Grant(msgspec.Struct, omit_defaults=True, gc=False):
    """One permission of one holder: on resources (their keys), or on the application."""

    application: str
    resources: list[str] = []
    permission: str = ""
    apply_to_application: bool = False


class Holder(msgspec.Struct, gc=False):
    """A user, group or credential with everything that it holds."""

    identity: str
    identity_type: OAAIdentityType
    application_permissions: list[Grant]
