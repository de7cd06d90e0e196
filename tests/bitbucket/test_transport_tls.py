"""TLS: verified unless told otherwise, with one's own authorities and certificates."""

import asyncio
import contextlib
import socket
import ssl
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.transport import connect, ssl_context
from oaa_bitbucket_async.errors import ConfigurationError, WrongAddressError
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Login, Tls
from tests.bitbucket.rawserver import json_answer, raw_server, sending
from tests.servers.plain import plain_server

LOGIN = Login(secret=Secret("t0p-s3cret"))


@dataclass(frozen=True)
class Certificates:
    authority: trustme.CA
    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, name: str = "127.0.0.1", *, mutual: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        if mutual:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(trustme.CA(), tmp_path_factory.mktemp("certificates"))
    made.authority.cert_pem.write_to_path(str(made.ca_file))
    client = made.authority.issue_cert("collector@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(str(made.folder / "both.pem"))
    client.private_key_pem.write_to_path(str(made.folder / "key.pem"))
    client.cert_chain_pems[0].write_to_path(str(made.folder / "cert.pem"))
    return made


Outcome = int | Fault | ConfigurationError


def ask(server_tls: ssl.SSLContext, tls: Tls, said: bytes = json_answer()) -> tuple[Outcome, int]:
    """The status, or how it failed, and how many requests arrived."""

    async def main() -> tuple[Outcome, int]:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's view of a failed handshake
        async with raw_server(sending(said), server_tls) as server:
            try:
                async with connect(server.url, LOGIN, tls, 5.0) as transport:
                    return (await transport.get("/rest/x")).status, len(server.requests)
            except (Fault, ConfigurationError) as fault:
                return fault, len(server.requests)

    return asyncio.run(main())


def test_a_certificate_of_nobody_we_know_is_refused_before_anything_is_sent(certificates: Certificates) -> None:
    outcome, requests = ask(certificates.server(), Tls())
    assert isinstance(outcome, ConfigurationError)
    assert "signed by an authority that is not trusted here" in outcome.message
    assert "--ca-file" in outcome.advice
    assert requests == 0


def test_a_certificate_for_another_host_is_refused(certificates: Certificates) -> None:
    outcome, requests = ask(certificates.server("git.example.com"), Tls(ca_file=certificates.ca_file))
    assert isinstance(outcome, WrongAddressError)
    assert "its certificate is for another name" in outcome.message
    assert requests == 0


def test_https_towards_a_port_that_speaks_none() -> None:
    async def main(port: int) -> WrongAddressError:
        async with connect(f"https://127.0.0.1:{port}", LOGIN, Tls(), 5.0) as transport:
            with pytest.raises(WrongAddressError) as caught:
                await transport.get("/x")
        return caught.value

    with plain_server() as port:
        error = asyncio.run(main(port))
    assert error.message == f"127.0.0.1:{port} can't be reached: it does not speak TLS on this port."
    assert "http://" in error.advice


def test_an_authority_of_one_s_own(certificates: Certificates) -> None:
    assert ask(certificates.server(), Tls(ca_file=certificates.ca_file)) == (200, 1)


def test_insecure_takes_any(certificates: Certificates) -> None:
    assert ask(certificates.server("git.example.com"), Tls(insecure=True)) == (200, 1)


@pytest.mark.parametrize(("cert", "key"), [("both.pem", None), ("cert.pem", "key.pem")])
def test_a_client_certificate_is_shown(certificates: Certificates, cert: str, key: str | None) -> None:
    folder = certificates.folder
    tls = Tls(ca_file=certificates.ca_file, client_cert=folder / cert, client_key=folder / key if key else None)
    assert ask(certificates.server(mutual=True), tls) == (200, 1)


def test_without_a_client_certificate_that_is_wanted_there_is_no_answer(certificates: Certificates) -> None:
    outcome, requests = ask(certificates.server(mutual=True), Tls(ca_file=certificates.ca_file))
    assert isinstance(outcome, Fault)
    assert outcome.reason in (FaultReason.CONNECT, FaultReason.DROPPED)
    assert "--client-cert" in outcome.detail, "a server that says nothing may want one"
    assert requests == 0


def refusing(tls: ssl.SSLContext) -> int:
    """The port of a server that says in the handshake why it ends it, as OpenSSL does; asyncio's does not."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection, contextlib.suppress(OSError):
            try:
                tls.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                connection.settimeout(5)
                while connection.recv(4096):  # closed with something unread, the alert would be lost
                    pass

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


@pytest.mark.skipif(sys.platform == "win32", reason="the standard loop loses what uvloop tells")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("login", "shown"), [(LOGIN, None), (LOGIN, "strange.pem"), (None, None)], ids=["none", "strange", "anonymous"]
)
def test_a_server_that_refuses_our_certificate_or_misses_one(
    certificates: Certificates, version: ssl.TLSVersion, login: Login | None, shown: str | None
) -> None:
    """A setting to mend, unless nobody's view was asked for, which has no certificate."""
    import uvloop

    stranger = trustme.CA().issue_cert("stranger@example.com")
    stranger.private_key_and_cert_chain_pem.write_to_path(str(certificates.folder / "strange.pem"))
    server = certificates.server(mutual=True)
    server.maximum_version = version
    tls = Tls(ca_file=certificates.ca_file, client_cert=certificates.folder / shown if shown else None)

    async def main() -> None:
        async with connect(f"https://127.0.0.1:{refusing(server)}", login, tls, 5.0) as transport:
            with pytest.raises(ConfigurationError if login else Fault) as caught:
                await transport.get("/rest/x")
        assert ("--client-cert" in str(caught.value)) is (login is not None)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_server_that_answers_that_a_certificate_is_missing(certificates: Certificates) -> None:
    page = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    said = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    outcome, requests = ask(certificates.server(), Tls(ca_file=certificates.ca_file), said)
    assert isinstance(outcome, ConfigurationError)
    assert "--client-cert" in outcome.advice
    assert requests == 1


def test_plain_http_where_tls_should_be() -> None:
    async def main() -> None:
        async with raw_server(sending(json_answer(), close=True)) as server:
            url = server.url.replace("http://", "https://")
            async with connect(url, LOGIN, Tls(), 0.3) as transport:
                with pytest.raises(Fault) as caught:
                    await transport.get("/rest/x")
                assert caught.value.reason in (FaultReason.CONNECT, FaultReason.TIMEOUT, FaultReason.DROPPED)

    asyncio.run(main())


def test_files_that_are_none_are_named(certificates: Certificates, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("not a certificate")
    missing = tmp_path / "missing.pem"
    for tls, flag in (
        (Tls(ca_file=missing), "--ca-file"),
        (Tls(ca_file=nonsense), "--ca-file"),
        (Tls(client_cert=missing), "--client-cert"),
        (Tls(client_cert=nonsense), "--client-cert"),
        (Tls(client_cert=certificates.folder / "cert.pem"), "--client-cert"),
        (Tls(client_cert=certificates.folder / "both.pem", client_key=missing), "--client-cert"),
    ):
        with pytest.raises(ConfigurationError, match=flag):
            ssl_context(tls)


def test_a_key_with_a_passphrase_is_not_asked_for(certificates: Certificates, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key((certificates.folder / "key.pem").read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hush"),
        )
    )
    with pytest.raises(ConfigurationError, match="passphrase"):
        ssl_context(Tls(client_cert=certificates.folder / "cert.pem", client_key=locked))
