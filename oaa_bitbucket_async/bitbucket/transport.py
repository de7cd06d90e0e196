"""The one place that knows aiohttp: sends one GET, gives back the whole answer or a Fault.

It decides nothing: no retries, no redirects, no cookies. A cookie of a load balancer would pin the whole crawl
to one node of a cluster; a followed redirect could carry the credential to another origin.
"""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.bitbucket.faults import Fault, FaultReason, printable
from oaa_bitbucket_async.bitbucket.protocol import Answer
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.settings import Login, Tls

CONNECT_TIMEOUT = 30.0
LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of an answer, unpacked, that are read; a page of 1000 rows has less than 4 MB."""


class UntrustedCertificateError(Fault):
    """The server's certificate can't be verified: waiting does not help, `--ca-file` may."""


class Transport(Protocol):
    """Sends a GET for a path (context path and query included) and gives the answer. Raises Fault."""

    async def get(self, path: str) -> Answer:
        """The whole answer, body included, within the request's timeout."""
        ...


class HttpTransport:
    """GETs over a shared connection pool to one origin. Made by `connect`."""

    def __init__(self, session: aiohttp.ClientSession, base: URL, proxy: URL | None) -> None:
        self._session = session
        self._scheme, self._authority = base.scheme, base.authority
        self._origin_url = base.origin()
        self._proxy = proxy

    async def get(self, path: str) -> Answer:
        """See Transport."""
        try:
            async with self._session.get(self._url(path), allow_redirects=False, proxy=self._proxy) as response:
                body = await _body(path, response)
                if 300 <= response.status < 400:
                    return Answer(response.status, self._within_origin(path, response.headers), body)
                return Answer(response.status, response.headers, body)
        except aiohttp.ClientConnectorCertificateError as error:
            raise UntrustedCertificateError(path, _words(error.certificate_error), reason=FaultReason.CONNECT) from None
        except aiohttp.ClientConnectorError as error:
            raise _fault(path, FaultReason.CONNECT, f"no connection: {_words(error.os_error)}") from None
        except TimeoutError:
            raise _fault(path, FaultReason.TIMEOUT, "no complete answer in time") from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            raise _fault(path, FaultReason.DROPPED, f"the connection broke: {_words(error)}") from None
        except aiohttp.ClientHttpProxyError as error:
            raise _fault(path, FaultReason.CONNECT, f"the proxy refused: {error.status} {error.message}") from None
        except aiohttp.ClientResponseError as error:  # its text would hold the address, a proxy's with its password
            raise _fault(path, FaultReason.DROPPED, f"not understood as HTTP: {error.message}") from None
        except aiohttp.ClientError as error:
            raise _fault(path, FaultReason.DROPPED, f"not understood as HTTP: {_words(error)}") from None

    def _url(self, path: str) -> URL:
        """Put together of parts that are known to be right, at half the price of having the whole taken apart."""
        path, _, query = path.partition("?")
        return URL.build(scheme=self._scheme, authority=self._authority, path=path, query_string=query, encoded=True)

    def _within_origin(self, path: str, headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
        """The headers with a `Location` of our own origin reduced to path and query; others stay as they are."""
        changed = CIMultiDict(headers)
        try:
            target = self._origin_url.join(URL(path, encoded=True)).join(URL(headers.get("Location", ""), encoded=True))
            if target.origin() == self._origin_url:
                changed["Location"] = target.raw_path_qs
        except ValueError:
            changed["Location"] = ""
        return changed


@asynccontextmanager
async def connect(base_url: str, login: Login, tls: Tls, request_timeout: float) -> AsyncIterator[HttpTransport]:
    """A transport to `base_url` that signs every request; closed at the end.

    `request_timeout` is in seconds, for the whole of a request. Proxies come from HTTPS_PROXY, HTTP_PROXY and
    NO_PROXY. Raises ConfigurationError if a certificate file or proxy can't be used.
    """
    base = URL(base_url, encoded=True)
    proxy = _proxy(base)
    connector = aiohttp.TCPConnector(
        limit=0,  # the gate is the only limit: a wait for a connection would count as latency
        ttl_dns_cache=300,
        ssl=ssl_context(tls) if base.scheme == "https" else True,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Authorization": _authorization(login),
            "Accept": "application/json",
            "User-Agent": f"oaa-bitbucket-async/{__version__}",
        },
        timeout=aiohttp.ClientTimeout(total=request_timeout, sock_connect=min(CONNECT_TIMEOUT, request_timeout)),
        auto_decompress=True,
    )
    # aiohttp would send a GET once more when a kept connection turns out to be closed: past the gate and uncounted
    session._retry_connection = False
    async with session:
        yield HttpTransport(session, base, proxy)


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """How the server's certificate is verified and ours is shown. Raises ConfigurationError."""
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


async def _body(path: str, response: aiohttp.ClientResponse) -> bytes:
    """The whole body, unpacked; a Fault if it is too large for a page of a listing."""
    content = response.content
    if content.is_eof():  # it came together with its headers, as most do: nothing to wait for
        body = content.read_nowait()
        size = len(body)
    else:
        chunks, size = [], response.content_length or 0
        if size <= LARGEST_ANSWER:
            size = 0
            async for chunk in content.iter_any():
                size += len(chunk)
                if size > LARGEST_ANSWER:
                    break
                chunks.append(chunk)
        body = b"".join(chunks)
    if size > LARGEST_ANSWER:
        raise _fault(path, FaultReason.BAD_SHAPE, f"{size:,} bytes and more are no page of a listing")
    return body


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, and an unattended run has nobody to ask")


def _authorization(login: Login) -> str:
    if login.user is None:
        return f"Bearer {login.secret.reveal()}"
    return "Basic " + base64.b64encode(f"{login.user}:{login.secret.reveal()}".encode()).decode("ascii")


def _proxy(base: URL) -> URL | None:
    """The environment's proxy for this origin. Not aiohttp's `trust_env`: that also reads ~/.netrc for a login."""
    host = base.host or ""
    if proxy_bypass(f"{host}:{base.port}") or proxy_bypass(host):
        return None
    address = getproxies().get(base.scheme)
    if not address:
        return None
    try:
        proxy = URL(address if "://" in address else f"http://{address}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise ConfigurationError(
            f"The proxy that {base.scheme.upper()}_PROXY names can't be used: only http:// and https:// proxies can.",
            "Set it to an address such as http://proxy.example.com:3128, or name Bitbucket's host in NO_PROXY.",
        )
    return proxy


def _fault(path: str, reason: FaultReason, detail: str) -> Fault:
    return Fault(path, detail, reason=reason)


def _words(error: BaseException) -> str:
    """An error's own words, on one line, or its kind where it has none."""
    return printable(str(error)) or type(error).__name__
