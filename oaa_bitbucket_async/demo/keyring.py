"""Gives a synthetic estate its keys, tokens, restrictions, merge checks and reviewers, as real instances have them.

It has its own random numbers: no change here changes the people, places and grants of a seed.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count

from oaa_bitbucket_async.demo.branch_permissions import (
    CATEGORIES,
    ModelMatcher,
    ModelMergeChecks,
    ModelRestriction,
    ModelReviewCondition,
)
from oaa_bitbucket_async.demo.credentials import DAY, ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.model import Estate, ModelProject, ModelRepository, ModelUser

_SHARES = {
    "project with access keys": 0.30,
    "repository with access keys": 0.25,
    "project with tokens": 0.10,
    "repository with tokens": 0.08,
    "user with tokens": 0.25,
    "user with SSH keys": 0.60,
    "user with GPG keys": 0.06,
    "project with restrictions": 0.35,
    "repository with restrictions": 0.20,
    "repository with merge checks": 0.30,
    "place with default reviewers": 0.20,
    "key never used": 0.15,
    "key that expires": 0.40,
    "token that expires": 0.70,
    "another default branch": 0.30,
    "another development branch": 0.10,
}
_ALGORITHMS = (("RSA", 2048), ("RSA", 4096), ("ED25519", 256), ("ECDSA", 256), ("ECDSA", 521))
_LABELS = ("build", "mirror", "backup", "deploy", "scanner", "argo", "jenkins", "ansible", "docs")
_TOKENS = ("ci", "migration", "laptop", "release bot", "dashboards", "renovate", "one-off, delete me")
_BRANCHES = ("master", "develop", "trunk", "release/current")
_MATCHERS = (
    ModelMatcher("BRANCH", "refs/heads/main"),
    ModelMatcher("BRANCH", "refs/heads/master"),
    ModelMatcher("BRANCH", "refs/heads/develop"),
    ModelMatcher("PATTERN", "release/*"),
    ModelMatcher("PATTERN", "*"),
    ModelMatcher("PATTERN", "ma*"),
    ModelMatcher("MODEL_BRANCH", "development"),
    ModelMatcher("MODEL_BRANCH", "production"),
    *(ModelMatcher("MODEL_CATEGORY", category) for category in CATEGORIES),
)
_TYPES = ("pull-request-only", "pull-request-only", "fast-forward-only", "no-deletes", "read-only")


def add_credentials(estate: Estate, seed: int, now: int) -> None:
    """Adds them to an estate that has none. `now` is the time up to which something happened, in milliseconds."""
    _Keyring(estate, seed, now).fill()


class _Keyring:
    def __init__(self, estate: Estate, seed: int, now: int) -> None:
        self._estate = estate
        self._now = now
        self._rng = random.Random(f"credentials {seed}")
        self._reviews = random.Random(f"reviewers {seed}")
        self._key_ids, self._gpg_numbers, self._restriction_ids = count(1), count(1), count(1)
        self._condition_ids = count(1)
        self._users = [user.name for user in estate.users if not user.deleted]
        self._groups = [group.name for group in estate.groups]
        places = len(estate.projects) + len(estate.repositories)
        self._shared = [self._ssh_key(self._rng.choice(_LABELS)) for _ in range(max(2, places // 6))]
        """Access keys: few open many places, many open one."""

    def fill(self) -> None:
        for project in self._estate.projects:
            self._open(project, "project", "PROJECT")
            self._restrict(project, "project with restrictions")
            self._review(project)
        for repository in self._estate.repositories:
            self._open(repository, "repository", "REPO")
            self._restrict(repository, "repository with restrictions")
            self._branches(repository)
            self._review(repository)
        for user in self._estate.users:
            if not user.deleted:
                self._equip(user)
        self._estate.changed()

    def _open(self, place: ModelProject | ModelRepository, kind: str, level: str) -> None:
        """Access keys and tokens of a place."""
        rng = self._rng
        if self._chance(f"{kind} with access keys"):
            chosen = {key.id: key for key in (self._shared_key() for _ in range(rng.randint(1, 3)))}
            place.access_keys = [
                ModelAccessKey(key, f"{level}_{'WRITE' if rng.random() < 0.3 else 'READ'}") for key in chosen.values()
            ]
        if self._chance(f"{kind} with tokens"):
            place.tokens = [self._token(self._levels(level)) for _ in range(rng.randint(1, 2))]

    def _equip(self, user: ModelUser) -> None:
        """Keys and tokens of a user."""
        rng = self._rng
        if self._chance("user with SSH keys"):
            user.ssh_keys = [self._ssh_key(f"{user.slug}@host{n}") for n in range(rng.randint(1, 2))]
        if self._chance("user with GPG keys"):
            expires = rng.choice((None, self._now - 100 * DAY, self._now + 400 * DAY))
            user.gpg_keys = [ModelGpgKey(next(self._gpg_numbers), user.email, expires, rng.randrange(3))]
        if self._chance("user with tokens"):
            user.tokens = [self._token(self._levels("PROJECT")) for _ in range(rng.randint(1, 3))]

    def _levels(self, level: str) -> tuple[str, ...]:
        permission = self._rng.choice(("READ", "READ", "WRITE", "ADMIN"))
        of_repository = f"REPO_{permission}"
        return (of_repository,) if level == "REPO" else (f"PROJECT_{permission}", of_repository)

    def _ssh_key(self, label: str) -> ModelSshKey:
        rng = self._rng
        algorithm, bits = rng.choice(_ALGORITHMS)
        created = self._now - rng.randrange(20 * DAY, 2000 * DAY)
        number = next(self._key_ids)
        return ModelSshKey(
            id=number,
            label=label if "@" in label else f"{label}-{number}",
            algorithm=algorithm,
            bits=bits,
            created=created,
            expiry_days=rng.choice((30, 90, 365, 1000)) if self._chance("key that expires") else None,
            last_authenticated=self._used_since(created),
        )

    def _shared_key(self) -> ModelSshKey:
        return self._shared[int(len(self._shared) * self._rng.random() ** 2)]

    def _token(self, permissions: tuple[str, ...]) -> ModelAccessToken:
        rng = self._rng
        created = self._now - rng.randrange(DAY, 1500 * DAY)
        days = rng.choice((30, 90, 365, 1000))
        return ModelAccessToken(
            id=str(rng.randrange(10**11, 10**12)),
            name=rng.choice(_TOKENS),
            permissions=permissions,
            created=created,
            expires=created + days * DAY if self._chance("token that expires") else None,
            last_authenticated=self._used_since(created),
        )

    def _used_since(self, created: int) -> int | None:
        return None if self._chance("key never used") else self._rng.randrange(created, self._now)

    def _restrict(self, place: ModelProject | ModelRepository, share: str) -> None:
        if self._chance(share):
            place.restrictions = list(self._restrictions(place))

    def _restrictions(self, place: ModelProject | ModelRepository) -> Iterator[ModelRestriction]:
        rng = self._rng
        for matcher in dict.fromkeys(rng.choices(_MATCHERS, k=rng.randint(1, 3))):
            keys = [access.key for access in place.access_keys if rng.random() < 0.3]
            yield ModelRestriction(
                next(self._restriction_ids), rng.choice(_TYPES), matcher, self._few(self._users),
                self._few(self._groups), keys
            )  # fmt: skip

    def _few(self, names: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(self._rng.choices(names, k=self._rng.choice((0, 0, 1, 3))))) if names else []

    def _branches(self, repository: ModelRepository) -> None:
        rng = self._rng
        if self._chance("another default branch"):
            repository.default_branch = f"refs/heads/{rng.choice(_BRANCHES)}"
        if self._chance("another development branch"):
            repository.development, repository.production = "refs/heads/develop", repository.default_branch
        if self._chance("repository with merge checks"):
            repository.checks = rng.choice(_CHECKS)

    def _review(self, place: ModelProject | ModelRepository) -> None:
        rng = self._reviews
        if rng.random() < _SHARES["place with default reviewers"] and self._users:
            reviewers = sorted(rng.sample(self._users, min(len(self._users), rng.randint(1, 3))))
            source, approvals = rng.choice((ModelMatcher("ANY_REF"), *_MATCHERS)), rng.randint(0, len(reviewers))
            condition = ModelReviewCondition(
                next(self._condition_ids), source, ModelMatcher("BRANCH", "refs/heads/main"), approvals, reviewers
            )
            place.review_conditions = (condition,)

    def _chance(self, share: str) -> bool:
        return self._rng.random() < _SHARES[share]


_CHECKS = tuple(
    ModelMergeChecks(approvers, builds, approvers > 1, builds == 0, strategy)
    for approvers in (0, 1, 2)
    for builds in (0, 1)
    for strategy in ("no-ff", "ff-only", "squash")
)
"""The same few settings again and again."""
