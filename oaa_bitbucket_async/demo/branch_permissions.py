"""What protects a branch: restrictions, those who are exempt from them, merge checks and default reviewers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from oaa_bitbucket_async.demo.credentials import ModelSshKey

RESTRICTION_TYPES = ("read-only", "no-deletes", "fast-forward-only", "pull-request-only", "no-creates")
MATCHER_TYPES = ("BRANCH", "PATTERN", "MODEL_CATEGORY", "MODEL_BRANCH", "ANY_REF")
CATEGORIES = {"FEATURE": "feature/", "BUGFIX": "bugfix/", "HOTFIX": "hotfix/", "RELEASE": "release/"}
"""The categories of the branching model that every repository has at first, and their prefixes."""


class ModelMatcher(NamedTuple):
    """The branches that a restriction protects. `type` is one of MATCHER_TYPES.

    `id` is a full name (`refs/heads/main`), a pattern, `development` or `production`, one of CATEGORIES, or for
    ANY_REF nothing.
    """

    type: str
    id: str = ""


@dataclass(slots=True)
class ModelRestriction:
    """A branch restriction of a project or repository; `users`, `groups` (by name) and `keys` are exempt from it."""

    id: int
    type: str
    matcher: ModelMatcher
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    keys: Sequence[ModelSshKey] = ()


@dataclass(frozen=True, slots=True)
class ModelReviewCondition:
    """Pull requests from one branch to another get these reviewers (user names), of whom so many have to approve."""

    id: int
    source: ModelMatcher
    target: ModelMatcher
    approvals: int
    reviewers: Sequence[str]


@dataclass(frozen=True, slots=True)
class ModelMergeChecks:
    """What a pull request needs before it can be merged, and how it is merged. 0: that check is off."""

    required_approvers: int = 0
    required_builds: int = 0
    all_approvers: bool = False
    all_tasks: bool = False
    strategy: str = "no-ff"


NO_CHECKS = ModelMergeChecks()
