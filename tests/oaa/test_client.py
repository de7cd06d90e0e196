"""What goes over the wire to Veza, and what is taken for its word: no redirect, no key but ours, no odd answer."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oaa_bitbucket_async.errors import ConfigurationError, UploadError
from oaa_bitbucket_async.oaa import client as client_module
from oaa_bitbucket_async.oaa.client import open_client
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.retry import RetryPolicy
from oaa_bitbucket_async.oaa.upload import check_veza, push
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Veza
from tests.bitbucket.rawserver import Request, raw_server
from tests.oaa.conftest import veza
from tests.servers.veza import RiggedVeza, Scripted

PASSWORD = "pr0xy-pässwörd/ok"
ESCAPED = "pr0xy-p%C3%A4ssw%C3%B6rd%2Fok"


def pushes(server: RiggedVeza) -> list[int]:
    return [request.status for request in server.requests if request.path.endswith((":push", ":parts"))]


@pytest.fixture
def elsewhere() -> Iterator[RiggedVeza]:
    """Another host: it must not hear of anything."""
    with RiggedVeza() as other:
        yield other


async def _whole(payload: Payload, settings: Veza, policy: RetryPolicy) -> None:
    await check_veza(settings, policy=policy)
    await push(payload, settings, policy=policy)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", ["check", "provider", "data-source", "push"])
def test_no_redirect_is_followed(server, elsewhere, payload, policy, sleeps, status, call):
    server.fail(Scripted(status, location=f"{elsewhere.url}/api/v1/here"), 99, call)
    with pytest.raises(UploadError, match=f"redirects to {elsewhere.url}/api/v1/here .HTTP {status}"):
        asyncio.run(_whole(payload, veza(server), policy))
    assert elsewhere.requests == []
    assert (server.pushed, sleeps.seconds) == ([], [])


@pytest.mark.parametrize("body", [b"[]", b'"ok"', b"null", b"true", b"", b"[" * 20_000, b'{"warnings": {"a": 1}}'])
def test_a_success_of_another_shape_is_no_upload(server, payload, policy, sleeps, body):
    server.fail(Scripted(200, body), 99)
    with pytest.raises(UploadError, match="kept failing at the payload, 6 times"):
        asyncio.run(push(payload, veza(server), policy=policy))


def test_an_error_with_200_is_a_refusal(server, payload, policy, sleeps):
    server.fail(Scripted(200, b'{"error": {"reason": "quota exceeded"}}'))
    with pytest.raises(UploadError, match=r"Veza refused the payload: .*quota exceeded.*HTTP 200"):
        asyncio.run(push(payload, veza(server), policy=policy))
    assert (pushes(server), sleeps.seconds) == ([200], [])


@pytest.mark.parametrize(
    "body", [b"{}", b'{"warnings": null}', b'{"warnings": []}', b'{"values": 5, "has_more": true}', b'{"value": "x"}']
)
def test_an_object_without_error_is_an_upload_whatever_else_it_holds(server, payload, policy, body):
    server.fail(Scripted(202, body))
    assert asyncio.run(push(payload, veza(server), policy=policy)).warnings == {}
    assert pushes(server) == [202]


@pytest.mark.parametrize("warnings", [[None, 5, ["x"], {"message": {"a": 1}}, {"other": 1}], ["W" * 3_000_000]])
def test_warnings_of_any_shape(server, payload, policy, warnings):
    server.fail(Scripted(200, json.dumps({"warnings": warnings}).encode()))
    result = asyncio.run(push(payload, veza(server), policy=policy))
    assert result.warnings.total() == len(warnings)
    assert all(len(kind) <= 200 for kind in result.warnings)


@pytest.mark.parametrize(
    "body", [b'{"details": null}', b"[]", b"null", b"no", b'{"details": ' + b"[" * 20_000, b"\xff"]
)
@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refusal_with_an_odd_body_is_tried_once(server, payload, policy, sleeps, status, body):
    server.fail(Scripted(status, body), 99)
    with pytest.raises(UploadError, match=f"Veza refused the payload: .*HTTP {status}"):
        asyncio.run(push(payload, veza(server), policy=policy))
    assert (pushes(server), sleeps.seconds) == ([status], [])


def test_an_answer_is_read_up_to_a_bound(server, payload, policy, monkeypatch):
    monkeypatch.setattr(client_module, "LARGEST_ANSWER", 1000)
    server.fail(Scripted(200, json.dumps({"warnings": ["x" * 2000]}).encode()))
    with pytest.raises(UploadError, match="larger than 1,000 bytes"):
        asyncio.run(push(payload, veza(server), policy=policy))


@pytest.mark.parametrize(
    "rows",
    [
        [{"name": "Other", "id": "other"}],
        [{"name": "Other", "id": "other"}, {"name": "Another", "id": "x"}],
        [5, None, {"id": "nameless"}],
    ],
)
def test_a_provider_of_another_name_is_not_taken_for_ours(server, payload, policy, capsys, rows):
    server.fail(Scripted(200, json.dumps({"values": rows}).encode()), 1, "provider")
    assert asyncio.run(push(payload, veza(server), policy=policy)).created_provider
    assert [one.provider for one in server.pushed] == ["Bitbucket Server"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("row", [{"name": "Bitbucket Server"}, {"name": "Bitbucket Server", "id": None}])
def test_a_provider_without_an_id_is_asked_for_again(server, payload, policy, sleeps, row):
    server.fail(Scripted(200, json.dumps({"values": [row]}).encode()), 1, "provider")
    asyncio.run(push(payload, veza(server), policy=policy))
    assert len(sleeps.seconds) == 1


def test_pages_that_never_end_are_given_up(server, policy, payload):
    more = {"values": [{"name": "x"}], "has_more": True, "next_page_token": "same"}
    server.fail(Scripted(200, json.dumps(more).encode()), 10_000, "provider")
    with pytest.raises(UploadError, match="has no last page"):
        asyncio.run(push(payload, veza(server), policy=policy))
    assert len(server.requests) == 2


def test_pages_that_grow_beyond_a_bound_are_given_up(server, policy, payload, monkeypatch):
    monkeypatch.setattr(client_module, "LARGEST_LISTING", 1000)
    for page in range(20):
        more = {"values": [{"name": "x" * 100}], "has_more": True, "next_page_token": f"{page}"}
        server.fail(Scripted(200, json.dumps(more).encode()), 1, "provider")
    with pytest.raises(UploadError, match="listing is larger than 1,000 bytes"):
        asyncio.run(push(payload, veza(server), policy=policy))


# --- the environment --------------------------------------------------------------------------------------


def test_the_key_wins_over_a_login_in_netrc(server, policy, tmp_path: Path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    asyncio.run(check_veza(veza(server), policy=policy))


def test_certificates_are_checked_whatever_oaaclients_variable_says(server, policy, monkeypatch):
    monkeypatch.setenv("VEZA_UNSAFE_HTTPS", "true")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        asyncio.run(check_veza(veza(server), policy=policy))
    assert server.requests == []


def test_a_file_of_certificates_that_is_not_there(server, policy, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        asyncio.run(check_veza(veza(server), policy=policy))


FAR = Veza(url="https://veza.example.com", api_key=Secret("key-of-a-tenant"))


@pytest.mark.parametrize(
    "address",
    ["socks5://u:{}@proxy:1080", "http://u:{}@", "http://u:{}@[::1", "ftp://u:{}@h", "http://u:{}@h:99999999"],
)
def test_a_proxy_that_can_not_be_used_is_a_setting_and_its_password_is_not_shown(monkeypatch, address):
    monkeypatch.setenv("HTTPS_PROXY", address.format(ESCAPED))
    monkeypatch.setenv("https_proxy", address.format(ESCAPED))
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as raised:
        open_client(FAR)
    assert "pr0xy" not in str(raised.value)


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_gets_its_login_in_utf_8_and_the_password_is_never_shown(monkeypatch, policy, sleeps, status):
    """Even where the proxy echoes what it got."""
    login = base64.b64encode(f"user:{PASSWORD}".encode()).decode()

    async def refuse(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} {ESCAPED} for {request['proxy-authorization']}\r\n\r\n".encode())
        writer.close()

    async def ask() -> tuple[str, list[Request]]:
        async with raw_server(refuse) as proxy:
            address = f"http://user:{ESCAPED}@127.0.0.1:{proxy.port}"
            for name in ("HTTPS_PROXY", "https_proxy"):
                monkeypatch.setenv(name, address)
            try:
                await check_veza(FAR, policy=policy)
            except Exception as error:
                return str(error), proxy.requests
        raise AssertionError

    said, requests = asyncio.run(ask())
    assert {request.line.rpartition(" ")[0] for request in requests} == {"CONNECT veza.example.com:443"}
    assert {request["proxy-authorization"] for request in requests} == {f"Basic {login}"}
    assert str(status) in said
    for secret in (PASSWORD, ESCAPED, login, "pr0xy"):
        assert secret not in said
    assert ("HTTPS_PROXY" in said, len(requests)) == ((True, 1) if status == 407 else (True, 6))
