"""The embedded Bitbucket, rigged for tests and benchmarks."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from oaa_bitbucket_async.demo.bitbucket import EmbeddedBitbucket, RateLimit, ServerOptions, faults
from oaa_bitbucket_async.demo.bitbucket.answers import ServerAnswer, not_permitted, nothing_here, refusal
from oaa_bitbucket_async.demo.bitbucket.audit import AuditLog
from oaa_bitbucket_async.demo.bitbucket.authenticator import Caller
from oaa_bitbucket_async.demo.bitbucket.routes import Route
from oaa_bitbucket_async.demo.changes import random_changes
from oaa_bitbucket_async.demo.model import PERSONAL, Estate
from tests.servers.capacity import Capacity, TokenBucket
from tests.servers.faults import Fault
from tests.servers.pages import moved, with_gaps

STATS_PATH = "/-/stats"
CHANGES_PATH = "/-/changes"
_ADMIN_LISTINGS = frozenset({"admin-users", "admin-groups", "admin-members"})
_DATED = frozenset({"access-keys", "tokens", "ssh-keys", "gpg-keys", "restrictions"})
_DATES = frozenset({"createdDate", "expiryDate", "lastAuthenticated"})


@dataclass(frozen=True, kw_only=True)
class RiggedOptions(ServerOptions):
    """What a server may be like that a demo has no use for."""

    capacity: Capacity | None = None
    bucket: TokenBucket | None = None
    basic_enabled: bool | None = None
    """None: as the version has it."""
    admin_listings: bool = True
    """False: `/admin/users`, `/admin/groups` and `more-members` are refused (401)."""
    strip_username_header: bool = False
    cookies: bool = True
    missing: frozenset[str] = frozenset()
    """Kinds of endpoints (`routes.KINDS`) that this server does not have: 404, as for an app that is switched off."""
    dates_as_text: bool = False
    """Dates of keys and tokens as the documentation shows them, not as servers send them: milliseconds."""
    cursor_as_object: bool = False
    """`nextPageCursor` of the audit log as one of Atlassian's documents shows it, not as servers send it: a text."""
    gaps: int = 0
    """`nextPageStart` jumps by that many places."""
    empty_pages: bool = False
    """Each jump leads to a page without rows that is not the last one."""
    log_requests: bool = True

    @property
    def takes_basic(self) -> bool:
        """Whether a user name and password are accepted."""
        return super().takes_basic if self.basic_enabled is None else self.basic_enabled


class LoggedRequest(NamedTuple):
    """A request that was answered. `path` is without the context path; `status` 0: none was sent.

    `user` is the name of the caller, '' for an anonymous one.
    """

    method: str
    path: str
    query: str
    status: int
    kind: str
    user: str


class RiggedBitbucket(EmbeddedBitbucket):
    """`requests` is the log, `counts` the number of requests by kind of endpoint, `statuses` by status."""

    def __init__(
        self,
        estate: Estate,
        options: ServerOptions | None = None,
        faults: Sequence[faults.ServerFault] = (),
        audit: AuditLog | None = None,
    ) -> None:
        rigged = options or RiggedOptions()
        if not isinstance(rigged, RiggedOptions):
            rigged = RiggedOptions(**{name: getattr(rigged, name) for name in rigged.__dataclass_fields__})
        bucket = rigged.bucket
        if bucket is not None:
            rigged = replace(rigged, rate_limit=RateLimit(bucket.capacity, int(bucket.fill_rate), bucket.exempt))
        super().__init__(estate, rigged, faults, audit)
        self.rig = rigged
        self.requests: list[LoggedRequest] = []
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.peak_in_flight = 0
        self._changes: list[tuple[int, Callable[[Estate], None]]] = []
        self._began = 0
        self._answered = 0
        self._personal = self._personal_projects()

    @property
    def failed_logins(self) -> Counter[str]:
        """Wrong passwords in a row, by lower-case user name."""
        return self._authenticator.failed_logins

    @property
    def created_personal_projects(self) -> list[str]:
        """Keys of personal projects that somebody asked for and thereby created."""
        return sorted(self._personal_projects() - self._personal)

    def _personal_projects(self) -> set[str]:
        return {project.key for project in self.estate.projects if project.type == PERSONAL}

    def revoke(self, token: str) -> None:
        """The token is not known from now on."""
        self._authenticator.tokens.pop(token, None)
        self._callers.clear()

    def change_at(self, request: int, change: Callable[[Estate], None]) -> None:
        """`change` happens to the estate just before the `request`-th request from now on (the first is 1) is answered.

        Changes that are due at one time happen in the order in which they were given.
        """
        self._changes.append((self._began + request, change))

    def happen(self) -> None:
        """What `change_at` was told and has not come to happens now."""
        due, self._changes = self._changes, []
        for _, change in due:
            change(self.estate)

    def stats(self) -> dict[str, object]:
        """What was measured: also at `/-/stats` below the context path, for a server that is another process."""
        capacity, bucket = self.rig.capacity, self.rig.bucket
        return {
            "requests": sum(self.counts.values()),
            "counts": dict(self.counts),
            "statuses": {str(status): n for status, n in self.statuses.items()},
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "served": capacity.served if capacity else 0,
            "busy_seconds": capacity.busy if capacity else 0.0,
            "drawn_seconds": capacity.drawn if capacity else 0.0,
            "undisturbed_seconds": capacity.undisturbed if capacity else 0.0,
            "refused": bucket.refused if bucket else 0,
            "faults": {f"{number} {fault.name}": fault.struck for number, fault in enumerate(self.faults)},
            "created_personal_projects": self.created_personal_projects,
        }

    # --- a request --------------------------------------------------------------------------------------------

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Tells the stats, makes `count` changes by chance and says what they were, or answers as Bitbucket does.

        The changes are for a server that is another process: `/-/changes?count=100&seed=1`.
        """
        if request.raw_path == self.options.context_path + STATS_PATH:
            return web.Response(body=msgspec.json.encode(self.stats()), content_type="application/json")
        if request.path == self.options.context_path + CHANGES_PATH:
            rng = random.Random(int(request.query.get("seed", "1")))
            done = random_changes(self.estate, rng, int(request.query.get("count", "1")))
            return web.Response(body=msgspec.json.encode(done), content_type="application/json")
        self._began += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight + 1)
        due = [change for at, change in self._changes if at <= self._began]
        self._changes = [(at, change) for at, change in self._changes if at > self._began]
        for change in due:
            change(self.estate)
        return await super().handle(request)

    async def admit(self, request: web.BaseRequest, where: Route, caller: Caller | None) -> None:
        """Takes a token from the caller's bucket, and waits for a slot. A server that is full refuses at once."""
        bucket, capacity = self.rig.bucket, self.rig.capacity
        if bucket is not None and caller is not None:
            node = bucket.node(request.headers.get("Cookie", "")) if bucket.nodes > 1 else 0
            seconds = bucket.refuses(caller.user.name, node, asyncio.get_running_loop().time())
            if seconds is not None:
                name = "com.atlassian.bitbucket.ratelimit.RateLimitExceededException"
                raise refusal(429, "You have been rate limited.", name, Retry_After=str(seconds))
        if capacity is not None:
            if capacity.full:
                raise refusal(503, "The server is under heavy load.", None)
            await capacity.serve(where.kind)

    def answer(
        self, path: str, where: Route, caller: Caller | None, struck: Sequence[faults.ServerFault]
    ) -> ServerAnswer:
        """The answer of a server like this one."""
        if where.kind in self.rig.missing:
            raise nothing_here(f"{self.url}{path}")
        if where.kind in _ADMIN_LISTINGS and not self.rig.admin_listings:
            raise not_permitted()
        ours = [fault for fault in struck if isinstance(fault, Fault)]
        for fault in ours:
            fault.change(where, self.estate)
        inner = super().answer

        def ask(query: str) -> ServerAnswer:
            return inner(path, where._replace(query=query), caller, struck)

        shift = sum(fault.shift for fault in ours)
        if shift:
            answer = moved(where.query, shift, ask)
        elif self.rig.gaps:
            answer = with_gaps(where.query, self.rig.gaps, ask, empty_pages=self.rig.empty_pages)
        else:
            answer = ask(where.query)
        if self.rig.dates_as_text and answer.status == 200 and where.kind.partition("-")[2] in _DATED:
            answer.body = msgspec.json.encode(_with_dates(msgspec.json.decode(answer.body)))
        if self.rig.cursor_as_object and answer.status == 200 and where.kind == "audit-events":
            content = msgspec.json.decode(answer.body)
            if "nextPageCursor" in content["pagingInfo"]:
                content["pagingInfo"]["nextPageCursor"] = {"cursor": content["pagingInfo"]["nextPageCursor"]}
            answer.body = msgspec.json.encode(content)
        return answer

    def response(self, answer: ServerAnswer, caller: Caller | None) -> web.Response:
        """The answer as HTTP."""
        response = super().response(answer, caller)
        self._answered += 1
        if self.rig.strip_username_header:
            for name in caller.headers if caller is not None else ():
                del response.headers[name]
        if not self.rig.cookies:
            del response.headers["Set-Cookie"]
        elif self.rig.bucket is not None:
            cookie = f"BITBUCKETSESSIONID=node{self._answered % self.rig.bucket.nodes}-{self._answered:x}"
            response.headers["Set-Cookie"] = f"{cookie}; Path=/; HttpOnly"
        return response

    def done(self, request: web.BaseRequest, where: Route, caller: Caller | None, status: int) -> None:
        """Counts a request and writes it down."""
        self.counts[where.kind] += 1
        self.statuses[status] += 1
        if self.rig.log_requests:
            path, _, query = request.raw_path.partition("?")
            path = path.removeprefix(self.options.context_path)
            user = caller.user.name if caller is not None else ""
            self.requests.append(LoggedRequest(request.method, path, query, status, where.kind, user))


def _with_dates(value: Any) -> Any:
    """Milliseconds of keys and tokens as text, wherever they are; a GPG key's own are a number in the document too."""
    if isinstance(value, dict):
        dates = () if "subKeys" in value else _DATES
        return {name: _as_text(inner) if name in dates else _with_dates(inner) for name, inner in value.items()}
    return [_with_dates(one) for one in value] if isinstance(value, list) else value


def _as_text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
