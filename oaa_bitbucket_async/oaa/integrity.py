"""Every reference within an application leads somewhere.

oaaclient takes a permission that was never defined, a group that does not exist and a resource of another application
without a word; Veza then refuses the payload, or worse, takes it without the grant.
"""

from collections.abc import Iterable

from oaaclient.templates import CustomApplication

from oaa_bitbucket_async.errors import CollectorError


def check_references(app: CustomApplication) -> int:
    """Gives the number of grants. CollectorError (a bug of ours) if a reference leads nowhere."""
    permissions = {permission.name for permission in app.custom_permissions.values()}
    groups = {group.unique_id for group in app.local_groups.values()}
    resources = {resource.resource_key for resource in app.resources.values()}
    for project in app.resources.values():
        resources.update(resource.resource_key for resource in project.sub_resources.values())

    grants = 0
    for table in (app.local_users, app.local_groups):
        for identity in table.values():
            _expect(identity.groups or (), groups, "group", identity.name)
            _expect(identity.application_permissions, permissions, "permission", identity.name)
            _expect(identity.resource_permissions, permissions, "permission", identity.name)
            grants += len(identity.application_permissions)
            for keys in identity.resource_permissions.values():
                _expect(keys, resources, "resource", identity.name)
                grants += len(keys)
    return grants


def _expect(references: Iterable[str], known: set[str], what: str, holder: str) -> None:
    if not known.issuperset(references):
        unknown = next(reference for reference in references if reference not in known)
        raise CollectorError(
            f"The payload refers to the {what} {unknown!r} (from {holder!r}) and does not define it: not uploaded.",
            "This is a bug of this program: please report it with this line.",
        )
