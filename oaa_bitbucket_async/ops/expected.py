"""How many requests a crawl needs: the last run's number until the listings are complete, then the count."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from oaa_bitbucket_async.bitbucket.stats import RequestStats
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.units import Owner


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of it before the crawl."""

    each: Mapping[Owner, int] = field(default_factory=dict)
    """Questions about each group, project, repository and user."""
    owners: Mapping[str, Owner] = field(default_factory=dict)
    """Kinds of request by name: what such a question is about. All others are about the instance."""
    last: int | None = None
    """The number of the last similar run."""

    def done(self, stats: RequestStats, counts: CrawlCounts) -> int:
        """Questions with an answer, from this run or from the run that it continues."""
        return stats.answered.total() + stats.refused.total() + counts.resumed + counts.based

    def total(self, stats: RequestStats, counts: CrawlCounts) -> tuple[int, bool]:
        """All questions, and whether the number is reliable: almost known, or taken from the last run."""
        asked: dict[str, int] = {}
        for kind, count in stats.answered.items():
            owner = self.owners.get(kind, "instance")
            asked[owner] = asked.get(owner, 0) + count
        about: tuple[tuple[Owner, int], ...] = (
            ("group", counts.groups),
            ("project", counts.projects),
            ("repository", counts.repositories),
        )
        found = asked.get("instance", 0)
        for owner, listed in about:
            found += max(self.each.get(owner, 0) * listed, asked.get(owner, 0))
        found += counts.user_questions or self.each.get("user", 0) * counts.users
        found = max(found, self.done(stats, counts))
        if (
            counts.groups_complete
            and counts.projects_complete
            and counts.repositories_complete
            and counts.users_complete
        ):
            return found, True
        return max(found, self.last or 0), self.last is not None and self.last >= found
