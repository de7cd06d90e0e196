"""The only module that uses aiohttp. It sends one GET and returns the whole answer, or raises a Fault.

It decides nothing: no retries, no redirects, no cookies. A cookie of a load balancer would pin the whole crawl
to one node of a cluster; a followed redirect could carry the credential to another origin.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple, Protocol
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket import bodies
from oaa_bitbucket_async.bitbucket.bodies import Bodies
from oaa_bitbucket_async.bitbucket.deadlines import Deadlines
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason
from oaa_bitbucket_async.bitbucket.pacing.clock import LoopClock
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.errors import ConfigurationError, WrongAddressError
from oaa_bitbucket_async.proxies import ProxyAddress, basic, unusable
from oaa_bitbucket_async.redaction import Redact, Redactor
from oaa_bitbucket_async.settings import Login, Tls
from oaa_bitbucket_async.text import quote
from oaa_bitbucket_async.unreached import Cause, unreached

CONNECT_TIMEOUT = 30.0
_USER_AGENT = f"oaa-bitbucket-async/{__version__}"
_log = logging.getLogger(__name__)
_ABOUT_OUR_CERTIFICATE = re.compile(r"(?i)alert.*(certificate|unknown.ca|access.denied|handshake.failure)")
"""How a server says in the handshake that a client certificate is missing or the wrong one."""
_HINT = " (a server that wants a client certificate ends connections so: --client-cert)"
_WRONG_ADDRESS = MappingProxyType(
    {
        Cause.NO_SUCH_HOST: "Check the host name in --bitbucket-url (BITBUCKET_URL).",
        Cause.NO_TLS: "Write http:// in --bitbucket-url (BITBUCKET_URL), or give the port on which it speaks TLS.",
        Cause.OTHER_NAME: "Give --bitbucket-url (BITBUCKET_URL) with a name that the certificate has. --ca-file does "
        "not help here.",
    }
)
"""What to do if nothing, or something other than Bitbucket, is at the address."""
_NO_CERTIFICATE = b"No required SSL certificate was sent"
"""nginx answers this, with status 400, if no client certificate was sent."""


class Transport(Protocol):
    """Sends a GET for a path (context path and query included) and returns the answer. Raises Fault."""

    async def get(self, path: str) -> Answer:
        """The whole answer, body included, within the request's timeout."""
        ...


class Proxy(NamedTuple):
    """A proxy from the environment. `headers` carry its login: aiohttp would send one in the URL as Latin-1."""

    url: URL
    headers: dict[str, str]
    variable: str


class _Get(aiohttp.ClientRequest):
    """A GET whose headers are complete. All requests share them."""

    def update_headers(self, headers: CIMultiDict[str]) -> None:  # type: ignore[override]
        """Takes the headers as they are."""
        self.headers = headers

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Adds nothing."""


class HttpTransport:
    """GETs over a shared connection pool to one origin. Made by `connect`."""

    def __init__(
        self,
        connector: aiohttp.TCPConnector,
        base: URL,
        headers: dict[str, str],
        proxy: Proxy | None,
        redact: Redact,
        deadlines: Deadlines,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        signed: bool,
        has_certificate: bool,
    ) -> None:
        self._connector = connector
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._loop = asyncio.get_running_loop()
        self._deadlines = deadlines
        self._signed = signed
        self._headers = aiohttp.ClientRequest(hdrs.METH_GET, base, headers=headers, loop=self._loop).headers
        """The headers of each request. aiohttp has added `Host`."""
        self._redact = redact
        self._has_certificate = has_certificate
        self._answered = False
        # aiohttp resolves the host as written in the URL, where the % before a scope id is %25
        self._scheme, self._authority = base.scheme, base.raw_authority.replace("%25", "%")
        self._origin_url = base.origin()
        self._proxy = proxy
        self._bodies = Bodies()

    async def get(self, path: str) -> Answer:
        """See Transport. Raises ConfigurationError if waiting does not help: a certificate, a proxy's login."""
        task = self._deadlines.begin()
        try:
            response = await self._send(path)
            content = response.content
            if content.is_eof():  # the body came with the headers, as most do; the connection is free again
                body = content.read_nowait()
                if len(body) > bodies.LARGEST:
                    raise bodies.too_large(path)
            else:
                async with response:
                    body = await self._bodies.read(path, content.iter_any(), response.content_length)
        except (TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not self._deadlines.is_late(task):
                raise
            raise _fault(path, FaultReason.TIMEOUT, "no complete answer in time") from None
        except aiohttp.ClientConnectorError as error:
            raise self._not_connected(path, error) from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise self._broken(path, FaultReason.DROPPED, "the connection broke", error) from None
        except aiohttp.ClientHttpProxyError as error:
            if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                raise _proxy_login(self._proxy) from None
            said = f"the proxy {_place(self._proxy)} refused: {error.status} {quote(error.message, self._redact)}"
            raise _fault(path, FaultReason.CONNECT, said) from None
        except aiohttp.ClientResponseError as error:  # its text would hold the address, a proxy's with its password
            said = quote(error.message, self._redact)
            raise _fault(path, FaultReason.DROPPED, f"not understood as HTTP: {said}") from None
        except aiohttp.ClientError as error:
            raise _fault(path, FaultReason.DROPPED, f"not understood as HTTP: {self._words(error)}") from None
        finally:
            self._deadlines.end(task)
        self._answered = True
        status, headers = response.status, response.headers
        encoding = headers.get(hdrs.CONTENT_ENCODING)
        if encoding is not None and body:
            body = bodies.unpacked(path, body, encoding)
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._proxy is not None:
            raise _proxy_login(self._proxy)
        if status == HTTPStatus.BAD_REQUEST and self._signed and _NO_CERTIFICATE in body:
            raise _client_certificate(self._origin_url, _NO_CERTIFICATE.decode())
        if 300 <= status < 400:
            return Answer(status, self._within_origin(path, headers), body)
        return Answer(status, headers, body)

    async def _send(self, path: str) -> aiohttp.ClientResponse:
        """Sends the request over a connection of the pool, and returns the response once its headers are there.

        `aiohttp.ClientSession` does this and more: cookies, redirects, a second attempt, a timer for each request. We
        want none of that, and it takes a third of a request's processor time.
        """
        proxy, response = self._proxy, None
        request = _Get(
            hdrs.METH_GET,
            self._url(path),
            headers=self._headers,
            loop=self._loop,
            proxy=proxy.url if proxy else None,
            proxy_headers=CIMultiDict(proxy.headers) if proxy else None,  # a copy: aiohttp adds to them
        )
        connection = await self._connector.connect(request, traces=[], timeout=self._timeout)
        try:
            if connection.protocol is None:
                raise aiohttp.ServerDisconnectedError
            connection.protocol.set_response_params(read_until_eof=True, auto_decompress=False)
            response = await request.send(connection)
            return await response.start(connection)
        except BaseException:
            if response is not None:
                response.close()
            connection.close()
            raise

    def _not_connected(self, path: str, error: aiohttp.ClientConnectorError) -> Exception:
        """What to raise if there is no connection: a wrong setting, or a Fault if waiting may help.

        Once Bitbucket has answered, the address is right, so it is a Fault. So it is for requests without a login,
        which are only sent after that.

        The message names the host of the connection, because that may be the proxy.
        """
        inner = getattr(error, "certificate_error", None) or error.os_error
        words, cause = unreached(inner, self._redact)
        place = f"{error.host}:{error.port}"
        if cause is Cause.UNTRUSTED:
            return _untrusted(place, words)
        if cause in _WRONG_ADDRESS and self._signed and not self._answered:
            advice = _WRONG_ADDRESS[cause]
            if self._proxy is not None and error.host == self._proxy.url.host:
                advice = f"This is the proxy in {self._proxy.variable}: correct that variable."
            return WrongAddressError(f"{place} can't be reached: {words}.", advice)
        return self._broken(path, FaultReason.CONNECT, f"no connection to {place}", inner)

    def _broken(self, path: str, reason: FaultReason, what: str, error: BaseException) -> Exception:
        """What to raise if a connection failed or broke. A refused client certificate is final."""
        words = unreached(error, self._redact).words
        if self._scheme != "https":
            return _fault(path, reason, f"{what}: {words}")
        if self._signed and _ABOUT_OUR_CERTIFICATE.search(str(error)):
            return _client_certificate(self._origin_url, words)
        ended = reason is FaultReason.DROPPED or isinstance(error, ConnectionResetError)
        hint = _HINT if ended and self._signed and not (self._answered or self._has_certificate) else ""
        return _fault(path, reason, f"{what}: {words}{hint}")

    def _words(self, error: BaseException) -> str:
        """An error's own words, on one line and without secrets, or the name of its type if it has none."""
        return quote(str(error), self._redact) or type(error).__name__

    def _url(self, path: str) -> URL:
        """Builds the URL from parts that are known to be valid, which takes half as long as parsing it."""
        path, _, query = path.partition("?")
        return URL.build(scheme=self._scheme, authority=self._authority, path=path, query_string=query, encoded=True)

    def _within_origin(self, path: str, headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
        """The headers, with a `Location` within our origin reduced to path and query; another stays as it is."""
        changed = CIMultiDict(headers)
        try:
            target = self._origin_url.join(URL(path, encoded=True)).join(URL(headers.get("Location", ""), encoded=True))
            if target.origin() == self._origin_url:
                changed["Location"] = target.raw_path_qs
        except ValueError:
            changed["Location"] = ""
        return changed


class _Told:
    """Writes each request to the debug log: its path, the status or the failure, and its time."""

    def __init__(self, transport: Transport, who: str) -> None:
        self._transport = transport
        self._who = who

    async def get(self, path: str) -> Answer:
        """See Transport."""
        began = time.perf_counter()
        came: object = "ended early"
        try:
            answer = await self._transport.get(path)
            came = answer.status
        except Fault as fault:
            came = fault.detail
            raise
        except ConfigurationError as error:
            came = error.message
            raise
        finally:
            _log.debug("GET %s%s: %s, %.0f ms", path, self._who, came, 1000 * (time.perf_counter() - began))
        return answer


@asynccontextmanager
async def connect(
    base_url: str, login: Login | None, tls: Tls, request_timeout: float, redact: Redact | None = None
) -> AsyncIterator[Transport]:
    """A transport to `base_url` that signs every request; closed at the end. Without a login it is anonymous: no
    `Authorization`, no client certificate, and its own connections, since either can sign in a whole connection.

    `request_timeout` is in seconds, for a whole request. `redact` removes secrets from quoted errors; None removes the
    login's own. Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Raises ConfigurationError if a certificate file
    or proxy can't be used.
    """
    base = URL(base_url, encoded=True)
    proxy = _proxy(base)
    if login is None:
        tls = replace(tls, client_cert=None, client_key=None)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": bodies.ENCODINGS,
        "User-Agent": _USER_AGENT,
        **({} if login is None else {"Authorization": _authorization(login)}),
        **_host_header(base),
        **(proxy.headers if proxy and base.scheme == "http" else {}),  # for https only CONNECT carries them
    }
    connector = aiohttp.TCPConnector(
        limit=0,  # the gate is the only limit: a wait for a connection would count as latency
        ttl_dns_cache=300,
        ssl=ssl_context(tls) if base.scheme == "https" else True,
    )
    deadlines = Deadlines(request_timeout, LoopClock())
    async with connector:
        transport = HttpTransport(
            connector,
            base,
            headers,
            proxy,
            redact or (Redactor() if login is None else Redactor([login.secret], user=login.user)),
            deadlines,
            connect_timeout=min(CONNECT_TIMEOUT, request_timeout),
            signed=login is not None,
            has_certificate=tls.client_cert is not None,
        )
        told = _log.isEnabledFor(logging.DEBUG)
        try:
            yield _Told(transport, "" if login is not None else " without a login") if told else transport
        finally:
            deadlines.close()


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """The TLS settings: verifies the server's certificate and sends ours. Raises ConfigurationError."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"--ca-file {tls.ca_file} can't be read as certificates: {error}.",
            "Give a PEM file with the certificate of the authority that signed Bitbucket's.",
        ) from None
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert is not None:
        try:
            context.load_cert_chain(tls.client_cert, tls.client_key, password=_no_passphrase)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConfigurationError(
                f"--client-cert {tls.client_cert} and its key can't be used: {error}.",
                "Give PEM files without a passphrase, the key in --client-key or in the same file.",
            ) from None
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, which an unattended run can't enter")


def _authorization(login: Login) -> str:
    if login.user is None:
        return f"Bearer {login.secret.reveal()}"
    return basic(login.user, login.secret.reveal())


def _host_header(base: URL) -> dict[str, str]:
    """The `Host` header without the scope id of an IPv6 address, which is local (RFC 6874 section 3)."""
    host, scope, _ = (base.host or "").partition("%")
    return {"Host": f"[{host}]" + (f":{base.explicit_port}" if base.explicit_port else "")} if scope else {}


def _proxy(base: URL) -> Proxy | None:
    """The environment's proxy for this origin. Not aiohttp's `trust_env`: that also reads ~/.netrc for a login."""
    host = base.host or ""
    if proxy_bypass(f"{host}:{base.port}") or proxy_bypass(host):
        return None
    address = getproxies().get(base.scheme)
    if not address:
        return None
    variable = f"{base.scheme.upper()}_PROXY"
    proxy = ProxyAddress.read(address)
    if not proxy.usable:
        raise unusable(variable, "Bitbucket")
    login = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    return Proxy(URL(proxy.url), {"User-Agent": _USER_AGENT, **login}, variable)


def _fault(path: str, reason: FaultReason, detail: str) -> Fault:
    return Fault(path, detail, reason=reason)


def _untrusted(place: str, words: str) -> ConfigurationError:
    """`place` is the server of the connection: it may be a proxy's certificate that is meant."""
    advice = "Give the certificate of the authority that signed it with --ca-file (OAA_CA_FILE)."
    return ConfigurationError(f"{place} can't be reached: {words}.", advice)


def _client_certificate(origin: URL, words: str) -> ConfigurationError:
    return ConfigurationError(
        f"{origin} refuses the connection without a client certificate that it accepts: {words}.",
        "Give one, as PEM files, with --client-cert (OAA_CLIENT_CERT) and --client-key (OAA_CLIENT_KEY). If the server "
        "does not ask for one, it supports none of our TLS versions and ciphers.",
    )


def _proxy_login(proxy: Proxy | None) -> ConfigurationError:
    return ConfigurationError(
        f"The proxy {_place(proxy)} needs a user name and password, and got none or wrong ones (status 407).",
        f"Put them into {proxy.variable if proxy else 'HTTPS_PROXY'} as http://USER:PASSWORD@HOST:PORT, with special "
        "characters written as %XX, or add Bitbucket's host to NO_PROXY.",
    )


def _place(proxy: Proxy | None) -> str:
    return proxy.url.host_port_subcomponent or "" if proxy else ""
