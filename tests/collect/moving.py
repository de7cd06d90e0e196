"""An embedded Bitbucket's endpoints on the virtual clock, on which things are renamed, moved, deleted and made anew
while they are crawled."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from multidict import CIMultiDict

from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.collect.units import Subject
from oaa_bitbucket_async.demo.bitbucket import ServerOptions
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.bitbucket.endpoints import Endpoints
from oaa_bitbucket_async.demo.bitbucket.routes import route
from oaa_bitbucket_async.demo.model import (
    NORMAL,
    PERSONAL,
    Estate,
    ModelGrant,
    ModelGroup,
    ModelProject,
    ModelRepository,
    ModelUser,
)
from oaa_bitbucket_async.demo.rights import Rights
from tests.servers.changes import (
    create_personal_project,
    create_project,
    create_repository,
    delete_project,
    delete_repository,
    move_repository,
    rename_project,
    swap_projects,
    swap_repositories,
)

ME = "collector"


def small_estate() -> Estate:
    """Three projects and a personal one with some repositories. On each thing a group of its own holds a permission, so
    that a grant tells which id it was given on."""
    users = [ModelUser(1, ME), ModelUser(2, "ann"), ModelUser(3, "bob")]
    personal = ModelProject(4, "~ANN", type=PERSONAL, owner="ann", group_grants=[own("project", 4)])
    projects = [ModelProject(n, f"P{n}", group_grants=[own("project", n)]) for n in (1, 2, 3)] + [personal]
    homes = [0, 0, 0, 1, 1, 2, 0, 1, 3]
    repositories = [
        ModelRepository(10 + n, projects[home], f"r{n}", group_grants=[own("repository", 10 + n)])
        for n, home in enumerate(homes)
    ]
    return Estate(
        users, [ModelGroup("team", ["ann", "bob"])], projects, repositories, [ModelGrant(ME, "SYS_ADMIN")],
        [ModelGrant("team", "LICENSED_USER")],
    )  # fmt: skip


def own(kind: str, number: int) -> ModelGrant:
    return ModelGrant(f"{kind} {number}", "PROJECT_WRITE" if kind == "project" else "REPO_WRITE")


class Change(NamedTuple):
    """One thing that happens: `what` is a name in CHANGES, the numbers choose what it happens to."""

    request: int
    what: str
    first: int
    second: int
    redirect: bool


def _all_of(estate: Estate, project: ModelProject) -> set[Subject]:
    below = {Subject("repository", r.id) for r in estate.repositories_of(project)}
    return {Subject("project", project.id)} | below


def _unused(estate: Estate, key: str) -> str:
    return next(name for n in range(1000) if estate.project(name := f"{key}{n}") is None)


def _new_project(estate: Estate) -> ModelProject:
    project = create_project(estate, _unused(estate, "NEW"))
    project.group_grants = [own("project", project.id)]
    estate.changed()
    return project


def _new_repository(estate: Estate, key: str, slug: str) -> ModelRepository:
    repository = create_repository(estate, key, slug)
    repository.group_grants = [own("repository", repository.id)]
    estate.changed()
    return repository


def _place(repository: ModelRepository) -> tuple[str, str]:
    return repository.project.key, repository.slug


def _fresh_slug(repository: ModelRepository) -> str:
    return f"{repository.slug}x{repository.id}"


class _Chosen(NamedTuple):
    """What a change happens to."""

    estate: Estate
    repository: ModelRepository
    other: ModelRepository
    project: ModelProject
    another: ModelProject
    redirect: bool


def _rename_repository(c: _Chosen) -> set[Subject]:
    move_repository(c.estate, *_place(c.repository), to_slug=_fresh_slug(c.repository), redirect=c.redirect)
    return {Subject("repository", c.repository.id)}


def _move_repository(c: _Chosen, target: ModelProject | None = None) -> set[Subject]:
    target, slug = target or c.project, _fresh_slug(c.repository)
    move_repository(c.estate, *_place(c.repository), to_key=target.key, to_slug=slug, redirect=c.redirect)
    return {Subject("repository", c.repository.id)}


def _move_into_new(c: _Chosen) -> set[Subject]:
    return _move_repository(c, _new_project(c.estate))


def _move_into_personal(c: _Chosen) -> set[Subject]:
    project = c.estate.project("~BOB")
    if project is None:
        project = create_personal_project(c.estate, c.estate.users[2])
        project.user_grants, project.group_grants = [], [own("project", project.id)]
        c.estate.changed()
    return _move_repository(c, project)


def _rename_project(c: _Chosen) -> set[Subject]:
    if c.project.type == PERSONAL:
        return set()
    rename_project(c.estate, c.project.key, _unused(c.estate, "RENAMED"), redirect=c.redirect)
    return _all_of(c.estate, c.project)


def _delete_repository(c: _Chosen) -> set[Subject]:
    delete_repository(c.estate, *_place(c.repository))
    return {Subject("repository", c.repository.id)}


def _delete_project(c: _Chosen) -> set[Subject]:
    touched = _all_of(c.estate, c.project)
    delete_project(c.estate, c.project.key)
    return touched


def _create_repository(c: _Chosen) -> set[Subject]:
    return {Subject("repository", _new_repository(c.estate, c.project.key, f"new{c.estate.revision}").id)}


def _create_project(c: _Chosen) -> set[Subject]:
    project = _new_project(c.estate)
    _new_repository(c.estate, project.key, "first")
    return _all_of(c.estate, project)


def _recreate_repository(c: _Chosen) -> set[Subject]:
    place = _place(c.repository)
    touched = _delete_repository(c)
    return touched | {Subject("repository", _new_repository(c.estate, *place).id)}


def _recreate_project(c: _Chosen) -> set[Subject]:
    if c.project.type == PERSONAL:
        return set()
    key, slugs = c.project.key, [r.slug for r in c.estate.repositories_of(c.project)]
    touched = _delete_project(c)
    project = create_project(c.estate, key)
    project.group_grants = [own("project", project.id)]
    for slug in slugs:
        _new_repository(c.estate, key, slug)
    return touched | _all_of(c.estate, project)


def _swap_repositories(c: _Chosen) -> set[Subject]:
    swap_repositories(c.estate, _place(c.repository), _place(c.other))
    return {Subject("repository", c.repository.id), Subject("repository", c.other.id)}


def _swap_projects(c: _Chosen) -> set[Subject]:
    if PERSONAL in (c.project.type, c.another.type):
        return set()
    swap_projects(c.estate, c.project.key, c.another.key)
    return _all_of(c.estate, c.project) | _all_of(c.estate, c.another)


CHANGES: dict[str, Callable[[_Chosen], set[Subject]]] = {
    "rename a repository": _rename_repository,
    "move a repository": _move_repository,
    "move it into a new project": _move_into_new,
    "move it into a personal project": _move_into_personal,
    "rename a project": _rename_project,
    "delete a repository": _delete_repository,
    "delete a project": _delete_project,
    "create a repository": _create_repository,
    "create a project": _create_project,
    "make a repository anew": _recreate_repository,
    "make a project anew": _recreate_project,
    "swap two repositories": _swap_repositories,
    "swap two projects": _swap_projects,
}


def one_deletion(plan: Sequence[Change]) -> list[Change]:
    """The plan without what is deleted after the first: a row can be lost for good only where one is deleted in each of
    two readings of a listing, which the client takes as complete (tests/bitbucket/test_pages.py)."""
    kept: list[Change] = []
    for change in plan:
        if not (_deletes(change) and any(map(_deletes, kept))):
            kept.append(change)
    return kept


def one_swap(plan: Sequence[Change]) -> list[Change]:
    """The plan without swaps after the first: what is swapped back before anybody lists it again leaves no trace."""
    swaps = [change for change in plan if change.what.startswith("swap")]
    return [change for change in plan if change not in swaps[1:]]


def _deletes(change: Change) -> bool:
    return change.what.startswith("delete") or change.what.endswith("anew")


@dataclass
class MovingBitbucket:
    """Answers as the embedded Bitbucket does, in random times; a change happens before its request is answered."""

    estate: Estate
    changes: Sequence[Change]
    cap: int
    seed: int
    late: float = 0.0
    """Seconds after which the global permissions of groups are answered."""
    touched: set[Subject] = field(default_factory=set)
    """What something happened to."""
    changed_at: float = 0.0
    """When something happened last."""
    count: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._options = ServerOptions(page_cap=self.cap)
        self._left = list(self.changes)

    def change(self, change: Change, now: float) -> None:
        estate = self.estate
        if not estate.repositories or not estate.projects:
            return
        repositories, projects = estate.repositories, estate.projects
        chosen = _Chosen(
            estate,
            repositories[change.first % len(repositories)],
            repositories[change.second % len(repositories)],
            projects[change.second % len(projects)],
            projects[change.first % len(projects)],
            change.redirect,
        )
        self.touched |= CHANGES[change.what](chosen)
        self.changed_at = now

    async def __call__(self, path: str) -> Answer:
        clock = LoopClock()
        self.count += 1
        due = [change for change in self._left if change.request <= self.count]
        self._left = [change for change in self._left if change.request > self.count]
        for change in due:
            self.change(change, clock.now())
        where, _, query = path.partition("?")
        asked = route(where, query)
        estate = self.estate
        rights = Rights(estate)
        endpoints = Endpoints(estate, rights, self._options, "")
        caller = Caller(estate.users[0], "basic", estate, rights)
        given = endpoints.answer(where, asked, caller)
        await clock.sleep(self._rng.uniform(0.001, 2.0) + self.late * (asked.kind == "global-groups"))
        headers = CIMultiDict({**given.headers, **caller.headers})
        if given.content_type is not None:
            headers["Content-Type"] = given.content_type
        return Answer(given.status, headers, given.body)

    def settle(self) -> None:
        """All that was to happen has happened."""
        for change in self._left:
            self.change(change, 0.0)
        self._left = []

    def grants(self) -> dict[Subject, tuple[str, set[str]]]:
        """The truth: path and the groups that hold something, of everything that there is."""
        found = {}
        for project in self.estate.projects:
            found[Subject("project", project.id)] = (project.key, {g.principal for g in project.group_grants})
        for repository in self.estate.repositories:
            path = f"{repository.project.key}/{repository.slug}"
            found[Subject("repository", repository.id)] = (path, {g.principal for g in repository.group_grants})
        return found

    def shown(self, *, untouched: bool = False, known: set[Subject] | None = None) -> set[Subject]:
        """What listings show: personal projects only through their repositories.

        `untouched`: through those that nothing happened to. `known`: through those among them, since a run leaves to
        the next one what was made while it was under way.
        """
        homes = {
            r.project.id
            for r in self.estate.repositories
            if not (untouched and Subject("repository", r.id) in self.touched)
            and (known is None or Subject("repository", r.id) in known)
        }
        return {Subject("repository", r.id) for r in self.estate.repositories} | {
            Subject("project", p.id) for p in self.estate.projects if p.type == NORMAL or p.id in homes
        }
