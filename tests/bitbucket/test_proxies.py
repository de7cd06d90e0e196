"""Proxies of the environment: which is used, what it is told, and what its answers mean."""

import asyncio
import base64
from urllib.parse import quote

import pytest

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.errors import ConfigurationError
from tests.bitbucket.rawserver import RawServer, json_answer, raw_server, sending
from tests.bitbucket.test_transport import PATH, TOKEN, asked, get


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_proxy_of_the_environment_is_used() -> None:
    async def main() -> None:
        async with raw_server(sending(json_answer(b"[1]"))) as proxy:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("http_proxy", proxy.url.removeprefix("http://"))
                answer = await get("http://bitbucket.invalid/scm")
        assert answer.body == b"[1]"
        assert proxy.requests[0].line == f"GET http://bitbucket.invalid{PATH} HTTP/1.1"

    asyncio.run(main())


def test_requests_through_a_proxy_share_a_connection() -> None:
    async def main() -> None:
        async with raw_server(sending(json_answer())) as proxy:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("http_proxy", f"http://me:it@127.0.0.1:{proxy.port}")
                await get("http://bitbucket.invalid/scm", times=3)
        assert (len(proxy.requests), proxy.connections) == (3, 1)
        first, *others = (request.headers for request in proxy.requests)
        assert others == [first] * 2
        assert proxy.requests[0]["host"] == "bitbucket.invalid"
        assert proxy.requests[0]["proxy-authorization"].startswith("Basic ")

    asyncio.run(main())


@pytest.mark.parametrize("exempt", ["*", "127.0.0.1", "example.com,127.0.0.1", "127.0.0.1:{port}"])
def test_no_proxy_leaves_a_host_out(exempt: str) -> None:
    async def main() -> None:
        async with raw_server(sending(json_answer())) as proxy, raw_server(sending(json_answer(b"[2]"))) as server:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("http_proxy", proxy.url)
                patch.setenv("no_proxy", exempt.format(port=server.port))
                assert (await get(server.url)).body == b"[2]"
                patch.setenv("no_proxy", "example.com")
                await get(server.url)
        assert (len(server.requests), len(proxy.requests)) == (1, 1)

    asyncio.run(main())


PASSWORD = "hüsh-h€sh ł"


def through_proxy(said: bytes, url: str, user: str = "me") -> tuple[RawServer, BaseException]:
    """How asking `url` failed, by a proxy that says `said`."""

    async def main() -> tuple[RawServer, BaseException]:
        async with raw_server(sending(said, close=True)) as proxy:
            with pytest.MonkeyPatch.context() as patch:
                for scheme in ("http", "https"):
                    patch.setenv(f"{scheme}_proxy", f"http://{user}:{quote(PASSWORD)}@127.0.0.1:{proxy.port}")
                with pytest.raises((Fault, ConfigurationError)) as caught:
                    await get(url)
        return proxy, caught.value

    proxy, error = asyncio.run(main())
    assert not any(form in str(error) for form in (PASSWORD, quote(PASSWORD), "sh-h"))
    return proxy, error


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", FaultReason.CONNECT, "127.0.0.1:{port} refused: 403 No"),
        (b"SOCKS5?\r\n\r\n", FaultReason.DROPPED, "not understood as HTTP"),
    ],
)  # fmt: skip
def test_a_proxy_s_refusal_is_a_fault_that_tells_no_password(said: bytes, reason: FaultReason, words: str) -> None:
    proxy, fault = through_proxy(said, "https://bitbucket.invalid")
    assert proxy.requests[0].line.startswith("CONNECT bitbucket.invalid:443")
    assert not proxy.requests[0]["authorization"], "the proxy has no business with the credential"
    assert isinstance(fault, Fault)
    assert words.format(port=proxy.port) in str(fault)
    assert fault.reason is reason


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named_and_not_asked_again(scheme: str) -> None:
    said = b"HTTP/1.1 407 Who\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n<html/>"
    proxy, error = through_proxy(said, f"{scheme}://bitbucket.invalid")
    assert isinstance(error, ConfigurationError), "more tries could lock the account"
    assert f"proxy 127.0.0.1:{proxy.port}" in error.message
    assert f"{scheme.upper()}_PROXY" in error.advice
    assert len(proxy.requests) == 1


def test_a_proxy_without_a_login_gets_nothing_of_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> RawServer:
        async with raw_server(sending(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", close=True)) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            with pytest.raises(Fault):
                await get("https://bitbucket.invalid")
        return proxy

    (request,) = asyncio.run(main()).requests
    assert request.line.startswith("CONNECT ")
    assert TOKEN not in str(request)
    assert not request["authorization"] + request["proxy-authorization"]
    assert request["user-agent"].startswith("oaa-bitbucket-async/")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_gets_its_password_in_utf_8(scheme: str) -> None:
    proxy, _ = through_proxy(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", f"{scheme}://bitbucket.invalid", "jürg")
    sent = base64.b64decode(proxy.requests[0]["proxy-authorization"].removeprefix("Basic "))
    assert sent.decode() == f"jürg:{PASSWORD}"


def test_a_407_without_a_proxy_is_an_answer() -> None:
    answer, _ = asked(sending(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n"))
    assert answer.status == 407


@pytest.mark.parametrize(
    "address", ["socks5://proxy.example.com:1080", "http://[", "http://", "http://x:99999999", "http://a%3Ab:c@x"]
)
def test_a_proxy_that_can_t_be_used_is_said_before_the_first_request(address: str) -> None:
    async def main() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("http_proxy", address)
            with pytest.raises(ConfigurationError, match="HTTP_PROXY"):
                await get("http://bitbucket.invalid")

    asyncio.run(main())
