"""Adds and removes grants, default permissions and public flags, and reports each change."""

from collections.abc import Iterator, Sequence

from oaa_bitbucket_async.demo.changes.telling import Place, place_things, tell, tell_done, user_thing
from oaa_bitbucket_async.demo.happening import Replaced, Thing, Told
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelProject, ModelRepository
from oaa_bitbucket_async.demo.rights import WEIGHTS


def grant(
    estate: Estate, permission: str, at: Place | None = None, *, user: str | None = None, group: str | None = None
) -> None:
    """Gives a user or a group a permission on a project or repository, or a global one (None).

    It replaces the permission that the user or group had there.
    """
    principal, of_user = _principal(user, group)
    grants = _grants(estate, at, of_user=of_user)
    held = [g.permission for g in grants if g.principal.lower() == principal.lower()]
    _set_grants(
        estate,
        at,
        [g for g in grants if g.principal.lower() != principal.lower()] + [ModelGrant(principal, permission)],
        of_user=of_user,
    )
    estate.unnamed()
    if not held:
        _tell_granted(estate, at, principal, permission, of_user=of_user)
        return
    things, about = _about(estate, at, principal, of_user=of_user)
    highest = max(held, key=lambda p: WEIGHTS.get(p, -1))
    replaced = [] if highest == permission else [Replaced("permission", highest, permission)]
    tell(estate, f"{level(at)} permission changed", things, *about, replaced=replaced)


def revoke(estate: Estate, principal: str, at: Place | None = None) -> None:
    """Takes all grants of that user or group name from a project or repository, or the global ones (None)."""
    for of_user in (True, False):
        grants = _grants(estate, at, of_user=of_user)
        taken = [g for g in grants if g.principal.lower() == principal.lower()]
        if taken:
            _set_grants(estate, at, [g for g in grants if g not in taken], of_user=of_user)
        for one in taken:
            _tell_revoked(estate, at, one, of_user=of_user)
    estate.unnamed()


def revoke_all(
    estate: Estate, at: Place | None = None, *, user: str | None = None, group: str | None = None, told: bool = True
) -> None:
    """Takes every grant in a project and its repositories, in a repository, or everywhere (None), in one request.

    `user` or `group`: only theirs. `told`: whether each is reported. What a real Bitbucket does is not known.
    """
    wanted = (user or group or "").lower()
    for place in list(_places(estate, at)):
        for of_user in (True, False):
            if (user is not None and not of_user) or (group is not None and of_user):
                continue
            grants = _grants(estate, place, of_user=of_user)
            taken = [g for g in grants if not wanted or g.principal.lower() == wanted]
            if taken:
                _set_grants(estate, place, [g for g in grants if g not in taken], of_user=of_user)
            for one in taken if told else ():
                _tell_revoked(estate, place, one, of_user=of_user)
    estate.unnamed()


def set_defaults(estate: Estate, project: ModelProject, permissions: Sequence[str]) -> None:
    """What everyone licensed holds on the project."""
    old, project.defaults = project.defaults, tuple(permissions)
    estate.unnamed()
    things = place_things(project)
    if len(old) == 1 and len(permissions) == 1:
        replaced = [Replaced("permission", old[0], permissions[0])] if old != project.defaults else []
        tell(estate, "project permission changed", things, replaced=replaced)
        return
    for permission in old:
        if permission not in permissions:
            tell(estate, "project permission revoked", things, Told("permission", permission))
    for permission in permissions:
        if permission not in old:
            tell(estate, "project permission granted", things, Told("permission", permission))


def set_public(estate: Estate, at: Place, public: bool) -> None:
    """Shows a project or repository to everybody, or no longer. A project's row does not name its repositories."""
    old, at.public = at.public, public
    estate.unnamed()
    if old != public:
        _tell_modified(estate, at, Replaced("public", str(old).lower(), str(public).lower()))


def archive(estate: Estate, repository: ModelRepository, archived: bool = True) -> None:
    """Archives a repository, or brings it back."""
    old, repository.archived = repository.archived, archived
    estate.unnamed()
    if old != archived:
        _tell_modified(estate, repository, Replaced("archived", str(old).lower(), str(archived).lower()))


def tell_granted(estate: Estate, at: Place) -> None:
    """Tells the grants of users that came with a new project. Nobody asked for them in so many words."""
    for one in at.user_grants:
        things, about = _about(estate, at, one.principal, of_user=True)
        tell_done(estate, f"{level(at)} permission granted", things, Told("permission", one.permission), *about)


def level(at: Place | None) -> str:
    """global, project or repository."""
    return "global" if at is None else "project" if isinstance(at, ModelProject) else "repository"


def _tell_granted(estate: Estate, at: Place | None, principal: str, permission: str, *, of_user: bool) -> None:
    things, about = _about(estate, at, principal, of_user=of_user)
    tell(estate, f"{level(at)} permission granted", things, Told("permission", permission), *about)


def _tell_revoked(estate: Estate, at: Place | None, one: ModelGrant, *, of_user: bool) -> None:
    things, about = _about(estate, at, one.principal, of_user=of_user)
    tell(estate, f"{level(at)} permission revoked", things, *about, Told("permission", one.permission))


def _tell_modified(estate: Estate, at: Place, replaced: Replaced) -> None:
    tell(estate, f"{level(at)} modified", place_things(at), replaced=[replaced])


def _about(estate: Estate, at: Place | None, principal: str, *, of_user: bool) -> tuple[list[Thing], list[Told]]:
    """A user is one of the things that a row is about, a group is an attribute of it."""
    if of_user:
        return [*place_things(at), user_thing(estate, principal)], []
    return place_things(at), [Told("group", principal)]


def _principal(user: str | None, group: str | None) -> tuple[str, bool]:
    if user is not None and group is None:
        return user, True
    if group is not None and user is None:
        return group, False
    raise ValueError("a grant is of a user or of a group")


def _grants(estate: Estate, at: Place | None, *, of_user: bool) -> list[ModelGrant]:
    if at is None:
        return estate.global_users if of_user else estate.global_groups
    return at.user_grants if of_user else at.group_grants


def _set_grants(estate: Estate, at: Place | None, grants: list[ModelGrant], *, of_user: bool) -> None:
    if at is None and of_user:
        estate.global_users = grants
    elif at is None:
        estate.global_groups = grants
    elif of_user:
        at.user_grants = grants
    else:
        at.group_grants = grants


def _places(estate: Estate, at: Place | None) -> Iterator[Place | None]:
    if isinstance(at, ModelRepository):
        yield at
    elif isinstance(at, ModelProject):
        yield at
        yield from estate.repositories_of(at)
    else:
        yield None
        yield from estate.projects
        yield from estate.repositories
