"""The shape of an OAA application payload: which keys there may be, and of what type. Unknown keys are refused.

The source is the documentation of Veza's application template. Roles are left out: this connector has none.
"""

from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1)]
PropertyName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]*$")]
PropertyType = Literal["BOOLEAN", "NUMBER", "STRING", "STRING_LIST", "TIMESTAMP"]
PropertyTypes = dict[PropertyName, PropertyType]
PropertyValue = bool | float | str | list[str]
Canonical = Literal[
    "DataRead",
    "DataWrite",
    "DataCreate",
    "DataDelete",
    "MetadataRead",
    "MetadataWrite",
    "MetadataCreate",
    "MetadataDelete",
    "NonData",
    "Uncategorized",
]
Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
Nothing = Annotated[list[str], msgspec.Meta(max_length=0)]
"""A list that this connector leaves empty."""


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Base of all shapes."""


class OaaUser(Strict):
    """A local user."""

    name: Name
    id: Name
    email: Name | None = None
    identities: list[Name] = []
    groups: list[Name] = []
    access_creds: list[Name] = []
    is_active: bool | None = None
    created_at: Time | None = None
    last_login_at: Time | None = None
    user_type: Literal["human", "service_account"] | None = None
    custom_properties: dict[str, PropertyValue] = {}


class OaaGroup(Strict):
    """A local group; `groups` are those that it is a member of."""

    name: Name
    id: Name
    identities: list[Name] = []
    groups: list[Name] = []
    created_at: Time | None = None
    custom_properties: dict[str, PropertyValue] = {}


class OaaCredential(Strict):
    """An access credential: a key or token."""

    name: Name
    id: Name
    is_active: bool
    created_at: Time | None = None
    expires_at: Time | None = None
    last_used_at: Time | None = None
    can_expire: bool | None = None
    custom_properties: dict[str, PropertyValue] = {}


class OaaResource(Strict):
    """A resource or sub-resource."""

    name: Name
    id: Name
    resource_type: Name
    description: str | None = None
    sub_resources: "list[OaaResource]" = []
    custom_properties: dict[str, PropertyValue] = {}


class OaaApplication(Strict):
    """The one application of a payload."""

    name: Name
    application_type: Name
    local_users: list[OaaUser]
    local_groups: list[OaaGroup]
    resources: list[OaaResource]
    description: str | None = None
    local_roles: Nothing = []
    local_access_creds: list[OaaCredential] = []
    local_agents: Nothing = []
    local_models: Nothing = []
    tags: Nothing = []
    custom_properties: dict[str, PropertyValue] = {}


class OaaResourceDefinition(Strict):
    """The properties of a type of resource."""

    resource_type: Name
    properties: PropertyTypes


class OaaDefinition(Strict):
    """The properties of an application and of what is in it."""

    application_type: Name
    application_properties: PropertyTypes = {}
    local_user_properties: PropertyTypes = {}
    local_group_properties: PropertyTypes = {}
    local_access_creds_properties: PropertyTypes = {}
    resources: list[OaaResourceDefinition] = []


class OaaDefinitions(Strict):
    """For each application type one definition."""

    applications: Annotated[list[OaaDefinition], msgspec.Meta(min_length=1, max_length=1)]


class OaaPermission(Strict):
    """A custom permission."""

    name: Name
    permission_type: Annotated[list[Canonical], msgspec.Meta(min_length=1)]
    apply_to_sub_resources: bool
    resource_types: list[str]


class OaaGrant(Strict):
    """A permission on the application or on resources."""

    application: Name
    permission: Name
    resources: list[Name] = []
    apply_to_application: bool = False


class OaaHolder(Strict):
    """Who holds which permissions."""

    identity: Name
    identity_type: Literal["local_user", "local_group", "local_access_creds"]
    application_permissions: Annotated[list[OaaGrant], msgspec.Meta(min_length=1)]


class OaaPayload(Strict):
    """The whole."""

    custom_property_definition: OaaDefinitions
    applications: Annotated[list[OaaApplication], msgspec.Meta(min_length=1, max_length=1)]
    permissions: list[OaaPermission]
    identity_to_permissions: list[OaaHolder]
