"""The users and groups that reach the most repositories. Global permissions don't count."""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from oaa_bitbucket_async.collect.grant_codec import Principal
from oaa_bitbucket_async.collect.snapshot import Snapshot, UserRecord, fold
from oaa_bitbucket_async.ops.report.reach_index import ADMINISTERS, WRITES, ReachIndex, Repositories

MOST = 20
_MOST_KEPT = 1000
"""Groups whose repositories are kept, since users share groups. Each takes up to 12 kB for 100,000 repositories."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many distinct repositories a user or group may read, how many of them change, how many administer."""

    name: str
    detail: str
    """A user's display name; a group's size in words."""
    reads: int
    writes: int
    administers: int


def users_that_reach_most(snapshot: Snapshot, index: ReachIndex, may_sign_in: Iterable[UserRecord]) -> list[Reach]:
    """The MOST users who reach the most repositories, by number and then by name.

    A user reaches a repository by a grant to the user or to one of their groups, on the repository or its project; by a
    default permission of the project; because it or its project is public; and as owner of a personal project. Users
    who reach nothing are left out.

    Nobody reaches more than the sum of what each grant reaches. So the users are counted in the order of that sum,
    until the sum is too small for the ranking. The result is exact, though most users are never counted.
    """
    groups_of, sizes = _groups(snapshot, index)
    everyone = index.of_everyone()
    total, by_all = len(index.repositories), everyone.bit_count()

    @lru_cache(maxsize=_MOST_KEPT)
    def of_group(group: str) -> Repositories:
        return index.of(Principal("group", group))

    def at_most(user: UserRecord) -> int:
        parts = index.at_most(Principal("user", user.id)) + sum(sizes[group] for group in groups_of.get(user.id, ()))
        return min(total, by_all + parts)

    def reached(user: UserRecord) -> int:
        found = everyone | index.of(Principal("user", user.id))
        for group in groups_of.get(user.id, ()):
            found |= of_group(group)
        return found.bit_count()

    best: list[tuple[int, str, int]] = []
    for candidate in sorted((-at_most(user), fold(user.name), user.id) for user in may_sign_in):
        if len(best) == MOST and candidate > best[-1]:
            break
        _, name, key = candidate
        if count := reached(snapshot.users[key]):
            insort(best, (-count, name, key))
            del best[MOST:]
    writes, administers = index.of_everyone(WRITES), index.of_everyone(ADMINISTERS)
    ranking = []
    for count, _, key in best:
        user = snapshot.users[key]
        holders = [Principal("user", key), *(Principal("group", group) for group in groups_of.get(key, ()))]
        ranking.append(
            Reach(
                user.name,
                user.display_name,
                -count,
                _union(writes, (index.of(holder, WRITES) for holder in holders)).bit_count(),
                _union(administers, (index.of(holder, ADMINISTERS) for holder in holders)).bit_count(),
            )
        )
    return ranking


def groups_that_reach_most(snapshot: Snapshot, index: ReachIndex) -> list[Reach]:
    """The MOST groups whose own grants reach the most repositories, by number and then by name.

    Groups that no listing shows are left out: nobody is in them.
    """
    counted = []
    for key, group in snapshot.groups.items():
        if group.listed and (count := index.count_of(key)):
            counted.append((-count, key))
    ranking = []
    for count, key in sorted(counted)[:MOST]:
        principal = Principal("group", key)
        members = len(snapshot.members.get(key, ()))
        ranking.append(
            Reach(
                snapshot.groups[key].name,
                f"{members:,} {'member' if members == 1 else 'members'}",
                -count,
                index.of(principal, WRITES).bit_count(),
                index.of(principal, ADMINISTERS).bit_count(),
            )
        )
    return ranking


def _groups(snapshot: Snapshot, index: ReachIndex) -> tuple[dict[int, list[str]], dict[str, int]]:
    """The groups of each user that may read something, and how many repositories each of these may read."""
    groups_of: defaultdict[int, list[str]] = defaultdict(list)
    sizes = {}
    for key, members in snapshot.members.items():
        count = index.count_of(key) if members else 0
        if count:
            sizes[key] = count
            for member in members:
                groups_of[member].append(key)
    return groups_of, sizes


def _union(first: Repositories, others: Iterator[Repositories]) -> Repositories:
    for other in others:
        first |= other
    return first
