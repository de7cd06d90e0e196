"""How a unit ended, in words: what is missing, why, and what to do."""

from collections.abc import Iterator
from sys import intern

from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, RequestProblem
from oaa_bitbucket_async.collect.kinds import AnyKind, Unit
from oaa_bitbucket_async.collect.ledger import Entry, Ledger, Outcome
from oaa_bitbucket_async.collect.snapshot import Missing, Snapshot
from oaa_bitbucket_async.collect.units import Keys


def entry_of(unit: Unit, snapshot: Snapshot, problem: RequestProblem | None) -> Entry:
    """The ledger's entry for a unit that did not end *ok*. `problem` is None if it is confirmed to be gone."""
    what = unit.kind.what.format(_name(unit, snapshot))
    if problem is None:
        return Entry(unit, Outcome.GONE, what, "deleted during the run", "")
    outcome = Outcome.DENIED if isinstance(problem, Denied) else Outcome.FAILED
    return Entry(unit, outcome, what, str(problem), _advice(unit, problem), cause=_cause(problem))


def given_up(kind: AnyKind, last: Entry, failed: int, keys: Keys) -> Entry:
    """One entry for all units of a kind that got no answer. `failed` of them were asked; `last` is the last entry."""
    others = f" and of {failed - 1:,} others" if failed > 1 else ""
    unasked = f", and {len(keys) - failed:,} more, not asked" if len(keys) > failed else ""
    return Entry(
        Unit(kind), Outcome.FAILED, f"{last.what}{others}{unasked}", last.reason, last.advice, keys, last.cause
    )


def kind_in_words(kind: AnyKind) -> str:
    """`user permissions of repositories`: all units of a kind."""
    words = kind.what
    for one, many in (("repository", "repositories"), ("project", "projects"), ("group", "groups"), ("user", "users")):
        words = words.replace(f"{one} {{}}", many)
    return words.replace(" {}", " permissions")


def missing_scopes(ledger: Ledger) -> set[Missing]:
    """Which parts of the snapshot are incomplete, for a payload that is uploaded with `--allow-partial`."""
    scopes = set()
    for kind, key in _missing_units(ledger):
        if kind.include is not None:
            scopes.add(Missing("included", kind.include))
        match kind.of:
            case "repository":
                scopes.add(Missing("repository", int(key)))
            case "project":
                scopes.add(Missing("project", int(key.partition("/")[0])))
            case "group":
                scopes.add(Missing("group", key.lower()))
            case "instance" if not kind.listing:
                scopes.add(Missing("global", ""))
    return scopes


def _missing_units(ledger: Ledger) -> Iterator[Unit]:
    for entry in ledger.each_missing():
        yield from (Unit(entry.unit.kind, key) for key in entry.keys or (entry.unit.key,))


def _name(unit: Unit, snapshot: Snapshot) -> str:
    """The path that people know: KEY or KEY/slug."""
    if unit.kind.of == "repository":
        repository = snapshot.repositories.get(int(unit.key))
        if repository is None:
            return f"with id {unit.key}"
        project = snapshot.projects.get(repository.project)
        return f"{project.key if project else repository.project}/{repository.slug}"
    if unit.kind.of == "project":
        project_id, _, level = unit.key.partition("/")
        project = snapshot.projects.get(int(project_id))
        return f"{project.key if project else f'with id {project_id}'}{f' ({level})' if level else ''}"
    if unit.kind.of == "user":
        user = snapshot.users.get(int(unit.key))
        return user.name if user else f"with id {unit.key}"
    return unit.key


def _cause(problem: RequestProblem) -> str:
    if problem.status is not None:
        return intern(str(problem.status))  # one text for two hundred thousand units that are denied
    return str(problem.reason) if isinstance(problem, Fault) else ""


def _advice(unit: Unit, problem: RequestProblem) -> str:
    if isinstance(problem, Denied):
        if unit.kind.of == "repository":
            return (
                "Give the account Admin on the repository, on its project, or globally (a token needs the permission "
                "Repository admin)."
            )
        if unit.kind.of == "project":
            return "Give the account Admin on the project, or globally (a token needs the permission Project admin)."
        return "Give the account the global permission Admin."
    if isinstance(problem, Fault):
        look = f" Look for request {problem.request_id} in the server's log." if problem.request_id else ""
        return f"Run again, since a failure like this can pass.{look}"
    return "Run again. If it stays, please report it with the request id."
