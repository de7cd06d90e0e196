"""`--check`: everything that a run would find out before it fans out, and what it would cost."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, EFFECTIVE_PERMISSIONS, Listing
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.preflight import Findings
from oaa_bitbucket_async.bitbucket.protocol import next_start
from oaa_bitbucket_async.collect.wanted import Wanted
from oaa_bitbucket_async.oaa.upload import check_settings, check_veza
from oaa_bitbucket_async.ops.summary import duration_text
from oaa_bitbucket_async.run.loop import weightiest
from oaa_bitbucket_async.run.session import Session, open_session
from oaa_bitbucket_async.run.signals import listen
from oaa_bitbucket_async.settings import Settings

T = TypeVar("T")


@dataclass(slots=True)
class Estimate:
    """What a run would ask for. `pages` are those of the listings, as often as a run reads them."""

    users: int = 0
    groups: int = 0
    projects: int = 0
    repositories: int = 0
    pages: int = 0
    explicit: bool = True
    default_levels: int = len(DEFAULT_LEVELS)

    @property
    def requests(self) -> int:
        """At least; a group with more members than a page holds, and retries, come on top."""
        global_permissions = 2 if self.explicit else len(EFFECTIVE_PERMISSIONS)
        return (
            self.pages
            + global_permissions
            + self.groups
            + (2 + self.default_levels) * self.projects
            + 2 * self.repositories
        )


async def check_all(settings: Settings) -> int:
    """Prints what it finds, line by line; raises the CollectorError that a run would end with."""
    with listen():
        try:
            async with open_session(settings) as session:
                findings = await session.examine()
                _tell_server(settings, findings)
                await _tell_veza(settings)
                estimate = await _estimate(session, findings)
                _tell_estimate(settings, findings, estimate)
        except BaseExceptionGroup as group:
            raise weightiest(group) from None
        return 0


def _tell_server(settings: Settings, findings: Findings) -> None:
    _line("Bitbucket", f"{settings.bitbucket_url}, version {findings.version}")
    how = "user name and password" if findings.login == "basic" else "HTTP access token"
    _line("Signed in", f"as {findings.user or '(the server does not tell the name)'}, by {how}")
    rights = {True: "administrator", False: "no administrator", None: "can't be told"}[findings.administrator]
    _line("Rights", rights)
    _line(
        "Global",
        "permissions are read as they were granted"
        if findings.global_permissions == "explicit"
        else "permissions are read as their effective holders",
    )
    for warning in findings.warnings():
        _line("Note", warning)
    rate = findings.rate
    if not rate.readable:
        _line("Rate limit", "can't be read (before 6.6, or not Data Center); learned from refusals if there is one")
    elif not rate.enabled:
        _line("Rate limit", "none")
    elif rate.exempt:
        _line("Rate limit", "switched on, but this account is exempt")
    elif rate.bucket is not None:
        _line("Rate limit", f"{rate.bucket.capacity} requests at once, then {rate.bucket.fill_rate} a second")
        _line(
            "",
            "To exempt the account: Administration, Rate limiting, Exemptions, Add exemption, "
            f"{findings.user or 'the account'}, Allow unlimited requests",
        )


async def _tell_veza(settings: Settings) -> None:
    if settings.veza.url is None or settings.veza.api_key is None:
        _line("Veza", "not checked: no --veza-url or no VEZA_API_KEY")
        return
    name = check_settings(settings.veza, settings.bitbucket_url)
    await check_veza(settings.veza)
    _line("Veza", f"{settings.veza.url} accepts the key; data source {name}")


def _tell_estimate(settings: Settings, findings: Findings, estimate: Estimate) -> None:
    _line(
        "A run",
        f"reads {estimate.users:,} users, {estimate.groups:,} groups, {estimate.projects:,} projects and "
        f"{estimate.repositories:,} repositories with about {estimate.requests:,} requests",
    )
    bucket = findings.rate.bucket
    rate, burst = settings.pace.rate_limit, 0.0
    if bucket is not None and bucket.fill_rate > 0 and (rate is None or bucket.fill_rate < rate):
        rate, burst = float(bucket.fill_rate), float(bucket.capacity)
    if rate is not None:
        seconds = max(0.0, estimate.requests - burst) / rate
        _line("", f"which takes about {duration_text(seconds)} at {rate:g} requests a second")


async def _estimate(session: Session, findings: Findings) -> Estimate:
    client, api, wanted = session.client, session.api, Wanted(session.settings.scope)
    estimate = Estimate(explicit=findings.global_permissions == "explicit", default_levels=len(findings.default_levels))
    async for users in _pages(client, api.users(detailed=findings.detailed_users), estimate):
        estimate.users += len(users)
    if findings.detailed_groups:
        async for groups in _pages(client, api.groups(), estimate):
            estimate.groups += len(groups)
    else:
        async for names in _pages(client, api.group_names(), estimate):
            estimate.groups += len(names)
    projects: set[int] = set()
    async for page in _pages(client, api.projects(), estimate):
        projects.update(row.id for row in page if wanted.project(row))
    async for repositories in _pages(client, api.repositories(), estimate):
        kept = [row for row in repositories if wanted.repository(row)]
        estimate.repositories += len(kept)
        projects.update(row.project.id for row in kept)
    estimate.projects = len(projects)
    return estimate


async def _pages(client: Client, listing: Listing[T], estimate: Estimate) -> AsyncIterator[list[T]]:
    """One pass, without the second one that a run makes over a listing of several pages; but counted."""
    count, start = 0, 0
    while True:
        page = await client.page(listing, start)
        count += 1
        yield page.values
        following = next_start(listing.path, page, start)
        if following is None:
            break
        start = following
    estimate.pages += count if count == 1 else 2 * count


def _line(name: str, text: str) -> None:
    print(f"{name + ':' if name else '':<12} {text}")  # the answer, on standard output
