"""The extra questions of `--include`: with each project and repository, and about users once all are listed."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.concurrent import for_each
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit
from oaa_bitbucket_async.collect.protection import wanting
from oaa_bitbucket_async.collect.snapshot import Snapshot, fold
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.collect.work import Work
from oaa_bitbucket_async.settings import Pace

T = TypeVar("T")


def probes(others: Sequence[T]) -> list[T]:
    """Three users, far apart in the list. They are asked about first, one by one. If the login sees nothing of any of
    them, it may not list what others have. The oldest accounts are no good test: they are system administrators'."""
    if len(others) <= 3:
        return list(others)
    return [others[0], others[len(others) // 2], others[-1]]


class Extras:
    """Asks nothing at all unless something is included."""

    def __init__(
        self, capabilities: Capabilities, snapshot: Snapshot, counts: CrawlCounts, work: Work, pace: Pace
    ) -> None:
        self._me = fold(capabilities.user or "")
        self._snapshot = snapshot
        asked_for = [kind for kind in kinds.INCLUDED if kind.include in snapshot.included.asked_for]
        self._of_projects = [kind for kind in asked_for if kind.of == "project"]
        self._of_repositories = [kind for kind in asked_for if kind.of == "repository" and not kind.helps]
        self._of_users = [kind for kind in asked_for if kind.of == "user"]
        self._counts = counts
        self._work = work
        self._pace = pace

    async def of_project(self, project: int) -> None:
        """Asks the extra questions about a project."""
        for kind in self._of_projects:
            await self._work.ask(Unit(kind, str(project)))

    async def of_repository(self, repository: int) -> None:
        """Asks the extra questions about a repository, and follow-ups if the answers need them."""
        for kind in self._of_repositories:
            await self._work.ask(Unit(kind, str(repository)))
            if kind is kinds.REPOSITORY_RESTRICTIONS:
                await self._helpers(repository)

    async def ask_again(self, unit: Unit, *, trying: bool = False) -> None:
        """Asks a unit that ended in a fault once more, and follow-ups if its answer needs them."""
        await self._work.ask(unit, trying=trying)
        if unit.kind is kinds.REPOSITORY_RESTRICTIONS or unit.kind.helps:
            await self._helpers(int(unit.key), unit.kind)

    async def _helpers(self, repository: int, just_asked: AnyKind | None = None) -> None:
        included = self._snapshot.included
        helpers = [kind for kind in kinds.INCLUDED if kind.helps]
        asked = [kind for kind in helpers if kind is just_asked or included.told(kind, repository)]
        while helper := wanting(included, repository, asked):
            await self._work.ask(Unit(helper, str(repository)))
            asked.append(helper)

    async def of_users(self) -> None:
        """Tokens and keys of every user who is listed; of a few only, where the login may not list others'."""
        listed = sum(user.listed for user in self._snapshot.users.values())
        self._counts.user_questions = listed * len(self._of_users)
        for kind in self._of_users:
            await self._of_every_user(kind)

    async def _of_every_user(self, kind: AnyKind) -> None:
        users = self._snapshot.users
        listed = sorted(user.id for user in users.values() if user.listed)

        async def one(user: int) -> None:
            self._work.begin(Subject("user", user))
            await self._work.ask(Unit(kind, str(user)))
            self._counts.user_questions_done += 1

        others = [user for user in listed if fold(users[user].name) != self._me]
        begun = set(probes(others))
        for user in sorted(begun):
            await self._work.unless_stopped(one)(user)
        if begun and begun <= self._snapshot.included.hidden.get(kind, set()):
            self._counts.user_questions -= len(listed) - len(begun)
            return

        async def to_do() -> AsyncIterator[int]:
            for user in listed:
                if user not in begun:
                    yield user

        await for_each(self._work.unless_stopped(one), to_do(), self._pace.repo_concurrency)
