"""What the findings are found in: a snapshot, laid out for questions that go through all of it."""

from collections.abc import Iterator
from datetime import date

from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import ProjectRecord, RepositoryRecord, Snapshot, UserRecord, fold
from oaa_bitbucket_async.oaa.permissions import PERMISSIONS
from oaa_bitbucket_async.oaa.principals import is_licensed, licensed
from oaa_bitbucket_async.oaa.values import LAST_MILLISECOND
from oaa_bitbucket_async.ops.report.reach_index import ReachIndex
from oaa_bitbucket_async.settings import Identity

EVERYTHING = "the whole instance"
_DAY_ONE = date(1970, 1, 1).toordinal()
_DAY = 86_400_000
_RANK = {permission: rank for rank, permission in enumerate(PERMISSIONS)}


class Evidence:
    """A snapshot, and what most findings ask of it. `now` is in seconds since 1970."""

    def __init__(self, snapshot: Snapshot, *, identity: Identity, now: float) -> None:
        self.snapshot = snapshot
        self.identity: Identity = identity
        self.now = now
        self.index = ReachIndex(snapshot)
        self.licensed = licensed(snapshot)
        self.global_holders: dict[Principal, set[str]] = {}
        """Who holds which global permissions."""
        for principal, permission in snapshot.grants(snapshot.global_grants):
            self.global_holders.setdefault(principal, set()).add(permission)

    def may_sign_in(self, user: UserRecord) -> bool:
        """Or may be able to, for all that is known."""
        return is_licensed(user, self.licensed) is not False

    def path(self, repository: RepositoryRecord) -> str:
        """`KEY/slug`."""
        project = self.snapshot.projects.get(repository.project)
        return f"{'?' if project is None else project.key}/{repository.slug}"

    def repositories(self) -> Iterator[tuple[ProjectRecord, RepositoryRecord]]:
        """All, by project and name, personal projects last."""
        for number, project in enumerate(self.index.projects):
            for place in range(*self.index.ranges[number]):
                yield project, self.index.repositories[place]

    def places_of(self, group: Principal) -> Iterator[tuple[str, str]]:
        """Permission and place of each grant, the instance and projects before repositories."""
        for permission in sorted(self.global_holders.get(group, ()), key=rank):
            yield permission, EVERYTHING
        codes = sorted(self.index.codes.get(group, ()), key=lambda code: (rank(code[1]), code))
        for code, permission in codes:
            for number in self.index.on_projects.get(code, ()):
                yield permission, self.index.projects[number].key
        for code, permission in codes:
            for place in self.index.on_repositories.get(code, ()):
                yield permission, self.path(self.index.repositories[place])

    def grants_of(self, principal: Principal) -> int:
        """How many grants the holder has, global ones included."""
        return self.index.grants(principal) + len(self.global_holders.get(principal, ()))

    def users(self) -> list[UserRecord]:
        """All, by name."""
        return sorted(self.snapshot.users.values(), key=lambda user: (fold(user.name), user.id))


def rank(permission: str) -> tuple[int, str]:
    """Sorts permissions, the weightiest first and unknown ones last."""
    return -_RANK.get(permission, -1), permission


def day(milliseconds: int | None) -> str | None:
    """`2026-11-24` (UTC); None for a time that is not known, or none. Quick: it is asked a million times."""
    if milliseconds is None or not 0 < milliseconds <= LAST_MILLISECOND:
        return None
    return date.fromordinal(_DAY_ONE + milliseconds // _DAY).isoformat()
