"""Random small instances with everything that makes rights hard to tell: for hypothesis."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from oaa_bitbucket_async.demo.model import (
    PERSONAL,
    Estate,
    ModelGrant,
    ModelGroup,
    ModelProject,
    ModelRepository,
    ModelUser,
    personal_key,
)
from tests.servers import RiggedOptions

USER_NAMES = [
    "ada", "Bob", "carol@example.com", "dave+ci", "O'Brien", 'e"quote', "françoise", "groß", "gross", "日本", "İrem",
    "s p a c e", "a/b", "a%2Fb", "back\\slash", "1", "2", "build.bot", "a&b=c#d?e", "group:devs",
]  # fmt: skip
GROUP_NAMES = [
    "devs", "Ops Team", "a/b", "100%", "a%2Fb", "Ünïcode", "c++", 'q"uote', "it's", "x&y=z", "#1?", "STRASSE", "straße",
    "Licensed users", "built-in:licensed-users", "group:devs", "ada", "1", "😀", "a.b",
]  # fmt: skip
PROJECT_KEYS = ["A", "PRJ", "X_1", "Z9", "Q"]
SLUGS = ["app", "app.git", "a.b", "1", "App-2", "docs"]
OTHERS = "abzAZ09 ._-@+'\"/\\%&?#=:;~éßΩя中"
ON_PROJECT = ["PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN", "REPO_CREATE"]
UNKNOWN_ON_PROJECT = ["PROJECT_AUDIT", "project_read"]
ON_REPOSITORY = ["REPO_READ", "REPO_WRITE", "REPO_ADMIN", "REPO_DANCE", "repo_admin"]
ON_INSTANCE = [*5 * ["LICENSED_USER"], *3 * ["PROJECT_CREATE"], "ADMIN", "SYS_ADMIN"]
VERSIONS = ["7.21.0", "8.9.4", "9.4.0", "10.0.1"]
ACCOUNTS = ["collector", "Collector Ö", "svc+bitbucket@example.com"]

_often = st.sampled_from([True, True, True, False])
_seldom = st.sampled_from([False, False, False, True])


@dataclass(frozen=True)
class Instance:
    """An estate, the server before it, and the way to sign in."""

    estate: Estate
    options: RiggedOptions = field(default_factory=RiggedOptions)
    basic: bool = True

    def served(self, **changes: Any) -> "Instance":
        """The same estate behind a server that differs."""
        return replace(self, options=replace(self.options, **changes))


def _names(pool: list[str], most: int, least: int = 0) -> st.SearchStrategy[list[str]]:
    name = st.sampled_from(pool) | st.text(OTHERS, min_size=1, max_size=6).filter(lambda text: text.strip() != "")
    return st.lists(name, min_size=least, max_size=most, unique_by=str.lower)


@st.composite
def _cased(draw: st.DrawFn, names: list[str]) -> str:
    """One of the names, now and then in another case: for Bitbucket it is the same."""
    name = draw(st.sampled_from(names))
    other = draw(st.sampled_from([name, name, name, name.upper(), name.lower()]))
    return other if other.lower() == name.lower() else name


def _grants(names: list[str], permissions: list[str], most: int = 4) -> st.SearchStrategy[list[ModelGrant]]:
    """Each to another holder, as Bitbucket has it: it shows the highest of several."""
    if not names:
        return st.just([])
    grant = st.builds(ModelGrant, _cased(names), st.sampled_from(permissions))
    return st.lists(grant, max_size=most, unique_by=lambda grant: grant.principal.lower())


@st.composite
def _users(draw: st.DrawFn) -> list[ModelUser]:
    """No two have one slug, as Bitbucket sees to it, and none has one that leads elsewhere in a path."""
    users: list[ModelUser] = []
    for number, name in enumerate(draw(_names(USER_NAMES, 6, least=2)), start=1):
        user = ModelUser(
            number,
            name,
            email=draw(st.none() | st.just(f"{number}@example.com")),
            active=draw(_often),
            type=draw(st.sampled_from(["NORMAL", "NORMAL", "SERVICE"])),
            last_login=draw(st.none() | st.just(1_700_000_000_000)),
            deleted=draw(_seldom) and draw(_seldom),
        )
        user.active = user.active and not user.deleted
        if user.slug in (".", "..") or any(other.slug == user.slug for other in users):
            user.slug += str(number)
        users.append(user)
    return users


@st.composite
def _groups(draw: st.DrawFn, users: list[str]) -> list[ModelGroup]:
    """Groups of users and of each other, in circles too."""
    names = draw(_names(GROUP_NAMES, 5))
    members = st.lists(_cased(users), max_size=4) if users else st.just([])
    children = st.lists(_cased(names), max_size=2) if names else st.just([])
    return [ModelGroup(name, draw(members), draw(children)) for name in names]


@st.composite
def _projects(draw: st.DrawFn, users: list[ModelUser], groups: list[str], on_project: list[str]) -> list[ModelProject]:
    names = [user.name for user in users]
    owners = draw(st.lists(st.sampled_from(users), max_size=2, unique_by=lambda u: u.slug)) if users else []
    keys = draw(st.lists(st.sampled_from(PROJECT_KEYS), min_size=1, max_size=3, unique=True))
    defaults = st.lists(st.sampled_from(on_project), max_size=2, unique=True)
    projects = [
        ModelProject(number, key, name=draw(st.sampled_from([key, "Same", "ö/ä"])), public=draw(_seldom))
        for number, key in enumerate(keys, start=1)
    ]
    for number, owner in enumerate(owners, start=len(keys) + 1):
        projects.append(ModelProject(number, personal_key(owner), owner.display_name, PERSONAL, owner=owner.name))
        if draw(_often):
            projects[-1].user_grants.append(ModelGrant(owner.name, "PROJECT_ADMIN"))
    for project in projects:
        project.user_grants += draw(_grants(names, on_project + UNKNOWN_ON_PROJECT))
        project.group_grants += draw(_grants(groups, on_project + UNKNOWN_ON_PROJECT))
        project.defaults = tuple(draw(st.just([]) | defaults))
    return projects


@st.composite
def _repositories(
    draw: st.DrawFn, projects: list[ModelProject], users: list[str], groups: list[str]
) -> list[ModelRepository]:
    places = st.tuples(st.sampled_from(projects), st.sampled_from(SLUGS))
    found: list[ModelRepository] = []
    for number, (project, slug) in enumerate(
        draw(st.lists(places, min_size=2, max_size=6, unique_by=lambda place: (place[0].id, place[1]))), start=1
    ):
        repository = ModelRepository(
            number,
            project,
            slug,
            public=draw(_seldom),
            archived=draw(_seldom),
            origin=draw(st.none() | st.sampled_from(found)) if found else None,
            user_grants=draw(_grants(users, ON_REPOSITORY)),
            group_grants=draw(_grants(groups, ON_REPOSITORY)),
        )
        found.append(repository)
    return found


@st.composite
def estates(draw: st.DrawFn, *, repo_create: bool = True) -> Estate:
    """A few of everything. Without `repo_create`, as before 8.2, when there was no such permission."""
    on_project = [p for p in ON_PROJECT if repo_create or p != "REPO_CREATE"]
    users = draw(_users())
    names = [user.name for user in users]
    groups = draw(_groups(names))
    granted = [group.name for group in groups] + draw(_names(["gone", "Gone/too"], 2))
    granted = list({name.lower(): name for name in reversed(granted)}.values())
    projects = draw(_projects(users, granted, on_project))
    return Estate(
        users=users,
        groups=groups,
        projects=projects,
        repositories=draw(_repositories(projects, names, granted)),
        global_users=draw(_grants(names, ON_INSTANCE, most=6)),
        global_groups=draw(_grants(granted, ON_INSTANCE)),
        public_access=draw(st.booleans()),
    )


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """An estate behind a server of any version, signed in to in either way."""
    version = draw(st.sampled_from(VERSIONS))
    options = RiggedOptions(
        version=version,
        context_path=draw(st.sampled_from(["", "/bitbucket"])),
        user=draw(st.sampled_from(ACCOUNTS)),
        basic_enabled=True,
        admin_listings=draw(_often),
        inactive_in_users=draw(st.booleans()),
        page_cap=draw(st.sampled_from([3, 4, 5, 7, 1000])),
        gaps=draw(st.sampled_from([0, 0, 1, 3])),
        empty_pages=draw(st.booleans()),
        strip_username_header=draw(_seldom),
    )
    return Instance(
        estate=draw(estates(repo_create=not version.startswith("7."))), options=options, basic=draw(st.booleans())
    )
