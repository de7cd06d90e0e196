"""Checks before the crawl: is the login valid, what is this server, and what can we not see?

The login is proven first, with one request, so that a wrong password does not lock the account.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, REPO_CREATE, Api, Endpoint, Listing
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, Gone, Moved, Rejected, RequestProblem
from oaa_bitbucket_async.bitbucket.protocol import StrangersRefusalError
from oaa_bitbucket_async.bitbucket.rows import Project, RateSettings, User
from oaa_bitbucket_async.errors import CollectorError, CredentialError, TemporaryError, WrongAddressError
from oaa_bitbucket_async.text import quote

T = TypeVar("T")
_ADDRESS_ADVICE = "Give --bitbucket-url as people see it in the browser, up to and including the context path."


@dataclass(frozen=True, slots=True)
class RateFinding:
    """The server's own rate limit for us. `bucket` None: no limit applies, or we can't read it."""

    readable: bool
    enabled: bool = False
    exempt: bool = False
    bucket: RateSettings | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What preflight found out. It decides which questions the crawl asks."""

    base_url: str
    version: str
    user: str | None
    """Our user name in Bitbucket; None if it can't be found out (a token behind a proxy that removes the header)."""
    login: Literal["basic", "token"]
    header_stripped: bool
    administrator: bool | None
    """Whether the account has ADMIN or SYS_ADMIN, and so sees every project; None if unknown."""
    global_permissions: Literal["explicit", "effective"]
    detailed_users: bool
    detailed_groups: bool
    detailed_members: bool
    rate: RateFinding
    effective_page: int
    """Page size for `/users?permission=`, at most half the server's cap."""
    default_levels: tuple[str, ...] = DEFAULT_LEVELS
    """The default permissions that a project can have on this server."""
    user_id: int | None = None
    """Our own id; None if no user of that name is listed."""

    def warnings(self) -> list[str]:
        """What this login can't see, for people."""
        found = []
        if self.global_permissions == "effective":
            why = (
                "a token never has the right to read them"
                if self.login == "token"
                else f"{self.user} is no Bitbucket administrator"
            )
            found.append(
                f"Global permissions are taken from their effective holders, not from the grants themselves: {why}. "
                "Who holds one is complete; through which group is not. Sign in with BITBUCKET_USER and the password "
                "of an administrator to see the grants."
            )
        if self.administrator is False:
            found.append(
                f"{self.user or 'The account'} is no Bitbucket administrator: projects and repositories that it can't "
                "see are not in the payload, and nothing shows that they are missing. Give the account the global "
                "permission Admin (a token of it then reaches everything)."
            )
        if self.administrator is None:
            why = "answers do not contain its name" if self.user is None else f"no user named {self.user} is listed"
            found.append(
                f"Whether the account is a Bitbucket administrator is unknown: {why}. If it is none, projects and "
                "repositories that it can't see are not in the payload, and nothing shows that they are missing. Make "
                "sure that it has the global permission Admin."
            )
        if self.header_stripped:
            found.append(
                "Answers lack the X-AUSERNAME header (a proxy removes it), so the login is checked at intervals "
                "instead of on every answer. Let the header pass to have each answer checked."
            )
        return found


async def examine(
    client: Client,
    api: Api,
    base_url: str,
    page_size: int,
    is_bitbucket: Callable[[], Awaitable[bool]],
) -> Capabilities:
    """Runs preflight. `is_bitbucket` tells, without a login, whether Bitbucket answers at this address.

    Raises CredentialError (the login is invalid or useless), WrongAddressError (something else or nothing is there),
    ConfigurationError (the certificate can't be verified), TemporaryError (no answer after all attempts).
    """
    try:
        return await _examine(client, api, base_url, page_size)
    except StrangersRefusalError as error:
        if await is_bitbucket():
            raise
        raise WrongAddressError(
            f"{base_url} is not a Bitbucket Server or Data Center: something else answered and refused the login.",
            _ADDRESS_ADVICE,
            after_success=error,
        ) from None
    except Fault as fault:
        if fault.reason is FaultReason.NOT_JSON:
            raise await _not_bitbucket(fault, base_url, is_bitbucket) from None
        if fault.reason is FaultReason.BAD_SHAPE:
            raise WrongAddressError(
                f"{base_url} answers with JSON that is not Bitbucket's: {fault}.",
                f"{_ADDRESS_ADVICE} If it is correct, a proxy on the way changes the answers.",
            ) from None
        raise TemporaryError(
            f"{base_url} gave no usable answer after all attempts: {fault}.",
            "Check that the server is up and reachable from here, then run again.",
        ) from None
    except Denied as denied:
        raise CredentialError(
            f"Bitbucket accepts the login but refuses a request that every user may make: {denied}.",
            "The account needs the global permission Bitbucket User (LICENSED_USER).",
        ) from None
    except (Gone, Moved, Rejected) as problem:
        raise WrongAddressError(
            f"{base_url} is not the base URL of a Bitbucket Server or Data Center: {problem}.", _ADDRESS_ADVICE
        ) from None


async def _not_bitbucket(fault: Fault, base_url: str, is_bitbucket: Callable[[], Awaitable[bool]]) -> CollectorError:
    """The error to raise if something other than JSON comes back."""
    said = f"{base_url} does not answer with Bitbucket's REST API but with something else: {fault}."
    advice = "If that is a login or single sign-on page, let the REST paths (/rest/) pass it"
    if await is_bitbucket():
        return CredentialError(said, f"{advice}; check the base URL and its context path.")
    return WrongAddressError(said, f"{_ADDRESS_ADVICE} {advice}.")


async def _examine(client: Client, api: Api, base_url: str, page_size: int) -> Capabilities:
    await _prove(client, api)
    login = client.login
    version = quote((await client.ask(api.application_properties())).version, login.redact)
    me = await _myself(client, api)
    explicit = await _open(client, api.global_users())
    administrator = True if explicit else await _is_administrator(client, api, me)
    detailed_users = await _open(client, api.users(detailed=True))
    detailed_groups = await _open(client, api.groups(detailed=True))
    default_levels = await _default_levels(client, api, version, await _require_some_project(client, api))
    effective_page = page_size
    if not explicit:
        cap = (await client.page(api.users(detailed=False))).limit or page_size
        effective_page = max(1, min(page_size, 250, cap // 2))
    return Capabilities(
        base_url=base_url,
        version=version,
        user=me.name if me is not None else login.user,
        login="basic" if login.kind == "basic" else "token",
        header_stripped=login.stripped,
        administrator=administrator,
        global_permissions="explicit" if explicit else "effective",
        detailed_users=detailed_users,
        detailed_groups=detailed_groups,
        detailed_members=detailed_groups,
        rate=await _rate(client, api, me),
        effective_page=effective_page,
        default_levels=default_levels,
        user_id=me.id if me is not None else None,
    )


async def _prove(client: Client, api: Api) -> None:
    proof = api.login_proof()
    client.prove_by(proof)
    await client.page(proof)
    login = client.login
    if client.last_user_header is None:
        login.stripped = True
    else:
        login.user_header = client.last_user_header


async def _myself(client: Client, api: Api) -> User | None:
    """Our own row, by the name in the answers. It has our slug and lets us ask for our rights."""
    names = client.login.names or ((client.login.given_name,) if client.login.given_name else ())
    for name in names:
        if (row := await _row_named(client, api.users_like(name), name)) is not None:
            return row
    return None


async def _row_named(client: Client, listing: Listing[User], name: str) -> User | None:
    """`filter` means "contains", so the row is compared exactly, ignoring case (BITBUCKET.md section 2)."""
    async for page in client.pages(listing, lambda row: row.id):
        for row in page:
            if row.name.lower() == name.lower():
                return row
    return None


async def _is_administrator(client: Client, api: Api, me: User | None) -> bool | None:
    """Whether our account has ADMIN in effect (SYS_ADMIN includes it)."""
    if me is None:
        return None
    return await _row_named(client, api.users_like(me.name, "ADMIN"), me.name) is not None


async def _open(client: Client, listing: Listing[T]) -> bool:
    """Whether we may read a listing. Asks for one row."""
    try:
        await client.page(listing._replace(path=listing.path.rpartition("limit=")[0] + "limit=1"))
    except (Denied, Gone, Rejected):
        return False
    return True


async def _require_some_project(client: Client, api: Api) -> Project | None:
    """A project that we administer; None if there are no projects at all.

    Raises CredentialError if we administer none: a token without project admin could read no grant.
    """
    administered = await _some_project(client, api, "PROJECT_ADMIN")
    if administered is not None or await _some_project(client, api) is None:
        return administered
    raise CredentialError(
        f"{client.login.user or 'The account'} administers no project, so no permission can be read.",
        "Create the HTTP access token with the permission Project admin, for an account with the global permission "
        "Admin."
        if client.login.kind == "token"
        else "Give the account the global permission Admin.",
    )


async def _some_project(client: Client, api: Api, permission: str | None = None) -> Project | None:
    """Any project on which we have `permission`; None if there is none.

    Asks for one row. If the page is empty but not the last (Bitbucket leaves out what we may not see: BITBUCKET.md
    section 11), larger pages are read from there on.
    """
    first = await client.page(api.projects(permission, limit=1))
    async for rows in client.one_pass(api.projects(permission), lambda row: row.id, first):
        if rows:
            return rows[0]
    return None


async def _default_levels(client: Client, api: Api, version: str, project: Project | None) -> tuple[str, ...]:
    """The default permissions, with REPO_CREATE if the server knows it: from 8.2 on, unless it answers 400.

    If we left it out by mistake, a right of every user would be missing. If we asked in vain, every run would fail.
    """
    release = re.match(r"(\d+)\.(\d+)", version)
    if release is not None and (int(release[1]), int(release[2])) < (8, 2):
        return DEFAULT_LEVELS
    if project is not None:
        try:
            await client.ask(api.project_default(project.key, REPO_CREATE))
        except (Denied, Gone, Moved, Rejected) as problem:
            if problem.status == 400:
                return DEFAULT_LEVELS
            # any other answer is about this project, and the crawl handles it
    return (*DEFAULT_LEVELS, REPO_CREATE)


async def _rate(client: Client, api: Api, me: User | None) -> RateFinding:
    """The server's rate limit, with the exception for us if any (6.6 and newer, Data Center only)."""
    settings = await _if_told(client, api.rate_limit())
    if settings is None:
        return RateFinding(readable=False)
    if not settings.enabled or settings.default_settings is None:
        return RateFinding(readable=True)
    bucket = settings.default_settings
    own = None
    if me is not None and me.slug:
        own = await _if_told(client, api.rate_limit_of(me.slug))
    if own is not None:
        if own.whitelisted:
            return RateFinding(readable=True, enabled=True, exempt=True)
        bucket = own.settings or bucket
    if bucket.capacity < 1 or bucket.fill_rate <= 0:
        return RateFinding(readable=False)  # it would allow no request at all, so it is not in force
    return RateFinding(readable=True, enabled=True, bucket=bucket)


async def _if_told(client: Client, endpoint: Endpoint[T]) -> T | None:
    """Asks an optional question. None if the server does not answer it, or in an unknown form."""
    try:
        return await client.ask(endpoint)
    except RequestProblem as problem:
        if isinstance(problem, Fault) and problem.reason not in (FaultReason.BAD_SHAPE, FaultReason.NOT_JSON):
            raise
        return None
