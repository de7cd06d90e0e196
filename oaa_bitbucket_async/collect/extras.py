"""What `--include` asks besides: of each project and repository where it is worked on, of users once all are listed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.api import Api, Listing, Question
from oaa_bitbucket_async.bitbucket.guardrails import MergeChecks
from oaa_bitbucket_async.bitbucket.preflight import Findings
from oaa_bitbucket_async.collect.concurrent import for_each
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.existence import Existence, Whereabouts
from oaa_bitbucket_async.collect.included import AnyIncluded
from oaa_bitbucket_async.collect.protection import wanting
from oaa_bitbucket_async.collect.snapshot import Snapshot, UserRecord, fold
from oaa_bitbucket_async.collect.units import INCLUDED, OF_USER, Unit, UnitKind
from oaa_bitbucket_async.collect.work import Find, Work
from oaa_bitbucket_async.settings import Pace

T = TypeVar("T")

RowT = TypeVar("RowT", bound=AnyIncluded)


def probes(others: Sequence[T]) -> list[T]:
    """Three users, far apart, who are asked about one after the other before all are: if nothing is shown of any, the
    login may not list what others have. The oldest accounts alone would not tell: they are system administrators'."""
    if len(others) <= 3:
        return list(others)
    return [others[0], others[len(others) // 2], others[-1]]


class Extras:
    """Asks nothing at all unless something is included."""

    def __init__(
        self,
        api: Api,
        findings: Findings,
        snapshot: Snapshot,
        counts: CrawlCounts,
        work: Work,
        existence: Existence,
        pace: Pace,
    ) -> None:
        self._api = api
        self._me = fold(findings.user or "")
        self._snapshot = snapshot
        self._wanted = {kind for kind, include in INCLUDED.items() if include in snapshot.included.asked_for}
        self._counts = counts
        self._work = work
        self._existence = existence
        self._pace = pace

    async def of_project(self, project: int, find: Find) -> None:
        """Access keys and tokens."""
        if not self._wanted:
            return

        def key() -> str:
            return self._snapshot.projects[project].key

        await self._rows(UnitKind.PROJECT_ACCESS_KEYS, project, lambda: self._api.project_access_keys(key()), find)
        await self._rows(UnitKind.PROJECT_TOKENS, project, lambda: self._api.project_tokens(key()), find)

    async def of_repository(self, repository: int, find: Find) -> None:
        """Access keys, tokens, restrictions and what these leave open, settings; as far as they are wanted."""
        if not self._wanted:
            return
        api = self._api

        def place() -> tuple[str, str]:
            record = self._snapshot.repositories[repository]
            return self._snapshot.projects[record.project].key, record.slug

        def merge_checks() -> Question[MergeChecks]:
            return api.merge_checks(*place())

        await self._rows(
            UnitKind.REPOSITORY_ACCESS_KEYS, repository, lambda: api.repository_access_keys(*place()), find
        )
        await self._rows(UnitKind.REPOSITORY_TOKENS, repository, lambda: api.repository_tokens(*place()), find)
        restrictions = UnitKind.REPOSITORY_RESTRICTIONS
        await self._rows(restrictions, repository, lambda: api.repository_restrictions(*place()), find)
        asked: list[UnitKind] = []
        while helper := wanting(self._snapshot.included, repository, asked):
            # without `find`: a 404 is as good as an answer, as old servers give it, which don't know the question
            unit = Unit(helper, str(repository))
            if helper is UnitKind.REPOSITORY_BRANCH_MODEL:
                await self._work.row(unit, lambda: api.branch_model(*place()))
            else:
                await self._work.row(unit, lambda: api.default_branch(*place()))
            asked.append(helper)
        if UnitKind.REPOSITORY_SETTINGS in self._wanted:
            await self._work.row(Unit(UnitKind.REPOSITORY_SETTINGS, str(repository)), merge_checks, find)

    async def of_users(self) -> None:
        """Tokens and keys of every user who is listed; of a few only, where the login may not list others'."""
        listed = sum(user.listed for user in self._snapshot.users.values())
        self._counts.user_questions = listed * len(self._wanted & OF_USER)
        await self._of_every_user(UnitKind.USER_TOKENS, lambda user: self._api.user_tokens(user.slug or user.name))
        await self._of_every_user(UnitKind.USER_SSH_KEYS, lambda user: self._api.user_ssh_keys(user.name))
        await self._of_every_user(UnitKind.USER_GPG_KEYS, lambda user: self._api.user_gpg_keys(user.name))

    async def _of_every_user(self, kind: UnitKind, listing: Callable[[UserRecord], Listing[RowT]]) -> None:
        if kind not in self._wanted:
            return
        users = self._snapshot.users
        listed = sorted(user.id for user in users.values() if user.listed)

        async def one(user: int) -> None:
            def find() -> Awaitable[Whereabouts]:
                return self._existence.user(user)

            await self._work.rows(Unit(kind, str(user)), lambda: listing(users[user]), find)
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

    async def _rows(self, kind: UnitKind, place: int, listing: Callable[[], Listing[RowT]], find: Find) -> None:
        if kind in self._wanted:
            await self._work.rows(Unit(kind, str(place)), listing, find)
