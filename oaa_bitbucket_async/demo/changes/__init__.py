"""What administrators and users do to an estate while a server shows it. Each change is told to its listeners."""

from oaa_bitbucket_async.demo.changes.grants import archive, grant, revoke, revoke_all, set_defaults, set_public
from oaa_bitbucket_async.demo.changes.people import delete_group, delete_user
from oaa_bitbucket_async.demo.changes.places import (
    create_personal_project,
    create_project,
    create_repository,
    delete_project,
    delete_repository,
    move_repository,
    rename_project,
)

__all__ = [
    "archive",
    "create_personal_project",
    "create_project",
    "create_repository",
    "delete_group",
    "delete_project",
    "delete_repository",
    "delete_user",
    "grant",
    "move_repository",
    "rename_project",
    "revoke",
    "revoke_all",
    "set_defaults",
    "set_public",
]
