"""Branch restrictions and merge checks as properties of a repository."""

from oaaclient.templates import OAAPropertyType

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.protection import branch_of, protected
from oaa_bitbucket_async.collect.snapshot import GrantSet, RepositoryRecord, Snapshot, fold
from oaa_bitbucket_async.oaa.permissions import PROJECT_ADMIN
from oaa_bitbucket_async.oaa.values import PropertyValue
from oaa_bitbucket_async.settings import Include

_REPO_ADMIN = "REPO_ADMIN"
_PROPERTIES = {
    Include.BRANCH_RESTRICTIONS: {
        "default_branch_protected": OAAPropertyType.BOOLEAN,
        "restriction_kinds": OAAPropertyType.STRING_LIST,
        "exempt_users": OAAPropertyType.NUMBER,
        "exempt_groups": OAAPropertyType.NUMBER,
        "exempt_keys": OAAPropertyType.NUMBER,
        "exempt_administrators": OAAPropertyType.NUMBER,
    },
    Include.SETTINGS: {
        "pull_request_minimum_approvals": OAAPropertyType.NUMBER,
        "pull_request_minimum_builds": OAAPropertyType.NUMBER,
        "pull_request_requires_all_approvers": OAAPropertyType.BOOLEAN,
        "pull_request_requires_all_tasks": OAAPropertyType.BOOLEAN,
    },
}


def branch_permission_properties(snapshot: Snapshot) -> dict[str, OAAPropertyType]:
    """The properties of repositories that this run has asked for."""
    asked_for = snapshot.included.asked_for
    return {
        name: kind for include, kinds in _PROPERTIES.items() if include in asked_for for name, kind in kinds.items()
    }


def branch_permissions(snapshot: Snapshot, repository: RepositoryRecord) -> dict[str, PropertyValue | None]:
    """What is known of one repository: nothing unless it was asked for and may be seen."""
    included = snapshot.included
    if not included.asked_for:
        return {}
    found: dict[str, PropertyValue | None] = {}
    restrictions = included.rows(kinds.REPOSITORY_RESTRICTIONS, repository.id)
    if restrictions is not None:
        branch, model = branch_of(included, repository.id)
        users = {user for row in restrictions for user in row.users}
        found |= {
            "default_branch_protected": protected(restrictions, branch, model),
            "restriction_kinds": sorted({row.kind for row in restrictions}) or None,
            "exempt_users": len(users),
            "exempt_groups": len({fold(group) for row in restrictions for group in row.groups}),
            "exempt_keys": len({key for row in restrictions for key in row.keys}),
            "exempt_administrators": len(users & _administrators(snapshot, repository)) if users else 0,
        }
    for row in included.rows(kinds.REPOSITORY_SETTINGS, repository.id) or ():
        found |= {
            "pull_request_minimum_approvals": row.approvals,
            "pull_request_minimum_builds": row.builds,
            "pull_request_requires_all_approvers": row.all_approvers,
            "pull_request_requires_all_tasks": row.all_tasks,
        }
    return found


def _administrators(snapshot: Snapshot, repository: RepositoryRecord) -> set[int]:
    """Users to whom the repository's or its project's administration is granted by name."""
    project = snapshot.projects.get(repository.project)
    found = _users(snapshot, snapshot.repository_grants.get(repository.id), _REPO_ADMIN)
    found |= _users(snapshot, snapshot.project_grants.get(repository.project), PROJECT_ADMIN)
    if project is not None and project.owner is not None:
        found.add(project.owner)
    return found


def _users(snapshot: Snapshot, grants: GrantSet | None, permission: str) -> set[int]:
    return {int(who.key) for who, what in snapshot.grants(grants) if what == permission and who.kind == "user"}
