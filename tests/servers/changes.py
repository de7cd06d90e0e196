"""What administrators and users do to an estate while a server shows it.

A new project or repository has an id that no other of the estate has had.
"""

from typing import Any, TypeVar

from oaa_bitbucket_async.demo.model import (
    PERSONAL,
    Estate,
    ModelGrant,
    ModelProject,
    ModelRepository,
    ModelUser,
    personal_key,
)

T = TypeVar("T")
_FIRST_NEW_ID = 1_000_000


def delete_user(estate: Estate, name: str) -> None:
    """The user is no longer listed; its grants show it still."""
    user = _found(estate.user(name), name)
    user.deleted, user.active = True, False
    estate.changed()


def delete_group(estate: Estate, name: str) -> None:
    """The group is gone; its grants stay."""
    estate.groups.remove(_found(estate.group(name), name))
    estate.changed()


def delete_project(estate: Estate, key: str) -> None:
    """The project and its repositories are gone."""
    project = _found(estate.project(key), key)
    estate.projects.remove(project)
    estate.repositories = [r for r in estate.repositories if r.project is not project]
    estate.renamed = {old: new for old, new in estate.renamed.items() if new is not project}
    estate.changed()


def delete_repository(estate: Estate, key: str, slug: str) -> None:
    """The repository is gone; forks of it stay, without an origin."""
    repository = _found(estate.repository(key, slug), f"{key}/{slug}")
    estate.repositories.remove(repository)
    estate.moved = {old: new for old, new in estate.moved.items() if new is not repository}
    for other in estate.repositories:
        if other.origin is repository:
            other.origin = None
    estate.changed()


def move_repository(
    estate: Estate,
    key: str,
    slug: str,
    *,
    to_key: str | None = None,
    to_slug: str | None = None,
    redirect: bool = True,
) -> None:
    """Renames a repository, moves it into another project, or both; the old path redirects, or is 404."""
    repository = _found(estate.repository(key, slug), f"{key}/{slug}")
    if redirect:
        estate.moved[repository.project.key.upper(), repository.slug.lower()] = repository
    if to_key is not None:
        repository.project = _found(estate.project(to_key), to_key)
    if to_slug is not None:
        repository.slug = to_slug
    estate.moved.pop((repository.project.key.upper(), repository.slug.lower()), None)
    estate.changed()


def rename_project(estate: Estate, key: str, new_key: str, *, redirect: bool = True) -> None:
    """Gives the project another key; the old one redirects, for it and all below it, or is 404."""
    project = _found(estate.project(key), key)
    if redirect:
        estate.renamed[project.key.upper()] = project
    project.key = new_key
    estate.renamed.pop(new_key.upper(), None)
    estate.changed()


def swap_projects(estate: Estate, key: str, other_key: str) -> None:
    """Two projects take each other's key: under both paths there is something at all times."""
    one, other = _found(estate.project(key), key), _found(estate.project(other_key), other_key)
    one.key, other.key = other.key, one.key
    estate.changed()


def swap_repositories(estate: Estate, path: tuple[str, str], other_path: tuple[str, str]) -> None:
    """Two repositories, (KEY, slug) each, take each other's path."""
    one = _found(estate.repository(*path), "/".join(path))
    other = _found(estate.repository(*other_path), "/".join(other_path))
    one.project, other.project = other.project, one.project
    one.slug, other.slug = other.slug, one.slug
    estate.changed()


def create_project(estate: Estate, key: str, **fields: Any) -> ModelProject:
    """A new project."""
    project = ModelProject(_FIRST_NEW_ID + estate.revision, key, **fields)
    estate.renamed.pop(key.upper(), None)
    estate.projects.append(project)
    estate.changed()
    return project


def create_personal_project(estate: Estate, user: ModelUser) -> ModelProject:
    """A new personal project of a user who has none."""
    grants = [ModelGrant(user.name, "PROJECT_ADMIN")]
    return create_project(
        estate, personal_key(user), name=user.display_name, type=PERSONAL, owner=user.name, user_grants=grants
    )


def create_repository(estate: Estate, key: str, slug: str, **fields: Any) -> ModelRepository:
    """A new repository in the project `key`."""
    project = _found(estate.project(key), key)
    repository = ModelRepository(_FIRST_NEW_ID + estate.revision, project, slug, **fields)
    estate.moved.pop((project.key.upper(), slug.lower()), None)
    estate.repositories.append(repository)
    estate.changed()
    return repository


def revoke(estate: Estate, principal: str, at: ModelProject | ModelRepository | None = None) -> None:
    """Takes all grants of that user or group name from a project or repository, or the global ones (None)."""
    name = principal.lower()
    if at is None:
        estate.global_users = [g for g in estate.global_users if g.principal.lower() != name]
        estate.global_groups = [g for g in estate.global_groups if g.principal.lower() != name]
    else:
        at.user_grants = [g for g in at.user_grants if g.principal.lower() != name]
        at.group_grants = [g for g in at.group_grants if g.principal.lower() != name]
    estate.changed()


def _found(thing: T | None, name: str) -> T:
    if thing is None:
        raise KeyError(f"there is no {name} in this estate")
    return thing
