"""Creates, renames, moves and deletes projects and repositories, and reports each change.

A new one gets an id that was never used in the estate.
"""

from typing import Any

from oaa_bitbucket_async.demo.changes.grants import tell_granted
from oaa_bitbucket_async.demo.changes.telling import found, new_id, place_things, tell, tell_done
from oaa_bitbucket_async.demo.happening import Happening, Replaced
from oaa_bitbucket_async.demo.model import (
    PERSONAL,
    Estate,
    ModelGrant,
    ModelProject,
    ModelRepository,
    ModelUser,
    personal_key,
)


def create_project(estate: Estate, key: str, *, creator: str | None = None, **fields: Any) -> ModelProject:
    """A new project. Its creator gets PROJECT_ADMIN."""
    project = _new_project(estate, key, **fields)
    if creator is not None:
        project.user_grants = [*project.user_grants, ModelGrant(creator, "PROJECT_ADMIN")]
    things = place_things(project)
    estate.tell(Happening("project created requested", [things[0]._replace(id="0")]))
    tell_granted(estate, project)
    tell_done(estate, "project created", things)
    return project


def create_personal_project(estate: Estate, user: ModelUser) -> ModelProject:
    """What Bitbucket does when somebody asks for `/projects/~user` and there is none. Nothing was requested."""
    project = _new_project(
        estate,
        personal_key(user),
        name=user.display_name,
        type=PERSONAL,
        owner=user.name,
        user_grants=[ModelGrant(user.name, "PROJECT_ADMIN")],
    )
    tell_granted(estate, project)
    tell_done(estate, "project created", place_things(project))
    return project


def delete_project(estate: Estate, key: str) -> None:
    """The project and its repositories are gone. What was granted on them is not told."""
    project = found(estate.project(key), key)
    repositories = estate.repositories_of(project)
    estate.projects.remove(project)
    estate.repositories = [r for r in estate.repositories if r.project is not project]
    estate.renamed = {old: new for old, new in estate.renamed.items() if new is not project}
    estate.moved = {old: new for old, new in estate.moved.items() if new.project is not project}
    estate.changed("projects")
    for repository in repositories:
        tell(estate, "repository deleted", place_things(repository))
    tell(estate, "project deleted", place_things(project))


def rename_project(estate: Estate, key: str, new_key: str, *, redirect: bool = True) -> None:
    """Gives the project another key; the old one redirects, for it and all below it, or is 404."""
    project = found(estate.project(key), key)
    requested = place_things(project)
    if redirect:
        estate.renamed[project.key.upper()] = project
    old, project.key = project.key, new_key
    estate.renamed.pop(new_key.upper(), None)
    estate.changed("projects")
    tell(
        estate,
        "project modified",
        place_things(project),
        replaced=[Replaced("project key", old, new_key)],
        requested=requested,
    )


def create_repository(estate: Estate, key: str, slug: str, **fields: Any) -> ModelRepository:
    """A new repository in the project `key`."""
    project = found(estate.project(key), key)
    repository = ModelRepository(new_id(estate), project, slug, **fields)
    estate.moved.pop((project.key.upper(), slug.lower()), None)
    estate.add_repository(repository)
    things = place_things(repository)
    tell(estate, "repository created", things, requested=[things[0], things[1]._replace(id="0")])
    return repository


def delete_repository(estate: Estate, key: str, slug: str) -> None:
    """The repository is gone; forks of it stay, without an origin. What was granted on it is not told."""
    repository = found(estate.repository(key, slug), f"{key}/{slug}")
    estate.remove_repository(repository)
    estate.moved = {old: new for old, new in estate.moved.items() if new is not repository}
    for other in estate.repositories:
        if other.origin is repository:
            other.origin = None
    tell(estate, "repository deleted", place_things(repository))


def move_repository(
    estate: Estate,
    key: str,
    slug: str,
    *,
    to_key: str | None = None,
    to_slug: str | None = None,
    redirect: bool = True,
) -> None:
    """Renames a repository, moves it into another project, or both; the old path redirects, or is 404.

    The row has the new project and slug, the one of the request the old ones. No permission is told.
    """
    repository = found(estate.repository(key, slug), f"{key}/{slug}")
    requested = place_things(repository)
    replaced = []
    if redirect:
        estate.moved[repository.project.key.upper(), repository.slug.lower()] = repository
    project = found(estate.project(to_key), to_key) if to_key is not None else repository.project
    slug = to_slug if to_slug is not None else repository.slug
    if to_key is not None:
        replaced.append(Replaced("project", repository.project.key, project.key))
    if to_slug is not None:
        replaced.append(Replaced("slug", repository.slug, slug))
    estate.move_repository(repository, project, slug)
    estate.moved.pop((project.key.upper(), slug.lower()), None)
    tell(estate, "repository modified", place_things(repository), replaced=replaced, requested=requested)


def _new_project(estate: Estate, key: str, **fields: Any) -> ModelProject:
    project = ModelProject(new_id(estate), key, **fields)
    estate.renamed.pop(key.upper(), None)
    estate.add_project(project)
    return project
