"""Projects and repositories as resources, and what is held on each of them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from oaaclient.templates import CustomApplication, CustomResource, OAAPropertyType

from oaa_bitbucket_async.collect.grant_codec import GrantCodec
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


class GrantIndex:
    """Who holds what on which projects and repositories: their keys, in the payload's order, without repetition."""

    def __init__(self, codec: GrantCodec, highest_user: int) -> None:
        """`codec` is not the snapshot's own: what only the mapping grants is added to it."""
        self.codec = codec
        self.holdings = Holdings(codec, highest_user)
        self.by_everyone: defaultdict[str, list[str]] = defaultdict(list)
        """What `Licensed users` holds, by permission."""


def each_project(
    app: CustomApplication, users: Mapping[int, UserRecord], snapshot: Snapshot, held: GrantIndex, notes: Notes
) -> Iterator[CustomResource]:
    """Every project with its repositories; what is held on them goes into `held`. The app lets go of it afterwards."""
    repositories: defaultdict[int, list[RepositoryRecord]] = defaultdict(list)
    for _, repository in sorted(snapshot.repositories.items()):
        repositories[repository.project].append(repository)
    projects = dict(snapshot.projects)
    for unknown in sorted(repositories.keys() - projects.keys()):
        projects[unknown] = ProjectRecord(unknown, str(unknown), f"project {unknown}", False, None, None)
        notes.add(Code.PROJECTS_UNKNOWN, str(unknown))
    _note_orphans(snapshot, notes)

    for _, project in sorted(projects.items()):
        owner = None if project.owner is None else users[project.owner]
        url = _project_url(snapshot.instance.base_url, project, owner)
        resource = _add_project(app, project, owner, url, snapshot, held)
        for repository in repositories.pop(project.id, ()):
            _add_repository(resource, project, repository, url, snapshot, held)
        yield resource
        app.resources.clear()


def _add_project(
    app: CustomApplication,
    project: ProjectRecord,
    owner: UserRecord | None,
    url: str,
    snapshot: Snapshot,
    held: GrantIndex,
) -> CustomResource:
    by_default = snapshot.default_permissions.get(project.id, frozenset())
    resource = app.add_resource(
        named(project.name, named(project.key, f"project {project.id}")),
        PROJECT,
        description=description(project.description),
        unique_id=str(project.id),
    )
    resource.sub_resources = {}  # by ids, which are digits; oaaclient's own takes half the time of a repository
    resource.properties = properties(
        {
            "key": project.key,
            "is_personal": project.personal,
            "owner": None if owner is None else owner.name,
            "is_public": project.public,
            "default_permission": highest(by_default),
            "url": url,
            "collected": Missing("project", project.id) not in snapshot.missing,
            **default_reviewers(snapshot, project),
        }
    )
    codes = _codes(snapshot.project_grants.get(project.id))
    if owner is not None:
        codes = dict.fromkeys((*codes, held.codec.user(owner.id, PROJECT_ADMIN)))
    held.holdings.add(resource.resource_key, codes)
    readable = project.public and snapshot.public_counts
    for permission in by_default | {PROJECT_READ} if readable else by_default:
        held.by_everyone[permission].append(resource.resource_key)
    return resource


def _add_repository(
    parent: CustomResource,
    project: ProjectRecord,
    repository: RepositoryRecord,
    project_url: str,
    snapshot: Snapshot,
    held: GrantIndex,
) -> None:
    identifier = str(repository.id)
    resource = CustomResource(
        named(repository.name, named(repository.slug, f"repository {repository.id}")),
        REPO,
        description(repository.description),
        parent.application_name,
        resource_key=f"{parent.resource_key}.{identifier}",
        unique_id=identifier,
    )
    parent.sub_resources[identifier] = resource
    resource.properties = properties(
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
    )
    held.holdings.add(resource.resource_key, _codes(snapshot.repository_grants.get(repository.id)))
    if repository.public and snapshot.public_counts:
        held.by_everyone[REPO_READ].append(resource.resource_key)


def _codes(grants: GrantSet | None) -> Iterable[int]:
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


def _note_orphans(snapshot: Snapshot, notes: Notes) -> None:
    """Grants on what no listing shows can't be uploaded: Veza would not know what they are held on."""
    for project in sorted((snapshot.project_grants.keys() | snapshot.default_permissions) - snapshot.projects.keys()):
        notes.add(Code.PROJECTS_UNLISTED, str(project))
    for repository in sorted(snapshot.repository_grants.keys() - snapshot.repositories.keys()):
        notes.add(Code.REPOSITORIES_UNLISTED, str(repository))
