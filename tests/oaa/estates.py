"""Random small estates: a list of what answers would add, to be added in any order."""

from collections.abc import Callable
from random import Random

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.snapshot import Instance, Missing, Snapshot

Step = Callable[[Snapshot], object]

INSTANCE = Instance("https://git.example.com/scm", "git.example.com/scm", "9.4.1", "basic", "explicit")
EFFECTIVE = Instance("https://git.example.com", "git.example.com", "8.0.0", "token", "effective")
GLOBAL = ["LICENSED_USER", "PROJECT_CREATE", "ADMIN", "SYS_ADMIN", "USER_ADMIN"]
ON_PROJECT = ["PROJECT_READ", "PROJECT_WRITE", "REPO_CREATE", "PROJECT_ADMIN", "PROJECT_DANCE"]
ON_REPO = ["REPO_READ", "REPO_WRITE", "REPO_ADMIN", "repo_read"]
_ODD = ["", " ", "ä", "日本", "😀", '"', "\\", "/", "\x01", "\x7f", "é" * 300, "x" * 5000]


def snapshot_of(steps: list[Step], instance: Instance = INSTANCE) -> Snapshot:
    snapshot = Snapshot(instance)
    for step in steps:
        step(snapshot)
    return snapshot


def steps_of(seed: int, instance: Instance = INSTANCE) -> list[Step]:
    """Everything that a crawl would add for one random estate."""
    return _Estate(Random(seed), explicit=instance.global_permissions == "explicit").steps


class _Estate:
    def __init__(self, random: Random, *, explicit: bool) -> None:
        self.random = random
        self.steps: list[Step] = []
        self.users = [self._user(n) for n in range(random.randrange(8))]
        self.groups = [f"Group {n}{self._odd()[:20]}" for n in range(random.randrange(6))]
        for user in self.users:
            if random.random() < 0.9:
                self._add(lambda s, user=user: s.add_user(user, listed=True))
        for group in self.groups:
            if random.random() < 0.8:
                self._add(lambda s, group=group: s.add_group(group, listed=True))
                members = [user for user in self.users if random.random() < 0.4]
                for user in members:
                    self._add(lambda s, user=user: s.add_user(user, listed=False))
                self._add(lambda s, group=group, m=members: s.add_members(group, [user.id for user in m]))
        grants = self._grants(GLOBAL, groups=explicit)
        self._add(lambda s: s.add_global_grants(grants, 1.0))
        self.repository_id = 0
        for n in range(random.randrange(6)):
            self._project(n)
        for kind, key in (("global", ""), ("group", "group 0"), ("project", 10), ("repository", 3)):
            if random.random() < 0.1:
                self._add(lambda s, kind=kind, key=key: s.missing.add(Missing(kind, key)))
        public_access = random.choice(["on", "off", "unknown"])
        self._add(lambda s: setattr(s, "public_access", public_access))

    def _add(self, step: Step) -> None:
        self.steps.append(step)

    def _odd(self) -> str:
        return self.random.choice(_ODD) if self.random.random() < 0.3 else ""

    def _user(self, n: int) -> rows.User:
        r = self.random
        return rows.User(
            id=n * 7,
            name=r.choice([f"user{n}", "Same.Name", "same.name", f"u{n}{self._odd()}", ""]),
            slug=r.choice([f"user{n}", ""]),
            display_name=f"User {n}{self._odd()}",
            email_address=r.choice([f"user{n}@example.com", None, ""]),
            active=r.random() < 0.8,
            type=r.choice(["NORMAL", "NORMAL", "SERVICE", "ROBOT"]),
            directory_name=r.choice(["Internal", None]),
            last_authentication_timestamp=r.choice([None, 0, -5, 1_700_000_000_123, 10**18]),
            created_timestamp=r.choice([None, 1, 1_600_000_000_000]),
        )

    def _grants(self, permissions: list[str], *, groups: bool = True) -> list[rows.UserGrant | rows.GroupGrant]:
        r = self.random
        found: list[rows.UserGrant | rows.GroupGrant] = [
            rows.UserGrant(user=user, permission=r.choice(permissions)) for user in self.users if r.random() < 0.4
        ]
        for group in self.groups if groups else ():
            if r.random() < 0.4:
                name = r.choice([group, group.upper(), f"Gone {group}"])
                found.append(rows.GroupGrant(group=rows.Group(name=name), permission=r.choice(permissions)))
        if not groups:  # effective holders: a higher permission comes with the lower ones
            found += [rows.UserGrant(user=one.user, permission=r.choice(permissions)) for one in list(found)]
        r.shuffle(found)
        return found

    def _project(self, n: int) -> None:
        r = self.random
        owner = r.choice(self.users) if self.users and r.random() < 0.3 else None
        project = rows.Project(
            id=n * 10,
            key=f"PRJ{n}" if owner is None else f"~USER{n}",
            name=r.choice([f"Project {n}", "Same", ""]) + self._odd(),
            type="NORMAL" if owner is None else "PERSONAL",
            public=owner is None and r.random() < 0.3,
            description=r.choice([None, "", "Text", "ü" * 200, "a" + "ü" * 200]),
            owner=owner,
        )
        self._add(lambda s: s.add_project(project))
        grants = self._grants(ON_PROJECT)
        for user_or_group in ([g for g in grants if isinstance(g, rows.UserGrant)], grants):
            self._add(lambda s, some=user_or_group: s.add_project_grants(project.id, some, 2.0))
        for level in ("PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"):
            if r.random() < 0.2:
                self._add(lambda s, level=level: s.add_default_permission(project.id, level))
        for _ in range(r.randrange(4)):
            self.repository_id += 1
            self._repository(self.repository_id, project)

    def _repository(self, n: int, project: rows.Project) -> None:
        r = self.random
        repository = rows.Repository(
            id=n,
            slug=r.choice([f"repo-{n}", "same.slug"]),
            name=r.choice([f"Repo {n}", "Same", ""]) + self._odd(),
            project=project,
            public=r.random() < 0.2,
            archived=r.random() < 0.2,
            forkable=r.random() < 0.8,
            state=r.choice(["AVAILABLE", "OFFLINE"]),
            description=r.choice([None, "Some text", "日" * 90]),
            origin=rows.Origin(id=1) if r.random() < 0.2 else None,
        )
        self._add(lambda s: s.add_repository(repository))
        grants = self._grants(ON_REPO)
        self._add(lambda s: s.add_repository_grants(n, grants, 3.0))
