"""Projects and repositories as resources, and what is held on each of them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import NamedTuple
from urllib.parse import quote

from oaaclient.templates import OAAPropertyType

from oaa_bitbucket_async.collect.snapshot import (
    GrantSet,
    Missing,
    ProjectRecord,
    RepositoryRecord,
    Snapshot,
    UserRecord,
)
from oaa_bitbucket_async.oaa.branch_permissions import branch_permissions
from oaa_bitbucket_async.oaa.default_reviewers import default_reviewers
from oaa_bitbucket_async.oaa.entries import Resource
from oaa_bitbucket_async.oaa.holdings import Holdings
from oaa_bitbucket_async.oaa.notes import Code, Notes
from oaa_bitbucket_async.oaa.permissions import PROJECT_ADMIN, PROJECT_READ, REPO_READ, highest
from oaa_bitbucket_async.oaa.values import description, named, properties

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
PROJECT = "Project"
REPO = "Repo"
PROJECT_PROPERTIES = {
    "key": OAAPropertyType.STRING,
    "is_personal": OAAPropertyType.BOOLEAN,
    "owner": OAAPropertyType.STRING,
    "is_public": OAAPropertyType.BOOLEAN,
    "default_permission": OAAPropertyType.STRING,
    "url": OAAPropertyType.STRING,
    "collected": OAAPropertyType.BOOLEAN,
}
REPO_PROPERTIES = {
    "slug": OAAPropertyType.STRING,
    "path": OAAPropertyType.STRING,
    "is_public": OAAPropertyType.BOOLEAN,
    "is_archived": OAAPropertyType.BOOLEAN,
    "is_fork": OAAPropertyType.BOOLEAN,
    "forkable": OAAPropertyType.BOOLEAN,
    "state": OAAPropertyType.STRING,
    "url": OAAPropertyType.STRING,
    "collected": OAAPropertyType.BOOLEAN,
}


class Place(NamedTuple):
    """A project and its repositories, sorted by id."""

    project: ProjectRecord
    repositories: list[RepositoryRecord]


def places(snapshot: Snapshot, notes: Notes) -> list[Place]:
    """All projects, sorted by id, and a stand-in for each that only its repositories name."""
    repositories: defaultdict[int, list[RepositoryRecord]] = defaultdict(list)
    for _, repository in sorted(snapshot.repositories.items()):
        repositories[repository.project].append(repository)
    projects = dict(snapshot.projects)
    for unknown in sorted(repositories.keys() - projects.keys()):
        projects[unknown] = ProjectRecord(unknown, str(unknown), f"project {unknown}", False, None, None)
        notes.add(Code.PROJECTS_UNKNOWN, str(unknown))
    return [Place(project, repositories.pop(project.id, [])) for _, project in sorted(projects.items())]


class Numbers(NamedTuple):
    """The numbers by which grants refer to resources, by the ids of projects and repositories."""

    projects: dict[int, int]
    repositories: dict[int, int]
    below: dict[int, range]
    """Of a project's repositories, by the project's id."""


def numbers_of(everywhere: Iterable[Place]) -> Numbers:
    """The numbers of all resources, in the payload's order: a project's repositories come after it."""
    numbers = Numbers({}, {}, {})
    number = 0
    for project, repositories in everywhere:
        numbers.projects[project.id] = number
        below = numbers.below[project.id] = range(number + 1, number + 1 + len(repositories))
        numbers.repositories.update(zip((repository.id for repository in repositories), below, strict=True))
        number = below.stop
    return numbers


class GrantIndex:
    """Who holds what on which projects and repositories: their numbers, in the payload's order, without repetition."""

    def __init__(self, everywhere: Iterable[Place], snapshot: Snapshot) -> None:
        self.codec = deepcopy(snapshot.codec)
        """Not the snapshot's own: what only the mapping grants is added to it."""
        self.holdings = Holdings(self.codec)
        self.by_everyone: defaultdict[str, list[int]] = defaultdict(list)
        """What `Licensed users` holds, by permission."""
        for project, repositories in everywhere:
            codes = codes_of(snapshot.project_grants.get(project.id))
            if project.owner is not None:
                codes = dict.fromkeys((*codes, self.codec.user(project.owner, PROJECT_ADMIN)))
            number = self.holdings.add(codes)
            by_default = snapshot.default_permissions.get(project.id, frozenset())
            readable = project.public and snapshot.public_counts
            for permission in by_default | {PROJECT_READ} if readable else by_default:
                self.by_everyone[permission].append(number)
            for repository in repositories:
                number = self.holdings.add(codes_of(snapshot.repository_grants.get(repository.id)))
                if repository.public and snapshot.public_counts:
                    self.by_everyone[REPO_READ].append(number)


def each_project(
    everywhere: Iterable[Place], users: Mapping[int, UserRecord], snapshot: Snapshot
) -> Iterator[Resource]:
    """Every project with its repositories."""
    for project, repositories in everywhere:
        owner = None if project.owner is None else users[project.owner]
        url = _project_url(snapshot.instance.base_url, project, owner)
        yield Resource(
            id=str(project.id),
            name=named(project.name, named(project.key, f"project {project.id}")),
            resource_type=PROJECT,
            description=description(project.description),
            sub_resources=[_repository(project, repository, url, snapshot) for repository in repositories],
            custom_properties=properties(
                {
                    "key": project.key,
                    "is_personal": project.personal,
                    "owner": None if owner is None else owner.name,
                    "is_public": project.public,
                    "default_permission": highest(snapshot.default_permissions.get(project.id, ())),
                    "url": url,
                    "collected": Missing("project", project.id) not in snapshot.missing,
                    **default_reviewers(snapshot, project),
                }
            ),
        )


def _repository(project: ProjectRecord, repository: RepositoryRecord, project_url: str, snapshot: Snapshot) -> Resource:
    return Resource(
        id=str(repository.id),
        name=named(repository.name, named(repository.slug, f"repository {repository.id}")),
        resource_type=REPO,
        description=description(repository.description),
        custom_properties=properties(
            {
                "slug": repository.slug,
                "path": f"{project.key}/{repository.slug}",
                "is_public": repository.public,
                "is_archived": repository.archived,
                "is_fork": repository.fork,
                "forkable": repository.forkable,
                "state": repository.state,
                "url": f"{project_url}/repos/{_quoted(repository.slug)}",
                "collected": not snapshot.missing or Missing("repository", repository.id) not in snapshot.missing,
                **branch_permissions(snapshot, repository),
                **default_reviewers(snapshot, repository),
            }
        ),
    )


def codes_of(grants: GrantSet | None) -> Iterable[int]:
    """The grants of one scope, packed."""
    return () if grants is None else grants.codes


def _project_url(base_url: str, project: ProjectRecord, owner: UserRecord | None) -> str:
    """Where a browser finds it; personal projects live below `/users/` and their owner's slug."""
    if not project.personal:
        return f"{base_url}/projects/{_quoted(project.key)}"
    slug = owner.slug if owner is not None and owner.slug else project.key.removeprefix("~").lower()
    return f"{base_url}/users/{_quoted(slug)}"


def _quoted(text: str) -> str:
    """For a URL. Nearly all need nothing, which is quick to see."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="~")


def orphans(snapshot: Snapshot, notes: Notes) -> list[GrantSet]:
    """Grants on what no listing shows can't be uploaded: Veza would not know what they are held on."""
    found = []
    for project in sorted((snapshot.project_grants.keys() | snapshot.default_permissions) - snapshot.projects.keys()):
        notes.add(Code.PROJECTS_UNLISTED, str(project))
        if project in snapshot.project_grants:
            found.append(snapshot.project_grants[project])
    for repository in sorted(snapshot.repository_grants.keys() - snapshot.repositories.keys()):
        notes.add(Code.REPOSITORIES_UNLISTED, str(repository))
        found.append(snapshot.repository_grants[repository])
    return found
