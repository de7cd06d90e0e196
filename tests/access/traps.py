"""Small instances, each with one thing that collectors of rights get wrong; and the rights that come of it, by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field

from oaa_bitbucket_async.demo.model import (
    PERSONAL,
    Estate,
    ModelGrant,
    ModelGroup,
    ModelProject,
    ModelRepository,
    ModelUser,
)

Rights = dict[tuple[str, str], str]
"""(user's name, project key or KEY/slug): level. What is not named is none."""


@dataclass(frozen=True)
class Trap:
    """An estate and its rights. `account` is who signs in; it is made if the estate does not have it."""

    estate: Estate
    rights: Rights
    account: str = "collector"
    version: str = "9.4.0"


@dataclass
class _Made:
    """An estate in the making: ids are counted, users are licensed unless it is said otherwise."""

    estate: Estate = field(default_factory=Estate)

    def user(self, name: str, permission: str | None = "LICENSED_USER", **more: object) -> ModelUser:
        user = ModelUser(len(self.estate.users) + 1, name, **more)  # type: ignore[arg-type]
        self.estate.users.append(user)
        if permission is not None:
            self.estate.global_users.append(ModelGrant(name, permission))
        return user

    def users(self, *names: str) -> None:
        for name in names:
            self.user(name)

    def group(self, name: str, *members: str, children: tuple[str, ...] = ()) -> None:
        self.estate.groups.append(ModelGroup(name, list(members), list(children)))

    def licence(self, *groups: str, permission: str = "LICENSED_USER") -> None:
        self.estate.global_groups += [ModelGrant(group, permission) for group in groups]

    def project(self, key: str = "A", *, repos: tuple[str, ...] = ("app",), **more: object) -> ModelProject:
        project = ModelProject(len(self.estate.projects) + 1, key, **more)  # type: ignore[arg-type]
        self.estate.projects.append(project)
        for slug in repos:
            self.repository(project, slug)
        return project

    def repository(self, project: ModelProject, slug: str = "app", **more: object) -> ModelRepository:
        repository = ModelRepository(len(self.estate.repositories) + 1, project, slug, **more)  # type: ignore[arg-type]
        self.estate.repositories.append(repository)
        return repository


def everyone_may_create_repositories() -> Trap:
    made = _Made()
    made.users("ada")
    made.user("bob", None)
    made.project(defaults=("REPO_CREATE",))
    return Trap(made.estate, {("ada", "A"): "create", ("ada", "A/app"): "write"})


def two_default_permissions() -> Trap:
    made = _Made()
    made.users("ada")
    made.project(defaults=("PROJECT_WRITE", "PROJECT_READ"))
    return Trap(made.estate, {("ada", "A"): "write", ("ada", "A/app"): "write"})


def everyone_is_administrator_of_a_project() -> Trap:
    made = _Made()
    made.users("ada")
    made.project(defaults=("PROJECT_ADMIN",))
    return Trap(made.estate, {("ada", "A"): "admin", ("ada", "A/app"): "admin"}, version="7.21.0")


def licensed_through_groups_in_a_circle() -> Trap:
    made = _Made()
    made.user("ada", None)
    made.group("outer", children=("Middle",))
    made.group("middle", children=("INNER",))
    made.group("inner", "ADA", children=("outer",))
    made.licence("Outer", permission="PROJECT_CREATE")
    made.project(group_grants=[ModelGrant("MIDDLE", "PROJECT_WRITE")])
    return Trap(made.estate, {("ada", "A"): "write", ("ada", "A/app"): "write"})


def grants_of_who_may_not_sign_in() -> Trap:
    made = _Made()
    made.user("unlicensed", None)
    made.user("inactive", "SYS_ADMIN", active=False)
    made.user("deleted", "ADMIN", active=False, deleted=True)
    grants = [ModelGrant(user.name, "PROJECT_ADMIN") for user in made.estate.users]
    made.project(public=True, defaults=("PROJECT_WRITE",), user_grants=grants)
    made.project("~UNLICENSED", type=PERSONAL, owner="unlicensed")
    return Trap(made.estate, {})


def public_above_and_public_below() -> Trap:
    made = _Made()
    made.users("ada")
    made.project("OPEN", public=True)
    private = made.project("SHUT")
    made.repository(private, "open", public=True, archived=True)
    return Trap(made.estate, {("ada", "OPEN"): "read", ("ada", "OPEN/app"): "read", ("ada", "SHUT/open"): "read"})


def a_group_granted_in_capitals() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    made.group("Straße", "ada")
    made.group("STRASSE", "bob")
    made.project(group_grants=[ModelGrant("STRAßE", "PROJECT_ADMIN"), ModelGrant("strasse", "PROJECT_READ")])
    rights = {("ada", "A"): "admin", ("ada", "A/app"): "admin", ("bob", "A"): "read", ("bob", "A/app"): "read"}
    return Trap(made.estate, rights)


def groups_whose_names_have_to_be_escaped() -> Trap:
    made = _Made()
    names = ["a/b", "a%2Fb", "a+b", "a b", "100%", "#1?", "x&y=z", "x", "zürich", '"', "\\"]
    made.users(*(f"in {name}" for name in names))
    for name in names:
        made.group(name, f"in {name}")
    project = made.project(repos=())
    for n, name in enumerate(names):
        made.repository(project, f"r{n}", group_grants=[ModelGrant(name, "REPO_READ")])
    return Trap(made.estate, {(f"in {name}", f"A/r{n}"): "read" for n, name in enumerate(names)})


def groups_that_are_gone() -> Trap:
    made = _Made()
    made.users("ada")
    made.licence("gone", permission="SYS_ADMIN")
    project = made.project(group_grants=[ModelGrant("gone/too", "PROJECT_ADMIN")])
    made.repository(project, "b", group_grants=[ModelGrant("Gone", "REPO_ADMIN"), ModelGrant("ada", "REPO_READ")])
    return Trap(made.estate, {})


def groups_named_like_the_one_of_everyone() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    made.group("Licensed users", "ada")
    made.group("built-in:licensed-users", "bob")
    made.project(
        group_grants=[
            ModelGrant("Licensed users", "PROJECT_WRITE"),
            ModelGrant("built-in:licensed-users", "PROJECT_READ"),
        ],
    )
    rights = {("ada", "A"): "write", ("ada", "A/app"): "write", ("bob", "A"): "read", ("bob", "A/app"): "read"}
    return Trap(made.estate, rights)


def a_group_named_like_a_user() -> Trap:
    made = _Made()
    made.users("1", "2")
    made.group("1", "2")
    made.project(user_grants=[ModelGrant("1", "PROJECT_READ")], group_grants=[ModelGrant("1", "PROJECT_ADMIN")])
    rights = {("1", "A"): "read", ("1", "A/app"): "read", ("2", "A"): "admin", ("2", "A/app"): "admin"}
    return Trap(made.estate, rights)


def the_same_slug_in_two_projects() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    for key, name in (("A", "ada"), ("B", "bob")):
        project = made.project(key, repos=())
        made.repository(project, "a.b", user_grants=[ModelGrant(name, "REPO_WRITE")])
    return Trap(made.estate, {("ada", "A/a.b"): "write", ("bob", "B/a.b"): "write"})


def permissions_nobody_knows() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    unknown = [ModelGrant("ada", "project_admin"), ModelGrant("bob", "PROJECT_AUDIT")]
    project = made.project(user_grants=unknown)
    made.repository(project, "b", user_grants=[ModelGrant("ada", "Repo_Admin"), ModelGrant("bob", "REPO_WRITE")])
    return Trap(made.estate, {("bob", "A/b"): "write"})


def a_personal_project_without_a_grant() -> Trap:
    made = _Made()
    made.users("Ada", "bob")
    personal = made.project("~ADA", type=PERSONAL, owner="ada", repos=())
    made.repository(personal, "notes", user_grants=[ModelGrant("bob", "REPO_READ")])
    return Trap(made.estate, {("Ada", "~ADA"): "admin", ("Ada", "~ADA/notes"): "admin", ("bob", "~ADA/notes"): "read"})


def a_public_repository_in_a_personal_project() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    personal = made.project("~ADA", type=PERSONAL, owner="ada", repos=("notes",))
    made.repository(personal, "open", public=True)
    rights = {("ada", place): "admin" for place in ("~ADA", "~ADA/notes", "~ADA/open")}
    return Trap(made.estate, rights | {("bob", "~ADA/open"): "read"})


def a_fork_is_a_repository_of_its_own() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    project = made.project(repos=())
    origin = made.repository(project, "app", user_grants=[ModelGrant("ada", "REPO_ADMIN")])
    made.repository(made.project("B", repos=()), "app", origin=origin, user_grants=[ModelGrant("bob", "REPO_READ")])
    return Trap(made.estate, {("ada", "A/app"): "admin", ("bob", "B/app"): "read"})


def more_of_everything_than_a_page_holds() -> Trap:
    made = _Made()
    names = [f"u{n:02}" for n in range(20)]
    made.users(*names)
    made.group("all", *names[:10])
    for n in range(9):
        made.group(f"g{n}", names[10 + n])
    project = made.project(
        repos=(),
        user_grants=[ModelGrant(name, "PROJECT_READ") for name in names[:5]],
        group_grants=[ModelGrant(f"g{n}", "PROJECT_WRITE") for n in range(9)],
    )
    rights: Rights = {(name, "A"): "read" for name in names[:5]} | {(name, "A"): "write" for name in names[10:19]}
    for n in range(7):
        made.repository(project, f"r{n}", user_grants=[ModelGrant(name, "REPO_ADMIN") for name in names[5:13]])
        rights |= {(name, f"A/r{n}"): "read" for name in names[:5]}
        rights |= {(name, f"A/r{n}"): "admin" for name in names[5:13]}
        rights |= {(name, f"A/r{n}"): "write" for name in names[13:19]}
    return Trap(made.estate, rights)


def administrators_by_a_group_in_a_group() -> Trap:
    made = _Made()
    made.user("ada", None)
    made.user("bob", "PROJECT_CREATE")
    made.group("admins", children=("on call",))
    made.group("on call", "ada")
    made.licence("admins", permission="ADMIN")
    made.project()
    made.project("~BOB", type=PERSONAL, owner="bob")
    places = ("A", "A/app", "~BOB", "~BOB/app")
    rights = {("ada", place): "admin" for place in places} | {("bob", place): "admin" for place in places[2:]}
    return Trap(made.estate, rights)


def the_account_in_another_case() -> Trap:
    made = _Made()
    made.users("ada")
    made.user("Col.Lector+1@Example.COM", None)
    made.project(user_grants=[ModelGrant("ADA", "REPO_CREATE")])
    return Trap(made.estate, {("ada", "A"): "create", ("ada", "A/app"): "write"}, account="col.lector+1@example.com")


def a_higher_right_below_a_lower_one_and_the_other_way() -> Trap:
    made = _Made()
    made.users("ada", "bob")
    made.group("devs", "ada", "bob")
    project = made.project(repos=(), defaults=("PROJECT_READ",), user_grants=[ModelGrant("bob", "PROJECT_ADMIN")])
    made.repository(project, group_grants=[ModelGrant("devs", "REPO_WRITE")])
    rights = {("ada", "A"): "read", ("ada", "A/app"): "write", ("bob", "A"): "admin", ("bob", "A/app"): "admin"}
    return Trap(made.estate, rights)


TRAPS: list[Callable[[], Trap]] = [
    everyone_may_create_repositories,
    two_default_permissions,
    everyone_is_administrator_of_a_project,
    licensed_through_groups_in_a_circle,
    grants_of_who_may_not_sign_in,
    public_above_and_public_below,
    a_group_granted_in_capitals,
    groups_whose_names_have_to_be_escaped,
    groups_that_are_gone,
    groups_named_like_the_one_of_everyone,
    a_group_named_like_a_user,
    the_same_slug_in_two_projects,
    permissions_nobody_knows,
    a_personal_project_without_a_grant,
    a_public_repository_in_a_personal_project,
    a_fork_is_a_repository_of_its_own,
    more_of_everything_than_a_page_holds,
    administrators_by_a_group_in_a_group,
    the_account_in_another_case,
    a_higher_right_below_a_lower_one_and_the_other_way,
]
