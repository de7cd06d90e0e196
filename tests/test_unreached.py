"""Why a server could not be reached, in our words: whatever a library made of it."""

import errno
import re
import socket
import ssl

import pytest
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from oaa_bitbucket_async.redaction import Redactor
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.unreached import Cause, unreached

NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
LATER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_code, error.verify_message = code, "said so"
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:1006)")
    error.reason = reason
    return error


def wrapped(inner: BaseException) -> BaseException:
    """As requests and urllib3 do."""
    new = NewConnectionError(None, f"Failed to establish a new connection: {inner}")  # type: ignore[arg-type]
    new.__cause__ = inner
    return MaxRetryError(None, "/api", new)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrap", [lambda inner: inner, wrapped])
@pytest.mark.parametrize(
    ("inner", "words", "cause"),
    [
        (NO_NAME, "there is no host with this name", Cause.NO_SUCH_HOST),
        (LATER, "its name can't be resolved at the moment", Cause.PASSING),
        (REFUSED, "nothing listens on this port", Cause.PASSING),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "there is no route to it from here", Cause.PASSING),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "it ended the connection", Cause.PASSING),
        (TimeoutError("timed out"), "it does not answer in time", Cause.PASSING),
        (tls("WRONG_VERSION_NUMBER"), "it does not speak TLS on this port", Cause.NO_TLS),
        (tls("RECORD_LAYER_FAILURE"), "it does not speak TLS on this port", Cause.NO_TLS),
        (tls("TLSV1_ALERT_PROTOCOL_VERSION"), "the TLS handshake failed (tlsv1 alert protocol version)",
         Cause.HANDSHAKE),
        (ssl.SSLEOFError(8, "EOF"), "it ended the connection during the TLS handshake", Cause.PASSING),
        (certificate(62), "its certificate is for another name", Cause.OTHER_NAME),
        (certificate(64), "its certificate is for another name", Cause.OTHER_NAME),
        (certificate(20), "its certificate is signed by an authority that is not trusted here", Cause.UNTRUSTED),
        (certificate(10), "its certificate has expired; check this machine's clock", Cause.UNTRUSTED),
        (certificate(77), "its certificate is not accepted (said so)", Cause.UNTRUSTED),
    ],
)  # fmt: skip
def test_our_words(wrap, inner: BaseException, words: str, cause: Cause) -> None:
    assert unreached(wrap(inner)) == (words, cause)


def test_a_name_that_urllib3_could_not_resolve() -> None:
    error = NameResolutionError("git.example.com", None, NO_NAME)  # type: ignore[arg-type]
    error.__cause__ = NO_NAME
    assert unreached(MaxRetryError(None, "/", error)).cause is Cause.NO_SUCH_HOST  # type: ignore[arg-type]


def test_what_nobody_foresaw_is_told_without_secrets() -> None:
    told = unreached(ValueError("odd hunter2-hunter2\n"), Redactor([Secret("hunter2-hunter2")]))
    assert re.fullmatch(r"odd \*\*\*", told.words)
    assert told.cause is Cause.PASSING
