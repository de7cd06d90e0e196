"""Users, groups and who is licensed: the holders of grants, as local users and local groups."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from oaaclient.templates import LocalUserType, OAAPropertyType

from oaa_bitbucket_async.collect.snapshot import GroupRecord, Missing, Snapshot, UserRecord, fold
from oaa_bitbucket_async.oaa.entries import Group, User
from oaa_bitbucket_async.oaa.notes import Code, Notes
from oaa_bitbucket_async.oaa.values import named, properties, timestamp
from oaa_bitbucket_async.settings import Identity

LICENSED_USERS = "Licensed users"
LICENSED_USERS_ID = "built-in:licensed-users"
"""No group of Bitbucket can have this id: theirs begin with `group:`."""

USER_PROPERTIES = {
    "display_name": OAAPropertyType.STRING,
    "slug": OAAPropertyType.STRING,
    "directory": OAAPropertyType.STRING,
    "licensed": OAAPropertyType.BOOLEAN,
    "listed": OAAPropertyType.BOOLEAN,
}
GROUP_PROPERTIES = {"listed": OAAPropertyType.BOOLEAN, "collected": OAAPropertyType.BOOLEAN}
_USER_TYPES = {"NORMAL": LocalUserType.Human, "SERVICE": LocalUserType.ServiceAccount}


def user_id(user: int) -> str:
    """A user's id in the payload."""
    return str(user)


def group_ids(groups: Mapping[str, GroupRecord]) -> dict[str, str]:
    """Each group's id in the payload, by its folded name: `group:NAME`.

    Veza's ids ignore case. How a letter is folded can depend on what stands before it (a Greek sigma), so that two
    groups may come to the same id although their names differ: the second gets a number.
    """
    ids, taken = {}, set()
    for key, group in groups.items():
        shown, n = f"group:{group.name}", 1
        while shown.lower() in taken:
            n += 1
            shown = f"group:{group.name} ({n})"
        taken.add(shown.lower())
        ids[key] = shown
    return ids


class Principals(NamedTuple):
    """Everyone who is listed or referred to, by id and by folded name, in the payload's order."""

    users: dict[int, UserRecord]
    groups: dict[str, GroupRecord]


class Licensed(NamedTuple):
    """Who may sign in: users and groups with a global permission, and the users whom these make."""

    users: frozenset[int]
    groups: frozenset[str]
    everyone: frozenset[int]
    """The users of both."""
    all_known: bool
    """False if a part of it could not be collected: then who is not in `everyone` may be licensed nevertheless."""


def all_principals(snapshot: Snapshot, user_ids: set[int], group_keys: set[str], notes: Notes) -> Principals:
    """The snapshot's users and groups, and a stand-in for each that is referred to and was never shown.

    `user_ids` and `group_keys` are those who hold something. Answers carry the users and groups that they name, so
    there should be none; if there is one, what it holds is kept.
    """
    user_ids = user_ids.union(p.owner for p in snapshot.projects.values() if p.owner is not None)
    user_ids.update(*snapshot.members.values())

    users = dict(snapshot.users)
    for unknown in sorted(user_ids - users.keys()):
        users[unknown] = UserRecord(unknown, f"user {unknown}", "", "", None, True, "", None, None, None, False)
        notes.add(Code.USERS_UNKNOWN, str(unknown))
    groups = dict(snapshot.groups)
    for key in sorted((group_keys | snapshot.members.keys()) - groups.keys()):
        groups[key] = GroupRecord(key, listed=False)
        notes.add(Code.GROUPS_UNKNOWN, key)
    return Principals(dict(sorted(users.items())), dict(sorted(groups.items())))


def global_collected(snapshot: Snapshot) -> bool:
    """False if a part of the global permissions could not be collected."""
    return not any(missing.kind == "global" for missing in snapshot.missing)


def licensed(snapshot: Snapshot) -> Licensed:
    """Who holds any global permission, explicitly or effectively."""
    holders = {holder for holder, _ in snapshot.grants(snapshot.global_grants)}
    users = frozenset(int(p.key) for p in holders if p.kind == "user")
    groups = frozenset(str(p.key) for p in holders if p.kind == "group")
    everyone = users.union(*(snapshot.members.get(group, ()) for group in groups))
    all_known = global_collected(snapshot) and not any(Missing("group", group) in snapshot.missing for group in groups)
    return Licensed(users, groups, everyone, all_known)


class People:
    """Everyone as entries of the payload, made when asked for: there may be a hundred thousand of them.

    Users come by id; of groups `Licensed users` is the first, the others come by their folded name.
    """

    def __init__(
        self, principals: Principals, snapshot: Snapshot, may_sign_in: Licensed, identity: Identity, notes: Notes
    ) -> None:
        self.principals = principals
        self.group_ids = group_ids(principals.groups)
        """By folded name; without `Licensed users`."""
        self._snapshot = snapshot
        self._may_sign_in = may_sign_in
        self._identity: Identity = identity
        self._notes = notes

    def users(self, credentials: Mapping[int, list[str]]) -> Iterator[User]:
        """Every user, with the groups that they are in, and the ids of their own keys and tokens."""
        notes, may_sign_in = self._notes, self._may_sign_in
        groups_of: defaultdict[int, list[str]] = defaultdict(list)
        for key, shown in self.group_ids.items():
            for member in self._snapshot.members.get(key, ()):
                groups_of[member].append(shown)
        for member in may_sign_in.users:
            groups_of[member].append(LICENSED_USERS_ID)

        for user in self.principals.users.values():
            name = user_name(user)
            user_type = _USER_TYPES.get(user.type)
            if user_type is None and user.type:
                notes.add(Code.USER_TYPE_UNKNOWN, f"{name} {user.type}")
            if not user.listed:
                notes.add(Code.USERS_UNLISTED, name)
            yield User(
                name=name,
                email=user.email,
                identities=identities_of(user, self._identity),
                groups=groups_of.get(user.id, []),
                access_creds=credentials.get(user.id, []),
                is_active=user.active,
                last_login_at=_time(user.last_login, "last login", name, notes),
                created_at=_time(user.created, "creation", name, notes),
                user_type=user_type,
                custom_properties=properties(
                    {
                        "display_name": user.display_name,
                        "slug": user.slug,
                        "directory": user.directory,
                        "licensed": is_licensed(user, may_sign_in),
                        "listed": user.listed,
                    }
                ),
                id=user_id(user.id),
            )
        _note_similar_names(self.principals.users, notes)

    def groups(self) -> Iterator[Group]:
        """Every group, and `Licensed users`, of which groups with a global permission are members."""
        snapshot = self._snapshot
        yield Group(
            name=LICENSED_USERS,
            custom_properties={"listed": True, "collected": global_collected(snapshot)},
            id=LICENSED_USERS_ID,
        )
        for key, group in self.principals.groups.items():
            if not group.listed:
                self._notes.add(Code.GROUPS_UNLISTED, group.name)
            yield Group(
                name=named(group.name, "(no name)"),
                groups=[LICENSED_USERS_ID] if key in self._may_sign_in.groups else [],
                custom_properties={"listed": group.listed, "collected": Missing("group", key) not in snapshot.missing},
                id=self.group_ids[key],
            )


def user_name(user: UserRecord) -> str:
    """What Veza shows for the user."""
    return named(user.name, named(user.slug, f"user {user.id}"))


def identities_of(user: UserRecord, identity: Identity) -> list[str]:
    """What links the user to an identity provider: the e-mail address, the name, or both; empty if there is none."""
    email = user.email if identity in ("email", "both") else None
    name = user.name if identity in ("name", "both") else None
    return list(dict.fromkeys(value for value in (email, name) if value))


def is_licensed(user: UserRecord, may_sign_in: Licensed) -> bool | None:
    """Whether the user may sign in; None if that could not be collected."""
    if not user.active:
        return False
    if user.id in may_sign_in.everyone:
        return True
    return False if may_sign_in.all_known else None


def _time(milliseconds: int | None, what: str, name: str, notes: Notes) -> str | None:
    if milliseconds is None:
        return None
    text = timestamp(milliseconds)
    if text is None:
        notes.add(Code.TIMES_OUT_OF_RANGE, f"{what} of {name} ({milliseconds})")
    return text


def _note_similar_names(users: dict[int, UserRecord], notes: Notes) -> None:
    names = Counter(fold(user.name) for user in users.values())
    for user in users.values():
        if names[fold(user.name)] > 1:
            notes.add(Code.NAMES_ALIKE, f"{user.name} ({user.id})")
