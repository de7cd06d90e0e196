"""How far the crawl is, as numbers for progress displays."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class CrawlCounts:
    """Listed, done and known so far. `*_complete` is True once the listing has shown its last page."""

    users: int = 0
    groups: int = 0
    groups_done: int = 0
    """Groups whose members are known."""
    projects: int = 0
    projects_done: int = 0
    """Projects whose permissions have been asked for, with any outcome."""
    repositories: int = 0
    repositories_done: int = 0
    grants: int = 0
    user_questions: int = 0
    """Questions about single users, their tokens and keys (`--include`); 0 until all users are listed."""
    user_questions_done: int = 0
    resumed: int = 0
    """Units that an unfinished run had already answered."""
    based: int = 0
    """Units of the last upload that are not asked again, as far as is known before the crawl."""
    users_complete: bool = False
    groups_complete: bool = False
    projects_complete: bool = False
    repositories_complete: bool = False
    set_aside: set[str] = field(default_factory=set)
    """Kinds of question that get no answers, in words for people. One unit of each is tried now and then."""
