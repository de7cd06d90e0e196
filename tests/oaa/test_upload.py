"""Uploads by the real oaaclient to the embedded Veza, over TLS, with every fault it knows."""

import asyncio
import gzip
import itertools
import logging
import re
import threading
import time
from dataclasses import replace

import pytest

from oaa_bitbucket_async.bitbucket import rows
from oaa_bitbucket_async.collect.snapshot import Snapshot
from oaa_bitbucket_async.errors import ConfigurationError, TemporaryError, UploadError, WrongAddressError
from oaa_bitbucket_async.oaa.client import off_loop, open_client
from oaa_bitbucket_async.oaa.payload import build_payload
from oaa_bitbucket_async.oaa.upload import Limits, check_settings, check_veza, count_warnings, default_policy, push
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Veza
from tests.oaa.conftest import veza
from tests.oaa.estates import INSTANCE
from tests.servers.plain import plain_server
from tests.servers.veza import RiggedVeza

DATA_SOURCE = "bitbucket-server - git.example.com-scm"
PASSING = ["throttled", "unavailable", "error", "dropped", "not-json"]


def pushes(server: RiggedVeza) -> list[int]:
    return [request.status for request in server.requests if request.path.endswith((":push", ":parts"))]


def test_provider_and_data_source_are_created_once(server, payload, policy):
    first = asyncio.run(push(payload, veza(server), policy=policy))
    second = asyncio.run(push(payload, veza(server), policy=policy))
    assert (first.created_provider, first.created_data_source) == (True, True)
    assert (second.created_provider, second.created_data_source) == (False, False)
    assert (first.provider, first.data_source) == ("Bitbucket Server", DATA_SOURCE)
    assert [one.raw for one in server.pushed] == [gzip.decompress(payload.compressed)] * 2
    assert server.pushed[0].body == payload.compressed
    (provider,) = server.providers.values()
    assert (provider.name, provider.custom_template) == ("Bitbucket Server", "application")
    assert [one.name for one in provider.data_sources.values()] == [DATA_SOURCE]


@pytest.mark.parametrize("call", ["provider", "data-source", "push"])
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_tried_again(server, payload, policy, sleeps, fault, call):
    server.fail(fault, times=3, call=call)
    asyncio.run(push(payload, veza(server), policy=policy))
    assert len(sleeps.seconds) == 3
    assert len(server.pushed) == 1
    if fault == "throttled":
        assert sleeps.seconds == [1.0] * 3  # as Retry-After says
    else:
        assert all(0.5 * 2**n <= seconds <= 2**n for n, seconds in enumerate(sleeps.seconds))


def test_a_wait_that_an_earlier_answer_asked_for_is_not_kept_for_later_failures(server, payload, policy, sleeps):
    server.fail("throttled")
    server.fail("dropped", times=2)
    asyncio.run(push(payload, veza(server), policy=policy))
    assert sleeps.seconds[0] == 1.0
    assert sleeps.seconds[1] != 1.0
    assert sleeps.seconds[2] >= 2.0


def test_a_creation_whose_answer_was_lost_is_not_made_twice(server, payload, policy, monkeypatch):
    create = RiggedVeza.create_provider

    def create_and_drop(self, data):
        provider = create(self, data)
        self.fail("dropped", times=1, call="provider")
        return provider

    monkeypatch.setattr(RiggedVeza, "create_provider", create_and_drop)
    result = asyncio.run(push(payload, veza(server), policy=policy))
    assert len(server.providers) == 1
    assert result.created_provider


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_in_time_ends_the_push(server, payload, policy, sleeps, fault):
    server.fail(fault, times=99)
    with pytest.raises(UploadError, match="kept failing at the payload, 6 times"):
        asyncio.run(push(payload, veza(server), policy=policy))
    assert len(sleeps.seconds) == 5
    assert server.pushed == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refused", "PermissionDenied: the API key was revoked .*HTTP 403, request id req-0001.*VEZA_API_KEY"),
        ("rejected", r"InvalidArgument: .*HTTP 400.*rejected on purpose"),
    ],
)
def test_a_refusal_is_shown_and_not_repeated(server, payload, policy, sleeps, fault, said):
    server.fail(fault)
    with pytest.raises(UploadError, match=said) as raised:
        asyncio.run(push(payload, veza(server), policy=policy))
    assert len(pushes(server)) == 1
    assert sleeps.seconds == []
    assert "\n" not in str(raised.value)


def test_a_server_that_never_answers_costs_its_timeout(server, payload, policy, monkeypatch):
    monkeypatch.setenv("OAA_API_TIMEOUT", "1")
    server.fail("hanging")
    asyncio.run(push(payload, veza(server), policy=policy))
    assert pushes(server) == [0, 200]


def test_cancelling_does_not_wait_for_a_server_that_hangs(server, payload, policy):
    server.fail("hanging")

    async def cancelled() -> float:
        task = asyncio.create_task(push(payload, veza(server), policy=policy))
        while not pushes(server):  # noqa: ASYNC110  # the request arrives in another thread
            await asyncio.sleep(0.01)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(cancelled()) < 5
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "veza"] == [True]


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_call_brings_after_it_was_cancelled_goes_nowhere(fails):
    going, release, troubles = threading.Event(), threading.Event(), []

    def call() -> None:
        going.set()
        release.wait()
        if fails:
            raise OSError("too late")

    async def cancelled() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: troubles.append(context))
        task = asyncio.create_task(off_loop(call))
        await asyncio.to_thread(going.wait)
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "veza")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)

    asyncio.run(cancelled())
    assert troubles == []


def test_the_loop_runs_on_while_veza_is_asked(server, payload, policy):
    async def ticking() -> int:
        ticks = 0
        task = asyncio.create_task(push(payload, veza(server), policy=policy))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        return ticks

    assert asyncio.run(ticking()) > 10


# --- the check before the crawl ---------------------------------------------------------------------------


def test_a_good_key_is_good(server, policy):
    asyncio.run(check_veza(veza(server), policy=policy))
    assert [request.path for request in server.requests] == ["/api/v1/providers/custom/templates"]


def test_a_wrong_key_is_refused_at_once_and_never_shown(server, policy, caplog):
    caplog.set_level(logging.DEBUG)
    wrong = replace(veza(server), api_key=Secret("kEy-of-another-tenant"))
    with pytest.raises(UploadError, match=r"HTTP 401.*VEZA_API_KEY") as raised:
        asyncio.run(check_veza(wrong, policy=policy))
    assert len(server.requests) == 1
    assert "kEy-of" not in str(raised.value) + caplog.text


def test_a_veza_that_is_out_of_order_is_temporary(server, policy):
    server.fail("unavailable", times=99, call="check")
    with pytest.raises(TemporaryError, match="HTTP 503"):
        asyncio.run(check_veza(veza(server), policy=policy))


def test_a_veza_that_is_not_there_is_temporary(server, policy, sleeps):
    nowhere = replace(veza(server), url="https://127.0.0.1:1")
    with pytest.raises(TemporaryError, match="--veza-url"):
        asyncio.run(check_veza(nowhere, policy=policy))
    assert len(sleeps.seconds) == 5


def test_a_certificate_of_an_unknown_authority_is_refused_at_once(server, policy, sleeps, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE") as raised:
        asyncio.run(check_veza(veza(server), policy=policy))
    said = f"{server.url} can't be reached: its certificate is signed by an authority that is not trusted here."
    assert raised.value.message == said
    assert sleeps.seconds == []


def test_a_veza_whose_address_is_wrong_is_a_setting_in_our_words(server, payload, policy, sleeps):
    """Neither urllib3's words nor "refused", where nothing was refused; after a crawl it is a failed upload."""
    _, _, port = server.url.removeprefix("https://").partition(":")
    for url, words in (
        (f"https://localhost.localdomain.invalid:{port}", "there is no host with this name|can't be resolved"),
        (f"https://localhost:{port}", "its certificate is for another name"),
    ):
        elsewhere = replace(veza(server), url=url)
        with pytest.raises((WrongAddressError, TemporaryError), match=words) as raised:
            asyncio.run(check_veza(elsewhere, policy=policy))
        if isinstance(raised.value, WrongAddressError):
            assert "--veza-url" in raised.value.advice
            assert isinstance(raised.value.after_success, TemporaryError)
            assert sleeps.seconds == []
            with pytest.raises(UploadError, match=words):
                asyncio.run(push(payload, elsewhere, policy=policy))
        assert not re.search("(?i)pool|urllib|refuse|errno|ssl", str(raised.value))


def test_a_veza_that_speaks_no_tls(payload, policy, sleeps):
    with plain_server() as port, pytest.raises(WrongAddressError, match="does not speak TLS on this port"):
        asyncio.run(check_veza(Veza(url=f"https://127.0.0.1:{port}", api_key=Secret("k")), policy=policy))
    assert sleeps.seconds == []


# --- size -------------------------------------------------------------------------------------------------


def test_a_payload_beyond_the_limit_goes_up_in_parts(server, payload, policy, sleeps):
    server.fail("unavailable", times=2)
    limits = Limits(body=100, part=1000)
    result = asyncio.run(push(payload, veza(server), policy=policy, limits=limits))
    assert result.parts == -(-payload.raw_size // 1000) > 1
    assert server.pushed[0].raw == gzip.decompress(payload.compressed)
    assert server.pushed[0].body is None
    assert len(sleeps.seconds) == 2
    assert len(pushes(server)) == result.parts + 2 + 2


def test_a_payload_at_the_limit_goes_up_whole(server, payload, policy):
    size = 4 * -(-len(payload.compressed) // 3)
    server.max_body = size
    assert asyncio.run(push(payload, veza(server), policy=policy, limits=Limits(body=size))).parts == 0


def test_a_payload_of_too_many_parts_is_refused_before_anything_is_sent(server, payload, policy):
    with pytest.raises(UploadError, match="too large for Veza"):
        asyncio.run(push(payload, veza(server), policy=policy, limits=Limits(body=100, part=10, parts=99)))
    assert server.requests == []


# --- what became of it ------------------------------------------------------------------------------------


def test_warnings_are_counted_by_kind(policy):
    snapshot = Snapshot(INSTANCE)
    for n in range(1, 31):
        snapshot.add_user(rows.User(id=n, name=f"u{n}", email_address=f"u{n}@example.com"), listed=True)
    with RiggedVeza(knows=lambda identity: identity.startswith("u1")) as server, server.trusted():
        result = asyncio.run(push(build_payload(snapshot), veza(server), policy=policy))
    assert result.warnings == {"Cannot find identity by names …": 19}


def test_kinds_that_can_be_told_apart_by_their_beginning_only():
    letters = [f"{a}{b}" for a in "abcdefghij" for b in "abcdefghij"]
    counted = count_warnings(f"Role is missing permission {name}" for name in letters)
    assert counted == {"Role is missing permission …": 100}
    assert count_warnings(["User 17 'x' unknown", "User 18 'y' unknown", "Group: a", "Group: b"]) == {
        "User N … unknown": 2,
        "Group: …": 2,
    }


def test_kinds_without_end_are_told_together():
    words = ["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)]
    counted = count_warnings([*words, "often", "often"])
    assert (len(counted), counted.total(), counted["often …"]) == (50, 1002, 2)
    assert counted["…"] == 1002 - 2 - 48


# --- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "  ", "a b", "a\nb", "ключ", "a\x00b"])
def test_keys_that_can_not_be(key):
    with pytest.raises(ConfigurationError, match="VEZA_API_KEY") as raised:
        open_client(Veza(url="acme", api_key=Secret(key)))
    assert not key.strip() or key not in str(raised.value)


@pytest.mark.parametrize("name", ["OAA_API_TIMEOUT", "OAA_API_RETRIES"])
@pytest.mark.parametrize("value", ["", "ten", "1.5", "-1"])
def test_variables_of_oaaclient_that_it_would_replace_in_silence(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        open_client(Veza(url="acme", api_key=Secret("key")))


def test_the_number_of_tries_is_oaaclients_own(monkeypatch):
    assert default_policy().attempts == 11
    monkeypatch.setenv("OAA_API_RETRIES", "2")
    assert default_policy().attempts == 3


def test_settings_are_checked_without_a_request(server):
    good = veza(server)
    assert check_settings(good, INSTANCE.base_url) == DATA_SOURCE
    assert check_settings(replace(good, data_source_name="Mine"), None) == "Mine"
    for wrong in (
        replace(good, url=None),
        replace(good, api_key=None),
        replace(good, provider_name="a/b"),
        replace(good, data_source_name='a"b'),
    ):
        with pytest.raises(ConfigurationError):
            check_settings(wrong, INSTANCE.base_url)
    with pytest.raises(ConfigurationError, match="--data-source-name"):
        check_settings(good, None)
    assert server.requests == []


def test_a_provider_of_another_template_is_left_alone(server, payload, policy):
    server.create_provider({"name": "Bitbucket Server", "custom_template": "identity_provider"})
    with pytest.raises(UploadError, match="--provider-name"):
        asyncio.run(push(payload, veza(server), policy=policy))
    assert server.pushed == []
