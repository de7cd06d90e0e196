"""What a key or a token can open on an estate, and whom a branch restriction stops: as Bitbucket itself decides it.

Whether a credential has expired is not asked here: that is a question of the day. Held apart from the collector, so
that both can be compared.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from oaa_bitbucket_async.demo.branch_permissions import CATEGORIES, ModelMatcher, ModelRestriction
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken
from oaa_bitbucket_async.demo.model import ModelProject, ModelRepository, ModelUser
from oaa_bitbucket_async.demo.rights import PROJECT_LEVELS, REPOSITORY_LEVELS, WEIGHTS, Rights, highest, on_repository

STOPS_PUSHES = frozenset({"read-only", "pull-request-only"})
"""Types of restrictions that keep a branch from being pushed to by everybody who may write to the repository."""


def key_permission(key: int, at: ModelProject | ModelRepository) -> str | None:
    """What the access key of that id may do there: of a repository it is the higher of its own and its project's."""
    if isinstance(at, ModelProject):
        return highest(_held(key, at.access_keys))
    return highest([*_held(key, at.access_keys), *_reaching(_held(key, at.project.access_keys))])


def place_token_permission(
    token: ModelAccessToken, of: ModelProject | ModelRepository, at: ModelProject | ModelRepository
) -> str | None:
    """What a token of a project or repository may do there: a project's reaches the repositories of the project."""
    if isinstance(at, ModelProject):
        return highest(p for p in token.permissions if p in PROJECT_LEVELS) if at is of else None
    return _on_repository(token) if of is at or of is at.project else None


def user_token_permission(token: ModelAccessToken, owner: ModelUser, at: ModelRepository, rights: Rights) -> str | None:
    """What a user's token may do with a repository: what both the user and the token may."""
    held, carried = rights.repository_permission(owner, at), _on_repository(token)
    if held is None or carried is None:
        return None
    return min(held, carried, key=lambda permission: WEIGHTS.get(permission, -1))


def restrictions_of(repository: ModelRepository) -> list[ModelRestriction]:
    """The repository's own, and those of its project."""
    return [*repository.restrictions, *repository.project.restrictions]


def default_branch_protected(repository: ModelRepository) -> bool:
    """Whether some restriction keeps pushes from the default branch."""
    return any(
        restriction.type in STOPS_PUSHES and covers(restriction.matcher, repository.default_branch, repository)
        for restriction in restrictions_of(repository)
    )


def covers(matcher: ModelMatcher, branch: str, repository: ModelRepository) -> bool:
    """Whether a branch (its full name) of a repository is one of those that are meant."""
    match matcher.type:
        case "ANY_REF":
            return True
        case "BRANCH":
            return matcher.id == branch
        case "PATTERN":
            wanted = matcher.id + "**" if matcher.id.endswith("/") else matcher.id
            parts = branch.split("/")
            return any(_fits(wanted.lstrip("/").split("/"), parts[at:]) for at in range(len(parts)))
        case "MODEL_BRANCH":
            role = {"development": repository.development or repository.default_branch}
            return branch == (role | {"production": repository.production}).get(matcher.id)
        case "MODEL_CATEGORY":
            return branch.removeprefix("refs/heads/").startswith(CATEGORIES[matcher.id])
    raise ValueError(f"there is no matcher {matcher.type}")


def _fits(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """`**` is any number of parts, `*` and `?` are letters of one part."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(pattern[1:], parts[at:]) for at in range(len(parts) + 1))
    letters = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern[0])
    return bool(parts) and re.fullmatch(letters, parts[0], re.DOTALL) is not None and _fits(pattern[1:], parts[1:])


def _held(key: int, access_keys: Iterable[ModelAccessKey]) -> Iterator[str]:
    return (access.permission for access in access_keys if access.key.id == key)


def _on_repository(token: ModelAccessToken) -> str | None:
    return highest([*(p for p in token.permissions if p in REPOSITORY_LEVELS), *_reaching(token.permissions)])


def _reaching(permissions: Iterable[str]) -> Iterator[str]:
    return (reached for permission in permissions if (reached := on_repository(permission)) is not None)
