import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
import pytest

from oaa_bitbucket_async.demo.model import Estate, ModelUser
from tests.demo.asking import Asker, ask
from tests.servers import FAULTS, Fault, RiggedOptions


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no fault nonsense"):
        Fault("nonsense")


def test_first_times_and_match_choose_the_requests() -> None:
    fault = Fault("error", match="projects", first=1, times=2)

    async def check(asker: Asker) -> None:
        assert (await asker.get("users")).status == 200
        assert [(await asker.get("projects")).status for _ in range(5)] == [200, 500, 500, 200, 200]
        assert (fault.struck, fault.seen) == (2, 3)

    ask(check, faults=[fault])


def test_a_match_can_be_a_pattern_over_path_and_query() -> None:
    async def check(asker: Asker) -> None:
        assert (await asker.get("projects/PRIV/repos/tool/permissions/users?limit=3")).status == 500
        assert (await asker.get("projects/PRIV/repos/tool/permissions/users?limit=4")).status == 200
        assert (await asker.get("projects/PRIV/repos/old/permissions/users?limit=3")).status == 200

    ask(check, faults=[Fault("error", match=r"repos/tool/.*limit=3")])


def test_a_share_is_struck_the_same_in_each_run() -> None:
    runs: list[list[int]] = [[], []]

    for statuses in runs:

        async def check(asker: Asker, statuses: list[int] = statuses) -> None:
            statuses += [(await asker.get("users")).status for _ in range(60)]

        ask(check, faults=[Fault("error", share=0.3, seed=4)])
    assert runs[0] == runs[1]
    assert 8 <= runs[0].count(500) <= 28


def test_faults_come_and_go_while_it_runs() -> None:
    async def check(asker: Asker) -> None:
        assert (await asker.get("users")).status == 200
        asker.server.faults.append(Fault("down"))
        for _ in range(2):
            with pytest.raises(aiohttp.ClientConnectionError):
                await asker.get("users")
        asker.server.faults.clear()
        assert (await asker.get("users")).status == 200

    ask(check)


@pytest.mark.parametrize("name", ["reset", "down", "half-body"])
def test_connections_break(name: str) -> None:
    async def check(asker: Asker) -> None:
        with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)) as raised:
            await asker.get("users")
        assert isinstance(raised.value, aiohttp.ClientPayloadError) is (name == "half-body")
        assert asker.server.statuses[0] >= 1

    ask(check, faults=[Fault(name)])


def test_down_begins_at_its_match_and_then_takes_everything() -> None:
    fault = Fault("down", match="groups", times=3)

    async def check(asker: Asker) -> None:
        assert (await asker.get("users")).status == 200
        struck = 0
        for path in ("groups", "users", "projects", "groups", "users"):
            try:
                await asker.get(path)
            except aiohttp.ClientConnectionError:
                struck += 1
        assert fault.struck == 3
        assert 1 <= struck <= 3, "the client itself may ask again on a new connection"

    ask(check, faults=[fault])


def test_hanging_never_answers_and_does_not_keep_the_server_from_ending() -> None:
    async def check(asker: Asker) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asker.get("users")
        waiting = asyncio.create_task(asker.get("users"))
        while asker.server.in_flight == 0:  # noqa: ASYNC110  # the server is in the same loop, and has no event for it
            await asyncio.sleep(0)
        waiting.cancel()

    ask(check, faults=[Fault("hanging")])


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        (Fault("rate-limited"), 429, "application/json"),
        (Fault("unavailable"), 503, "text/html"),
        (Fault("error"), 500, "application/json"),
        (Fault("login-page"), 200, "text/html"),
        (Fault("not-json"), 200, "application/json"),
    ],
)
def test_answers_are_replaced(fault: Fault, status: int, content_type: str) -> None:
    async def check(asker: Asker) -> None:
        answer = await asker.get("users")
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith(content_type)
        if fault.name in ("login-page", "not-json", "unavailable"):
            with pytest.raises(msgspec.DecodeError):
                _ = answer.json

    ask(check, faults=[fault])


def test_retry_after_is_seconds_a_date_or_absent() -> None:
    async def check(asker: Asker) -> None:
        seconds = (await asker.get("users")).headers["Retry-After"]
        date = (await asker.get("users")).headers
        absent = (await asker.get("users")).headers
        assert seconds == "7"
        assert parsedate_to_datetime(date["Retry-After"]) > parsedate_to_datetime(date["Date"])
        assert "Retry-After" not in absent

    ask(
        check,
        faults=[
            Fault("rate-limited", times=1, retry_after=7),
            Fault("unavailable", first=1, times=1, retry_after=60, as_date=True),
            Fault("rate-limited", first=2, retry_after=None),
        ],
    )


def test_single_sign_on_leads_elsewhere() -> None:
    async def check(asker: Asker) -> None:
        answer = await asker.get("users")
        assert answer.status == 302
        assert not answer.headers["Location"].startswith(asker.server.url)
        assert "X-AUSERNAME" not in answer.headers

    ask(check, faults=[Fault("sso-redirect")])


def test_rows_lose_their_shape_in_three_ways() -> None:
    async def check(asker: Asker) -> None:
        assert "permission" not in (await asker.get("projects/PRIV/permissions/users")).values[0]
        assert (await asker.get("projects/PRIV/permissions/users")).json["values"] == {}
        assert None in (await asker.get("projects/PRIV/permissions/users")).values
        assert "id" not in (await asker.get("users")).values[0]
        assert (await asker.get("projects/PRIV/repos/tool/permissions/groups")).json["values"] == {}
        asker.server.faults[0] = Fault("bad-shape")
        assert (await asker.get("groups")).values[0] == 7
        assert (await asker.get("projects/PRIV/permissions/PROJECT_READ/all")).json == {}
        assert "id" not in (await asker.get("projects/PRIV")).json

    ask(check, faults=[Fault("bad-shape")])


def test_paging_sticks() -> None:
    async def check(asker: Asker) -> None:
        page = (await asker.get("users?limit=2&start=2")).json
        assert (page["isLastPage"], page["nextPageStart"]) == (False, 2)

    ask(check, faults=[Fault("stuck-paging")])


def test_endless_paging_goes_on_behind_the_last_row() -> None:
    async def check(asker: Asker) -> None:
        start = 0
        for _ in range(20):
            content = (await asker.get(f"projects?limit=2&start={start}")).json
            assert content["isLastPage"] is False
            assert content["nextPageStart"] == start + 1
            start = content["nextPageStart"]
        assert content["values"] == []

    ask(check, faults=[Fault("endless-paging")])


@pytest.mark.parametrize(
    ("name", "rows"), [("duplicate-rows", [0, 1, 2, 2, 3, 4, 5, 6]), ("shifted-rows", [0, 1, 2, 4, 5, 6])]
)
def test_rows_shift_between_pages(name: str, rows: list[int]) -> None:
    estate = Estate([ModelUser(n, f"user{n}") for n in range(6)])

    async def check(asker: Asker) -> None:
        assert [u["id"] for u in await asker.pages("users", limit=3)] == rows

    ask(check, estate, faults=[Fault(name, match=r"start=[1-9]", times=1)])


async def _forgotten(asker: Asker) -> None:
    assert len((await asker.get("projects")).values) == 2
    public = await asker.get("projects")
    assert (public.status, len(public.values)) == (200, 1)
    assert "X-AUSERNAME" not in public.headers
    assert (await asker.get("users")).status == 401


async def _revoked(asker: Asker) -> None:
    assert (await asker.get("projects")).status == 200
    for path in ("projects", "users"):
        refused = await asker.get(path)
        assert refused.status == 401
        assert "X-AUSERNAME" not in refused.headers


async def _captcha(asker: Asker) -> None:
    assert (await asker.get("projects")).status == 200
    for path in ("projects", "users"):
        refused = await asker.get(path)
        assert refused.status == 403
        assert "CAPTCHA_CHALLENGE" in refused.headers["X-Authentication-Denied-Reason"]


async def _lost_right(asker: Asker) -> None:
    assert (await asker.get("projects")).status == 200
    refused = await asker.get("projects")
    assert (refused.status, refused.exception) == (401, "AuthorisationException")
    assert refused.headers["X-AUSERNAME"] == "collector"
    assert (await asker.get("users")).status == 200


@pytest.mark.parametrize(
    ("name", "check"),
    [("forgotten", _forgotten), ("revoked", _revoked), ("captcha", _captcha), ("lost-right", _lost_right)],
)
def test_logins_and_rights_are_lost(name: str, check: Callable[[Asker], Awaitable[None]]) -> None:
    ask(check, faults=[Fault(name, match="projects", first=1)])


def test_things_vanish_when_they_are_asked_for() -> None:
    async def check(asker: Asker) -> None:
        for path in ("projects/PRIV/repos/tool/permissions/users", "projects/PRIV/repos/tool"):
            assert (await asker.get(path)).exception == "NoSuchRepositoryException"
        assert (await asker.get("projects/PUB")).status == 200
        for path in ("projects/PUB/permissions/groups", "projects/PUB", "projects/PUB/repos/tool"):
            assert (await asker.get(path)).exception == "NoSuchProjectException"
        assert [row["slug"] for row in (await asker.get("repos")).values] == ["dot.files"]

    ask(
        check,
        faults=[
            Fault("vanished", match="repository-users", times=1),
            Fault("vanished", match=r"PUB/permissions", times=1),
        ],
    )


def test_slow_is_late_and_others_are_not_kept_waiting() -> None:
    async def check(asker: Asker) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        ended: list[str] = []

        async def get(path: str) -> None:
            assert (await asker.get(path)).status == 200
            ended.append(path)

        await asyncio.gather(get("groups"), get("users"))
        assert ended == ["users", "groups"]
        assert loop.time() - began >= 0.1

    ask(check, faults=[Fault("slow", match="groups", seconds=0.1)])


def test_each_fault_by_name_strikes() -> None:
    async def outcome(asker: Asker, name: str) -> Any:
        asker.server.faults[:] = [fault := Fault(name, seconds=0.0)]
        try:
            async with asyncio.timeout(0.5):
                await asker.get("users?limit=2&start=2")
        except (aiohttp.ClientError, TimeoutError):
            pass
        return fault.struck

    async def check(asker: Asker) -> None:
        struck = Counter({name: await outcome(asker, name) for name in FAULTS})
        assert all(struck[name] >= 1 for name in FAULTS), struck

    ask(check, options=RiggedOptions(log_requests=False))
