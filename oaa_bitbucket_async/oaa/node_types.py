"""How Veza names the nodes of a payload, and which properties they have there: `OAA.Bitbucket Server.Repo.SubResource`.

The application's type stands in the name as it is; a custom property `listed` is asked for as `customprop_listed`.
"""

from collections.abc import Mapping

import msgspec

from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.resources import REPO
from oaa_bitbucket_async.oaa.schema import PropertyDefinition, PropertyDefinitions

NodeTypes = Mapping[str, frozenset[str]]
"""The properties that a query may name, by node type."""

_NAMED = frozenset({"name"})
_USER = _NAMED | {"email", "is_active", "created_at", "last_login_at", "user_type"}
_CREDENTIAL = _NAMED | {"is_active", "created_at", "expires_at", "last_used_at", "can_expire"}


def node_types(definition: PropertyDefinition, counts: Counts) -> NodeTypes:
    """The nodes that a payload with this definition brings: only of kinds of which it holds any."""
    found = {"Application": _NAMED | _custom(definition.application_properties), "Permission": _NAMED}
    if counts.users:
        found["User"] = _USER | _custom(definition.local_user_properties)
    if counts.groups:
        found["Group"] = _NAMED | {"created_at"} | _custom(definition.local_group_properties)
    if counts.credentials:
        found["AccessCred"] = _CREDENTIAL | _custom(definition.local_access_creds_properties)
    for one in definition.resources:
        is_repository = one.resource_type == REPO
        if counts.repositories if is_repository else counts.projects:
            level = "SubResource" if is_repository else "Resource"
            found[f"{one.resource_type}.{level}"] = _NAMED | {"description"} | _custom(one.properties)
    return {f"OAA.{definition.application_type}.{kind}": names for kind, names in found.items()}


def saved_node_types(definitions: msgspec.Raw, counts: Counts) -> NodeTypes:
    """The same from the text of a saved payload; nothing for one that defines its properties in another way."""
    try:
        (definition,) = msgspec.json.decode(definitions, type=PropertyDefinitions).applications
    except (msgspec.MsgspecError, ValueError):
        return {}
    return node_types(definition, counts)


def _custom(properties: Mapping[str, object]) -> frozenset[str]:
    return frozenset(f"customprop_{name}" for name in properties)
