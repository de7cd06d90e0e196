"""The shape of an OAA application payload, as far as this program reads one back. The only place that describes it.

The long lists stay raw JSON, and their entries are decoded one at a time: an entry is many times larger than what is
kept of it. Other collectors may use the names of our custom properties for values of another type. Most of these
properties are therefore typed `object`, and code that reads one compares it with the value that it looks for.

Source: VEZA.md section 1.1, and what oaaclient's `CustomApplication.get_payload` writes.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from oaa_bitbucket_async.oaa.target import Target, scope_of


class SavedIdentity(msgspec.Struct, frozen=True, gc=False):
    """A user, group or credential. A group has no more than this."""

    name: str
    id: str = ""
    groups: tuple[str, ...] | None = None
    """Ids of the groups that it is in."""


class UserProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of a local user."""

    licensed: bool | None = None


class SavedUser(SavedIdentity, frozen=True, gc=False):
    """A local user of a payload of ours."""

    is_active: bool = True
    access_creds: tuple[str, ...] | None = None
    """Ids of the user's keys and tokens."""
    custom_properties: UserProperties = UserProperties()


class CredentialProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of an access credential."""

    kind: str = ""
    permission_levels: tuple[str, ...] | None = None


class SavedCredential(SavedIdentity, frozen=True, gc=False):
    """A key or a token of a payload of ours."""

    is_active: bool = True
    custom_properties: CredentialProperties = CredentialProperties()


class ResourceProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of a project or a repository."""

    key: str | None = None
    """Of a project: its key."""
    path: str | None = None
    """Of a repository: `KEY/slug`."""
    is_public: object = None
    collected: object = None
    is_personal: object = None
    owner: object = None
    default_permission: object = None


class SavedResource(msgspec.Struct, frozen=True, gc=False):
    """A project with the repositories below it, or a repository."""

    name: str
    id: str = ""
    custom_properties: ResourceProperties | None = None
    sub_resources: "tuple[SavedResource, ...]" = ()

    @property
    def about(self) -> ResourceProperties:
        """Its custom properties, or none."""
        return self.custom_properties or _NOTHING

    @property
    def project_key(self) -> str:
        """Of a project: its key; the name where a payload of another origin has no key."""
        return self.about.key or self.name

    def path_below(self, project_key: str) -> str:
        """Of a repository: `KEY/slug`, or what comes closest to it."""
        return self.about.path or f"{project_key}/{self.name}"


_NOTHING = ResourceProperties()


def below(project: SavedResource) -> "Iterator[tuple[str, str, SavedResource]]":
    """Key and path of all that is below a project, with the thing itself."""
    yield from _below(project, project.id or project.name, project.project_key)


def _below(resource: SavedResource, key: str, shown: str) -> "Iterator[tuple[str, str, SavedResource]]":
    for inner in resource.sub_resources:
        inner_key, path = f"{key}.{inner.id or inner.name}", inner.path_below(shown)
        yield inner_key, path, inner
        if inner.sub_resources:
            yield from _below(inner, inner_key, path)


class SavedGrant(msgspec.Struct, frozen=True, gc=False):
    """One permission of one holder, and what it is held on."""

    permission: str
    resources: tuple[str, ...] = ()
    apply_to_application: bool = False


class SavedHolder(msgspec.Struct, frozen=True, gc=False):
    """Everything that one user, group or credential holds."""

    identity: str
    identity_type: str = "local_user"
    application_permissions: tuple[SavedGrant, ...] = ()


class SavedPermission(msgspec.Struct, frozen=True, gc=False):
    """The definition of a permission."""

    name: str
    apply_to_sub_resources: bool = False


class InstanceProperties(msgspec.Struct, frozen=True):
    """Custom properties of the application. All are absent in a payload of another origin."""

    base_url: str | None = None
    public_access: object = None
    collected: object = None
    provider_name: str | None = None
    data_source_name: str | None = None
    scope: tuple[str, ...] = ()
    """The flags that limited what was collected; none for all of the instance."""

    def target(self) -> Target | None:
        """None if the payload does not say where it goes. ValueError for a scope of words that we don't know."""
        if not (self.provider_name and self.data_source_name):
            return None
        return Target(self.provider_name, self.data_source_name, scope_of(self.scope))


class SavedApplication(msgspec.Struct):
    """The instance."""

    name: str
    application_type: str
    local_users: list[msgspec.Raw]
    local_groups: list[msgspec.Raw]
    resources: list[msgspec.Raw]
    local_access_creds: list[msgspec.Raw] = []
    custom_properties: InstanceProperties | None = None

    @property
    def about(self) -> InstanceProperties:
        """Its custom properties, or none."""
        return self.custom_properties or InstanceProperties()


class ResourcePropertyDefinition(msgspec.Struct):
    """The properties that a payload defines for one type of resource."""

    resource_type: str
    properties: dict[str, object] = {}


class PropertyDefinition(msgspec.Struct):
    """The properties that a payload defines for its one application, its identities and its types of resource."""

    application_type: str
    application_properties: dict[str, object] = {}
    local_user_properties: dict[str, object] = {}
    local_group_properties: dict[str, object] = {}
    local_access_creds_properties: dict[str, object] = {}
    resources: list[ResourcePropertyDefinition] = []


class PropertyDefinitions(msgspec.Struct):
    """The value of `custom_property_definition`."""

    applications: list[PropertyDefinition]


class SavedPayload(msgspec.Struct):
    """The whole of it."""

    applications: Annotated[list[SavedApplication], msgspec.Meta(min_length=1, max_length=1)]
    permissions: list[SavedPermission]
    identity_to_permissions: list[msgspec.Raw]
    custom_property_definition: msgspec.Raw = msgspec.Raw(b"null")
    """PropertyDefinitions; raw, since one that looks different only costs the queries of the report."""

    @property
    def application(self) -> SavedApplication:
        """The one that there is."""
        return self.applications[0]


def decode_payload(text: bytes) -> SavedPayload:
    """The payload in `text` (JSON). ValueError (msgspec's are) or RecursionError if it holds something else."""
    return msgspec.json.decode(text, type=SavedPayload)
