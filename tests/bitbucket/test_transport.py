"""One GET over real sockets: what arrives whole is an answer, all else a Fault with its reason."""

import asyncio
import base64
import gzip
import socket
import struct
import time
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from oaa_bitbucket_async.bitbucket import bodies
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.bitbucket.transport import connect
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Tls
from oaa_bitbucket_async.urls import bitbucket_base
from tests.bitbucket.rawserver import OK_JSON, RawServer, Request, Talk, json_answer, raw_server, sending

TOKEN = "t0p-s3cret"
LOGIN = Login(secret=Secret(TOKEN))
PATH = "/scm/rest/api/1.0/users?limit=1"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def get(url: str, *, login: Login = LOGIN, path: str = PATH, patience: float = 5.0, times: int = 1) -> Answer:
    async with connect(url, login, Tls(), patience) as transport:
        for _ in range(times):
            answer = await transport.get(path)
        return answer


def asked(talk: Talk, *, login: Login = LOGIN, path: str = PATH, times: int = 1) -> tuple[Answer, RawServer]:
    async def main() -> tuple[Answer, RawServer]:
        async with raw_server(talk) as server:
            return await get(server.url, login=login, path=path, times=times), server

    return asyncio.run(main())


def refused(talk: Talk, *, timeout: float = 5.0, times: int = 1) -> Fault:
    async def main() -> Fault:
        async with raw_server(talk) as server:
            with pytest.raises(Fault) as caught:
                await get(server.url, patience=timeout, times=times)
            assert len(server.requests) == times, "the transport itself asks nothing twice"
            return caught.value

    fault = asyncio.run(main())
    assert fault.path == PATH
    assert TOKEN not in str(fault)
    assert fault.detail.isprintable()
    return fault


# --- what arrives whole -------------------------------------------------------------------------------------------


def test_an_answer_arrives_whole_with_headers_of_any_case() -> None:
    answer, server = asked(sending(json_answer(b'{"a": 1}')))
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.headers["x-ausername"] == answer.headers["X-AUSERNAME"] == "collector"
    (request,) = server.requests
    assert request.line == f"GET {PATH} HTTP/1.1"
    assert request["accept"] == "application/json"
    assert request["user-agent"].startswith("oaa-bitbucket-async/")


def test_a_path_goes_out_as_it_is() -> None:
    path = "/rest/api/1.0/users?group=a%2Fb%20%25%C3%BC%2B&limit=1"
    _, server = asked(sending(json_answer()), path=path)
    assert server.requests[0].line == f"GET {path} HTTP/1.1"


def test_an_error_s_body_arrives_too() -> None:
    answer, _ = asked(sending(json_answer(b"{}", b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n")))
    assert (answer.status, answer.body) == (500, b"{}")


def test_chunks_and_gzip_are_unpacked() -> None:
    packed = gzip.compress(b"[1]" * 1000)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (packed[:7], packed[7:])) + b"0\r\n\r\n"
    head = OK_JSON + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, _ = asked(sending(head + chunked))
    assert answer.body == b"[1]" * 1000


def link_local() -> tuple[str, str]:
    """An address of this machine that means nothing without the interface that it belongs to, and the interface."""
    table = Path("/proc/net/if_inet6")
    rows = [line.split() for line in table.read_text().splitlines()] if table.exists() else []
    for packed, _, _, _, _, interface in rows:
        if packed.startswith("fe80"):
            return str(IPv6Address(bytes.fromhex(packed))), interface
    pytest.skip("no link-local IPv6 address here")


@pytest.mark.parametrize(
    "form", ["http://[::1]:{port}", "http://[{local}%25{scope}]:{port}", "http://[{local}%{scope}]:{port}"]
)
def test_an_ipv6_address(form: str) -> None:
    """A scope id is this machine's affair, and not part of `Host`."""
    local, scope = link_local() if "scope" in form else ("::1", "")

    async def main() -> RawServer:
        async with raw_server(sending(json_answer(b"[6]")), host=f"{local}%{scope}" if scope else local) as server:
            base, _ = bitbucket_base(form.format(local=local, scope=scope, port=server.port))
            assert (await get(base)).body == b"[6]"
        return server

    try:
        server = asyncio.run(main())
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert server.requests[0]["host"] == f"[{local}]:{server.port}"


def test_a_gzip_stream_of_several_parts_is_unpacked_to_its_end() -> None:
    packed = gzip.compress(b"[1,") + gzip.compress(b"") + gzip.compress(b"2]")
    answer, server = asked(sending(json_answer(packed, OK_JSON + b"Content-Encoding: gzip\r\n")))
    assert answer.body == b"[1,2]"
    assert server.requests[0]["accept-encoding"] == "gzip"
    answer, _ = asked(sending(json_answer(b"[3]", OK_JSON + b"Content-Encoding: Identity\r\n")))
    assert answer.body == b"[3]"


def test_a_connection_is_used_again() -> None:
    _, server = asked(sending(json_answer()), times=5)
    assert (len(server.requests), server.connections) == (5, 1)


def test_all_requests_have_the_same_headers_each_once() -> None:
    _, server = asked(sending(json_answer()), times=3)
    first, *others = (request.headers for request in server.requests)
    assert others == [first] * 2
    names = [name for name, _ in first]
    assert sorted(names) == ["accept", "accept-encoding", "authorization", "host", "user-agent"]
    assert server.requests[0]["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(status: int) -> None:
    answer, _ = asked(sending(b"HTTP/1.1 %d X\r\n\r\n" % status))
    assert (answer.status, answer.body) == (status, b"")


def test_an_interim_status_in_place_of_an_answer_spoils_no_other_answer() -> None:
    """1xx before the answer is skipped; 101 is handed on, for it ends HTTP on this connection."""

    async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + json_answer(b"[1]"))

    async def main() -> list[tuple[int, bytes]]:
        nonlocal server
        async with raw_server(talk) as server, connect(server.url, LOGIN, Tls(), 5.0) as transport:
            answers = [await transport.get(PATH) for _ in range(2)]
        return [(answer.status, answer.body) for answer in answers]

    server = RawServer()
    assert asyncio.run(main()) == [(101, b""), (200, b"[1]")]


# --- what does not ------------------------------------------------------------------------------------------------


async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


CHUNKED = OK_JSON + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "talk",
    [
        reset,
        sending(b"", close=True),
        sending(OK_JSON, close=True),
        sending(OK_JSON + b'Content-Length: 100\r\n\r\n{"values": [', close=True),
        sending(CHUNKED + b"5\r\n[1, 2\r\n", close=True),
        sending(CHUNKED + b"zz\r\n[1, 2]\r\n0\r\n\r\n", close=True),
        sending(OK_JSON + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nnogzi", close=True),
        sending(b"SSH-2.0-OpenSSH_9.6\r\n", close=True),
        sending(b"\x15\x03\x01\x00\x02\x02\x46", close=True),
        sending(b"HTTP/1.1 200 OK\r\nX: \x00\x1b[31m\r\n\r\n", close=True),
        sending(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n", close=True),
    ],
    ids=[
        "reset",
        "nothing",
        "no-body",
        "half-body",
        "half-chunk",
        "no-chunk",
        "no-gzip",
        "no-http",
        "tls",
        "control-characters",
        "long",
    ],
)
def test_a_broken_answer_is_dropped(talk: Talk) -> None:
    assert refused(talk).reason is FaultReason.DROPPED


def test_a_kept_connection_that_breaks_is_a_fault_and_not_asked_again_in_silence() -> None:
    count = 0

    async def talk(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        if count == 1:
            writer.write(json_answer())
        else:
            await reset(request, writer)

    assert refused(talk, times=2).reason is FaultReason.DROPPED


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", OK_JSON + b"Content-Length: 100\r\n\r\n[1,", CHUNKED])
def test_silence_ends_after_the_request_s_timeout(begun: bytes) -> None:
    began = time.monotonic()
    assert refused(sending(begun), timeout=0.2).reason is FaultReason.TIMEOUT
    assert 0.15 < time.monotonic() - began < 3.0


def test_an_answer_that_drips_does_not_outlast_the_timeout_either() -> None:
    async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while not writer.is_closing():
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert refused(talk, timeout=0.3).reason is FaultReason.TIMEOUT


@pytest.mark.parametrize(
    "content",
    [
        OK_JSON + b"Content-Length: 99999999999\r\n\r\n[",
        json_answer(b" " * 5000),
        CHUNKED + b"800\r\n" + b" " * 0x800 + b"\r\n800\r\n" + b" " * 0x800 + b"\r\n0\r\n\r\n",
        json_answer(gzip.compress(b" " * 1_000_000), OK_JSON + b"Content-Encoding: gzip\r\n"),
    ],
    ids=["announced", "sent", "chunked", "packed"],
)
def test_what_is_too_large_for_a_page_is_not_read_to_its_end(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 4095)
    fault = refused(sending(content))
    assert fault.reason is FaultReason.BAD_SHAPE
    assert "too large for one page" in fault.detail
    answer, _ = asked(sending(json_answer(b" " * 4095)))
    assert len(answer.body) == 4095


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "\xff"])
def test_what_is_packed_in_a_way_that_was_not_asked_for_is_no_answer(encoding: str) -> None:
    head = OK_JSON + f"Content-Encoding: {encoding}\r\n".encode("latin-1")
    fault = refused(sending(json_answer(b"x" * 100, head)))
    assert fault.reason is FaultReason.NOT_JSON
    assert "not asked for" in fault.detail


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"[1]" * 100)[:-1], gzip.compress(b"[1]") + b"x", gzip.compress(b"") * 100],
    ids=["cut", "with a rest", "many parts"],
)
def test_a_gzip_stream_that_is_not_whole_is_dropped(packed: bytes) -> None:
    assert refused(sending(json_answer(packed, OK_JSON + b"Content-Encoding: gzip\r\n"))).reason is FaultReason.DROPPED


def test_answers_that_arrive_together_share_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of three is given up; what it held is free again for the next one."""
    monkeypatch.setattr(bodies, "LARGEST_TOGETHER", 250_000)
    begun: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(OK_JSON + b"Content-Length: 100000\r\n\r\n[")
        await begun.put(writer)

    async def main() -> None:
        async with raw_server(talk) as server, connect(server.url, LOGIN, Tls(), 30.0) as transport:
            for _ in range(2):
                asking = [asyncio.create_task(transport.get(PATH)) for _ in range(3)]
                writers = [await begun.get() for _ in asking]
                for writer in writers:
                    writer.write(b" " * 90_000)
                (refused,), left = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                fault = refused.exception()
                assert isinstance(fault, Fault)
                assert fault.reason is FaultReason.BAD_SHAPE
                assert "at one time" in fault.detail
                for writer in writers:
                    writer.write(b" " * 9_998 + b"]")
                assert {len((await task).body) for task in left} == {100_000}

    asyncio.run(main())


def test_nobody_listening_is_no_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def main() -> None:
            with pytest.raises(Fault, match="no connection") as caught:
                await get(f"http://127.0.0.1:{port}")
            assert caught.value.reason is FaultReason.CONNECT

        asyncio.run(main())


@pytest.mark.parametrize("sent", [b"", OK_JSON, CHUNKED], ids=["nothing sent", "some headers", "some of the body"])
def test_cancelled_in_the_middle_it_closes_the_connection(sent: bytes) -> None:
    """Else the next request would get the rest of this answer."""

    async def main() -> None:
        begun = asyncio.Event()

        async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(json_answer(b"[2]") if begun.is_set() else sent)
            begun.set()

        async with raw_server(talk) as server, connect(server.url, LOGIN, Tls(), 30.0) as transport:
            asking = asyncio.create_task(transport.get(PATH))
            await begun.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert (await transport.get(PATH)).body == b"[2]"
            assert server.connections == 2

    asyncio.run(main())


# --- redirects, cookies, credentials ------------------------------------------------------------------------------


def redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_redirect_is_not_followed_and_nothing_goes_to_the_other_origin() -> None:
    async def main() -> None:
        async with raw_server(sending(json_answer())) as other:
            location = f"{other.url}/rest/api/1.0/users"
            async with raw_server(sending(redirect(location))) as server:
                answer = await get(server.url)
        assert (answer.status, answer.headers["Location"]) == (302, location)
        assert (len(server.requests), other.connections) == (1, 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("{url}/scm/rest/api/1.0/groups?a=b%2Fc", "/scm/rest/api/1.0/groups?a=b%2Fc"),
        ("/scm/rest/x?y=%20", "/scm/rest/x?y=%20"),
        ("groups?limit=2", "/scm/rest/api/1.0/groups?limit=2"),
        ("//127.0.0.1:{port}/rest/x", "/rest/x"),
        ("http://127.0.0.1:1/rest/x", "http://127.0.0.1:1/rest/x"),
        ("https://127.0.0.1:{port}/rest/x", "https://127.0.0.1:{port}/rest/x"),
        ("http://[", ""),
    ],
)
def test_a_location_within_our_origin_is_told_as_a_path(location: str, seen: str) -> None:
    async def main() -> None:
        places: list[str] = []

        async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(redirect(places[0]))

        async with raw_server(talk) as server:
            places.append(location.format(url=server.url, port=server.port))
            answer = await get(server.url)
            assert answer.headers["Location"] == seen.format(port=server.port)

    asyncio.run(main())


def test_cookies_are_never_sent_back() -> None:
    head = OK_JSON + b"Set-Cookie: BITBUCKETSESSIONID=node1; Path=/\r\nSet-Cookie: route=1\r\n"
    _, server = asked(sending(json_answer(b"{}", head)), times=3)
    assert [request["cookie"] for request in server.requests] == ["", "", ""]


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        (LOGIN, f"Bearer {TOKEN}"),
        (
            Login(user="jörg", secret=Secret("pä:ss")),
            "Basic " + base64.b64encode("jörg:pä:ss".encode()).decode("ascii"),
        ),
    ],
    ids=["token", "basic"],
)
def test_the_credential_is_ours_whatever_netrc_says(
    login: Login, sent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login intruder password wrong\ndefault login x password y\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    _, server = asked(sending(json_answer()), login=login)
    assert server.requests[0]["authorization"] == sent
