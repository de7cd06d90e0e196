"""The shape of an OAA application payload, as far as this program reads one back.

The long lists stay raw JSON until an entry is asked for: each entry is many times larger than what is read of it.
Source: VEZA.md section 1.1, and what oaaclient's `CustomApplication.get_payload` writes.
"""

from typing import Annotated

import msgspec


class UserProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of a local user."""

    display_name: str | None = None
    licensed: bool | None = None
    listed: bool = True


class SavedUser(msgspec.Struct, frozen=True, gc=False):
    """A local user."""

    name: str
    id: str = ""
    is_active: bool = True
    groups: tuple[str, ...] | None = None
    """Ids of the groups that the user is in."""
    access_creds: tuple[str, ...] | None = None
    """Ids of the user's keys and tokens."""
    custom_properties: UserProperties = UserProperties()


class SavedGroup(msgspec.Struct, frozen=True, gc=False):
    """A local group."""

    name: str
    id: str = ""
    groups: tuple[str, ...] | None = None
    """Ids of the groups that it is in."""


class CredentialProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of an access credential."""

    kind: str = ""
    permission_levels: tuple[str, ...] | None = None


class SavedCredential(msgspec.Struct, frozen=True, gc=False):
    """A key or a token."""

    name: str
    id: str = ""
    is_active: bool = True
    custom_properties: CredentialProperties = CredentialProperties()


class RepositoryProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of a repository."""

    path: str | None = None
    collected: bool = True


class SavedRepository(msgspec.Struct, frozen=True, gc=False):
    """A sub-resource of a project."""

    name: str
    id: str = ""
    custom_properties: RepositoryProperties = RepositoryProperties()


class ProjectProperties(msgspec.Struct, frozen=True, gc=False):
    """Custom properties of a project."""

    key: str | None = None
    is_personal: bool = False
    is_public: bool = False
    owner: str | None = None
    default_permission: str | None = None
    collected: bool = True


class SavedProject(msgspec.Struct, frozen=True, gc=False):
    """A resource with the repositories below it."""

    name: str
    id: str = ""
    custom_properties: ProjectProperties = ProjectProperties()
    sub_resources: tuple[SavedRepository, ...] = ()


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


class ApplicationProperties(msgspec.Struct, frozen=True):
    """Custom properties of the application."""

    base_url: str = ""
    public_access: str | None = None
    collected: bool = True
    scope: tuple[str, ...] = ()
    """The flags that limited what was collected; none for all of the instance."""


class SavedApplication(msgspec.Struct):
    """The instance."""

    name: str
    application_type: str
    local_users: list[msgspec.Raw]
    local_groups: list[msgspec.Raw]
    resources: list[msgspec.Raw]
    local_access_creds: list[msgspec.Raw] = []
    custom_properties: ApplicationProperties = ApplicationProperties()


class SavedPayload(msgspec.Struct):
    """The whole of it."""

    applications: Annotated[list[SavedApplication], msgspec.Meta(min_length=1, max_length=1)]
    permissions: list[SavedPermission]
    identity_to_permissions: list[msgspec.Raw]
