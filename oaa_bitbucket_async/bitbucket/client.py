"""Asks a question until it is answered: gate, transport, protocol, retries and pages.

A first attempt that succeeds, the common case, makes no RetryPlan; only a Fault does.
"""

import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Hashable
from typing import TypeVar

from oaa_bitbucket_async.bitbucket.anonymous import Refusal, reaction
from oaa_bitbucket_async.bitbucket.api import Endpoint, Listing, Weight
from oaa_bitbucket_async.bitbucket.faults import Denied, Fault, FaultReason, NotAsked, RequestProblem
from oaa_bitbucket_async.bitbucket.pacing.clock import Clock
from oaa_bitbucket_async.bitbucket.pacing.pacer import Pacer
from oaa_bitbucket_async.bitbucket.protocol import (
    RATE_HEADER,
    USER_HEADER,
    Account,
    Answer,
    next_start,
    parse_response,
    rate_headers,
)
from oaa_bitbucket_async.bitbucket.retries import RetryPlan
from oaa_bitbucket_async.bitbucket.rows import Decoder, Page, User
from oaa_bitbucket_async.bitbucket.stats import Latencies, RequestStats
from oaa_bitbucket_async.bitbucket.transport import Transport
from oaa_bitbucket_async.errors import CredentialError
from oaa_bitbucket_async.settings import Pace

MAX_BARREN_PAGES = 1000
"""An empty page need not be the last (rights are filtered after paging), but there is a limit."""
MAX_PASSES = 8
CAREFUL_PASSES = 4
"""Up to this pass, another pass follows if a row of the pass before is missing."""
MAX_PAGES = 100_000
"""The most pages of one pass. No instance has a listing with more."""
MAX_ROWS = 5_000_000
"""The most rows of a listing. No instance has a listing with more."""
PROOF_INTERVAL = 30.0
"""Seconds between two checks of the login if a proxy removes the user's header."""

_BULK = Weight.BULK  # Python 3.11 takes a while to look up a member of an enum

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Client:
    """Asks one instance. All requests of a run go through one Client, one Pacer and one Transport."""

    def __init__(
        self,
        transport: Transport,
        pacer: Pacer,
        stats: RequestStats,
        login: Account,
        pace: Pace,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.stats = stats
        self.login = login
        self.pacer = pacer
        self._transport = transport
        self._pace = pace
        self.clock = clock
        self._rng = rng
        self.last_user_header: str | None = None
        """The last `X-AUSERNAME` header, until the login is proven."""
        self._proof: Listing[User] | None = None
        self._asking_something_else = False
        self._latencies = stats.latencies

    async def ask(self, endpoint: Endpoint[T], *, urgent: bool = False) -> T:
        """Asks one question. Raises Denied, Gone, Moved, Rejected, Fault (after all attempts) or CredentialError.

        An `urgent` request goes first, and is sent even while its kind is set aside. Others raise NotAsked then.
        """
        kind, path, decoder, weight = endpoint
        try:
            return await self._attempt(kind, path, decoder, weight, None, urgent=urgent)
        except Fault as first:
            return await self._again(kind, path, decoder, weight, None, first, urgent=urgent)

    async def page(self, listing: Listing[T], start: int = 0, *, urgent: bool = False) -> Page[T]:
        """Asks for one page and checks where the next one starts. Raises as `ask` does."""
        kind, path, decoder, weight = listing
        if start:
            path = f"{path}&start={start}"
        try:
            return await self._attempt(kind, path, decoder, weight, start, urgent=urgent)
        except Fault as first:
            return await self._again(kind, path, decoder, weight, start, first, urgent=urgent)

    async def pages(
        self, listing: Listing[T], key: Callable[[T], Hashable], first: Page[T] | None = None
    ) -> AsyncIterator[list[T]]:
        """The rows of all pages, each row once, as they arrive. `key` tells rows apart; an integer is a row's id.

        Bitbucket divides the rows into pages anew for every request. If a row is deleted, or renamed in a listing that
        is sorted by name, another row can move to a page that was read already, and this pass misses it. So a listing
        of several pages is read again, and a row counts if any pass shows it. The listing is complete after the second
        or a later pass that adds no row. Ids grow, so a row with an id above all of the first pass is new: it is
        yielded, but forces no further pass. If a pass lacks a row of the pass before, rows have moved, and both passes
        may have missed the same one: another pass follows, up to the fourth.

        Raises as `ask` does, and a PAGING fault if the listing has no end or is not complete after eight passes.
        """
        seen: set[Hashable] = set()
        before: set[Hashable] = set()
        newest = -1
        page = first
        for number in range(MAX_PASSES):
            count, missed = 0, False
            shown: set[Hashable] = set()
            async for fresh in self.one_pass(listing, key, page, seen, shown):
                count += 1
                if number and not missed:
                    missed = not all(_is_above(key(row), newest) for row in fresh)
                if fresh:
                    yield fresh
            if not number:
                if count == 1:
                    return
                newest = max((row_key for row_key in seen if isinstance(row_key, int)), default=-1)
            elif not missed and (before <= shown or number + 1 >= CAREFUL_PASSES):
                return
            before, page = shown, None
        raise Fault(
            listing.path,
            f"the listing was read {MAX_PASSES} times, and each time showed rows that were missing before: rows are "
            "deleted or renamed faster than they can be read",
            reason=FaultReason.PAGING,
        )

    async def one_pass(
        self,
        listing: Listing[T],
        key: Callable[[T], Hashable],
        first: Page[T] | None = None,
        seen: set[Hashable] | None = None,
        shown: set[Hashable] | None = None,
    ) -> AsyncIterator[list[T]]:
        """Reads a listing once, page by page, and yields the rows of each page that are not yet in `seen`.

        Use it if a missed row does not matter. `first` is the first page, if it is known already. Adds these rows to
        `seen`, and all rows to `shown` (empty at first). Raises as `ask` does, and a PAGING fault if the listing has
        no end.
        """
        seen = set() if seen is None else seen
        shown = set() if shown is None else shown
        start = barren = 0
        page = first if first is not None else await self.page(listing)
        for _ in range(MAX_PAGES):
            known = len(shown)
            fresh = []
            for row in page.values:
                row_key = key(row)
                shown.add(row_key)
                if row_key not in seen:
                    seen.add(row_key)
                    fresh.append(row)
            if len(seen) > MAX_ROWS:
                raise _endless(listing.path, f"more than {MAX_ROWS:,} rows")
            yield fresh
            following = next_start(listing.path, page, start)
            if following is None:
                return
            barren = 0 if len(shown) > known else barren + 1
            if barren > MAX_BARREN_PAGES:
                raise _endless(listing.path, f"{barren:,} pages in a row without anything new, and no end")
            start = following
            page = await self.page(listing, start)
        raise _endless(listing.path, f"{MAX_PAGES:,} pages, and no end")

    # --- one attempt, and the next ones ---------------------------------------------------------------------

    async def _attempt(
        self, kind: str, path: str, decoder: Decoder[T], weight: Weight, start: int | None, *, urgent: bool = False
    ) -> T:
        pacer, stats = self.pacer, self.stats
        if not pacer.try_enter():
            await pacer.enter(priority=urgent or weight is not _BULK)
            if pacer.held(kind) and not urgent:
                pacer.abandoned()
                raise NotAsked(path, "nothing of its kind is answered any more")
        stats.sent[kind] += 1
        now = self.clock.now
        began = now()
        latency = 0.0
        answer: Answer | None = None
        try:
            answer = await self._transport.get(path)
            latency = now() - began
            stats.bytes_received += len(answer.body)
            if RATE_HEADER in answer.headers:
                pacer.note_rate_headers(**rate_headers(answer.headers))
            if self.login.user_header is None:
                self.last_user_header = answer.headers.get(USER_HEADER)
            value = parse_response(path, answer, decoder, self.login, time.time() if answer.status != 200 else 0.0)
            if start is not None:
                next_start(path, value, start)  # type: ignore[arg-type]  # only `page` gives a start
        except Fault as fault:
            stats.faults[fault.reason] += 1
            stats.unanswered[kind, fault.reason] += 1
            pacer.failed(kind, fault.reason, fault.retry_after, path)
            answer = None
            fault.forget_frames()
            raise
        except RequestProblem as problem:
            word = type(problem).__name__.lower()
            stats.refused[word] += 1
            stats.unanswered[kind, word] += 1
            pacer.succeeded(kind, latency)
            if self.login.stripped and isinstance(problem, Denied) and self._proof and kind != self._proof.kind:
                await self.prove_login()  # without the header a missing right and a lost login look the same
            answer = None
            problem.forget_frames()
            raise
        except BaseException:
            pacer.abandoned()
            raise
        pacer.succeeded(kind, latency)
        stats.answered[kind] += 1
        latencies = self._latencies.get(kind)
        if latencies is None:
            latencies = self._latencies[kind] = Latencies()
        latencies.add(latency)
        return value

    async def _again(
        self,
        kind: str,
        path: str,
        decoder: Decoder[T],
        weight: Weight,
        start: int | None,
        first: Fault,
        *,
        urgent: bool,
    ) -> T:
        """Makes the attempts after the first one, which failed with `first`. A retry that waits holds no place."""
        plan = RetryPlan(self._pace, self._rng, self.pacer, kind, path, stubborn=weight is Weight.FEW)
        plan.failed(first)
        if plan.over:
            raise first
        await self.clock.sleep(plan.wait)

        async def attempt() -> T:
            self.stats.retries[plan.reason] += 1
            if self.pacer.in_doubt(kind, path):
                await self._ask_something_else()
            return await self._attempt(kind, path, decoder, weight, start, urgent=urgent)

        return await plan.retrying(self.clock.sleep)(attempt)

    async def ask_anonymously(self, transport: Transport, endpoint: Endpoint[T]) -> T | Refusal | None:
        """Asks once without a login, over a transport that signs nothing, and returns `anonymous.reaction`.

        The request passes the gate and is counted. Raises Fault for a temporary failure, without a retry.
        """
        kind, path, decoder, _ = endpoint
        pacer, stats = self.pacer, self.stats
        await pacer.enter(priority=True)
        stats.sent[kind] += 1
        began = self.clock.now()
        try:
            answer = await transport.get(path)
            reacted = reaction(path, answer, decoder, time.time())
        except Fault as fault:
            stats.faults[fault.reason] += 1
            stats.unanswered[kind, fault.reason] += 1
            if fault.reason is FaultReason.THROTTLED:
                pacer.failed(kind, fault.reason, fault.retry_after)
            else:
                pacer.abandoned()  # a failure without a login says nothing about the pace
            raise
        except BaseException:
            pacer.abandoned()
            raise
        pacer.succeeded(kind, self.clock.now() - began)
        stats.answered[kind] += 1
        return reacted

    async def _ask_something_else(self) -> None:
        """Sends a request that every login may make, to see whether the server answers at all."""
        if self._proof is None or self._asking_something_else:
            return
        self._asking_something_else = True
        try:
            await self._attempt(*self._proof, 0)
        except Fault as fault:
            _log.debug("the server answers nothing else either: %s", fault)
        finally:
            self._asking_something_else = False

    # --- the login ------------------------------------------------------------------------------------------

    def prove_by(self, proof: Listing[User]) -> None:
        """Sets the question that Bitbucket answers only to a signed-in user."""
        self._proof = proof

    async def prove_login(self) -> None:
        """Asks a question that needs a login. Raises CredentialError if the login is lost, or Fault."""
        if self._proof is None:
            return
        try:
            await self.page(self._proof)
        except Fault:
            raise
        except RequestProblem as problem:
            raise _forgotten(problem) from None

    async def probe(self) -> bool:
        """Sends one request past the gate, during an outage. True if the server answers again."""
        if self._proof is None:
            return False
        kind, path, decoder, _ = self._proof
        self.stats.sent[kind] += 1
        try:
            parse_response(path, await self._transport.get(path), decoder, self.login, time.time())
        except Fault as fault:
            self.stats.faults[fault.reason] += 1
            self.stats.unanswered[kind, fault.reason] += 1
            return False
        except RequestProblem as problem:
            word = type(problem).__name__.lower()
            self.stats.refused[word] += 1
            self.stats.unanswered[kind, word] += 1
            raise _forgotten(problem) from None
        self.stats.answered[kind] += 1
        return True

    async def watch_login(self) -> None:
        """Checks the login again during the crawl if a proxy removes the user's name from answers."""
        while self.login.stripped:
            await self.clock.sleep(PROOF_INTERVAL)
            try:
                await self.prove_login()
            except Fault:
                continue  # the pacer has counted it; the next proof, or the last one, decides


def _is_above(row_key: Hashable, newest: int) -> bool:
    """Whether the row's id is above `newest`, so the row is newer. False for a row without an id."""
    return isinstance(row_key, int) and row_key > newest


def _endless(path: str, detail: str) -> Fault:
    return Fault(path, f"no listing of Bitbucket is so long: {detail}", reason=FaultReason.PAGING)


def _forgotten(problem: RequestProblem) -> CredentialError:
    return CredentialError(
        f"Bitbucket no longer recognizes the login that it accepted at the start ({problem}).",
        "Nothing was uploaded. Check whether the token was revoked or the account locked, then run again.",
    )
