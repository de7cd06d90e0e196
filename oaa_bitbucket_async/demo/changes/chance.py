"""Random changes, as they happen on a Bitbucket between two runs. The same seed gives the same changes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from oaa_bitbucket_async.demo.branch_permissions import RESTRICTION_TYPES, ModelMatcher, ModelRestriction
from oaa_bitbucket_async.demo.changes import credentials, grants, people, places
from oaa_bitbucket_async.demo.changes.telling import Place, new_id
from oaa_bitbucket_async.demo.credentials import ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.model import NORMAL, Estate, ModelGroup, ModelProject, ModelUser, personal_key
from oaa_bitbucket_async.demo.rights import PROJECT_LEVELS, REPOSITORY_LEVELS

_LEVELS = {"global": ("PROJECT_CREATE", "LICENSED_USER"), "project": PROJECT_LEVELS, "repository": REPOSITORY_LEVELS}


def random_changes(estate: Estate, rng: random.Random, count: int, *, untold: bool = False) -> list[str]:
    """Makes `count` changes of all kinds, and says what each was.

    Most changes are of grants; deletions and moves are rare. Users with their own grant to administer the instance,
    built-in groups and licences stay as they are. `untold` adds changes that a real audit log does not record, so that
    a reader finds them only by age.
    """
    chance = _Chance(estate, rng)
    kinds = [*chance.told(), *(chance.untold() if untold else ())]
    weights = [weight for weight, _ in kinds]
    done: list[str] = []
    idle = 0
    while len(done) < count:
        [(_, kind)] = rng.choices(kinds, weights)
        what = kind()
        if what is not None:
            done.append(what)
            idle = 0
        else:
            idle += 1
            if idle > 1000:
                raise ValueError("nothing is left in this estate that could be changed")
    return done


T = TypeVar("T")
Kind = Callable[[], str | None]


class _Chance:
    """Each method makes one change and says what it was, or None if there was nothing to change."""

    def __init__(self, estate: Estate, rng: random.Random) -> None:
        self._estate = estate
        self._rng = rng
        self._spared = {
            one.principal.lower() for one in estate.global_users if one.permission in ("ADMIN", "SYS_ADMIN")
        }

    def told(self) -> Sequence[tuple[int, Kind]]:
        """Kinds with their weights, for each of which a faithful log has a row, or a listing shows it."""
        return (
            (30, self._grant),
            (20, self._revoke),
            (10, self._join),
            (8, self._leave),
            (5, self._add_key_or_token),
            (4, self._drop_key_or_token),
            (3, self._change_token),
            (4, self._create_repository),
            (3, self._create_user),
            (3, self._move_repository),
            (3, self._rename_repository),
            (3, self._restrict),
            (2, self._delete_user),
            (2, self._delete_repository),
            (2, self._lift_restriction),
            (2, self._set_public),
            (2, self._archive),
            (2, self._set_defaults),
            (2, self._set_merge_checks),
            (2, self._create_group),
            (2, self._grant_globally),
            (1, self._delete_group),
            (1, self._rename_user),
            (1, self._create_project),
            (1, self._create_personal_project),
            (1, self._rename_project),
            (1, self._delete_project),
            (1, self._revoke_all),
            (1, self._synchronise),
        )

    def untold(self) -> Sequence[tuple[int, Kind]]:
        """Kinds of which no row tells."""
        return ((1, self._seven_days), (2, self._revoke_all_untold), (2, self._synchronise_untold))

    # --- choosing ---------------------------------------------------------------------------------------------

    def _place(self) -> Place | None:
        estate, rng = self._estate, self._rng
        things: Sequence[Place] = estate.repositories if rng.random() < 0.75 else estate.projects
        return rng.choice(things) if things else None

    def _user(self) -> ModelUser | None:
        return self._one(self._estate.users, lambda u: not u.deleted and u.name.lower() not in self._spared)

    def _group(self) -> ModelGroup | None:
        return self._one(self._estate.groups, lambda group: group.deletable)

    def _normal_project(self) -> ModelProject | None:
        return self._one(self._estate.projects, lambda project: project.type == NORMAL)

    def _one(self, things: Sequence[T], wanted: Callable[[T], bool]) -> T | None:
        """One of the wanted; in a large estate there is no time to look at all of them."""
        for _ in range(20):
            if things and wanted(thing := self._rng.choice(things)):
                return thing
        return None

    def _new_name(self, kind: str) -> str:
        return f"{kind}-{new_id(self._estate)}"

    # --- grants -----------------------------------------------------------------------------------------------

    def _grant(self) -> str | None:
        place, user, group = self._place(), self._user(), self._group()
        if place is None:
            return None
        permission = self._rng.choice(_LEVELS[grants.level(place)])
        if user is not None and self._rng.random() < 0.5:
            grants.grant(self._estate, permission, place, user=user.name)
            return f"{user.name} got {permission} on {place}"
        if group is None:
            return None
        grants.grant(self._estate, permission, place, group=group.name)
        return f"group {group.name} got {permission} on {place}"

    def _revoke(self) -> str | None:
        place = self._place()
        if place is None:
            return None
        held = [one for one in (*place.user_grants, *place.group_grants) if one.principal.lower() not in self._spared]
        if not held:
            return None
        one = self._rng.choice(held)
        grants.revoke(self._estate, one.principal, place)
        return f"{one.principal} lost {one.permission} on {place}"

    def _revoke_all(self) -> str | None:
        return self._revoke_all_at(told=True)

    def _revoke_all_untold(self) -> str | None:
        return self._revoke_all_at(told=False)

    def _revoke_all_at(self, *, told: bool) -> str | None:
        place = self._place()
        if place is None or not (place.user_grants or place.group_grants):
            return None
        grants.revoke_all(self._estate, place, told=told)
        return f"everybody lost everything on {place}{'' if told else ', untold'}"

    def _grant_globally(self) -> str | None:
        user = self._user()
        if user is None:
            return None
        if any(one.principal == user.name for one in self._estate.global_users):
            grants.revoke(self._estate, user.name)
            return f"{user.name} lost all global permissions"
        permission = self._rng.choice(_LEVELS["global"])
        grants.grant(self._estate, permission, user=user.name)
        return f"{user.name} got {permission}"

    def _set_defaults(self) -> str | None:
        project = self._normal_project()
        if project is None:
            return None
        wanted = self._rng.choice([(), ("PROJECT_READ",), ("PROJECT_WRITE",)])
        if wanted == project.defaults:
            return None
        grants.set_defaults(self._estate, project, wanted)
        return f"everybody has {', '.join(wanted) or 'nothing'} on {project}"

    def _set_public(self) -> str | None:
        place = self._place()
        if place is None:
            return None
        grants.set_public(self._estate, place, not place.public)
        return f"{place} is {'public' if place.public else 'not public'} now"

    def _archive(self) -> str | None:
        if not self._estate.repositories:
            return None
        repository = self._rng.choice(self._estate.repositories)
        grants.archive(self._estate, repository, not repository.archived)
        return f"{repository} is {'archived' if repository.archived else 'not archived'} now"

    # --- projects and repositories ----------------------------------------------------------------------------

    def _create_project(self) -> str:
        key = f"NEW{new_id(self._estate)}"
        user = self._user()
        return f"{places.create_project(self._estate, key, creator=user.name if user else None)} was created"

    def _create_personal_project(self) -> str | None:
        user = self._user()
        if user is None or self._estate.project(personal_key(user)) is not None:
            return None
        project = places.create_personal_project(self._estate, user)
        places.create_repository(self._estate, project.key, "first")
        return f"{project} was created"

    def _rename_project(self) -> str | None:
        project = self._normal_project()
        if project is None:
            return None
        old, redirect = str(project), self._rng.random() < 0.8
        places.rename_project(self._estate, project.key, f"KEY{new_id(self._estate)}", redirect=redirect)
        return f"{old} is {project} now"

    def _delete_project(self) -> str | None:
        project = self._normal_project()
        if project is None or len(self._estate.projects) < 3:
            return None
        places.delete_project(self._estate, project.key)
        return f"{project} was deleted"

    def _create_repository(self) -> str | None:
        if not self._estate.projects:
            return None
        project = self._rng.choice(self._estate.projects)
        return f"{places.create_repository(self._estate, project.key, self._new_name('new'))} was created"

    def _move_repository(self) -> str | None:
        estate = self._estate
        if not estate.repositories:
            return None
        repository, target = self._rng.choice(estate.repositories), self._rng.choice(estate.projects)
        if target is repository.project:
            return None
        old = str(repository)
        slug = repository.slug if estate.repository(target.key, repository.slug) is None else self._new_name("moved")
        places.move_repository(estate, repository.project.key, repository.slug, to_key=target.key, to_slug=slug)
        return f"{old} is {repository} now"

    def _rename_repository(self) -> str | None:
        if not self._estate.repositories:
            return None
        repository = self._rng.choice(self._estate.repositories)
        old, slug = str(repository), self._new_name("renamed")
        places.move_repository(self._estate, repository.project.key, repository.slug, to_slug=slug)
        return f"{old} is {repository} now"

    def _delete_repository(self) -> str | None:
        if len(self._estate.repositories) < 3:
            return None
        repository = self._rng.choice(self._estate.repositories)
        places.delete_repository(self._estate, repository.project.key, repository.slug)
        return f"{repository} was deleted"

    # --- people -----------------------------------------------------------------------------------------------

    def _create_user(self) -> str:
        again, group = self._one(self._estate.users, lambda user: user.deleted), self._group()
        name = again.name if again is not None and self._rng.random() < 0.2 else self._new_name("user")
        people.create_user(self._estate, name, groups=[group.name] if group else [])
        return f"user {name} was created"

    def _rename_user(self) -> str | None:
        user = self._user()
        if user is None:
            return None
        old = user.name
        people.rename_user(self._estate, old, self._new_name("renamed"))
        return f"user {old} is {user.name} now"

    def _delete_user(self) -> str | None:
        user = self._user()
        if user is None or len(self._estate.users) < 4:
            return None
        people.delete_user(self._estate, user.name)
        return f"user {user.name} was deleted"

    def _create_group(self) -> str:
        user, name = self._user(), self._new_name("group")
        people.create_group(self._estate, name, members=[user.name] if user else [])
        return f"group {name} was created"

    def _delete_group(self) -> str | None:
        group = self._group()
        if group is None:
            return None
        people.delete_group(self._estate, group.name)
        return f"group {group.name} was deleted"

    def _join(self) -> str | None:
        group, user = self._group(), self._user()
        if group is None or user is None or any(name.lower() == user.name.lower() for name in group.members):
            return None
        people.add_member(self._estate, group.name, user.name)
        return f"{user.name} joined {group.name}"

    def _leave(self) -> str | None:
        group = self._group()
        if group is None or not group.members:
            return None
        name = self._rng.choice(group.members)
        people.remove_member(self._estate, group.name, name)
        return f"{name} left {group.name}"

    def _synchronise(self) -> str | None:
        return self._synchronise_with(told=True)

    def _synchronise_untold(self) -> str | None:
        return self._synchronise_with(told=False)

    def _synchronise_with(self, *, told: bool) -> str | None:
        estate, gone, group, name = self._estate, self._user(), self._group(), self._new_name("synced")
        if gone is None or group is None:
            return None
        if self._rng.random() < 0.5:
            people.synchronise_directory(estate, new_groups=[name], joined=[(name, gone.name)], told=told)
            return f"a directory brought the group {name}{'' if told else ', untold'}"
        joined = [(group.name, name)]
        people.synchronise_directory(estate, new_users=[name], gone_users=[gone.name], joined=joined, told=told)
        return f"a directory brought {name} and took {gone.name}{'' if told else ', untold'}"

    def _seven_days(self) -> str | None:
        if not self._estate.vanished:
            return None
        people.let_seven_days_pass(self._estate)
        return "seven days passed since the last deletion of a user or group"

    # --- keys, tokens, restrictions ---------------------------------------------------------------------------

    def _add_key_or_token(self) -> str | None:
        estate, number = self._estate, new_id(self._estate)
        place, user = self._place(), self._user()
        kind = self._rng.randrange(5)
        token = ModelAccessToken(str(number), f"token {number}", ("PROJECT_READ", "REPO_READ"))
        if kind < 2 and place is not None:
            if kind == 0:
                permission = "PROJECT_READ" if isinstance(place, ModelProject) else "REPO_READ"
                credentials.add_access_key(estate, place, ModelSshKey(number, "new"), permission)
                return f"{place} has another access key"
            credentials.create_token(estate, place, token)
            return f"{place} has another token"
        if user is None:
            return None
        if kind == 2:
            credentials.add_ssh_key(estate, user, ModelSshKey(number, "new"))
        elif kind == 3:
            credentials.add_gpg_key(estate, user, ModelGpgKey(number, user.email))
        else:
            credentials.create_token(estate, user, token)
        return f"{user.name} has another key or token"

    def _drop_key_or_token(self) -> str | None:
        estate, rng, of = self._estate, self._rng, self._place() if self._rng.random() < 0.5 else self._user()
        if of is None:
            return None
        ways: list[Callable[[], None]] = []
        if of.tokens:
            ways.append(lambda: credentials.delete_token(estate, of, rng.choice(of.tokens).id))
        if isinstance(of, ModelUser):
            if of.ssh_keys:
                ways.append(lambda: credentials.remove_ssh_key(estate, of, rng.choice(of.ssh_keys).id))
            if of.gpg_keys:
                ways.append(lambda: credentials.remove_gpg_key(estate, of, rng.choice(of.gpg_keys).number))
        elif of.access_keys:
            ways.append(lambda: credentials.remove_access_key(estate, of, rng.choice(of.access_keys).key.id))
        if not ways:
            return None
        rng.choice(ways)()
        return f"{of.name} has a key or token less"

    def _change_token(self) -> str | None:
        of = self._place() if self._rng.random() < 0.5 else self._user()
        if of is None or not of.tokens:
            return None
        token = self._rng.choice(of.tokens)
        credentials.change_token(self._estate, of, token.id, name=self._new_name("token"))
        return f"a token of {of.name} has another name"

    def _restrict(self) -> str | None:
        place, user = self._place(), self._user()
        if place is None:
            return None
        kind = self._rng.choice(RESTRICTION_TYPES)
        exempt = [user.name] if user is not None else []
        matcher = ModelMatcher("BRANCH", "refs/heads/main")
        credentials.restrict(self._estate, place, ModelRestriction(new_id(self._estate), kind, matcher, exempt))
        return f"{place} has another branch restriction"

    def _lift_restriction(self) -> str | None:
        place = self._place()
        if place is None or not place.restrictions:
            return None
        credentials.lift_restriction(self._estate, place, self._rng.choice(place.restrictions).id)
        return f"{place} has a branch restriction less"

    def _set_merge_checks(self) -> str | None:
        if not self._estate.repositories:
            return None
        repository = self._rng.choice(self._estate.repositories)
        checks = replace(repository.checks, required_approvers=(repository.checks.required_approvers + 1) % 4)
        credentials.set_merge_checks(self._estate, repository, checks)
        return f"{repository} needs {checks.required_approvers} approvals"
