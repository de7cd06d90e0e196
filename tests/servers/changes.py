"""What happens to an estate while a server shows it: everything of `demo.changes`, and what nobody does but tests."""

from oaa_bitbucket_async.demo.changes import (
    create_personal_project,
    create_project,
    create_repository,
    delete_group,
    delete_project,
    delete_repository,
    delete_user,
    move_repository,
    rename_project,
    revoke,
)
from oaa_bitbucket_async.demo.changes.telling import found
from oaa_bitbucket_async.demo.model import Estate

__all__ = [
    "create_personal_project",
    "create_project",
    "create_repository",
    "delete_group",
    "delete_project",
    "delete_repository",
    "delete_user",
    "move_repository",
    "rename_project",
    "revoke",
    "swap_projects",
    "swap_repositories",
]


def swap_projects(estate: Estate, key: str, other_key: str) -> None:
    """Two projects take each other's key: under both paths there is something at all times."""
    one, other = found(estate.project(key), key), found(estate.project(other_key), other_key)
    one.key, other.key = other.key, one.key
    estate.changed()


def swap_repositories(estate: Estate, path: tuple[str, str], other_path: tuple[str, str]) -> None:
    """Two repositories, (KEY, slug) each, take each other's path."""
    one = found(estate.repository(*path), "/".join(path))
    other = found(estate.repository(*other_path), "/".join(other_path))
    one.project, other.project = other.project, one.project
    one.slug, other.slug = other.slug, one.slug
    estate.changed()
