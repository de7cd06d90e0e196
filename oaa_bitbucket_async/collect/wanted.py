"""Which part of the instance is collected: `--project`, `--exclude-project`, personal projects, archived ones."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from oaa_bitbucket_async.bitbucket.rows import Project, Repository
from oaa_bitbucket_async.settings import Scope


class Wanted:
    """Decides by row. Bitbucket compares project keys ignoring case, so the patterns do."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._projects = [pattern.upper() for pattern in scope.projects]
        self._excluded = [pattern.upper() for pattern in scope.exclude_projects]

    def project(self, row: Project) -> bool:
        """Whether the project, and so its repositories, are collected."""
        key = row.key.upper()
        if key.startswith("~") and not self._scope.personal_projects:
            return False
        if self._projects and not _matches(key, self._projects):
            return False
        return not _matches(key, self._excluded)

    def repository(self, row: Repository) -> bool:
        """Whether the repository is collected."""
        return (self._scope.archived or not row.archived) and self.project(row.project)


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)
