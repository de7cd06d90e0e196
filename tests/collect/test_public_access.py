"""Is public access allowed? What the answers to nobody come to, and how many requests that takes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import Account, Answer
from oaa_bitbucket_async.collect.public_access import MOST_REQUESTS, AccessProbe, Flagged, flagged
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import ConfigurationError
from tests.bitbucket.answers import API, HTML, ME, Wire, answer, client_of, error, ok, page
from tests.collect.test_snapshot import INSTANCE
from tests.examples import examples
from tests.virtual_clock import run_virtual

Told = Answer | Fault | ConfigurationError
CERTIFICATE_WANTED = ConfigurationError("The server wants a client certificate.")
SHOWN = "shown"
REFUSED = error(401, exception="com.atlassian.bitbucket.AuthorisationException", user=None)
OTHERWISE = error(403, exception="com.atlassian.bitbucket.SomethingElseException", user=None)
PAGE = answer(200, b"<html>sign in</html>", content_type=HTML)
LOST = Fault("/x", "reset", reason=FaultReason.DROPPED)
BUSY = error(503, user=None)
THROTTLED = error(429, user=None, Retry_After="2")
GONE = error(404, exception="com.atlassian.bitbucket.repository.NoSuchRepositoryException")


def repository(number: int, *, public: bool = True, by_project: bool = False) -> dict[str, object]:
    project = {"id": 1, "key": "A", "name": "A", "public": by_project}
    return {"id": number, "slug": f"r{number}", "name": f"r{number}", "project": project, "public": public}


def number_in(path: str) -> int:
    return int(path.rpartition("/r")[2])


class Asked:
    """The verdict on `things` repositories: `told` to nobody, and what we are told `afterwards` (else: public)."""

    def __init__(
        self,
        *told: Told | str,
        things: int = 5,
        afterwards: dict[int, Answer] | None = None,
        stripped: bool = False,
        proof: Answer = REFUSED,
    ) -> None:
        left = list(told)

        def to_nobody(path: str) -> Answer:
            if "/users" in path:
                return proof
            one = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(one, str):
                return ok(repository(number_in(path)), user=None)
            if isinstance(one, Fault | ConfigurationError):
                raise one
            return one

        ours = Wire(lambda path: (afterwards or {}).get(number_in(path)) or ok(repository(number_in(path))))
        nobody = Wire(to_nobody)
        self.waits = 0

        async def wait() -> None:
            self.waits += 1

        async def main() -> None:
            login = Account(kind="basic", user_header=None if stripped else ME, stripped=stripped)
            client = client_of(ours, login=login)
            probe = AccessProbe(client, API, nobody, wait=wait)
            self.verdict = await probe.find([Flagged(n, "A", f"r{n}") for n in range(1, things + 1)])
            self.counted = client.stats.sent["public-access"]
            assert client.pacer.in_flight == 0

        run_virtual(main())
        assert self.counted == len(nobody.paths) <= MOST_REQUESTS
        self.requests, self.asked_afterwards = len(nobody.paths), len(ours.paths)


def test_nothing_is_called_public() -> None:
    asked = Asked(REFUSED, things=0)
    assert (asked.verdict, asked.requests) == ("none flagged", 0)


def test_one_thing_that_is_shown_to_nobody_is_enough() -> None:
    asked = Asked(SHOWN)
    assert (asked.verdict, asked.requests, asked.asked_afterwards) == ("on", 1, 0)
    assert Asked(REFUSED, SHOWN).verdict == Asked(PAGE, SHOWN).verdict == Asked(BUSY, LOST, SHOWN).verdict == "on"


@pytest.mark.parametrize(("things", "requests"), [(1, 1), (2, 2), (3, 3), (5, 3)])
def test_the_same_refusal_for_up_to_three_things_is_off(things: int, requests: int) -> None:
    asked = Asked(REFUSED, things=things)
    assert (asked.verdict, asked.requests, asked.asked_afterwards) == ("off", requests, requests)


@pytest.mark.parametrize(
    "told",
    [
        [CERTIFICATE_WANTED],
        [REFUSED, CERTIFICATE_WANTED],
        [PAGE],
        [REFUSED, PAGE],
        [GONE],
        [REFUSED, OTHERWISE],
        [ok(repository(1))],
        [BUSY],
        [LOST],
        [THROTTLED],
    ],
)
def test_anything_else_tells_nothing(told: Sequence[Told]) -> None:
    assert Asked(*told).verdict == "unknown"


def test_a_fault_takes_the_place_of_an_answer_and_is_none() -> None:
    asked = Asked(BUSY, REFUSED, REFUSED)
    assert (asked.verdict, asked.requests, asked.waits) == ("off", 3, 1)
    assert Asked(LOST, REFUSED, things=1).verdict == "off"


@given(told=st.lists(st.sampled_from([SHOWN, REFUSED, OTHERWISE, PAGE, GONE, LOST, BUSY]), min_size=3, max_size=3))
@examples(200)
def test_whatever_comes_on_needs_to_be_seen_and_off_a_refusal_that_nothing_contradicts(told: list[Told | str]) -> None:
    asked = Asked(*told)
    answers = [one for one in told if one not in (LOST, BUSY)]
    if SHOWN in answers:
        assert asked.verdict == "on"
    elif answers and answers[0] in (REFUSED, OTHERWISE) and len({id(one) for one in answers}) == 1:
        assert asked.verdict == "off"
    else:
        assert asked.verdict == "unknown"


@pytest.mark.parametrize(
    "now", [GONE, ok(repository(1, public=False)), ok(repository(77))], ids=["gone", "private", "other"]
)
def test_what_is_no_longer_public_says_nothing(now: Answer) -> None:
    assert Asked(REFUSED, things=1, afterwards={1: now}).verdict == "unknown"
    asked = Asked(GONE, REFUSED, afterwards={1: now})
    assert (asked.verdict, asked.requests) == ("off", 3)


def test_another_repository_at_that_place_is_not_it() -> None:
    assert Asked(ok(repository(77), user=None), things=1, afterwards={1: ok(repository(77))}).verdict == "unknown"


def test_public_by_the_project_is_public() -> None:
    by_project = {n: ok(repository(n, public=False, by_project=True)) for n in (1, 2, 3)}
    assert Asked(REFUSED, afterwards=by_project).verdict == "off"


def test_where_no_answer_carries_a_name_nobody_has_to_be_nobody() -> None:
    """A gateway might sign in whatever comes; then what is shown tells nothing."""
    asked = Asked(SHOWN, stripped=True)
    assert (asked.verdict, asked.requests) == ("on", 2)
    assert Asked(SHOWN, stripped=True, proof=ok(page([{"id": 1, "name": "x"}]), user=None)).verdict == "unknown"
    assert Asked(SHOWN, stripped=True, proof=BUSY).verdict == "unknown"
    assert Asked(REFUSED, stripped=True).verdict == "off"


def test_repositories_are_asked_for_before_projects_and_only_public_ones() -> None:
    public, private = (
        rows.Project(id=1, key="PUB", name="", public=True),
        rows.Project(id=2, key="PRIV", name=""),
    )
    snapshot = Snapshot(INSTANCE)
    assert flagged(snapshot) == []
    snapshot.add_project(public)
    snapshot.add_project(private)
    assert flagged(snapshot) == [Flagged(1, "PUB")]
    snapshot.add_repository(rows.Repository(id=5, slug="a", name="", project=private))
    assert flagged(snapshot) == [Flagged(1, "PUB")]
    for number in range(20, 5, -1):
        snapshot.add_repository(rows.Repository(id=number, slug=f"r{number}", name="", project=private, public=True))
    snapshot.add_repository(rows.Repository(id=4, slug="b", name="", project=public))
    places = flagged(snapshot)
    assert places[:2] == [Flagged(4, "PUB", "b"), Flagged(6, "PRIV", "r6")]
    assert len(places) == 2 * MOST_REQUESTS


def test_a_project_without_repositories_can_tell_too() -> None:
    project = {"id": 1, "key": "PUB", "name": "", "public": True}

    async def verdict(to_nobody: Answer, to_us: object) -> str:
        client = client_of(Wire(lambda _: ok(to_us)))
        probe = AccessProbe(client, API, Wire(lambda _: to_nobody), wait=lambda: None)  # type: ignore[arg-type,return-value]
        return await probe.find([Flagged(1, "PUB")])

    assert run_virtual(verdict(ok(project, user=None), project)) == "on"
    assert run_virtual(verdict(REFUSED, project)) == "off"
    assert run_virtual(verdict(REFUSED, project | {"public": False})) == "unknown"
