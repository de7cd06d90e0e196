"""Users, groups and who is in them: what changes, and how that is told."""

from oaa_bitbucket_async.demo.changes.telling import found, group_thing, tell_done
from oaa_bitbucket_async.demo.happening import Thing
from oaa_bitbucket_async.demo.model import Estate


def delete_user(estate: Estate, name: str) -> None:
    """The user is no longer listed; its grants show it still, until they are cleaned up seven days later.

    The row has the name alone. Nothing is told of groups that the user was in.
    """
    user = found(estate.user(name), name)
    user.deleted, user.active = True, False
    estate.vanished.add(("USER", name.lower()))
    _leave_all(estate, name)
    estate.changed()
    tell_done(estate, "user deleted", [Thing("USER", user.name)])


def delete_group(estate: Estate, name: str) -> None:
    """The group is gone; its grants stay, until they are cleaned up seven days later. Members are not told."""
    group = found(estate.group(name), name)
    estate.groups.remove(group)
    estate.vanished.add(("GROUP", name.lower()))
    estate.changed()
    tell_done(estate, "group deleted", [group_thing(group.name)])


def _leave_all(estate: Estate, name: str) -> None:
    for group in estate.groups:
        if any(member.lower() == name.lower() for member in group.members):
            group.members = [member for member in group.members if member.lower() != name.lower()]
