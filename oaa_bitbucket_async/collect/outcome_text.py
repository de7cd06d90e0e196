"""Words for how a unit ended: what is missing, why, and what to do about it."""

from collections.abc import Iterator

from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, RequestProblem
from oaa_bitbucket_async.collect.ledger import Entry, Ledger, Outcome
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.collect.units import (
    INCLUDED,
    LISTINGS,
    OF_PROJECT,
    OF_REPOSITORY,
    OF_USER,
    Keys,
    Unit,
    UnitKind,
)

_WHAT = {
    UnitKind.USERS: "listing of users",
    UnitKind.GROUPS: "listing of groups",
    UnitKind.PROJECTS: "listing of projects",
    UnitKind.REPOSITORIES: "listing of repositories",
    UnitKind.MEMBERS: "members of group {}",
    UnitKind.GLOBAL_USERS: "global permissions of users",
    UnitKind.GLOBAL_GROUPS: "global permissions of groups",
    UnitKind.EFFECTIVE: "users who hold {}",
    UnitKind.PROJECT_USERS: "user permissions of project {}",
    UnitKind.PROJECT_GROUPS: "group permissions of project {}",
    UnitKind.PROJECT_DEFAULT: "default permission of project {}",
    UnitKind.REPOSITORY_USERS: "user permissions of repository {}",
    UnitKind.REPOSITORY_GROUPS: "group permissions of repository {}",
    UnitKind.PROJECT_ACCESS_KEYS: "access keys of project {}",
    UnitKind.PROJECT_TOKENS: "tokens of project {}",
    UnitKind.REPOSITORY_ACCESS_KEYS: "access keys of repository {}",
    UnitKind.REPOSITORY_TOKENS: "tokens of repository {}",
    UnitKind.REPOSITORY_RESTRICTIONS: "branch restrictions of repository {}",
    UnitKind.REPOSITORY_DEFAULT_BRANCH: "default branch of repository {}",
    UnitKind.REPOSITORY_BRANCH_MODEL: "branching model of repository {}",
    UnitKind.REPOSITORY_SETTINGS: "pull request settings of repository {}",
    UnitKind.USER_TOKENS: "tokens of user {}",
    UnitKind.USER_SSH_KEYS: "SSH keys of user {}",
    UnitKind.USER_GPG_KEYS: "GPG keys of user {}",
}


def entry_of(unit: Unit, snapshot: Snapshot, problem: RequestProblem | None) -> Entry:
    """The ledger's entry for a unit that did not end *ok*. `problem` None: gone, and confirmed to be."""
    what = _WHAT[unit.kind].format(_name(unit, snapshot))
    if problem is None:
        return Entry(unit, Outcome.GONE, what, "deleted while the run was under way", "")
    outcome = Outcome.DENIED if isinstance(problem, Denied) else Outcome.FAILED
    return Entry(unit, outcome, what, str(problem), _advice(unit, problem))


def given_up(kind: UnitKind, last: Entry, failed: int, keys: Keys) -> Entry:
    """One entry for all units of a kind that nobody answered: `failed` were asked, `last` of them the last."""
    others = f" and of {failed - 1:,} others" if failed > 1 else ""
    unasked = f", and {len(keys) - failed:,} more, not asked" if len(keys) > failed else ""
    return Entry(Unit(kind), Outcome.FAILED, f"{last.what}{others}{unasked}", last.reason, last.advice, keys)


def kind_in_words(kind: UnitKind) -> str:
    """`user permissions of repositories`: all units of a kind."""
    words = _WHAT[kind]
    for one, many in (("repository", "repositories"), ("project", "projects"), ("group", "groups"), ("user", "users")):
        words = words.replace(f"{one} {{}}", many)
    return words.replace(" {}", " permissions")


def missing_scopes(ledger: Ledger) -> set[Missing]:
    """Which parts of the snapshot are not complete, for a payload that is uploaded nevertheless."""
    scopes = set()
    for kind, key in _missing_units(ledger):
        if kind in INCLUDED:
            scopes.add(Missing("included", INCLUDED[kind]))
        if kind in OF_REPOSITORY:
            scopes.add(Missing("repository", int(key)))
        elif kind in OF_PROJECT:
            scopes.add(Missing("project", int(key.partition("/")[0])))
        elif kind is UnitKind.MEMBERS:
            scopes.add(Missing("group", key.lower()))
        elif kind not in LISTINGS and kind not in OF_USER:
            scopes.add(Missing("global", ""))
    return scopes


def _missing_units(ledger: Ledger) -> Iterator[Unit]:
    for entry in ledger.missing():
        yield from (Unit(entry.unit.kind, key) for key in entry.keys or (entry.unit.key,))


def _name(unit: Unit, snapshot: Snapshot) -> str:
    """The path that people know: KEY or KEY/slug."""
    if unit.kind in OF_REPOSITORY:
        repository = snapshot.repositories.get(int(unit.key))
        if repository is None:
            return f"with id {unit.key}"
        project = snapshot.projects.get(repository.project)
        return f"{project.key if project else repository.project}/{repository.slug}"
    if unit.kind in OF_PROJECT:
        project_id, _, level = unit.key.partition("/")
        project = snapshot.projects.get(int(project_id))
        return f"{project.key if project else f'with id {project_id}'}{f' ({level})' if level else ''}"
    if unit.kind in OF_USER:
        user = snapshot.users.get(int(unit.key))
        return user.name if user else f"with id {unit.key}"
    return unit.key


def _advice(unit: Unit, problem: RequestProblem) -> str:
    if isinstance(problem, Denied):
        if unit.kind in OF_REPOSITORY:
            return (
                "Give the account Admin on the repository, on its project, or globally (a token needs the permission "
                "Repository admin)."
            )
        if unit.kind in OF_PROJECT:
            return "Give the account Admin on the project, or globally (a token needs the permission Project admin)."
        return "Give the account the global permission Admin."
    if isinstance(problem, Fault):
        look = f" Look for request {problem.request_id} in the server's log." if problem.request_id else ""
        return f"Run again: a fault like this can pass.{look}"
    return "Run again; if it comes back, please report it with the request id."
