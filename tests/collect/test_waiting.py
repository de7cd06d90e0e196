"""A kind of question that is not answered any more: set aside, tried now and then, given up when all else is done."""

import asyncio
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.collect import kinds
from oaa_bitbucket_async.collect.kinds import AnyKind
from oaa_bitbucket_async.collect.ledger import Outcome
from oaa_bitbucket_async.collect.outcome_text import kind_in_words
from oaa_bitbucket_async.collect.snapshot import Missing
from oaa_bitbucket_async.collect.units import Keys
from oaa_bitbucket_async.errors import CredentialError
from oaa_bitbucket_async.settings import Include
from tests.bitbucket.answers import API, answer, error, ok, page
from tests.collect.instance import ROOT, Run, Server, estate, run_of, user
from tests.collect.test_work import timeless
from tests.examples import first
from tests.virtual_clock import run_virtual

LATENCY = 0.05
SSH_KEYS = "/rest/ssh/1.0/keys"
Breaks = Callable[[str, float], Answer | Fault | None]
"""What comes back for a path in place of an answer, so many seconds after the beginning."""

LOGIN_PAGE = answer(200, b"<html><form></form></html>", content_type="text/html")


@dataclass
class Broken(Server):
    """Answers after 50 ms, or as `breaks` says."""

    breaks: Breaks = lambda path, now: None
    begin: float = 0.0
    last: dict[str, float] = field(default_factory=dict)
    """By the last word of a path, when it was last asked."""

    async def __call__(self, path: str) -> Answer:
        where = urlsplit(path).path.removeprefix(ROOT)
        now = asyncio.get_running_loop().time() - self.begin
        self.last[where.rpartition("/")[2] if "/permissions/" in where else "other"] = now
        broken = self.breaks(where, now)
        if isinstance(broken, Fault) and broken.reason is FaultReason.TIMEOUT:
            await asyncio.sleep(120.0)
            raise broken
        await asyncio.sleep(LATENCY)
        if isinstance(broken, Fault):
            raise broken
        if broken is not None:
            return broken
        return ok(page([])) if where == "/users" else await super().__call__(path)


@dataclass
class Ran:
    run: Run
    seconds: float
    requests: int

    @property
    def after_the_others(self) -> float:
        """Seconds from the last question of another kind than `/permissions/users` to the end."""
        server = self.run.server
        assert isinstance(server, Broken)
        return self.seconds - max(at for word, at in server.last.items() if word != "users")


def crawled(breaks: Breaks, repositories: int = 200, **pace: object) -> Ran:
    async def main() -> Ran:
        loop = asyncio.get_running_loop()
        server = Broken(estate(5, repositories), breaks=breaks, begin=loop.time())
        run = run_of(server, **{"concurrency": None} | pace)  # type: ignore[arg-type]
        run.client.prove_by(API.login_proof())
        watch = asyncio.create_task(run.client.pacer.watch(run.client.probe))
        await run.crawl.run()
        watch.cancel()
        assert (run.client.pacer.in_flight, run.client.pacer.waiting) == (0, 0)
        assert run.counts.set_aside == set() or not run.ledger.complete
        return Ran(run, loop.time() - server.begin, len(run.wire.paths))

    return run_virtual(main())


def users_of_repositories(what: Answer | Fault) -> Breaks:
    return lambda path, now: what if path.endswith("/permissions/users") and "/repos/" in path else None


def nothing(path: str, now: float) -> None:
    return None


@pytest.mark.parametrize("repositories", first(1, 5, 36, 120, 1000, of=[1, 2, 5, 12, 36, 49, 120, 1000, 3000]))
@pytest.mark.parametrize("what", [LOGIN_PAGE, error(429, Retry_After="1")], ids=["login page", "429"])
def test_what_nobody_answers_is_given_up_early_at_any_size(what: Answer, repositories: int) -> None:
    """It takes a few requests, and each pause one of all that was in flight: where there is little, that counts."""
    clean = crawled(nothing, repositories)
    ran = crawled(users_of_repositories(what), repositories)
    at_least = 70 if what.status == 429 else 16
    assert ran.requests <= max(1.3 * clean.requests, clean.requests + at_least)
    assert ran.after_the_others <= 60.0
    assert ran.run.client.pacer.outage.count <= (repositories < 12)
    assert ran.run.ledger.count(Outcome.FAILED) == repositories
    assert ran.run.ledger.count(Outcome.OK) == clean.run.ledger.count(Outcome.OK) - repositories
    missing = {Missing("repository", number) for number in ran.run.snapshot.repositories}
    assert ran.run.snapshot.missing == missing
    assert set(ran.run.counts.set_aside) == {"user permissions of repositories"}


def test_it_is_one_entry_that_says_how_many_were_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ran = crawled(users_of_repositories(error(500, "broken", X_AREQUESTID="@7")), 1000, concurrency=8)
    (entry,) = ran.run.ledger.missing()
    assert re.fullmatch(
        r"user permissions of repository \S+/r\d+ and of \d+ others, and \d{3} more, not asked", entry.what
    ), entry.what
    assert entry.units == 1000
    assert "broken" in entry.reason
    assert "request @7" in entry.advice
    assert [getattr(record, "event", "") for record in caplog.records].count("kind-set-aside") == 1


@pytest.mark.parametrize(
    ("breaks", "kinds"),
    [
        (lambda path, now: LOGIN_PAGE if "/permissions/" in path and "/repos/" in path else None, 2),
        (lambda path, now: LOGIN_PAGE if "/permissions/" in path else None, 7),
        (lambda path, now: error(503) if path.endswith("/more-members") else None, 1),
    ],
    ids=["both of repositories", "all permissions", "members"],
)
def test_several_kinds_may_be_unanswered_at_one_time(breaks: Breaks, kinds: int) -> None:
    clean = crawled(nothing, 500)
    ran = crawled(breaks, 500)
    assert ran.requests <= 1.3 * clean.requests
    assert ran.seconds <= 90.0
    assert len({entry.unit.kind for entry in ran.run.ledger.missing()}) == kinds


def test_timeouts_are_told_within_three_of_them() -> None:
    ran = crawled(users_of_repositories(Fault("/x", "no answer", reason=FaultReason.TIMEOUT)), 1000)
    assert ran.after_the_others <= 3 * 120.0
    assert ran.run.ledger.count(Outcome.FAILED) == 1000


@pytest.mark.parametrize("lasts", [1.0, 10.0, 40.0])
@pytest.mark.parametrize("repositories", first(36, of=[36, 1000]))
def test_a_kind_that_is_answered_again_costs_nothing(repositories: int, lasts: float) -> None:
    clean = crawled(nothing, repositories)
    what = users_of_repositories(error(500))
    ran = crawled(lambda path, now: what(path, now) if now < lasts else None, repositories)
    assert ran.run.ledger.complete
    assert timeless(ran.run) == timeless(clean.run)
    assert ran.requests <= clean.requests + 300
    assert ran.run.counts.set_aside == set()
    assert ran.seconds <= lasts + clean.seconds + 16.0


@pytest.mark.parametrize("lasts", [0.3, 5.0, 60.0])
def test_a_server_that_is_out_for_a_while_has_no_kind_set_aside(lasts: float, caplog: pytest.LogCaptureFixture) -> None:
    clean = crawled(nothing, 1000)
    ran = crawled(lambda path, now: error(503) if 1.0 < now < 1.0 + lasts else None, 1000)
    assert ran.run.ledger.complete
    assert timeless(ran.run) == timeless(clean.run)
    assert not [record for record in caplog.records if "set aside" in record.getMessage()]


def test_one_broken_project_is_no_kind() -> None:
    ran = crawled(lambda path, now: error(500) if path.startswith("/projects/P1/repos") else None, 600)
    broken = [number for number, repo in ran.run.snapshot.repositories.items() if repo.project == 1]
    assert ran.run.snapshot.missing == {Missing("repository", number) for number in broken}


def test_denials_are_not_meant() -> None:
    denied = error(401, "You are not permitted", exception="x.AuthorisationException")
    clean = crawled(nothing, 300)
    ran = crawled(users_of_repositories(denied), 300)
    assert ran.requests == clean.requests
    assert ran.run.ledger.count(Outcome.DENIED) == 300
    assert ran.run.counts.set_aside == set()


def test_one_path_that_is_always_refused_holds_up_nobody_but_itself() -> None:
    path = "/projects/P1/repos/r100/permissions/users"
    clean = crawled(nothing, 500)
    ran = crawled(lambda asked, now: error(429, Retry_After="1") if asked == path else None, 500)
    assert ran.run.ledger.count(Outcome.FAILED) == 1
    assert ran.run.client.pacer.pauses.count == 3
    assert ran.run.client.pacer.rate.rate is None, "and what was learned from it is forgotten"
    assert ran.seconds <= 60.0
    assert ran.requests <= clean.requests + 20


def test_the_last_kind_of_all_may_be_the_one_that_is_not_answered() -> None:
    """Nothing else is asked any more that could tell that the server lives: the probe of the outage does."""

    async def main() -> Run:
        loop = asyncio.get_running_loop()
        content = estate(2, 4)
        content["/admin/users"] = [user(number) for number in range(1, 401)]
        server = Broken(content, breaks=lambda path, now: error(500) if path == SSH_KEYS else None, begin=loop.time())
        run = run_of(server, include={Include.SSH_KEYS}, concurrency=None, max_outage=30.0)
        run.client.prove_by(API.login_proof())
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(run.client.pacer.watch(run.client.probe))
            await run.crawl.run()
            watch.cancel()
        assert loop.time() - server.begin < 75.0
        return run

    run = run_virtual(main())
    assert run.ledger.count(Outcome.FAILED) == 400
    assert len(run.wire.paths) < 400, "as many as are worked on at one time"


def test_a_run_that_is_told_to_stop_does_not_wait_for_tries() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        what = users_of_repositories(error(500))
        run = run_of(Broken(estate(5, 200), breaks=what, begin=loop.time()), concurrency=None)
        loop.call_later(20.0, run.client.pacer.stop)
        begin = loop.time()
        await run.crawl.run()
        return loop.time() - begin

    assert run_virtual(main()) == pytest.approx(20.0, abs=0.2)


def test_a_try_that_finds_the_login_lost_ends_everything() -> None:
    def breaks(path: str, now: float) -> Answer | None:
        if not path.endswith("/permissions/users") or "/repos/" not in path:
            return None
        return error(500) if now < 10.0 else error(401, user=None)

    with pytest.raises(ExceptionGroup) as caught:
        crawled(breaks)
    assert caught.group_contains(CredentialError)


@given(st.lists(st.one_of(st.integers(0, 10**20).map(str), st.text(min_size=1))), st.floats(0.0, 0.999))
def test_keys_come_out_as_they_went_in(keys: list[str], share: float) -> None:
    kept = Keys(keys)
    assert sorted(kept) == sorted(keys)
    taken = [kept.take(share) for _ in range(len(kept))]
    assert sorted(taken) == sorted(keys)


def test_what_waits_takes_eight_bytes_each() -> None:
    assert sys.getsizeof(Keys(map(str, range(1, 200_001)))._ids) < 2_000_000


@pytest.mark.parametrize("kind", list(kinds.ALL))
def test_every_kind_has_words(kind: AnyKind) -> None:
    assert "{" not in kind_in_words(kind)


# --- what a server does not know, and what is no error ----------------------------------------------------------------

PAGE_404 = answer(404, b"<!DOCTYPE html><html>Oops</html>", content_type="text/html")


def with_keys(breaks: Breaks, users: int = 120, **pace: object) -> Run:
    async def main() -> Run:
        content = estate(2, 4)
        content["/admin/users"] = [user(number) for number in range(1, users + 1)]
        run = run_of(
            Broken(content, breaks=breaks),
            include={Include.SSH_KEYS},
            concurrency=None,
            **pace,  # type: ignore[arg-type]
        )
        run.client.prove_by(API.login_proof())
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(run.client.pacer.watch(run.client.probe))
            await run.crawl.run()
            watch.cancel()
        return run

    return run_virtual(main())


@pytest.mark.parametrize("users", [2, 120])
def test_an_app_that_is_off_may_answer_with_pages(users: int) -> None:
    run = with_keys(lambda path, now: PAGE_404 if path == SSH_KEYS else None, users)
    assert run.ledger.complete
    assert run.ledger.count(Outcome.HIDDEN) == users
    assert run.snapshot.included.hidden[kinds.USER_SSH_KEYS] == set(range(1, users + 1))
    assert run.counts.set_aside == set()


def test_a_page_404_is_a_fault_where_others_were_answered() -> None:
    left = [ok(page([]))] * 5

    def breaks(path: str, now: float) -> Answer | None:
        if path != SSH_KEYS:
            return None
        return left.pop() if left else PAGE_404

    run = with_keys(breaks)
    assert not run.ledger.complete
    assert run.ledger.count(Outcome.HIDDEN) == 0
    assert run.ledger.count(Outcome.FAILED) == 115


def test_any_other_fault_among_them_is_one() -> None:
    first = [error(500)]
    run = with_keys(
        lambda path, now: (first.pop() if first else PAGE_404) if path == SSH_KEYS else None, max_attempts=1
    )
    assert run.ledger.count(Outcome.FAILED) == 120


@pytest.mark.parametrize(("spoiled", "seen"), [(1, 4), (10**6, 3)])
def test_a_restriction_that_can_t_be_read_is_read_again_and_then_not_visible(spoiled: int, seen: int) -> None:
    left = spoiled

    def breaks(path: str, now: float) -> Answer | None:
        nonlocal left
        if not path.endswith("/restrictions"):
            return None
        if "/r101/" not in path or not left:
            return ok(page([]))
        left -= 1
        return ok(page([{"type": "of tomorrow"}]))

    async def main() -> Run:
        run = run_of(Broken(estate(2, 4), breaks=breaks), include={Include.BRANCH_RESTRICTIONS})
        await run.crawl.run()
        return run

    run = run_virtual(main())
    assert run.ledger.complete
    assert run.snapshot.included.count(kinds.REPOSITORY_RESTRICTIONS) == seen
    assert run.snapshot.included.hidden.get(kinds.REPOSITORY_RESTRICTIONS, set()) == ({101} if seen == 3 else set())
