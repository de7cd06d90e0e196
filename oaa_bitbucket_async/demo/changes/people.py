"""Changes users, groups and memberships, and reports each change."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from oaa_bitbucket_async.demo.changes.telling import Place, found, group_thing, new_id, tell_done, user_thing
from oaa_bitbucket_async.demo.happening import Happening, Replaced, Thing, Told
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelGroup, ModelUser, personal_key, slug_of

Membership = tuple[str, str]
"""The name of a group and of a user in it."""


def create_user(estate: Estate, name: str, *, groups: Collection[str] = (), **fields: Any) -> ModelUser:
    """A new user, and its memberships. One who had the name within seven days leaves its grants to the new one."""
    user = _new_user(estate, name, **fields)
    tell_done(estate, "user created", [user_thing(estate, name)])
    for group in groups:
        add_member(estate, group, name)
    return user


def rename_user(estate: Estate, name: str, new_name: str) -> None:
    """Gives a user another name. Grants and memberships follow, and so does the key of the personal project."""
    user = found(estate.user(name), name)
    own = estate.project(personal_key(user))
    old, user.name, user.slug = user.name, new_name, slug_of(new_name)
    for project in estate.projects:
        if project.owner is not None and project.owner.lower() == old.lower():
            project.owner = new_name
    if own is not None:
        own.key = personal_key(user)
    _rename_grants(estate, old, new_name)
    for group in estate.groups:
        group.members = [new_name if member.lower() == old.lower() else member for member in group.members]
    places: list[Place] = [*estate.projects, *estate.repositories]
    for place in places:
        for restriction in place.restrictions:
            restriction.users = _renamed(restriction.users, old, new_name)
        place.review_conditions = [
            replace(one, reviewers=_renamed(one.reviewers, old, new_name)) for one in place.review_conditions
        ]
    if own is not None:
        estate.changed("projects")
    estate.changed("users")
    renamed = [Replaced("user name", old, new_name)]
    estate.tell(Happening("user renamed", [user_thing(estate, new_name)], replaced=renamed))


def delete_user(estate: Estate, name: str) -> None:
    """The user is no longer listed; its grants show it still, until they are cleaned up seven days later.

    The row has the name alone. Nothing is told of groups that the user was in.
    """
    user = _take_user(estate, name)
    tell_done(estate, "user deleted", [Thing("USER", user.name)])


def create_group(estate: Estate, name: str, *, members: Collection[str] = ()) -> ModelGroup:
    """A new group. One that had the name within seven days leaves its grants to the new one."""
    group = _new_group(estate, name)
    tell_done(estate, "group created", [group_thing(name)])
    for member in members:
        add_member(estate, name, member)
    return group


def delete_group(estate: Estate, name: str) -> None:
    """The group is gone; its grants stay, until they are cleaned up seven days later. Members are not told."""
    group = _take_group(estate, name)
    tell_done(estate, "group deleted", [group_thing(group.name)])


def add_member(estate: Estate, group: str, user: str) -> None:
    """Puts a user into a group."""
    _join(estate, group, user)
    _tell_membership(estate, "member added", group, user)


def remove_member(estate: Estate, group: str, user: str) -> None:
    """Takes a user out of a group."""
    _leave(estate, group, user)
    _tell_membership(estate, "member removed", group, user)


def synchronise_directory(
    estate: Estate,
    *,
    new_users: Sequence[str] = (),
    gone_users: Sequence[str] = (),
    new_groups: Sequence[str] = (),
    gone_groups: Sequence[str] = (),
    joined: Sequence[Membership] = (),
    left: Sequence[Membership] = (),
    told: bool = True,
) -> None:
    """What LDAP or Crowd brings. Bitbucket tells users and groups as made and deleted automatically, or nothing.

    Memberships are never told.
    """
    changes: list[tuple[str, Sequence[str], Callable[[Estate, str], object]]] = [
        ("user created automatically", new_users, _new_user),
        ("group created automatically", new_groups, _new_group),
        ("user deleted automatically", gone_users, _take_user),
        ("group deleted automatically", gone_groups, _take_group),
    ]
    for what, names, change in changes:
        for name in names:
            change(estate, name)
            if told:
                thing = user_thing(estate, name) if what.startswith("user") else group_thing(name)
                by = Thing("system", "System", "-1")
                estate.tell(Happening(what, [thing._replace(id=None) if "deleted" in what else thing], by=by))
    for group, user in joined:
        _join(estate, group, user)
    for group, user in left:
        _leave(estate, group, user)


def let_seven_days_pass(estate: Estate) -> None:
    """Takes the grants of users and groups that were deleted. Nothing is told of it."""
    estate.global_users = _kept(estate, "USER", estate.global_users)
    estate.global_groups = _kept(estate, "GROUP", estate.global_groups)
    places: list[Place] = [*estate.projects, *estate.repositories]
    for place in places:
        place.user_grants = _kept(estate, "USER", place.user_grants)
        place.group_grants = _kept(estate, "GROUP", place.group_grants)
    estate.vanished.clear()
    estate.unnamed()


# --- what happens, untold ---------------------------------------------------------------------------------------


def _new_user(estate: Estate, name: str, **fields: Any) -> ModelUser:
    before = estate.user(name)
    if before is not None:
        if not before.deleted:
            raise KeyError(f"there is a user {name} already")
        estate.users.remove(before)
    estate.vanished.discard(("USER", name.lower()))
    user = ModelUser(new_id(estate), name, **fields)
    estate.users.append(user)
    estate.changed("users")
    return user


def _take_user(estate: Estate, name: str) -> ModelUser:
    user = found(estate.user(name), name)
    user.deleted, user.active = True, False
    estate.vanished.add(("USER", name.lower()))
    for group in estate.groups:
        if any(member.lower() == name.lower() for member in group.members):
            group.members = [member for member in group.members if member.lower() != name.lower()]
    estate.changed("users")
    return user


def _new_group(estate: Estate, name: str) -> ModelGroup:
    if estate.group(name) is not None:
        raise KeyError(f"there is a group {name} already")
    estate.vanished.discard(("GROUP", name.lower()))
    group = ModelGroup(name)
    estate.groups.append(group)
    estate.changed("groups")
    return group


def _take_group(estate: Estate, name: str) -> ModelGroup:
    group = found(estate.group(name), name)
    estate.groups.remove(group)
    estate.vanished.add(("GROUP", name.lower()))
    estate.changed("groups")
    return group


def _join(estate: Estate, group: str, user: str) -> None:
    into = found(estate.group(group), group)
    into.members = [*into.members, found(estate.user(user), user).name]
    estate.unnamed()


def _leave(estate: Estate, group: str, user: str) -> None:
    out_of = found(estate.group(group), group)
    out_of.members = [member for member in out_of.members if member.lower() != user.lower()]
    estate.unnamed()


def _tell_membership(estate: Estate, what: str, group: str, user: str) -> None:
    tell_done(estate, what, [group_thing(group), user_thing(estate, user)], Told("parent group", group))


def _rename_grants(estate: Estate, old: str, new: str) -> None:
    estate.global_users = [_named(one, old, new) for one in estate.global_users]
    places: list[Place] = [*estate.projects, *estate.repositories]
    for place in places:
        if any(one.principal.lower() == old.lower() for one in place.user_grants):
            place.user_grants = [_named(one, old, new) for one in place.user_grants]


def _named(one: ModelGrant, old: str, new: str) -> ModelGrant:
    return one._replace(principal=new) if one.principal.lower() == old.lower() else one


def _renamed(names: Sequence[str], old: str, new: str) -> list[str]:
    return [new if name.lower() == old.lower() else name for name in names]


def _kept(estate: Estate, kind: str, grants: list[ModelGrant]) -> list[ModelGrant]:
    return [one for one in grants if (kind, one.principal.lower()) not in estate.vanished]
