"""What Veza would find wrong with an OAA application payload, as far as its rules are known.

It follows the rules and imports none of the code that makes payloads.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

import msgspec

from oaa_bitbucket_async.demo.veza.shape import (
    OaaApplication,
    OaaDefinition,
    OaaPayload,
    OaaResource,
    PropertyType,
    PropertyValue,
)

DESCRIPTION_BYTES = 256
STRING_CHARACTERS = 4096


def check_payload(text: bytes) -> list[str]:
    """Every violation, one line each; empty for a payload that Veza would take.

    A wrong shape (an unknown key, a wrong type) is reported alone: nothing else can be checked then.
    """
    try:
        payload = msgspec.json.decode(text, type=OaaPayload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return [str(error)]
    (application,) = payload.applications
    (definition,) = payload.custom_property_definition.applications
    return [
        *_application(application, definition),
        *_permissions(payload, application),
    ]


def warnings_for(text: bytes, knows: Callable[[str], bool]) -> list[str]:
    """One warning for each identity that no identity provider knows, as Veza answers a push with."""
    (application,) = msgspec.json.decode(text, type=OaaPayload).applications
    unknown = (name for user in application.local_users for name in user.identities if not knows(name))
    return [f"Cannot find identity by names [{name}]" for name in unknown]


def _application(application: OaaApplication, definition: OaaDefinition) -> Iterator[str]:
    if definition.application_type != application.application_type:
        yield f"properties are defined for {definition.application_type!r}, not for {application.application_type!r}"
    yield from _properties("application", application.custom_properties, definition.application_properties)
    yield from _repeated("user id", (user.id for user in application.local_users))
    yield from _repeated("group id", (group.id for group in application.local_groups))

    groups = {group.id for group in application.local_groups}
    credentials = {credential.id for credential in application.local_access_creds}
    owners: dict[str, str] = {}
    for user in application.local_users:
        what = f"user {user.id}"
        yield from _unknown(f"{what}: group", user.groups, groups)
        yield from _repeated(f"{what}: group", user.groups)
        yield from _unknown(f"{what}: credential", user.access_creds, credentials)
        for credential in user.access_creds:
            if owners.setdefault(credential, user.id) != user.id:
                yield f"{what}: credential {credential!r} is user {owners[credential]}'s"
        yield from _repeated(f"{what}: credential", user.access_creds)
        yield from _repeated(f"{what}: identity", user.identities)
        yield from _times(what, user.created_at, user.last_login_at)
        yield from _properties(what, user.custom_properties, definition.local_user_properties)
    for group in application.local_groups:
        what = f"group {group.id}"
        yield from _unknown(f"{what}: group", group.groups, groups)
        yield from _repeated(f"{what}: group", group.groups)
        if group.id in group.groups:
            yield f"{what} is a member of itself"
        yield from _properties(what, group.custom_properties, definition.local_group_properties)

    yield from _repeated("credential id", (credential.id for credential in application.local_access_creds))
    for one in application.local_access_creds:
        what = f"credential {one.id}"
        yield from _times(what, one.created_at, one.expires_at, one.last_used_at)
        yield from _properties(what, one.custom_properties, definition.local_access_creds_properties)

    types = {kind.resource_type: kind.properties for kind in definition.resources}
    yield from _resources(application.resources, types)


def _resources(resources: list[OaaResource], types: Mapping[str, Mapping[str, PropertyType]]) -> Iterator[str]:
    yield from _repeated("resource id", (resource.id for resource in resources))
    for resource in resources:
        what = f"{resource.resource_type} {resource.id}"
        if len((resource.description or "").encode()) > DESCRIPTION_BYTES:
            yield f"{what}: description is longer than {DESCRIPTION_BYTES} bytes"
        yield from _properties(what, resource.custom_properties, types.get(resource.resource_type, {}))
        yield from _resources(resource.sub_resources, types)


def _permissions(payload: OaaPayload, application: OaaApplication) -> Iterator[str]:
    yield from _repeated("permission", (permission.name for permission in payload.permissions))
    permissions = {permission.name for permission in payload.permissions}
    resources = set(_keys(application.resources, ""))
    holders = {
        "local_user": {user.id for user in application.local_users},
        "local_group": {group.id for group in application.local_groups},
        "local_access_creds": {credential.id for credential in application.local_access_creds},
    }
    yield from _repeated("holder", (f"{one.identity_type} {one.identity}" for one in payload.identity_to_permissions))
    for holder in payload.identity_to_permissions:
        what = f"{holder.identity_type} {holder.identity}"
        yield from _unknown(f"{what}: identity", [holder.identity], holders[holder.identity_type])
        for grant in holder.application_permissions:
            if grant.application != application.name:
                yield f"{what}: unknown application {grant.application!r}"
            if not grant.resources and not grant.apply_to_application:
                yield f"{what}: {grant.permission} is held on nothing"
            yield from _unknown(f"{what}: permission", [grant.permission], permissions)
            yield from _unknown(f"{what}: resource", grant.resources, resources)
            yield from _repeated(f"{what}: {grant.permission} on resource", grant.resources)


def _keys(resources: list[OaaResource], prefix: str) -> Iterator[str]:
    for resource in resources:
        yield prefix + resource.id
        yield from _keys(resource.sub_resources, f"{prefix}{resource.id}.")


def _unknown(what: str, names: Iterable[str], known: set[str]) -> Iterator[str]:
    return (f"{what} {name!r} does not exist" for name in names if name not in known)


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    """Names that differ only in case are the same for Veza."""
    seen = set()
    for name in names:
        folded = name.lower()
        if folded in seen:
            yield f"{what} {name!r} is repeated"
        seen.add(folded)


def _times(what: str, *times: str | None) -> Iterator[str]:
    for time in times:
        try:
            datetime.fromisoformat(time or "1970-01-01T00:00:00Z")
        except ValueError:
            yield f"{what}: {time!r} is no time"


def _properties(what: str, values: Mapping[str, PropertyValue], types: Mapping[str, PropertyType]) -> Iterator[str]:
    for name, value in values.items():
        kind = types.get(name)
        if kind is None:
            yield f"{what}: property {name!r} is not defined"
        elif not _fits(value, kind):
            yield f"{what}: property {name!r} is no {kind}"
        elif isinstance(value, str) and len(value) > STRING_CHARACTERS:
            yield f"{what}: property {name!r} is longer than {STRING_CHARACTERS} characters"


def _fits(value: PropertyValue, kind: PropertyType) -> bool:
    match kind:
        case "BOOLEAN":
            return isinstance(value, bool)
        case "NUMBER":
            return isinstance(value, float) and not isinstance(value, bool)
        case "STRING_LIST":
            return isinstance(value, list)
        case "TIMESTAMP":
            return isinstance(value, str) and not list(_times("", value))
        case _:
            return isinstance(value, str)
