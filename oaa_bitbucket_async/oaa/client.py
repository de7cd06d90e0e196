"""oaaclient's client as this program needs it: it never retries by itself, and it can be called off the event loop."""

import asyncio
import contextlib
import os
import re
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from oaaclient.client import OAAClient
from requests.adapters import HTTPAdapter

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.settings import Veza

_T = TypeVar("_T")

Json = dict[str, object]
"""A JSON object as oaaclient takes and gives it."""

DEFAULT_RETRIES = OAAClient.DEFAULT_RETRY_COUNT


class VezaClient(OAAClient):  # type: ignore[misc]  # oaaclient has no types
    """oaaclient without its own retries and without its test of the connection.

    Its retries leave out every POST and are not seen from outside; here all of them are the caller's. Its test looks
    the host up in the local DNS, which fails behind a proxy that could have reached it, and comes before there is an
    object to set anything on.
    """

    def __init__(self, url: str, api_key: str) -> None:
        super().__init__(url=url, api_key=api_key)
        self.retry_after: str | None = None
        """`Retry-After` of the last answer."""
        self._http_adapter.mount("https://", HTTPAdapter())
        self._http_adapter.hooks["response"].append(self._keep_retry_after)
        self.update_user_agent(f"oaa-bitbucket-async/{__version__}")

    def _test_connection(self) -> None:
        """Left to `upload.check_veza`."""

    def _perform_request(
        self, method: str, api_path: str, data: Json | None = None, params: Json | None = None
    ) -> Json:
        """As oaaclient does it, and no `Retry-After` of an earlier answer is left over."""
        self.retry_after = None
        answer: Json = super()._perform_request(method, api_path, data, params)
        return answer

    def _keep_retry_after(self, response: requests.Response, *_: object, **__: object) -> None:
        self.retry_after = response.headers.get("Retry-After")

    def close(self) -> None:
        """Closes the connections."""
        self._http_adapter.close()


def veza_url(text: str) -> str:
    """The URL that oaaclient is given: a bare host name means https, a path stays (a gateway may need one).

    ConfigurationError for anything that oaaclient would turn into a strange host: `http://` (it would prepend
    `https://`), user and password, a query.
    """
    flag = "--veza-url (VEZA_URL)"
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "https", scheme
    rest = rest.rstrip("/")
    if scheme.lower() != "https":
        raise ConfigurationError(f"{flag} begins with {scheme}://.", "Veza is reached over https only: https://HOST.")
    try:
        parts = urlsplit(f"https://{rest}")
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or re.search(r"[\s\\]", rest):
        raise ConfigurationError(f"{flag} is not an address.", "Give it as https://HOST or HOST.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{flag} contains a user or password.", "The key comes from VEZA_API_KEY.")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{flag} has a query or fragment.", f"Give it as https://{parts.hostname}.")
    return f"https://{rest}"


def open_client(veza: Veza) -> VezaClient:
    """A client for these settings; nothing is sent yet. ConfigurationError names the setting that is wrong."""
    if not veza.url:
        raise ConfigurationError("The address of Veza is missing.", "Set --veza-url or VEZA_URL.")
    url = veza_url(veza.url)
    if not veza.api_key:
        raise ConfigurationError("The key for Veza is missing.", "Set VEZA_API_KEY or VEZA_API_KEY_FILE.")
    key = veza.api_key.reveal().strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "VEZA_API_KEY can't be a key: it is blank, or has spaces, line breaks or letters outside ASCII.",
            "Copy it again from Veza (Administration, API Keys).",
        )
    environment_number("OAA_API_TIMEOUT", OAAClient.DEFAULT_API_TIMEOUT, least=1)
    environment_number("OAA_API_RETRIES", DEFAULT_RETRIES, least=0)
    return VezaClient(url, key)


def environment_number(name: str, default: int, *, least: int) -> int:
    """oaaclient's own variable, as it reads it; a value that it would replace in silence is a ConfigurationError."""
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ConfigurationError(f"{name} is {text!r}.", f"Set it to a whole number from {least}, or unset it.")
    return value


async def off_loop(call: Callable[[], _T]) -> _T:
    """Runs a blocking call in a thread of its own and awaits it.

    Cancellation is felt at once: the call is left to itself, and the thread, being a daemon, does not keep the process
    alive for the minutes that a hanging server can take. An executor's threads would.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as e:  # handed to the awaiting task, whatever it is
            error = e
        with contextlib.suppress(RuntimeError):  # the loop may be closed: then nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="veza", daemon=True).start()
    return await done
