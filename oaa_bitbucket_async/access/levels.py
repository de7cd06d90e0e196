"""The three levels of access, and the permissions that give them (DESIGN.md section 8)."""

from enum import IntEnum
from types import MappingProxyType


class Level(IntEnum):
    """What somebody may do with a project or a repository. A higher level includes the lower ones."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


LEVELS = MappingProxyType(
    {
        "REPO_READ": Level.READ,
        "PROJECT_READ": Level.READ,
        "REPO_WRITE": Level.WRITE,
        "PROJECT_WRITE": Level.WRITE,
        "REPO_CREATE": Level.WRITE,
        "REPO_ADMIN": Level.ADMIN,
        "PROJECT_ADMIN": Level.ADMIN,
        "ADMIN": Level.ADMIN,
        "SYS_ADMIN": Level.ADMIN,
    }
)
NO_ACCESS = frozenset({"LICENSED_USER", "PROJECT_CREATE"})
"""Global permissions that give no access to any project or repository."""
GLOBAL_ADMINS = frozenset({"ADMIN", "SYS_ADMIN"})


def level_of(permission: str) -> Level | None:
    """The level that a permission gives; None for a permission that this version does not know."""
    return LEVELS.get(permission)


def permissions_of(level: Level) -> frozenset[str]:
    """The permissions whose holder may do at least that."""
    return frozenset(permission for permission, gives in LEVELS.items() if gives >= level)
