"""The rows of findings about keys, tokens and branches: what `--include` adds."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.included import AccessKey, SshKey, Token
from oaa_bitbucket_async.collect.kinds import AnyKind
from oaa_bitbucket_async.collect.protection import branch_of, protected
from oaa_bitbucket_async.collect.snapshot import UserRecord
from oaa_bitbucket_async.oaa.credentials import of_several_users
from oaa_bitbucket_async.ops.report.access_rows import Row
from oaa_bitbucket_async.ops.report.evidence import Evidence, day
from oaa_bitbucket_async.ops.report.reach_index import WRITES

UNUSED_DAYS = 180
TOKENS = (kinds.PROJECT_TOKENS, kinds.REPOSITORY_TOKENS, kinds.USER_TOKENS)
ACCESS_KEYS = (kinds.PROJECT_ACCESS_KEYS, kinds.REPOSITORY_ACCESS_KEYS)
USER_CREDENTIALS = (kinds.USER_TOKENS, kinds.USER_SSH_KEYS)
_NEVER = "never"


@dataclass(frozen=True, slots=True)
class _Held:
    """A key or token, with whom or what it belongs to."""

    row: AccessKey | SshKey | Token
    kind: str
    owner: str
    """A user's name, a project key, or `KEY/slug`."""
    user: UserRecord | None = None

    @property
    def name(self) -> str:
        return self.row.name if isinstance(self.row, Token) else self.row.label or self.row.fingerprint


def tokens_that_never_expire(evidence: Evidence) -> Iterator[Row]:
    """Token, whose it is, what it may do, when it was made, when it was last used."""
    told = _kinds_with_use(evidence)
    for held in _every(evidence, *TOKENS):
        if isinstance(held.row, Token) and held.row.expires is None:
            yield held.name, held.owner, _permissions(held), day(held.row.created), _last_used(held, told)


def unused_credentials(evidence: Evidence) -> Iterator[Row]:
    """Kind, name, holder, creation and last use of keys and tokens that were not used for UNUSED_DAYS, or never.

    Not every server tells when a key or token was used. A server that tells it for one tells it for all. Leaves out
    what has expired, and what is younger than UNUSED_DAYS.
    """
    before = evidence.now * 1000 - UNUSED_DAYS * 86_400_000
    told = _kinds_with_use(evidence)
    seen = set()
    for held in _every(evidence, *ACCESS_KEYS, *TOKENS, kinds.USER_SSH_KEYS):
        row = held.row
        if _use_is_told(held, told) and (row.last_used or row.created or 0) < before and not _expired(evidence, held):
            if isinstance(row, AccessKey):  # one key can open many places
                if row.id in seen:
                    continue
                seen.add(row.id)
            yield held.kind, held.name, held.owner, day(row.created), day(row.last_used) or _NEVER


def credentials_of_inactive_people(evidence: Evidence) -> Iterator[Row]:
    """User, kind, name, when it was made, when it was last used, when it expires."""
    told = _kinds_with_use(evidence)
    for held in _every(evidence, *USER_CREDENTIALS):
        if held.user is not None and not held.user.active and not _expired(evidence, held):
            yield (
                held.owner,
                held.kind,
                held.name,
                day(held.row.created),
                _last_used(held, told),
                day(held.row.expires) or _NEVER,
            )


def access_keys_that_may_write(evidence: Evidence) -> Iterator[Row]:
    """Key, what it opens, permission, when it was made, when it was last used; once for each place that it opens."""
    told = _kinds_with_use(evidence)
    for held in _every(evidence, *ACCESS_KEYS):
        row = held.row
        if isinstance(row, AccessKey) and row.permission in WRITES and not _expired(evidence, held):
            yield held.name, held.owner, row.permission, day(row.created), _last_used(held, told)


def unprotected_default_branches(evidence: Evidence) -> Iterator[Row]:
    """Repository, its default branch where that is known, and its number of branch restrictions.

    Archived repositories can't be changed, so they are left out; so is what can't be told.
    """
    included = evidence.snapshot.included
    for _, repository in evidence.repositories():
        restrictions = included.rows(kinds.REPOSITORY_RESTRICTIONS, repository.id)
        if restrictions is not None and not repository.archived:
            branch, model = branch_of(included, repository.id)
            if protected(restrictions, branch, model) is False:
                yield evidence.path(repository), (branch or "").removeprefix("refs/heads/"), len(restrictions)


def _every(evidence: Evidence, *these: AnyKind) -> Iterator[_Held]:
    """All of these kinds, in the order of what they belong to; not those that the server tells of several users."""
    return chain.from_iterable(_each(evidence, kind) for kind in these)


def _each(evidence: Evidence, kind: AnyKind) -> Iterator[_Held]:
    snapshot, word = evidence.snapshot, _words(kind)
    if kind.of == "user":
        not_theirs = of_several_users(snapshot.included, kind)
        for user in evidence.users():
            for row in snapshot.included.rows(kind, user.id) or ():
                if row.id not in not_theirs:
                    yield _Held(row, word, user.name, user)
        return
    places = (
        ((project.id, project.key) for project in evidence.index.projects)
        if kind.of == "project"
        else ((repository.id, evidence.path(repository)) for _, repository in evidence.repositories())
    )
    for place, name in places:
        for row in snapshot.included.rows(kind, place) or ():
            yield _Held(row, word, name)


def _words(kind: AnyKind) -> str:
    return "access key" if kind in ACCESS_KEYS else "token" if kind in TOKENS else "SSH key"


def _permissions(held: _Held) -> str:
    return ", ".join(held.row.permissions) if isinstance(held.row, Token) else ""


def _expired(evidence: Evidence, held: _Held) -> bool:
    return held.row.expires is not None and held.row.expires < evidence.now * 1000


def _kinds_with_use(evidence: Evidence) -> frozenset[bool]:
    """For which of tokens (True) and keys (False) the server tells when they were used."""
    of_each: dict[bool, tuple[AnyKind, ...]] = {True: TOKENS, False: (*ACCESS_KEYS, kinds.USER_SSH_KEYS)}
    return frozenset(
        token for token, some in of_each.items() if any(h.row.last_used is not None for h in _every(evidence, *some))
    )


def _use_is_told(held: _Held, told: frozenset[bool]) -> bool:
    return isinstance(held.row, Token) in told


def _last_used(held: _Held, told: frozenset[bool]) -> str | None:
    """A day, `never`, or None where the server does not tell."""
    if held.row.last_used is None and _use_is_told(held, told):
        return _NEVER
    return day(held.row.last_used)
