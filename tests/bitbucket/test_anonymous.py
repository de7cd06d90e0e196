"""What an answer means to somebody who did not sign in, and that such a request carries nothing that could."""

import asyncio
import json
from pathlib import Path

import pytest

from oaa_bitbucket_async.bitbucket.anonymous import Refusal, reaction
from oaa_bitbucket_async.bitbucket.faults import Fault
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.bitbucket.transport import connect
from oaa_bitbucket_async.settings import Tls
from tests.bitbucket.answers import API, HTML, answer, error, ok
from tests.bitbucket.rawserver import Request, json_answer, raw_server
from tests.bitbucket.test_transport_tls import Certificates, certificates

__all__ = ["certificates"]

_, PATH, DECODER, _ = API.project("A")
PROJECT = {"id": 1, "key": "A", "name": "Alpha", "public": True}
DENIED = "com.atlassian.bitbucket.AuthorisationException"


def meaning(given: Answer) -> object:
    return reaction(PATH, given, DECODER)


def test_what_is_shown_to_nobody_is_shown() -> None:
    assert getattr(meaning(ok(PROJECT, user=None)), "key", None) == "A"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_bitbucket_s_own_only_with_its_own_error_body(status: int) -> None:
    assert meaning(error(status, exception=DENIED, user=None)) == Refusal(status, "AuthorisationException")
    without_context = {"errors": [{"message": "no", "exceptionName": DENIED}]}
    assert meaning(answer(status, json.dumps(without_context).encode())) == Refusal(status, "AuthorisationException")


@pytest.mark.parametrize(
    "given",
    [
        ok(PROJECT),
        error(401, exception=DENIED),
        error(401, user=None),
        error(403, user=None),
        answer(401, b'{"message": "Unauthorized"}'),
        answer(401, b"<html>sign in</html>", content_type=HTML),
        answer(401, json.dumps({"errors": [{"exceptionName": DENIED}]}).encode(), content_type=HTML),
        answer(403, b"", content_type=None),
        answer(200, b"<html>sign in</html>", content_type=HTML),
        answer(200, b'{"id": 1}'),
        answer(200, b"{"),
        answer(302, b"", {"Location": "https://sso.example.com/"}, content_type=None),
        answer(301, b"", {"Location": "/rest/api/1.0/projects/B"}, content_type=None),
        error(404, exception="com.atlassian.bitbucket.project.NoSuchProjectException", user=None),
        error(400, user=None),
    ],
    ids=lambda given: (
        f"{given.status}-{given.body[:12].decode()}-{'signed-in' if 'X-AUSERNAME' in given.headers else ''}"
    ),
)
def test_anything_else_tells_nothing(given: Answer) -> None:
    assert meaning(given) is None


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_can_pass_is_a_fault(status: int) -> None:
    with pytest.raises(Fault):
        meaning(error(status, user=None))


def test_a_transport_without_a_login_carries_no_credential_and_no_cookie() -> None:
    async def talk(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            json_answer(head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: A=b; Path=/\r\n")
        )

    async def main() -> None:
        async with raw_server(talk) as server, connect(server.url, None, Tls(), 5.0) as transport:
            for _ in range(2):
                await transport.get(PATH)
        for request in server.requests:
            assert {name for name, _ in request.headers}.isdisjoint({"authorization", "cookie", "proxy-authorization"})

    asyncio.run(main())


def test_a_transport_without_a_login_shows_no_client_certificate(certificates: Certificates) -> None:
    both: Path = certificates.folder / "both.pem"

    async def main() -> None:
        async with raw_server(lambda *_: asyncio.sleep(0), certificates.server(mutual=True)) as server:
            tls = Tls(ca_file=certificates.ca_file, client_cert=both)
            async with connect(server.url, None, tls, 2.0) as transport:
                with pytest.raises(Fault):
                    await transport.get(PATH)
            assert not server.requests

    asyncio.run(main())
