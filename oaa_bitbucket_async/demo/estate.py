"""A synthetic estate of any size: the same shape gives the same people, projects and grants.

It has the same odd cases as real instances, on which collectors fail. `_SHARES` says how often each occurs.
"""

import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from oaa_bitbucket_async.demo import names
from oaa_bitbucket_async.demo.keyring import add_credentials
from oaa_bitbucket_async.demo.model import (
    NORMAL,
    PERSONAL,
    Estate,
    ModelGrant,
    ModelGroup,
    ModelProject,
    ModelRepository,
    ModelUser,
    personal_key,
    slug_of,
)

__all__ = [
    "Estate",
    "EstateShape",
    "ModelGrant",
    "ModelGroup",
    "ModelProject",
    "ModelRepository",
    "ModelUser",
    "generate",
]

LICENSED_GROUP = "stash-users"
EVERYWHERE_GROUP, EVERYWHERE_USER = "security-scanners", "svc-scanner"
_DAY = 86_400_000
_NOW = 1_750_000_000_000
_LONG_TEXT = "Everything about it, and how we came to build it this way; see the handbook. " * 8
_SPELLED = str.maketrans({"ß": "ss", "ø": "oe", "Ł": "L", "ł": "l", "ı": "i", "ö": "oe", "ü": "ue", "ä": "ae"})
_SHARES = {
    "user inactive": 0.04,
    "user deleted": 0.01,
    "user without e-mail": 0.05,
    "user never logged in": 0.10,
    "project public": 0.06,
    "project with a default permission": 0.20,
    "project with two default permissions": 0.04,
    "repository archived": 0.08,
    "repository public": 0.04,
    "repository forked": 0.05,
    "repository moved": 0.002,
    "description": 0.30,
    "description too long for OAA": 0.04,
    "grant of a group that is gone": 0.02,
    "grant with the group in capitals": 0.002,
}


@dataclass(frozen=True, slots=True)
class EstateShape:
    """How much there is of each thing. `repositories` include those in personal projects.

    `repository_grants` and `project_grants` are the mean number of grants on one; a few have none. With
    `everywhere`, one group and one service user hold a grant on every repository on top of that. At least one
    user, one group and one project are made.
    """

    users: int = 60
    groups: int = 15
    projects: int = 10
    repositories: int = 100
    personal_projects: int = 4
    repository_grants: float = 4.0
    project_grants: float = 6.0
    everywhere: bool = False
    seed: int = 1
    credentials: bool = True
    """Keys, tokens, branch restrictions and merge checks too. Everything else is the same without them."""

    @classmethod
    def for_repositories(cls, repositories: int, seed: int = 1, *, everywhere: bool = False) -> "EstateShape":
        """The proportions of a real instance: 100,000 repositories have 50,000 users and 800,000 grants."""
        return cls(
            users=max(12, repositories // 2),
            groups=max(8, repositories // 20),
            projects=max(3, repositories // 20),
            repositories=repositories,
            personal_projects=max(2, repositories // 50),
            repository_grants=6.0 if everywhere else 8.0,
            everywhere=everywhere,
            seed=seed,
        )


def generate(shape: EstateShape) -> Estate:
    """An estate of that shape. The same shape always gives the same estate."""
    estate = _Builder(shape).build()
    if shape.credentials:
        add_credentials(estate, shape.seed, _NOW)
    return estate


class _Builder:
    """Makes one estate. One generator gives all random numbers, so the order of the calls decides the result."""

    def __init__(self, shape: EstateShape) -> None:
        self._shape = shape
        self._rng = random.Random(shape.seed)
        self._grants: dict[ModelGrant, ModelGrant] = {}
        self._users: list[ModelUser] = []
        self._groups: list[ModelGroup] = []
        self._group_names: list[str] = []
        self._user_names: list[str] = []
        self._projects: list[ModelProject] = []

    def build(self) -> Estate:
        self._make_users()
        self._make_groups()
        self._group_names = [group.name for group in self._groups if group.name != EVERYWHERE_GROUP]
        self._user_names = [user.name for user in self._users if user.name != EVERYWHERE_USER]
        self._projects = [self._normal_project(i) for i in range(max(1, self._shape.projects))]
        owners = [u for u in self._users if u.active and u.type == "NORMAL"]
        self._rng.shuffle(owners)
        self._projects += [
            self._personal_project(len(self._projects) + i + 1, owner)
            for i, owner in enumerate(owners[: self._shape.personal_projects])
        ]
        repositories = self._make_repositories()
        estate = Estate(self._users, self._groups, self._projects, repositories)
        self._grant_globally(estate)
        for repository in self._some(repositories, "repository moved"):
            old = f"old-{repository.slug}"
            estate.moved[repository.project.key.upper(), old] = repository
        return estate

    # --- principals -------------------------------------------------------------------------------------------

    def _make_users(self) -> None:
        rng = self._rng
        taken: set[str] = set()
        for number in range(1, max(1, self._shape.users) + 1):
            given, surname = rng.choice(names.GIVEN_NAMES), rng.choice(names.SURNAMES)
            plain = _plain(f"{given}.{surname}")
            name = _user_name(rng.randrange(40), given, surname, plain, number)
            while name.lower() in taken or slug_of(name) in taken:
                name = f"{plain}{number}" if f"{plain}{number}" not in taken else f"{name}{number}"
            taken.update((name.lower(), slug_of(name)))
            self._users.append(self._user(number, name, f"{given} {surname}", plain))
        if self._shape.everywhere:
            number = len(self._users) + 1
            self._users.append(ModelUser(number, EVERYWHERE_USER, display_name="Security scanner", type="SERVICE"))

    def _user(self, number: int, name: str, display_name: str, plain: str) -> ModelUser:
        rng = self._rng
        service = name.startswith("svc-")
        deleted = number > 3 and self._chance("user deleted")
        return ModelUser(
            id=number,
            name=name,
            display_name=f"{name} (automation)" if service else display_name,
            email=None if service or self._chance("user without e-mail") else f"{plain}{number}@example.com",
            active=number <= 3 or not (deleted or self._chance("user inactive")),
            type="SERVICE" if service else "NORMAL",
            directory=rng.choice(names.DIRECTORIES),
            last_login=None if self._chance("user never logged in") else _NOW - rng.randrange(400 * _DAY),
            created=_NOW - rng.randrange(400 * _DAY, 4000 * _DAY),
            deleted=deleted,
        )

    def _make_groups(self) -> None:
        rng = self._rng
        everyone = [user.name for user in self._users]
        self._groups.append(
            ModelGroup(LICENSED_GROUP, members=[n for n in everyone if rng.random() < 0.95], deletable=False)
        )
        self._groups.append(ModelGroup("stash-administrators", members=everyone[:2], deletable=False))
        wanted = max(1, self._shape.groups)
        for name in islice(_group_names(), max(0, wanted - len(self._groups))):
            size = min(len(everyone), int(rng.lognormvariate(2.0, 0.9)))
            self._groups.append(ModelGroup(name, members=rng.sample(everyone, size)))
        for number, parent in enumerate(self._groups[2:], 2):
            if number + 1 < len(self._groups) and rng.random() < 0.06:
                later = self._groups[number + 1 : number + 40]
                parent.children = [child.name for child in rng.sample(later, min(len(later), rng.randint(1, 3)))]
        if self._shape.everywhere:
            self._groups.append(ModelGroup(EVERYWHERE_GROUP, members=rng.sample(everyone, min(5, len(everyone)))))

    def _grant_globally(self, estate: Estate) -> None:
        estate.global_groups = [ModelGrant(LICENSED_GROUP, "LICENSED_USER")]
        estate.global_groups += [ModelGrant(g.name, "SYS_ADMIN") for g in self._groups[1:2]]
        estate.global_groups += [ModelGrant(g.name, "PROJECT_CREATE") for g in self._groups[2:4]]
        estate.global_groups.append(ModelGrant("stash-users-before-2019", "LICENSED_USER"))
        estate.global_users = [ModelGrant(u.name, "ADMIN") for u in self._users[2:3]]
        estate.global_users += [ModelGrant(u.name, "LICENSED_USER") for u in self._users if u.type == "SERVICE"]
        estate.global_users += [ModelGrant(u.name, "PROJECT_CREATE") for u in self._users[5:40:7] if u.type == "NORMAL"]

    # --- projects ---------------------------------------------------------------------------------------------

    def _normal_project(self, number: int) -> ModelProject:
        team = names.TEAMS[number % len(names.TEAMS)]
        again = number // len(names.TEAMS)
        project = ModelProject(
            id=number + 1,
            key=team[:4].upper() + (str(again) if again else "") + ("_X" if number % 17 == 16 else ""),
            name=f"{team} {again}" if again else team,
            type=NORMAL,
            public=self._chance("project public"),
            description=self._description(team),
            defaults=self._defaults(),
        )
        self._grant(project, "PROJECT", self._shape.project_grants)
        creator = self._rng.choice(self._users)
        if all(g.principal != creator.name for g in project.user_grants):
            project.user_grants.append(self._held(creator.name, "PROJECT_ADMIN"))
        return project

    def _personal_project(self, number: int, owner: ModelUser) -> ModelProject:
        return ModelProject(
            id=number,
            key=personal_key(owner),
            name=owner.display_name,
            type=PERSONAL,
            owner=owner.name,
            user_grants=[self._held(owner.name, "PROJECT_ADMIN")],
        )

    def _defaults(self) -> tuple[str, ...]:
        if self._chance("project with two default permissions"):
            return ("PROJECT_READ", "PROJECT_WRITE")
        if self._chance("project with a default permission"):
            return (self._rng.choice(("PROJECT_READ", "PROJECT_READ", "PROJECT_WRITE")),)
        return ()

    # --- repositories -----------------------------------------------------------------------------------------

    def _make_repositories(self) -> list[ModelRepository]:
        rng = self._rng
        repositories: list[ModelRepository] = []
        in_project: dict[int, set[str]] = {project.id: set() for project in self._projects}
        personal = [p for p in self._projects if p.type == PERSONAL]
        normal = [p for p in self._projects if p.type == NORMAL]
        for number in range(1, self._shape.repositories + 1):
            project = rng.choice(personal) if personal and rng.random() < 0.05 else _one_of(normal, rng)
            origin = rng.choice(repositories) if repositories and self._chance("repository forked") else None
            name = origin.name if origin else _repository_name(rng)
            slug = slug_of(name)
            if slug in in_project[project.id]:
                name, slug = f"{name} {number}", f"{slug}-{number}"
            in_project[project.id].add(slug)
            repository = ModelRepository(
                id=number,
                project=project,
                slug=slug,
                name=name,
                public=self._chance("repository public"),
                archived=self._chance("repository archived"),
                forkable=rng.random() < 0.95,
                state="AVAILABLE" if rng.random() < 0.995 else "INITIALISING",
                description=self._description(name),
                origin=origin,
            )
            self._grant(repository, "REPO", self._shape.repository_grants * (0.3 if project.owner else 1.0))
            if self._shape.everywhere:
                repository.group_grants.append(self._held(EVERYWHERE_GROUP, "REPO_READ"))
                repository.user_grants.append(self._held(EVERYWHERE_USER, "REPO_READ"))
            repositories.append(repository)
        return repositories

    # --- grants, chance ---------------------------------------------------------------------------------------

    def _grant(self, at: ModelProject | ModelRepository, level: str, mean: float) -> None:
        """Gives `at` about `mean` grants, half of them to groups; each principal holds one at most."""
        rng = self._rng
        count = min(round(rng.expovariate(1 / mean)) if mean else 0, 60)
        of_groups = sum(rng.random() < 0.5 for _ in range(count))
        for group in dict.fromkeys(rng.choices(self._group_names, k=of_groups)):
            permission = self._permission(level)
            if self._chance("grant of a group that is gone"):
                group = f"gone: {group}"
            elif self._chance("grant with the group in capitals"):
                group = group.upper()
            at.group_grants.append(self._held(group, permission))
        for user in dict.fromkeys(rng.choices(self._user_names, k=count - of_groups)):
            at.user_grants.append(self._held(user, self._permission(level)))

    def _permission(self, level: str) -> str:
        kind = self._rng.choices(("READ", "WRITE", "ADMIN", "CREATE"), (45, 38, 14, 3))[0]
        if kind == "CREATE":
            return "REPO_CREATE" if level == "PROJECT" else "REPO_WRITE"
        return f"{level}_{kind}"

    def _held(self, principal: str, permission: str) -> ModelGrant:
        """Equal grants share one object: most grants are equal to many others."""
        grant = ModelGrant(principal, permission)
        return self._grants.setdefault(grant, grant)

    def _description(self, of: str) -> str | None:
        if self._chance("description too long for OAA"):
            return f"{of}: äöü. {_LONG_TEXT}"
        return f"{of}, looked after by its team." if self._chance("description") else None

    def _chance(self, share: str) -> bool:
        return self._rng.random() < _SHARES[share]

    def _some(self, repositories: Sequence[ModelRepository], share: str) -> Iterator[ModelRepository]:
        return (r for r in repositories if self._chance(share))


def _user_name(kind: int, given: str, surname: str, plain: str, number: int) -> str:
    """Most are `given.surname`; some have characters that must be escaped somewhere."""
    odd = {
        0: f"{plain}@example.com",
        1: f"{plain}+{number}",
        2: f"{given}.{surname}",
        3: f"{given[0]}{surname}".upper(),
        4: f'{plain} "{given}"',
        5: f"{given}'{surname}",
        6: f"svc-{surname.lower()}-{number}",
        7: f"CORP\\{plain}",
    }
    return odd.get(kind, plain)


def _plain(text: str) -> str:
    """In small letters without accents, as a directory names people."""
    letters = unicodedata.normalize("NFKD", text.translate(_SPELLED)).lower()
    return "".join(c for c in letters if (c.isascii() and c.isalnum()) or c == ".")


def _group_names() -> Iterator[str]:
    yield from names.ODD_GROUPS
    again = 0
    while True:
        for role in names.ROLES:
            for team in names.TEAMS:
                yield f"{team} {role}{again or ''}" if again % 2 else f"{team.lower()}-{role}{again or ''}"
        again += 1


def _one_of(projects: Sequence[ModelProject], rng: random.Random) -> ModelProject:
    """Few projects hold many repositories, many hold few."""
    return projects[int(len(projects) * rng.random() ** 2)]


def _repository_name(rng: random.Random) -> str:
    first, second = rng.choice(names.NOUNS), rng.choice(names.NOUNS)
    kind = rng.randrange(30)
    if kind == 0:
        return f"{first}.{second}"
    if kind == 1:
        return f"{first.title()} & {second}"
    return f"{first}-{second}"
