"""The one thing that is far larger than all others of its kind, as real instances have it."""

from collections.abc import Callable
from typing import Literal, get_args

from oaa_bitbucket_async.demo.model import (
    PERSONAL,
    Estate,
    ModelGrant,
    ModelGroup,
    ModelProject,
    ModelRepository,
    ModelUser,
    personal_key,
)

Outlier = Literal["project", "group", "grants", "personal"]
OUTLIERS: tuple[Outlier, ...] = get_args(Outlier)


def add_outlier(estate: Estate, outlier: Outlier, size: int) -> None:
    """Adds one to the estate.

    project: one of `size` repositories · group: one of `size` members that holds a grant on every repository ·
    grants: a repository with `size` grants, half of them to groups · personal: `size` users' own projects,
    with a repository each. What it takes in users and groups is added, too.
    """
    add: dict[Outlier, Callable[[Estate, int], None]] = {
        "project": _project,
        "group": _group,
        "grants": _grants,
        "personal": _personal,
    }
    add[outlier](estate, size)
    estate.changed()


def _project(estate: Estate, size: int) -> None:
    project = ModelProject(id=_next(estate.projects), key="OUTLIER", name="All in one")
    project.user_grants = [ModelGrant(estate.users[0].name, "PROJECT_ADMIN")]
    estate.projects.append(project)
    _repositories(estate, [project] * size)


def _group(estate: Estate, size: int) -> None:
    members = [user.name for user in _users(estate, size)]
    estate.groups.append(ModelGroup("everybody", members=members))
    grant = ModelGrant("everybody", "REPO_READ")
    for repository in estate.repositories:
        repository.group_grants = [*repository.group_grants, grant]


def _grants(estate: Estate, size: int) -> None:
    users, groups = _users(estate, size - size // 2), [ModelGroup(f"outlier-group-{n}") for n in range(size // 2)]
    estate.groups += groups
    repository = estate.repositories[0]
    repository.user_grants = [ModelGrant(user.name, "REPO_WRITE") for user in users]
    repository.group_grants = [ModelGrant(group.name, "REPO_READ") for group in groups]


def _personal(estate: Estate, size: int) -> None:
    first = _next(estate.projects)
    projects = [
        ModelProject(
            id=first + n,
            key=personal_key(user),
            name=user.display_name,
            type=PERSONAL,
            owner=user.name,
            user_grants=[ModelGrant(user.name, "PROJECT_ADMIN")],
        )
        for n, user in enumerate(_users(estate, size))
    ]
    estate.projects += projects
    _repositories(estate, projects)


def _users(estate: Estate, count: int) -> list[ModelUser]:
    first = _next(estate.users)
    users = [ModelUser(first + n, f"outlier.user.{first + n}", email=f"outlier.{n}@example.com") for n in range(count)]
    estate.users += users
    return users


def _repositories(estate: Estate, projects: list[ModelProject]) -> None:
    first = _next(estate.repositories)
    grant = ModelGrant(estate.groups[0].name, "REPO_READ")
    estate.repositories += [
        ModelRepository(id=first + n, project=project, slug=f"repository-{first + n}", group_grants=[grant])
        for n, project in enumerate(projects)
    ]


def _next(things: list[ModelUser] | list[ModelProject] | list[ModelRepository]) -> int:
    return max((thing.id for thing in things), default=0) + 1
