"""`--check`: everything that a run finds out before the crawl, and how many requests the crawl takes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.api import DEFAULT_LEVELS, EFFECTIVE_PERMISSIONS, Listing
from oaa_bitbucket_async.bitbucket.client import Client
from oaa_bitbucket_async.bitbucket.faults import Denied, Gone, RequestProblem
from oaa_bitbucket_async.bitbucket.preflight import Capabilities
from oaa_bitbucket_async.bitbucket.rows import User, by_id, by_name
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.extras import probes
from oaa_bitbucket_async.collect.kinds import AnyKind
from oaa_bitbucket_async.collect.public_access import Flagged, first
from oaa_bitbucket_async.collect.scope_filter import ScopeFilter
from oaa_bitbucket_async.errors import CollectorError, IncompleteError
from oaa_bitbucket_async.oaa.names import data_source_of
from oaa_bitbucket_async.oaa.target import scope_words
from oaa_bitbucket_async.oaa.upload import check_settings, check_veza, look_up
from oaa_bitbucket_async.ops.figures import public_access_text
from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.run.check_incremental import Costs, look_at_log, tell_costs
from oaa_bitbucket_async.run.check_report import CheckReport, Price, Rate
from oaa_bitbucket_async.run.guards import before_crawl, unknown_upload
from oaa_bitbucket_async.run.known import passing_if
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.loop import exit_code_of, weightiest
from oaa_bitbucket_async.run.public_access import ask_for_public_access
from oaa_bitbucket_async.run.session import Session, open_session
from oaa_bitbucket_async.run.signals import listen
from oaa_bitbucket_async.settings import Include, Settings

T = TypeVar("T")
_QUICKEST = 0.001
"""Seconds for a request at least, where they are measured."""


@dataclass(slots=True)
class Estimate:
    """What a run would ask for. `pages` counts the pages of the listings, each as often as a run reads it."""

    users: int = 0
    groups: int = 0
    projects: int = 0
    repositories: int = 0
    pages: int = 0
    explicit: bool = True
    others: list[User] = field(default_factory=list)
    """The ids of all users except the login."""
    hidden: frozenset[AnyKind] = frozenset()
    """What the login may not list of other users."""
    default_levels: int = len(DEFAULT_LEVELS)
    public: list[Flagged] = field(default_factory=list)
    """What is marked public: repositories, or projects if no repository is."""
    public_access: int = 0
    """Requests that it takes to find out whether public access is on."""

    def price(self, include: Include) -> int:
        """Requests that a kind adds. The maximum, if it depends on what is found."""
        each = {"project": self.projects, "repository": self.repositories, "user": self.users}
        return sum(
            len(probes(self.others)) if kind in self.hidden else each[kind.of] for kind in kinds.kinds_of(include)
        )

    @property
    def always(self) -> int:
        """Requests of every run, also of an incremental one."""
        global_permissions = 2 if self.explicit else len(EFFECTIVE_PERMISSIONS)
        return self.pages + global_permissions + self.groups + self.public_access

    @property
    def requests(self) -> int:
        """All requests, at least. Retries, and groups with more than one page of members, add more."""
        return self.always + (2 + self.default_levels) * self.projects + 2 * self.repositories


async def check_all(settings: Settings, redact: Redact, *, as_json: bool = False) -> int:
    """Prints the findings, without the secrets that `redact` knows. Raises the error that a run would end with."""
    report = CheckReport(redact, as_json=as_json)
    try:
        await _look(settings, report)
    except CollectorError as error:
        report.end(exit_code_of(error), error)
        raise
    report.end(0)
    return 0


async def _look(settings: Settings, report: CheckReport) -> None:
    with listen(settings.max_duration) as interruption:
        try:
            async with open_session(settings) as session:
                capabilities = await session.examine()
                report.server(settings.bitbucket_url, capabilities)
                await _look_at_veza(report, settings)
                await _look_at_guards(report, session)
                began, before = session.clock.now(), session.stats.total
                estimate = await _estimate(session, capabilities)
                each = (session.clock.now() - began) / max(1, session.stats.total - before)
                await _look_at_public_access(report, session, estimate)
                rate = _rate(settings, capabilities)
                total = _tell_estimate(report, settings, estimate, rate)
                told = await look_at_log(session, capabilities, report)
                costs = Costs(
                    whole=total,
                    always=estimate.always + told.reading,
                    named=told.named,
                    max_age=settings.max_age,
                    rate=rate or Rate(session.pacer.limit / max(each, _QUICKEST)),
                )
                tell_costs(report, costs, known_rate=rate is not None)
        except asyncio.CancelledError:
            if not interruption.stopped:
                raise
            raise interruption.error("", "Run the check again.") from None
        except BaseExceptionGroup as group:
            raise weightiest(group) from None


async def _look_at_veza(report: CheckReport, settings: Settings) -> None:
    url = settings.veza.url
    if url is None or settings.veza.api_key is None:
        report.tell("Veza", "not checked: no --veza-url or no VEZA_API_KEY", veza=None)
        return
    name = check_settings(settings.veza, settings.bitbucket_url)
    last = LastUpload.of(settings.state, settings.veza, name)
    with passing_if(lambda: last is not None and last.known):
        await check_veza(settings.veza)
    report.tell("Veza", f"{url} accepts the key; data source {name}", veza={"url": url, "data_source": name})


async def _look_at_guards(report: CheckReport, session: Session) -> None:
    """What a run would refuse or warn of before its crawl."""
    settings = session.settings
    notices = await before_crawl(session)
    if settings.veza.url is not None and settings.veza.api_key is not None:
        data_source = data_source_of(settings.veza, settings.bitbucket_url)
        unknown = unknown_upload(LastUpload.of_run(settings), data_source, settings.scope)
        if unknown is not None and await look_up(settings.veza, data_source):
            notices.append(unknown)
    if settings.scope.limited:
        words = scope_words(settings.scope)
        report.tell("Scope", f"a part: {' '.join(words)}", scope=words)
    for notice in notices:
        report.note(notice.text)


async def _look_at_public_access(report: CheckReport, session: Session, estimate: Estimate) -> None:
    """Finds out in the same way as a run, and counts the requests."""
    before = session.stats.total
    public_access = await ask_for_public_access(session, estimate.public)
    estimate.public_access = session.stats.total - before
    words = {
        "on": f"access is {public_access_text('on')}",
        "off": f"access is {public_access_text('off')}",
        "unknown": "unknown whether it is on: a run keeps what the last upload said, or else treats it as on",
        "none flagged": public_access_text("none flagged"),
    }
    report.tell("Public", words[public_access], public_access=public_access)


def _rate(settings: Settings, capabilities: Capabilities) -> Rate | None:
    """What limits a run, the server or ourselves; None if nothing does."""
    bucket = capabilities.rate.bucket
    rate = None if settings.pace.rate_limit is None else Rate(settings.pace.rate_limit)
    if bucket is not None and bucket.fill_rate > 0 and (rate is None or bucket.fill_rate < rate.per_second):
        rate = Rate(float(bucket.fill_rate), float(bucket.capacity))
    return rate


def _tell_estimate(report: CheckReport, settings: Settings, estimate: Estimate, rate: Rate | None) -> int:
    """Gives the requests of a run."""
    report.tell(
        "A run",
        f"reads {estimate.users:,} users, {estimate.groups:,} groups, {estimate.projects:,} projects and "
        f"{estimate.repositories:,} repositories",
        users=estimate.users,
        groups=estimate.groups,
        projects=estimate.projects,
        repositories=estimate.repositories,
    )
    prices = {include: Price(estimate.price(include), estimate.price(include)) for include in Include}
    branches = prices[Include.BRANCH_RESTRICTIONS]
    prices[Include.BRANCH_RESTRICTIONS] = Price(branches.most // 3, branches.most)
    total = estimate.requests + sum(map(estimate.price, settings.include))
    report.prices(total, prices, settings.include, rate)
    if blind := [include for include in Include if _only_own(estimate, include)]:
        report.note(f"{', '.join(blind)}: those of other users are not visible to this login.")
    return total


def _only_own(estimate: Estimate, include: Include) -> bool:
    of_users = [kind for kind in kinds.kinds_of(include) if kind.of == "user"]
    return bool(of_users) and estimate.hidden.issuperset(of_users)


async def _hidden(session: Session, capabilities: Capabilities, estimate: Estimate) -> frozenset[AnyKind]:
    """The kinds that the login may not list for other users. Finds out in the same way as a run."""
    hidden = set()
    for kind in kinds.INCLUDED:
        if kind.of != "user":
            continue
        for user in probes(estimate.others):
            asked = kind.endpoint(session.api, capabilities, (user.name, user.slug or user.name))
            try:
                await (session.client.page(asked) if isinstance(asked, Listing) else session.client.ask(asked))
                break
            except (Denied, Gone):
                continue
            except RequestProblem:  # a run tries again, and tells; the price is that of asking about all
                break
        else:
            hidden.add(kind)
    return frozenset(hidden) if estimate.others else frozenset()


async def _estimate(session: Session, capabilities: Capabilities) -> Estimate:
    client, api, wanted = session.client, session.api, ScopeFilter(session.settings.scope)
    estimate = Estimate(
        explicit=capabilities.global_permissions == "explicit", default_levels=len(capabilities.default_levels)
    )
    async for users in _pages(client, api.users(detailed=capabilities.detailed_users), by_id, estimate):
        estimate.users += len(users)
        others = (user for user in users if user.name.lower() != (capabilities.user or "").lower())
        estimate.others.extend(others)
    async for groups in _pages(client, api.groups(detailed=capabilities.detailed_groups), by_name, estimate):
        estimate.groups += len(groups)
    projects: set[int] = set()
    public_projects: list[Flagged] = []
    async for page in _pages(client, api.projects(), by_id, estimate):
        listed = [row for row in page if wanted.project(row)]
        projects.update(row.id for row in listed)
        public_projects += [Flagged(row.id, row.key) for row in listed if row.public]
    async for repositories in _pages(client, api.repositories(), by_id, estimate):
        kept = [row for row in repositories if wanted.repository(row)]
        estimate.repositories += len(kept)
        projects.update(row.project.id for row in kept)
        public = (Flagged(row.id, row.project.key, row.slug) for row in kept if row.public or row.project.public)
        estimate.public = first((*estimate.public, *public))
    estimate.public = estimate.public or first(public_projects)
    estimate.projects = len(projects)
    estimate.others.sort(key=lambda user: user.id)
    estimate.hidden = await _hidden(session, capabilities, estimate)
    return estimate


async def _pages(
    client: Client, listing: Listing[T], key: Callable[[T], Hashable], estimate: Estimate
) -> AsyncIterator[list[T]]:
    """Reads a listing once. Also counts the second pass that a run makes over a listing of several pages.

    Raises IncompleteError where a run could not read the listing either.
    """
    count = 0
    try:
        async for rows in client.one_pass(listing, key):
            count += 1
            yield rows
    except RequestProblem as problem:
        raise IncompleteError(
            f"A listing can't be read, so a run would not be complete: {problem}.",
            "The message says what was wrong with the answer. Correct that, then check again.",
        ) from None
    estimate.pages += count if count == 1 else 2 * count
