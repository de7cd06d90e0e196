"""With a faithful log nothing that changed by chance is missed: it is named, or the listings show it."""

import random
from collections.abc import Iterator

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.audit.rows import AuditEvent, LogPages
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.incremental.named import Named, what_is_named
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit
from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.bitbucket.audit.rows import RowRenderer
from oaa_bitbucket_async.demo.changes.chance import random_changes
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelProject, ModelRepository
from tests.demo.asking import small_estate
from tests.examples import examples

Answers = dict[Unit, object]


def answers(estate: Estate, left_out: set[int | str]) -> Answers:
    """What each unit would be answered; grants of `left_out` (ids of users, names of groups) are not looked at."""
    found: Answers = {}

    def held(grants: list[ModelGrant], *, of_users: bool) -> list[tuple[int | str, str]]:
        ids = {user.name.lower(): user.id for user in estate.users}
        pairs = [(ids.get(g.principal.lower(), "") if of_users else g.principal.lower(), g.permission) for g in grants]
        return sorted(((who, what) for who, what in pairs if who not in left_out), key=repr)

    def put(kind: AnyKind, key: object, answer: object) -> None:
        found[Unit(kind, str(key))] = answer

    for project in estate.projects:
        put(kinds.PROJECT_USERS, project.id, held(project.user_grants, of_users=True))
        put(kinds.PROJECT_GROUPS, project.id, held(project.group_grants, of_users=False))
        for level in kinds.PROJECT_DEFAULT.parts:
            put(kinds.PROJECT_DEFAULT, f"{project.id}/{level}", level in project.defaults)
        put(kinds.PROJECT_ACCESS_KEYS, project.id, list(project.access_keys))
        put(kinds.PROJECT_TOKENS, project.id, list(project.tokens))
    for repository in estate.repositories:
        put(kinds.REPOSITORY_USERS, repository.id, held(repository.user_grants, of_users=True))
        put(kinds.REPOSITORY_GROUPS, repository.id, held(repository.group_grants, of_users=False))
        put(kinds.REPOSITORY_ACCESS_KEYS, repository.id, list(repository.access_keys))
        put(kinds.REPOSITORY_TOKENS, repository.id, list(repository.tokens))
        restrictions = [*repository.project.restrictions, *repository.restrictions]
        put(kinds.REPOSITORY_RESTRICTIONS, repository.id, restrictions)
        put(kinds.REPOSITORY_SETTINGS, repository.id, repository.checks)
    for user in estate.users:
        put(kinds.USER_TOKENS, user.id, list(user.tokens))
        put(kinds.USER_SSH_KEYS, user.id, list(user.ssh_keys))
        put(kinds.USER_GPG_KEYS, user.id, list(user.gpg_keys))
    return found


def listed(estate: Estate) -> dict[tuple[str, int], object]:
    """What the listings show of projects and repositories."""

    def shown(at: ModelProject | ModelRepository) -> object:
        if isinstance(at, ModelProject):
            return at.key, at.public
        return at.project.key, at.slug, at.public, at.archived, at.forkable, at.state

    return {
        **{("project", project.id): shown(project) for project in estate.projects},
        **{("repository", repository.id): shown(repository) for repository in estate.repositories},
    }


def people(estate: Estate) -> set[int | str]:
    return {u.id for u in estate.users if not u.deleted} | {group.name.lower() for group in estate.groups}


def events(log: AuditLog, estate: Estate) -> list[AuditEvent]:
    """As the collector decodes the log's rows."""
    renderer = RowRenderer(estate, "http://h", legacy=False)
    shown = [renderer.row(row) for row in log.search()]
    body = msgspec.json.encode({"entities": shown, "pagingInfo": {"lastPage": True, "size": len(shown)}})
    return LogPages().decode(body).events


def missed(
    before: Answers, after: Answers, named: Named, changed: set[tuple[str, int]], estate: Estate
) -> Iterator[Unit]:
    """Units that are answered otherwise now, although nothing leads there."""
    project_of = {repository.id: repository.project.id for repository in estate.repositories}
    for unit, answer in after.items():
        if unit not in before or before[unit] == answer:
            continue
        number = int(unit.key.partition("/")[0])
        project = project_of.get(number) if unit.kind.of == "repository" else None
        if named.newest(unit, project) is None and (unit.kind.of, number) not in changed:
            yield unit


@examples(150)
@given(st.integers(0, 10**6), st.integers(1, 25))
def test_what_changes_by_chance_is_named_or_listed(seed: int, count: int) -> None:
    estate = small_estate()
    log = AuditLog(estate, lambda: 1_700_000_000.0)
    there, shown = people(estate), listed(estate)
    deleted = {user.id: user.name.lower() for user in estate.users if user.deleted}
    before_all = answers(estate, set())

    told = random_changes(estate, random.Random(seed), count)

    unsettled = there ^ people(estate)
    names = {user.name.lower() for user in estate.users if not user.deleted}
    unsettled |= {user for user, name in deleted.items() if name in names}  # another has the name now
    before = {
        unit: [pair for pair in answer if pair[0] not in unsettled] if unit.kind.grants else answer  # type: ignore[attr-defined]
        for unit, answer in before_all.items()
    }
    after = answers(estate, unsettled)
    now = listed(estate)
    changed = {thing for thing, how in now.items() if shown.get(thing) != how}
    named = what_is_named(events(log, estate), None)
    assert list(missed(before, after, named, changed, estate)) == [], told
