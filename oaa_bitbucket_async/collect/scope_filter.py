"""Which part of the instance is collected: `--project`, `--exclude-project`, personal projects, archived ones."""

from fnmatch import fnmatchcase

from oaa_bitbucket_async.bitbucket.rows import Project, Repository
from oaa_bitbucket_async.settings import Scope


class ScopeFilter:
    """Decides by key or row. Bitbucket compares project keys ignoring case, so the patterns do."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def key(self, key: str) -> bool:
        """Whether the project of this key, and so its repositories, are collected."""
        scope = self._scope
        if key.startswith("~") and not scope.personal_projects:
            return False
        if scope.projects and not any(matches(key, pattern) for pattern in scope.projects):
            return False
        return not any(matches(key, pattern) for pattern in scope.exclude_projects)

    def project(self, row: Project) -> bool:
        """Whether the project, and so its repositories, are collected."""
        return self.key(row.key)

    def repository(self, row: Repository) -> bool:
        """Whether the repository is collected."""
        return (self._scope.archived or not row.archived) and self.project(row.project)


def matches(key: str, pattern: str) -> bool:
    """Whether a project key is meant by a key or shell pattern, ignoring case."""
    return fnmatchcase(key.upper(), pattern.upper())
