"""Asks an embedded Bitbucket over real HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from oaa_bitbucket_async.demo.credentials import AccessKey, AccessToken, GpgKey, SshKey
from oaa_bitbucket_async.demo.guardrails import Matcher, MergeChecks, Restriction
from oaa_bitbucket_async.demo.model import Estate, Grant, Group, Project, Repository, User
from tests.servers import Fault, RiggedBitbucket, RiggedOptions


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def values(self) -> list[Any]:
        return list(self.json["values"])

    @property
    def exception(self) -> str:
        return str(self.json["errors"][0]["exceptionName"]).rpartition(".")[2]


class Asker:
    """GETs below `/rest/api/1.0/`, signed as told."""

    def __init__(self, server: RiggedBitbucket, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def get(self, path: str, *, token: str | None = "", basic: tuple[str, str] | None = None) -> Reply:
        """By default with the token of the server's own account; `token=None` is anonymous."""
        headers = {}
        if basic is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        elif token is not None:
            headers["Authorization"] = f"Bearer {token or self.server.token}"
        return await self.request("GET", path, headers)

    async def admin(self, path: str) -> Reply:
        """With the password of the server's own account."""
        return await self.get(path, basic=(self.server.user, self.server.password))

    async def request(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        url = path if path.startswith("http") else f"{self.server.url}/rest/api/1.0/{path}"
        async with self._session.request(method, url, headers=headers, allow_redirects=False) as response:
            return Reply(response.status, response.headers, await response.read())

    async def pages(self, path: str, limit: int = 1000) -> list[Any]:
        """All rows, by following nextPageStart."""
        rows: list[Any] = []
        start: int | None = 0
        while start is not None:
            page = (await self.admin(f"{path}{'&' if '?' in path else '?'}limit={limit}&start={start}")).json
            rows += page["values"]
            start = None if page["isLastPage"] else page["nextPageStart"]
        return rows


@asynccontextmanager
async def asking(
    estate: Estate | None = None, options: RiggedOptions | None = None, faults: Sequence[Fault] = ()
) -> AsyncIterator[Asker]:
    async with (
        RiggedBitbucket(estate or small_estate(), options, faults) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        yield Asker(server, session)


def ask(
    what: Callable[[Asker], Awaitable[None]],
    estate: Estate | None = None,
    options: RiggedOptions | None = None,
    faults: Sequence[Fault] = (),
) -> None:
    """Runs `what` against a server of its own."""

    async def run() -> None:
        async with asking(estate, options, faults) as asker:
            await what(asker)

    asyncio.run(run())


def small_estate() -> Estate:
    """Four people, nested groups, a public, a private and a personal project; a repository of each kind."""
    users = [
        User(1, "Ann", email="ann@example.com", last_login=1_700_000_000_000),
        User(2, "ben+x@example.com", display_name="Ben"),
        User(3, "cleo"),
        User(4, "dora", active=False),
        User(5, "gone", active=False, deleted=True),
    ]
    groups = [
        Group("stash-users", ["Ann", "ben+x@example.com", "cleo", "dora"]),
        Group("R&D 100%/süd", children=["inner"]),
        Group("inner", ["cleo"]),
    ]
    private = Project(
        1,
        "PRIV",
        user_grants=[Grant("Ann", "PROJECT_ADMIN"), Grant("gone", "PROJECT_READ")],
        group_grants=[Grant("R&D 100%/süd", "PROJECT_WRITE"), Grant("no such group", "PROJECT_ADMIN")],
        defaults=("PROJECT_READ", "PROJECT_WRITE"),
    )
    public = Project(2, "PUB", public=True)
    personal = Project(3, "~CLEO", "cleo", type="PERSONAL", owner="cleo", user_grants=[Grant("cleo", "PROJECT_ADMIN")])
    tool = Repository(
        1,
        private,
        "tool",
        user_grants=[Grant("ben+x@example.com", "REPO_ADMIN")],
        group_grants=[Grant("inner", "REPO_READ")],
    )
    repositories = [
        tool,
        Repository(2, public, "tool"),
        Repository(3, personal, "dot.files", public=True),
        Repository(4, private, "old", archived=True, origin=tool, description="x" * 300),
    ]
    _give_credentials(users[0], private, tool)
    return Estate(users, groups, [private, public, personal], repositories, [], [Grant("stash-users", "LICENSED_USER")])


def _give_credentials(ann: User, private: Project, tool: Repository) -> None:
    """One of everything for Ann, her project and its tool: each kind of key, some used, some that expire."""
    build = SshKey(1, "build", "RSA", 2048, expiry_days=90, last_authenticated=1_720_000_000_000)
    backup = SshKey(2, "backup", "ECDSA", 384)
    ann.ssh_keys = [SshKey(3, "ann@laptop", last_authenticated=1_730_000_000_000)]
    ann.gpg_keys = [GpgKey(1, "ann@example.com", expires=1_900_000_000_000, sub_keys=2), GpgKey(2)]
    ann.tokens = [AccessToken("252973515069", "script", ("PROJECT_READ", "REPO_WRITE"), expires=1_800_000_000_000)]
    private.access_keys = [AccessKey(build, "PROJECT_READ")]
    private.tokens = [AccessToken("1", "mirror", ("PROJECT_READ", "REPO_READ"), last_authenticated=1_740_000_000_000)]
    private.restrictions = [
        Restriction(1, "no-deletes", Matcher("PATTERN", "rel*"), ["Ann", "gone"], ["inner"], [build]),
        Restriction(2, "pull-request-only", Matcher("MODEL_BRANCH", "development")),
    ]
    tool.access_keys = [AccessKey(build, "REPO_WRITE"), AccessKey(backup, "REPO_READ")]
    tool.tokens = [AccessToken("2", "pipeline", ("REPO_WRITE",))]
    tool.restrictions = [
        Restriction(3, "read-only", Matcher("BRANCH", "refs/heads/main"), groups=["inner"]),
        Restriction(4, "no-creates", Matcher("MODEL_CATEGORY", "RELEASE")),
        Restriction(5, "fast-forward-only", Matcher("ANY_REF")),
    ]
    tool.checks = MergeChecks(required_approvers=2, all_tasks=True)


def escaped(name: str) -> str:
    return quote(name, safe="")
