"""Why a server could not be reached, in our own words, and whether trying again can help.

Libraries describe the same failure in many ways, with class names and addresses in the text. The system's own error is
in the chain of causes. This module serves both Bitbucket and Veza.
"""

import errno
import http.client
import socket
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.text import as_it_is, quote


class Cause(StrEnum):
    """The obstacle, as far as it decides what to do."""

    NO_SUCH_HOST = "no such host"
    NO_TLS = "no tls"
    OTHER_NAME = "other name"
    """Its certificate is for another host."""
    UNTRUSTED = "untrusted"
    """Its certificate can't be verified for any other reason."""
    HANDSHAKE = "handshake"
    PASSING = "passing"


LASTING = frozenset(set(Cause) - {Cause.PASSING})
"""Causes for which trying again does not help."""


class Unreached(NamedTuple):
    """`words` complete the sentence "SERVER can't be reached: …", without a full stop."""

    words: str
    cause: Cause = Cause.PASSING


_OTHER_NAME = frozenset({62, 64})
"""OpenSSL's codes for a certificate of another host name or IP address."""
_CERTIFICATES = {
    9: "is not valid yet; check this machine's clock",
    10: "has expired; check this machine's clock",
    18: "is self-signed and not trusted here",
    19: "is signed by an authority that is not trusted here",
    20: "is signed by an authority that is not trusted here",
    21: "is signed by an authority that is not trusted here",
    23: "was revoked",
}
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's reasons for an answer that is not TLS."""
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL})
_LIBRARIES = ("aiohttp", "requests", "urllib3")


def unreached(error: BaseException, redact: Redact = as_it_is) -> Unreached:
    """The innermost error of the chain, in our words. An unknown error keeps its words, without secrets (`redact`)."""
    inner = _innermost(error)
    if isinstance(inner, socket.gaierror):
        if inner.errno in _NO_SUCH_HOST:
            return Unreached("there is no host with this name", Cause.NO_SUCH_HOST)
        return Unreached("its name can't be resolved at the moment")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _certificate(inner, redact)
    if isinstance(inner, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Unreached("it ended the connection during the TLS handshake")
    if isinstance(inner, ssl.SSLError):
        reason = str(inner.reason or "")
        if any(word in reason for word in _NO_TLS):
            return Unreached("it does not speak TLS on this port", Cause.NO_TLS)
        words = reason.replace("_", " ").lower() or quote(str(inner), redact)
        return Unreached(f"the TLS handshake failed ({words})", Cause.HANDSHAKE)
    return Unreached(_passing(inner, redact))


def _certificate(error: ssl.SSLCertVerificationError, redact: Redact) -> Unreached:
    code = getattr(error, "verify_code", 0)
    if code in _OTHER_NAME:
        return Unreached("its certificate is for another name", Cause.OTHER_NAME)
    known = _CERTIFICATES.get(code)
    said = quote(getattr(error, "verify_message", "") or str(error), redact)
    return Unreached(f"its certificate {known or f'is not accepted ({said})'}", Cause.UNTRUSTED)


def _passing(error: BaseException, redact: Redact) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on this port"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it ended the connection without an answer"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, http.client.IncompleteRead)):
        return "it ended the connection"
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "it does not answer in time"
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return "there is no route to it from here"
    if isinstance(error, OSError) and error.strerror and not _of_a_library(error):
        return quote(error.strerror, redact)
    return quote(str(error), redact) or type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    """What the system or the standard library said, which the libraries wrap; else the error itself."""
    own = [cause for cause in _chain(error) if not _of_a_library(cause)]
    return own[-1] if own else error


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        one = todo.pop(0)
        if isinstance(one, BaseException) and not any(one is other for other in seen):
            seen.append(one)
            yield one
            todo += [*one.args, getattr(one, "reason", None), getattr(one, "os_error", None), one.__cause__]


def _of_a_library(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _LIBRARIES
