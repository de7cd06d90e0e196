"""A small Bitbucket as a dict of paths, served to the real client, and what a crawl of it keeps."""

import json
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Fault
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.preflight import Capabilities, RateFinding
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.collect.counts import CrawlCounts
from oaa_bitbucket_async.collect.crawl import Crawl
from oaa_bitbucket_async.collect.included import Included
from oaa_bitbucket_async.collect.kinds import AnyRow, Unit
from oaa_bitbucket_async.collect.ledger import Ledger
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.settings import Include, Pace, Scope
from tests.bitbucket.answers import API, Wire, client_of, error, ok, page
from tests.collect.test_snapshot import INSTANCE

ROOT = "/rest/api/1.0"
CAPABILITIES = Capabilities(
    base_url="https://git.example.com",
    version="9.4.0",
    user="collector",
    login="basic",
    header_stripped=False,
    administrator=True,
    global_permissions="explicit",
    detailed_users=True,
    detailed_groups=True,
    detailed_members=True,
    rate=RateFinding(readable=False),
    effective_page=250,
)


class Keeper:
    """A Record: what a journal would have been told, with the units that count."""

    def __init__(self) -> None:
        self.pages: list[tuple[Unit, tuple[AnyRow, ...]]] = []
        self.ended: dict[Unit, tuple[tuple[AnyRow, ...], str]] = {}
        """With the path that each was asked under."""
        self.forgotten: list[Unit] = []

    def page(self, unit: Unit, rows: Sequence[AnyRow]) -> None:
        self.pages.append((unit, tuple(rows)))

    def done(self, unit: Unit, rows: Sequence[AnyRow], read_at: float, place: str = "") -> None:
        assert unit not in self.ended, "a unit ends once"
        self.ended[unit] = (tuple(rows), place)

    def hidden(self, unit: Unit, read_at: float, place: str = "") -> None:
        return

    def forget(self, unit: Unit) -> None:
        self.forgotten.append(unit)
        self.ended.pop(unit, None)

    async def ready(self) -> None:
        return


@dataclass
class Server:
    """Answers by path, listings in pages of `cap`. `trouble` strikes first: answers for a path, one after the other."""

    content: dict[str, object]
    cap: int = 1000
    trouble: dict[str, list[Answer | Fault]] = field(default_factory=dict)
    seconds: random.Random | None = None
    """If set, each answer takes a random time."""
    takes: dict[str, float] = field(default_factory=dict)
    """Seconds that the answer for a path takes."""
    then: dict[str, object] = field(default_factory=dict)
    """What a path of one page answers from its second time on."""
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, path: str) -> Answer:
        parts = urlsplit(path)
        where = parts.path.removeprefix(ROOT)
        query = parse_qs(parts.query)
        for name in ("context", "permission", "filter"):
            if name in query:
                where += f"?{query[name][0]}"
        self.asked[where] += 1
        if self.seconds is not None:
            await LoopClock().sleep(self.seconds.uniform(0.001, 2.0))
        if where in self.takes:
            await LoopClock().sleep(self.takes[where])
        if struck := self.trouble.get(where):
            given = struck.pop(0)
            if isinstance(given, Fault):
                raise given
            return given
        source = self.then if where in self.then and self.asked[where] > 1 else self.content
        if where not in source:
            return error(404, f"{where} does not exist", exception="x.NoSuchThingException")
        content = source[where]
        if isinstance(content, Answer):
            return content
        if isinstance(content, list):
            start = int(query.get("start", ["0"])[0])
            end = start + self.cap
            return ok(page(content[start:end], following=end if end < len(content) else None, start=start))
        return ok(content)


def user(number: int) -> dict[str, object]:
    return {"id": number, "name": f"user{number}", "slug": f"user{number}", "active": True, "directoryName": "Internal"}


def project(number: int, key: str | None = None) -> dict[str, object]:
    return {"id": number, "key": key or f"P{number}", "name": f"Project {number}", "type": "NORMAL", "public": False}


def repository(number: int, of: dict[str, object], slug: str | None = None) -> dict[str, object]:
    return {"id": number, "slug": slug or f"r{number}", "name": f"r{number}", "project": of, "public": False}


def by_user(number: int, permission: str) -> dict[str, object]:
    return {"user": user(number), "permission": permission}


def by_group(name: str, permission: str) -> dict[str, object]:
    return {"group": {"name": name}, "permission": permission}


def estate(projects: int = 3, repositories: int = 12) -> dict[str, object]:
    """Every path of a small instance."""
    listed = [project(number) for number in range(1, projects + 1)]
    personal = project(90, "~USER3") | {"type": "PERSONAL", "owner": user(3)}
    repos = [repository(100 + n, [*listed, personal][n % (projects + 1)]) for n in range(repositories)]
    content: dict[str, object] = {
        "/admin/users": [user(number) for number in range(1, 9)],
        "/admin/groups": [{"name": name} for name in ("Admins", "dev team", "R&D / Köln", "empty")],
        "/admin/groups/more-members?Admins": [user(1)],
        "/admin/groups/more-members?dev team": [user(number) for number in range(2, 9)],
        "/admin/groups/more-members?R&D / Köln": [user(2), user(77)],
        "/admin/groups/more-members?empty": [],
        "/admin/permissions/users": [by_user(1, "SYS_ADMIN")],
        "/admin/permissions/groups": [by_group("admins", "ADMIN"), by_group("dev team", "LICENSED_USER")],
        "/projects": listed,
        "/repos": repos,
    }
    for row in [*listed, personal]:
        place = f"/projects/{row['key']}"
        content[place] = row
        content[f"{place}/permissions/users"] = [by_user(int(str(row["id"])) % 8 + 1, "PROJECT_ADMIN")]
        content[f"{place}/permissions/groups"] = [by_group("dev team", "PROJECT_WRITE"), by_group("gone", "X_NEW")]
        for level in ("PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"):
            content[f"{place}/permissions/{level}/all"] = {"permitted": level == "PROJECT_READ"}
    for row in repos:
        number = int(str(row["id"]))
        content |= at(
            row, [by_user(n, "REPO_READ") for n in range(1, number % 6)], [by_group("Dev Team", "REPO_WRITE")]
        )
    return content


def at(row: dict[str, object], users: list[object], groups: list[object]) -> dict[str, object]:
    """The paths of one repository."""
    key = row["project"]["key"]  # type: ignore[index]
    place = f"/projects/{key}/repos/{row['slug']}"
    return {place: row, f"{place}/permissions/users": users, f"{place}/permissions/groups": groups}


@dataclass
class Run:
    """Everything that a crawl writes to."""

    server: Server
    wire: Wire
    client: Client
    snapshot: Snapshot
    ledger: Ledger
    counts: CrawlCounts
    keeper: Keeper
    crawl: Crawl


def run_of(
    server: Server,
    *,
    capabilities: Capabilities = CAPABILITIES,
    scope: Scope | None = None,
    include: Collection[Include] = (),
    **pace: object,
) -> Run:
    """A crawl about to begin, on the running loop."""
    wire = Wire(server)
    concurrency, seed = pace.pop("concurrency", 8), pace.pop("seed", 1)
    client = client_of(wire, concurrency=concurrency, seed=seed, **pace)  # type: ignore[arg-type]
    snapshot = Snapshot(INSTANCE, included=Included(include))
    ledger, counts, keeper = Ledger(), CrawlCounts(), Keeper()
    crawl = Crawl(
        client, API, capabilities, snapshot, ledger, counts,
        scope=scope or Scope(), pace=Pace(**pace), record=keeper,  # type: ignore[arg-type]
        clock=LoopClock(),
    )  # fmt: skip
    return Run(server, wire, client, snapshot, ledger, counts, keeper, crawl)


def same(content: dict[str, object]) -> dict[str, object]:
    """A copy to be changed."""
    copied: dict[str, object] = json.loads(json.dumps(content))
    return copied
