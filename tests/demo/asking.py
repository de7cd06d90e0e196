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

from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.branch_permissions import (
    ModelMatcher,
    ModelMergeChecks,
    ModelRestriction,
    ModelReviewCondition,
)
from oaa_bitbucket_async.demo.credentials import ModelAccessKey, ModelAccessToken, ModelGpgKey, ModelSshKey
from oaa_bitbucket_async.demo.model import Estate, ModelGrant, ModelGroup, ModelProject, ModelRepository, ModelUser
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
    estate: Estate | None = None,
    options: RiggedOptions | None = None,
    faults: Sequence[Fault] = (),
    audit: AuditLog | None = None,
) -> AsyncIterator[Asker]:
    async with (
        RiggedBitbucket(estate or small_estate(), options, faults, audit) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        yield Asker(server, session)


def ask(
    what: Callable[[Asker], Awaitable[None]],
    estate: Estate | None = None,
    options: RiggedOptions | None = None,
    faults: Sequence[Fault] = (),
    audit: AuditLog | None = None,
) -> None:
    """Runs `what` against a server of its own."""

    async def run() -> None:
        async with asking(estate, options, faults, audit) as asker:
            await what(asker)

    asyncio.run(run())


def small_estate() -> Estate:
    """Four people, nested groups, a public, a private and a personal project; a repository of each kind."""
    users = [
        ModelUser(1, "Ann", email="ann@example.com", last_login=1_700_000_000_000),
        ModelUser(2, "ben+x@example.com", display_name="Ben"),
        ModelUser(3, "cleo"),
        ModelUser(4, "dora", active=False),
        ModelUser(5, "gone", active=False, deleted=True),
    ]
    groups = [
        ModelGroup("stash-users", ["Ann", "ben+x@example.com", "cleo", "dora"]),
        ModelGroup("R&D 100%/süd", children=["inner"]),
        ModelGroup("inner", ["cleo"]),
    ]
    private = ModelProject(
        1,
        "PRIV",
        user_grants=[ModelGrant("Ann", "PROJECT_ADMIN"), ModelGrant("gone", "PROJECT_READ")],
        group_grants=[ModelGrant("R&D 100%/süd", "PROJECT_WRITE"), ModelGrant("no such group", "PROJECT_ADMIN")],
        defaults=("PROJECT_READ", "PROJECT_WRITE"),
    )
    public = ModelProject(2, "PUB", public=True)
    personal = ModelProject(
        3, "~CLEO", "cleo", type="PERSONAL", owner="cleo", user_grants=[ModelGrant("cleo", "PROJECT_ADMIN")]
    )
    tool = ModelRepository(
        1,
        private,
        "tool",
        user_grants=[ModelGrant("ben+x@example.com", "REPO_ADMIN")],
        group_grants=[ModelGrant("inner", "REPO_READ")],
    )
    repositories = [
        tool,
        ModelRepository(2, public, "tool"),
        ModelRepository(3, personal, "dot.files", public=True),
        ModelRepository(4, private, "old", archived=True, origin=tool, description="x" * 300),
    ]
    _give_credentials(users[0], private, tool)
    return Estate(
        users, groups, [private, public, personal], repositories, [], [ModelGrant("stash-users", "LICENSED_USER")]
    )


def _give_credentials(ann: ModelUser, private: ModelProject, tool: ModelRepository) -> None:
    """One of everything for Ann, her project and its tool: each kind of key, some used, some that expire."""
    build = ModelSshKey(1, "build", "RSA", 2048, expiry_days=90, last_authenticated=1_720_000_000_000)
    backup = ModelSshKey(2, "backup", "ECDSA", 384)
    ann.ssh_keys = [ModelSshKey(3, "ann@laptop", last_authenticated=1_730_000_000_000)]
    ann.gpg_keys = [ModelGpgKey(1, "ann@example.com", expires=1_900_000_000_000, sub_keys=2), ModelGpgKey(2)]
    ann.tokens = [ModelAccessToken("252973515069", "script", ("PROJECT_READ", "REPO_WRITE"), expires=1_800_000_000_000)]
    private.access_keys = [ModelAccessKey(build, "PROJECT_READ")]
    private.tokens = [
        ModelAccessToken("1", "mirror", ("PROJECT_READ", "REPO_READ"), last_authenticated=1_740_000_000_000)
    ]
    private.restrictions = [
        ModelRestriction(1, "no-deletes", ModelMatcher("PATTERN", "rel*"), ["Ann", "gone"], ["inner"], [build]),
        ModelRestriction(2, "pull-request-only", ModelMatcher("MODEL_BRANCH", "development")),
    ]
    anything, main = ModelMatcher("ANY_REF"), ModelMatcher("BRANCH", "refs/heads/main")
    private.review_conditions = [ModelReviewCondition(1, anything, main, 1, ["Ann", "gone"])]
    tool.review_conditions = [ModelReviewCondition(2, ModelMatcher("MODEL_CATEGORY", "RELEASE"), main, 0, ["Ann"])]
    tool.access_keys = [ModelAccessKey(build, "REPO_WRITE"), ModelAccessKey(backup, "REPO_READ")]
    tool.tokens = [ModelAccessToken("2", "pipeline", ("REPO_WRITE",))]
    tool.restrictions = [
        ModelRestriction(3, "read-only", ModelMatcher("BRANCH", "refs/heads/main"), groups=["inner"]),
        ModelRestriction(4, "no-creates", ModelMatcher("MODEL_CATEGORY", "RELEASE")),
        ModelRestriction(5, "fast-forward-only", ModelMatcher("ANY_REF")),
    ]
    tool.checks = ModelMergeChecks(required_approvers=2, all_tasks=True)


def escaped(name: str) -> str:
    return quote(name, safe="")
