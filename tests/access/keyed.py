"""Random keys, tokens, restrictions and merge checks for the instances of `strategies`."""

from itertools import count

from hypothesis import strategies as st

from oaa_bitbucket_async.demo.branch_permissions import (
    CATEGORIES,
    RESTRICTION_TYPES,
    ModelMatcher,
    ModelMergeChecks,
    ModelRestriction,
)
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.model import Estate, ModelUser
from tests.access.strategies import Instance, instances

LABELS = ["", "deploy", "deploy", "a/b", 'q"uote', "日本 ö", "group:devs", "1"]
ALGORITHMS = [("RSA", 2048), ("ED25519", 256), ("ECDSA", 521)]
ON_PROJECT = [*3 * ["PROJECT_READ"], *3 * ["PROJECT_WRITE"], "PROJECT_CLONE"]
ON_REPOSITORY = [*3 * ["REPO_READ"], *3 * ["REPO_WRITE"], "REPO_CLONE"]
"""Keys read or write; the last one is a permission that nobody knows yet."""
LEVELS = ["READ", "WRITE", "ADMIN"]
BRANCHES = ["refs/heads/main", "refs/heads/master", "refs/heads/rel/1", "refs/heads/a/rel/main", "refs/heads/feature/x"]
PATTERNS = [
    "*", "**", "main", "MAIN", "ma*", "m?in", "?", "rel/*", "rel/", "rel/**", "**/main", "heads/*", "heads/**/main",
    "refs/heads/main", "refs/heads/*", "ma[i]n", "main.", "a/**/main", "in",
]  # fmt: skip
MATCHERS = st.one_of(
    st.builds(ModelMatcher, st.just("BRANCH"), st.sampled_from(BRANCHES)),
    st.builds(ModelMatcher, st.just("PATTERN"), st.sampled_from(PATTERNS)),
    st.builds(ModelMatcher, st.just("MODEL_BRANCH"), st.sampled_from(["development", "production"])),
    st.builds(ModelMatcher, st.just("MODEL_CATEGORY"), st.sampled_from(sorted(CATEGORIES))),
    st.just(ModelMatcher("ANY_REF")),
)
TIMES = st.integers(1_400_000_000_000, 1_900_000_000_000)
DAYS = st.none() | st.integers(1, 1000)


_role = st.none() | st.sampled_from(BRANCHES)


@st.composite
def _ssh_keys(draw: st.DrawFn, first: int, most: int, least: int = 0) -> list[ModelSshKey]:
    keys = []
    for number in range(first, first + draw(st.integers(least, most))):
        algorithm, bits = draw(st.sampled_from(ALGORITHMS))
        label = draw(st.sampled_from(LABELS))
        keys.append(ModelSshKey(number, label, algorithm, bits, draw(TIMES), draw(DAYS), draw(st.none() | TIMES)))
    return keys


def _access(keys: list[ModelSshKey], permissions: list[str]) -> st.SearchStrategy[list[ModelAccessKey]]:
    one = st.builds(ModelAccessKey, st.sampled_from(keys), st.sampled_from(permissions))
    return st.lists(one, max_size=3, unique_by=lambda access: access.key.id)


@st.composite
def _tokens(draw: st.DrawFn, first: int, prefixes: tuple[str, ...]) -> list[ModelAccessToken]:
    """Of a project's token each of both kinds of rights may be the higher one, or missing."""
    return [
        ModelAccessToken(
            str(number),
            draw(st.sampled_from(LABELS)),
            tuple(
                f"{prefix}_{level}" for prefix in prefixes if (level := draw(st.sampled_from([None, *LEVELS, *LEVELS])))
            ),
            draw(TIMES),
            draw(st.none() | TIMES),
            draw(st.none() | TIMES),
        )
        for number in range(first, first + draw(st.integers(0, 2)))
    ]


@st.composite
def _restrictions(
    draw: st.DrawFn, ids: "count[int]", estate: Estate, keys: list[ModelSshKey]
) -> list[ModelRestriction]:
    users = st.lists(st.sampled_from([user.name for user in estate.users]), max_size=3, unique_by=str.lower)
    groups = st.lists(st.sampled_from([*(group.name for group in estate.groups), "gone", "GONE"]), max_size=2)
    return [
        ModelRestriction(
            next(ids),
            draw(st.sampled_from(RESTRICTION_TYPES)),
            draw(MATCHERS),
            draw(users),
            draw(groups.map(lambda names: list(dict.fromkeys(names)))),
            draw(st.lists(st.sampled_from(keys), max_size=2, unique_by=lambda key: key.id)),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]


@st.composite
def keyed_instances(draw: st.DrawFn) -> Instance:
    """An instance whose places are opened by a few keys: some by the same one as their project, or as each other.

    Now and then the server does not know what a default branch or a branching model is. With a token the name of the
    account has to be there: without it, it is one of those whose keys are tried, and its own are shown.
    """
    instance = draw(instances())
    missing = draw(st.sampled_from([*5 * [""], "repository-default-branch", "repository-branch-model"]))
    instance = instance.served(
        missing=frozenset({missing} - {""}),
        strip_username_header=instance.basic and instance.options.strip_username_header,
    )
    estate = instance.estate
    if draw(st.booleans()):
        estate.users.append(ModelUser(max((user.id for user in estate.users), default=0) + 1, instance.options.user))
    keys = draw(_ssh_keys(1, 4, least=1))
    ids = count(1)
    for number, project in enumerate(estate.projects):
        project.access_keys = draw(_access(keys, ON_PROJECT))
        project.tokens = draw(_tokens(100 + 10 * number, ("PROJECT", "REPO")))
        project.restrictions = draw(_restrictions(ids, estate, keys))
    for number, repository in enumerate(estate.repositories):
        repository.access_keys = draw(_access(keys, ON_REPOSITORY))
        repository.tokens = draw(_tokens(300 + 10 * number, ("REPO",)))
        repository.restrictions = draw(_restrictions(ids, estate, keys))
        repository.default_branch = draw(st.sampled_from(BRANCHES))
        repository.development, repository.production = draw(_role), draw(_role)
        repository.checks = draw(
            st.builds(ModelMergeChecks, st.integers(0, 3), st.integers(0, 2), st.booleans(), st.booleans())
        )
    for number, user in enumerate(estate.users):
        user.ssh_keys = draw(_ssh_keys(500 + 10 * number, 2))
        user.gpg_keys = [
            ModelGpgKey(10 * number + n, user.email, draw(st.none() | TIMES)) for n in range(draw(st.integers(0, 2)))
        ]
        user.tokens = draw(_tokens(900 + 10 * number, ("PROJECT", "REPO")))
    return instance


def take_credentials(estate: Estate) -> None:
    """Leaves the same people, places and grants."""
    for place in (*estate.projects, *estate.repositories):
        place.access_keys = place.tokens = place.restrictions = ()
    for user in estate.users:
        user.ssh_keys = user.gpg_keys = user.tokens = ()
    estate.changed()
