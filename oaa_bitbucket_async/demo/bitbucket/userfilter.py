"""The permission filters of `/users`: `permission`, `permission.1` …, each with the thing that it is about."""

from oaa_bitbucket_async.demo.bitbucket.answers import bad_argument
from oaa_bitbucket_async.demo.model import Estate, ModelProject, ModelRepository, ModelUser
from oaa_bitbucket_async.demo.rights import GLOBAL_LEVELS, PROJECT_LEVELS, REPOSITORY_LEVELS, Rights

MOST_FILTERS = 50


def filtered_users(
    users: list[ModelUser], query: dict[str, str], estate: Estate, rights: Rights
) -> tuple[list[ModelUser], bool]:
    """The users that pass all filters, and whether there was one. Raises RefusedError (400)."""
    roots = ["permission"] if "permission" in query else []
    number = 1
    while f"permission.{number}" in query and number <= MOST_FILTERS:
        roots.append(f"permission.{number}")
        number += 1
    for root in roots:
        holders = _holders(root, query, estate, rights)
        users = [user for user in users if user.name.lower() in holders]
    return users, bool(roots)


def _holders(root: str, query: dict[str, str], estate: Estate, rights: Rights) -> set[str]:
    permission = query[root]
    if permission in GLOBAL_LEVELS:
        return rights.holders(permission, None)
    if permission in PROJECT_LEVELS:
        return rights.holders(permission, _project(root, query, estate))
    if permission in REPOSITORY_LEVELS:
        return rights.holders(permission, _repository(root, query, estate))
    raise bad_argument(f"{permission} is no permission.", root)


def _project(root: str, query: dict[str, str], estate: Estate) -> ModelProject:
    if wanted := query.get(f"{root}.projectId"):
        found = next((p for p in estate.projects if str(p.id) == wanted), None)
    elif wanted := query.get(f"{root}.projectKey"):
        found = estate.project(wanted)
    else:
        raise bad_argument(f"{root} needs a project.", root)
    if found is None:
        raise bad_argument(f"Project {wanted} does not exist.", root)
    return found


def _repository(root: str, query: dict[str, str], estate: Estate) -> ModelRepository:
    key, slug = query.get(f"{root}.projectKey", ""), query.get(f"{root}.repositorySlug", "")
    if wanted := query.get(f"{root}.repositoryId"):
        found = next((r for r in estate.repositories if str(r.id) == wanted), None)
    elif key and slug:
        found = estate.repository(key, slug)
    else:
        raise bad_argument(f"{root} needs a repository.", root)
    if found is None:
        raise bad_argument(f"Repository {wanted or slug} does not exist.", root)
    return found
