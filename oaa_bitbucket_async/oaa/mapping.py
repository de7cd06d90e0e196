"""From a snapshot to oaaclient's objects: the table in docs/what-is-collected.md, and nothing else.

Everything is sorted by numeric id or by name, so the application does not depend on the order in which the snapshot was
filled. oaaclient's objects are large, so they exist only while they are written: resources one project at a time, users
and groups once with their description and once with their grants. A holder gets the complete list of keys for each
permission at once. oaaclient's `add_permission` needs the objects. It also searches a list for duplicates at each call,
which takes quadratic time for a group that may read every repository.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from oaaclient.templates import CustomApplication, CustomResource, LocalGroup, LocalUser, OAAPropertyType

from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.oaa.branch_permissions import branch_permission_properties
from oaa_bitbucket_async.oaa.credentials import Credentials
from oaa_bitbucket_async.oaa.default_reviewers import default_reviewer_properties
from oaa_bitbucket_async.oaa.holdings import Held
from oaa_bitbucket_async.oaa.names import APPLICATION_TYPE, application_name
from oaa_bitbucket_async.oaa.notes import Code, Notes
from oaa_bitbucket_async.oaa.permissions import define_permissions
from oaa_bitbucket_async.oaa.principals import (
    GROUP_PROPERTIES,
    LICENSED_USERS,
    LICENSED_USERS_ID,
    USER_PROPERTIES,
    People,
    all_principals,
    global_collected,
    licensed,
    named_group,
    named_user,
)
from oaa_bitbucket_async.oaa.resources import (
    PROJECT,
    PROJECT_PROPERTIES,
    REPO,
    REPO_PROPERTIES,
    GrantIndex,
    each_project,
)
from oaa_bitbucket_async.oaa.target import Target
from oaa_bitbucket_async.oaa.values import properties
from oaa_bitbucket_async.oaa.visibility import lines, property_name, states
from oaa_bitbucket_async.settings import CREDENTIALS, Identity

Holder = TypeVar("Holder", LocalUser, LocalGroup)
_APPLICATION_PROPERTIES = {
    "base_url": OAAPropertyType.STRING,
    "version": OAAPropertyType.STRING,
    "authentication": OAAPropertyType.STRING,
    "global_permissions": OAAPropertyType.STRING,
    "public_access": OAAPropertyType.STRING,
    "collected": OAAPropertyType.BOOLEAN,
}
_TARGET_PROPERTIES = {
    "provider_name": OAAPropertyType.STRING,
    "data_source_name": OAAPropertyType.STRING,
    "scope": OAAPropertyType.STRING_LIST,
}


class Mapped(NamedTuple):
    """A snapshot as oaaclient's objects. Each iterator makes them when asked, and works once."""

    app: CustomApplication
    """Permissions and the definitions of properties. Of resources only the one being walked."""
    users: Iterable[LocalUser]
    groups: Iterable[LocalGroup]
    resources: Iterable[CustomResource]
    """The projects, each with its repositories."""
    holders: Iterable[LocalUser | LocalGroup]
    """Users and groups that hold something, with it: complete only once the resources have been walked."""
    credentials: Credentials | None = None
    """Keys and tokens; None: they were not to be collected."""
    permissions: Mapping[str, str] = MappingProxyType({})
    """The name in the payload of every permission that is held."""


def map_snapshot(snapshot: Snapshot, *, identity: Identity, notes: Notes, target: Target | None = None) -> Mapped:
    """Maps everything; what a reader should know goes into `notes`. The snapshot is left as it was."""
    app = CustomApplication(application_name(snapshot.instance.host), APPLICATION_TYPE)
    _define_properties(app, snapshot, target)
    codes = set(snapshot.all_codes())  # a tenth of them, since holders have the same permission on many things
    met = snapshot.codec.permissions(codes).union(*snapshot.default_permissions.values())
    principals = all_principals(snapshot, set(snapshot.codec.principals(codes).values()), notes)
    del codes
    people = People(principals, snapshot, licensed(snapshot), identity, notes)
    users = principals.users
    credentials = Credentials(app, snapshot, users, notes) if snapshot.included.asked_for & CREDENTIALS else None
    permissions = define_permissions(app, met if credentials is None else met | credentials.met(), notes)
    _describe_application(app, snapshot, credentials, target)
    for line in lines(snapshot):
        notes.say(Code.NOT_VISIBLE, line)
    held = GrantIndex(deepcopy(snapshot.codec), max(users, default=0))
    return Mapped(
        app,
        people.users({} if credentials is None else credentials.of_users),
        people.groups(),
        each_project(app, users, snapshot, held, notes),
        _holders(people, snapshot, held, permissions),
        credentials,
        permissions,
    )


def _holders(
    people: People, snapshot: Snapshot, held: GrantIndex, permissions: Mapping[str, str]
) -> Iterator[LocalUser | LocalGroup]:
    """Permissions of one holder come sorted by name, those on the instance first."""
    on_instance: defaultdict[Principal, list[str]] = defaultdict(list)
    for principal, permission in sorted(snapshot.grants(snapshot.global_grants), key=lambda grant: grant[1]):
        on_instance[principal].append(permission)

    def holding(local: Holder, principal: Principal, on_resources: Held) -> Holder:
        for permission in on_instance.get(principal, ()):
            local.add_permission(permissions[permission], apply_to_application=True)
        local.resource_permissions = {permissions[name]: keys for name, keys in on_resources.items()}
        return local

    for user in people.principals.users.values():
        yield holding(named_user(user), Principal("user", user.id), held.holdings.of_user(user.id))
    everyone = named_group(LICENSED_USERS, LICENSED_USERS_ID)
    everyone.resource_permissions = {permissions[name]: keys for name, keys in sorted(held.by_everyone.items())}
    yield everyone
    for key, group in people.principals.groups.items():
        local = named_group(group.name, people.group_ids[key])
        yield holding(local, Principal("group", key), held.holdings.of_group(key))


def _define_properties(app: CustomApplication, snapshot: Snapshot, target: Target | None) -> None:
    define = app.property_definitions
    for name, kind in (_APPLICATION_PROPERTIES | (_TARGET_PROPERTIES if target else {})).items():
        define.define_application_property(name, kind)
    for include in sorted(snapshot.included.asked_for):
        define.define_application_property(property_name(include), OAAPropertyType.STRING)
    for name, kind in USER_PROPERTIES.items():
        define.define_local_user_property(name, kind)
    for name, kind in GROUP_PROPERTIES.items():
        define.define_local_group_property(name, kind)
    reviewers = default_reviewer_properties(snapshot)
    for name, kind in (PROJECT_PROPERTIES | reviewers).items():
        define.define_resource_property(PROJECT, name, kind)
    for name, kind in (REPO_PROPERTIES | branch_permission_properties(snapshot) | reviewers).items():
        define.define_resource_property(REPO, name, kind)


def _describe_application(
    app: CustomApplication, snapshot: Snapshot, credentials: Credentials | None, target: Target | None
) -> None:
    instance = snapshot.instance
    seen = states(snapshot, credentials.of_several if credentials else ())
    app.properties = properties(
        {
            "base_url": instance.base_url,
            "version": instance.version,
            "authentication": instance.authentication,
            "global_permissions": instance.global_permissions,
            "public_access": snapshot.public_access,
            "collected": global_collected(snapshot),
            **{property_name(include): state for include, state in seen.items()},
            **(target.properties() if target else {}),
        }
    )
