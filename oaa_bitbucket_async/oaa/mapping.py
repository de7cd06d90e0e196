"""From a snapshot to the entries of a payload: the table in docs/what-is-collected.md, and nothing else.

Everything is sorted by numeric id or by name, so the payload does not depend on the order in which the snapshot was
filled. Entries exist only while they are written: resources one project at a time, users and groups once with their
description and once with their grants. Until all resources have been written, a grant refers to its resource by a
number: its place among them. oaaclient defines the properties and permissions, and lays out the payload around the
entries.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from oaaclient.templates import CustomApplication, OAAIdentityType, OAAPropertyType

from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.oaa.branch_permissions import branch_permission_properties
from oaa_bitbucket_async.oaa.credentials import Credentials
from oaa_bitbucket_async.oaa.default_reviewers import default_reviewer_properties
from oaa_bitbucket_async.oaa.entries import Grant, Group, Holder, Resource, User
from oaa_bitbucket_async.oaa.holdings import Held
from oaa_bitbucket_async.oaa.names import APPLICATION_TYPE, application_name
from oaa_bitbucket_async.oaa.notes import Code, Notes
from oaa_bitbucket_async.oaa.permissions import define_permissions
from oaa_bitbucket_async.oaa.principals import (
    GROUP_PROPERTIES,
    LICENSED_USERS_ID,
    USER_PROPERTIES,
    People,
    all_principals,
    global_collected,
    licensed,
    user_id,
)
from oaa_bitbucket_async.oaa.resources import (
    PROJECT,
    PROJECT_PROPERTIES,
    REPO,
    REPO_PROPERTIES,
    GrantIndex,
    codes_of,
    each_project,
    numbers_of,
    orphans,
    places,
)
from oaa_bitbucket_async.oaa.target import Target
from oaa_bitbucket_async.oaa.values import properties
from oaa_bitbucket_async.oaa.visibility import lines, property_name, states
from oaa_bitbucket_async.settings import CREDENTIALS, Identity

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
    """A snapshot as entries of a payload. Each iterator makes them when asked, and works once."""

    app: CustomApplication
    """Permissions and the definitions of properties. It has no users, groups and resources."""
    users: Iterable[User]
    groups: Iterable[Group]
    resources: Iterable[Resource]
    """The projects, each with its repositories."""
    holders: Callable[[Sequence[str]], Iterable[Holder]]
    """What is held, by the keys of all resources: those that were written, in their order. Works once."""
    credentials: Credentials | None = None
    """Keys and tokens; None: they were not to be collected."""


def map_snapshot(snapshot: Snapshot, *, identity: Identity, notes: Notes, target: Target | None = None) -> Mapped:
    """Maps everything; what a reader should know goes into `notes`. The snapshot is left as it was."""
    app = CustomApplication(application_name(snapshot.instance.host), APPLICATION_TYPE)
    _define_properties(app, snapshot, target)
    everywhere = places(snapshot, notes)
    held = GrantIndex(everywhere, snapshot)
    met = set().union(*snapshot.default_permissions.values())
    user_ids: set[int] = set()
    group_keys: set[str] = set()
    others = codes_of(snapshot.global_grants), *map(codes_of, orphans(snapshot, notes))
    for codes in chain(held.holdings.codes(), others):
        met |= held.codec.permissions(codes)
        users_of, groups_of = held.codec.holders(codes)
        user_ids |= users_of
        group_keys |= groups_of
    principals = all_principals(snapshot, user_ids, group_keys, notes)
    people = People(principals, snapshot, licensed(snapshot), identity, notes)
    users = principals.users
    credentials = None
    if snapshot.included.asked_for & CREDENTIALS:
        credentials = Credentials(app, snapshot, users, numbers_of(everywhere), notes)
    permissions = define_permissions(app, met if credentials is None else met | credentials.met(), notes)
    _describe_application(app, snapshot, credentials, target)
    for line in lines(snapshot):
        notes.say(Code.NOT_VISIBLE, line)
    return Mapped(
        app,
        people.users({} if credentials is None else credentials.of_users),
        people.groups(),
        each_project(everywhere, users, snapshot),
        partial(_holders, app.name, people, snapshot, held, credentials, permissions),
        credentials,
    )


def _holders(
    application: str,
    people: People,
    snapshot: Snapshot,
    held: GrantIndex,
    credentials: Credentials | None,
    permissions: Mapping[str, str],
    keys: Sequence[str],
) -> Iterator[Holder]:
    """Permissions of one holder come sorted by name, those on the instance first."""
    if len(keys) != held.holdings.resources:
        raise CollectorError(
            f"The payload holds {len(keys):,} projects and repositories, and grants refer to "
            f"{held.holdings.resources:,}: not uploaded.",
            "This is a bug in this program. Please report it with this line.",
        )
    on_instance: defaultdict[int | str, list[Grant]] = defaultdict(list)
    for principal, permission in sorted(snapshot.grants(snapshot.global_grants), key=lambda grant: grant[1]):
        grant = Grant(application, permission=permissions[permission], apply_to_application=True)
        on_instance[principal.key].append(grant)

    def grants(on_resources: Held) -> list[Grant]:
        return [Grant(application, found, permissions[name]) for name, found in on_resources.items()]

    for user in people.principals.users:
        if found := on_instance.get(user, []) + grants(held.holdings.of_user(user, keys)):
            yield Holder(user_id(user), OAAIdentityType.LocalUser, found)
    everyones = {name: [keys[number] for number in numbers] for name, numbers in sorted(held.by_everyone.items())}
    if everyones:
        yield Holder(LICENSED_USERS_ID, OAAIdentityType.LocalGroup, grants(everyones))
    for key, shown in people.group_ids.items():
        if found := on_instance.get(key, []) + grants(held.holdings.of_group(key, keys)):
            yield Holder(shown, OAAIdentityType.LocalGroup, found)
    for identifier, on_resources in credentials.holding(keys) if credentials is not None else ():
        if on_resources:
            yield Holder(identifier, OAAIdentityType.AccessCred, grants(on_resources))


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
