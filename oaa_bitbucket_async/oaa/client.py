"""oaaclient's client as this program needs it: it never retries by itself, and it can be called off the event loop.

oaaclient provides the API calls, and this module sends them: https only, no redirects, only our key, answers of limited
size, and the same errors for every kind of bad answer (`answers`).
"""

import asyncio
import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
import requests
from oaaclient.client import OAAClient
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError

from oaa_bitbucket_async import __version__
from oaa_bitbucket_async.errors import ConfigurationError
from oaa_bitbucket_async.oaa.answers import CallError, Json, VezaAnswer, accepted, heard
from oaa_bitbucket_async.proxies import ProxyAddress, unusable
from oaa_bitbucket_async.redaction import Redactor, proxy_secrets
from oaa_bitbucket_async.secret import Secret
from oaa_bitbucket_async.settings import Veza
from oaa_bitbucket_async.unreached import LASTING, Cause, unreached

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

DEFAULT_RETRIES = OAAClient.DEFAULT_RETRY_COUNT
LARGEST_ANSWER = 32 << 20
"""Bytes of an answer, unpacked, that are read: a hundred thousand warnings have less."""
LARGEST_REFUSAL = 1 << 20
"""… of one that says no; its status counts, and a part of its text will do."""
LARGEST_LISTING = 2 * LARGEST_ANSWER
"""… of all pages of one."""
_CHUNK = 64 << 10
_IS_JSON = MappingProxyType({"Content-Type": "application/json"})
_MOST_PAGES = 1000
_PROVIDERS = "/api/v1/providers/custom"
_WRONG_REQUESTS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
"""How http.client says what a proxy answered to CONNECT."""
_ADVICE = MappingProxyType(
    {
        Cause.NO_SUCH_HOST: "Check the host name in --veza-url (VEZA_URL).",
        Cause.NO_TLS: "Check the port in --veza-url (VEZA_URL): Veza is reached over https only.",
        Cause.OTHER_NAME: "Check the host name in --veza-url (VEZA_URL). REQUESTS_CA_BUNDLE does not help here.",
        Cause.UNTRUSTED: "If Veza's certificate is signed by your own authority, name its file in REQUESTS_CA_BUNDLE.",
        Cause.HANDSHAKE: "Check --veza-url (VEZA_URL), and any proxy on the way.",
    }
)


class VezaClient(OAAClient):  # type: ignore[misc]  # oaaclient has no types
    """oaaclient without its own retries, its test of the connection and its way of reading answers.

    oaaclient's retries skip every POST and can't be observed; here the caller retries. Its connection test looks the
    host up in the local DNS, which fails behind a proxy that could reach it, and runs before there is an object to
    configure. It follows redirects, lets ~/.netrc replace the key, and treats any JSON as a success.

    Every call raises CallError. If the answer has a shape that oaaclient does not expect, a call may raise anything.
    """

    def __init__(self, url: str, api_key: str) -> None:
        super().__init__(url=url, api_key=api_key)
        self.redact = Redactor([Secret(api_key), *proxy_secrets()])
        """Takes our secrets out of what Veza and libraries say."""
        self._http_adapter.adapters.clear()
        self._http_adapter.mount("https://", _OneTryAdapter())
        self.update_user_agent(f"oaa-bitbucket-async/{__version__}")

    def get_provider(self, name: str) -> Json | None:
        """The custom provider of this name; None if there is none."""
        return self._find(_PROVIDERS, name)

    def get_data_source(self, name: str, provider_id: str) -> Json | None:
        """The provider's data source of this name; None if there is none."""
        return self._find(f"{_PROVIDERS}/{provider_id}/datasources", name)

    def api_get(self, api_path: str, params: Json | None = None) -> object:
        """What a GET gives: all rows of a listing, or one value. CallError for a listing that does not end."""
        rows: list[object] = []
        asked, size = dict(params or {}), 0
        for _ in range(_MOST_PAGES):
            answer = self._perform_request("GET", api_path, params=asked)
            if "values" not in answer:
                return answer.get("value", answer)
            values, token = answer["values"] or [], answer.get("next_page_token")
            if not isinstance(values, list):
                raise CallError("the answer to a listing has no list in it", passes=True)
            rows += values
            size += len(msgspec.json.encode(values))
            if size > LARGEST_LISTING:
                raise CallError(f"a listing is larger than {LARGEST_LISTING:,} bytes", passes=False)
            if not answer.get("has_more"):
                return rows
            if not token or token == asked.get("page_token"):
                break
            asked["page_token"] = token
        raise CallError("a listing has no last page", passes=False)

    def api_post(self, api_path: str, data: Json, params: Json | None = None) -> object:
        """The created object. oaaclient would send the POST again as long as the answer says that there is more."""
        answer = self._perform_request("POST", api_path, data, params)
        return answer.get("value", answer)

    def api_put(self, api_path: str, data: Json | None, params: Json | None = None) -> object:
        """What was changed."""
        answer = self._perform_request("PUT", api_path, data, params)
        return answer.get("value", answer)

    def post_object(self, api_path: str, data: Json) -> Json:
        """The whole object that a POST is answered with, whatever its members are called."""
        return self._perform_request("POST", api_path, data)

    def _find(self, api_path: str, name: str) -> Json | None:
        """oaaclient takes whatever row comes back, and prints them if there are several."""
        rows = self.api_get(api_path, {"filter": f'name eq "{name}"'})
        listed = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        found = [row for row in listed if str(row.get("name")).casefold() == name.casefold()]
        if len(found) > 1:
            found = [row for row in found if row.get("name") == name]
        if len(found) > 1:
            raise CallError(f"there are several with the name {name!r}", passes=False)
        return found[0] if found else None

    def _test_connection(self) -> None:
        """Left to `upload.check_veza`."""

    def _perform_request(
        self, method: str, api_path: str, data: Json | None = None, params: Json | None = None
    ) -> Json:
        """One request; the object that it is answered with. CallError for everything else.

        Bytes in `data` are sent in base64, as Veza wants the payload: so that it is not in memory in several forms.
        """
        began, came = time.perf_counter(), "no answer"
        try:
            with self._http_adapter.request(
                method,
                f"{self.url}/{api_path.lstrip('/')}",
                headers={"User-Agent": self._user_agent, **({} if data is None else _IS_JSON)},
                auth=_BearerAuth(self.api_key),
                timeout=self._api_timeout,
                params=urlencode(params) if params else None,
                data=None if data is None else msgspec.json.encode(data),
                allow_redirects=False,
                stream=True,
            ) as response:
                came = str(response.status_code)
                body = self._body(response)
                answer = VezaAnswer(response.status_code, str(response.reason or ""), response.headers, body)
                return accepted(answer, self.redact)
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise self._no_answer(error) from None
        finally:
            spent = 1000 * (time.perf_counter() - began)
            _log.debug("%s /%s of Veza: %s, %.0f ms", method, api_path.lstrip("/"), came, spent)

    def _body(self, response: requests.Response) -> bytes:
        """The answer's body, unpacked. Where the status says no, as much of it as there is."""
        said_no = response.status_code >= 300
        most = LARGEST_REFUSAL if said_no else LARGEST_ANSWER
        chunks, size, until = [], 0, time.monotonic() + self._api_timeout
        try:
            for chunk in response.iter_content(_CHUNK):
                size += len(chunk)
                chunks.append(chunk)
                if size > most or time.monotonic() > until:
                    break
        except (requests.exceptions.RequestException, HTTPError, OSError):
            if not said_no:
                raise
        if not said_no and size > most:
            raise CallError(f"the answer is larger than {most:,} bytes", passes=False, status=response.status_code)
        return b"".join(chunks)[:most]

    def _no_answer(self, error: Exception) -> CallError:
        """Why there was no answer, in our words, and what to do about it."""
        if isinstance(error, requests.exceptions.ProxyError):
            return self._proxy_in_the_way(error)
        if not isinstance(error, (requests.exceptions.RequestException, HTTPError)):
            said = heard(str(error), self.redact) or type(error).__name__
            return CallError(said, passes=False, advice="Check REQUESTS_CA_BUNDLE.", unreached=Cause.UNTRUSTED)
        words, cause = unreached(error, self.redact)
        wrong = isinstance(error, _WRONG_REQUESTS)
        if cause not in LASTING and not wrong:
            return CallError(f"no answer from {self.url}: {words}", passes=True)
        return CallError(
            words, passes=False, advice=_ADVICE.get(cause, "Check --veza-url (VEZA_URL)."), unreached=cause
        )

    def _proxy_in_the_way(self, error: Exception) -> CallError:
        said = str(error)
        if " 407 " in said:
            advice = "Set user and password in HTTPS_PROXY."
            words = "the proxy does not take the login in HTTPS_PROXY (status 407)"
            return CallError(words, passes=False, advice=advice, unreached=Cause.HANDSHAKE)
        refused = _TUNNEL.search(said)
        words = f"the proxy answers with status {refused[1]}" if refused else unreached(error, self.redact).words
        return CallError(f"no answer from {self.url}, through the proxy of HTTPS_PROXY: {words}", passes=True)

    def close(self) -> None:
        """Closes the connections."""
        self._http_adapter.close()


class _BearerAuth(AuthBase):
    """Our key on a request. Without an `auth` of its own requests would take a login for the host from ~/.netrc."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


class _OneTryAdapter(HTTPAdapter):
    """Tries once, and shows a proxy its login in UTF-8; requests' own is Latin-1 and fails at any other character."""

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """See HTTPAdapter."""
        authorization = ProxyAddress.read(proxy).authorization
        return {"Proxy-Authorization": authorization} if authorization else {}


def _check_proxy(url: str) -> None:
    """ConfigurationError, which does not show it, for a proxy that can't be used: as towards Bitbucket."""
    address = select_proxy(url, get_environ_proxies(url))
    if address and not ProxyAddress.read(address).usable:
        raise unusable("HTTPS_PROXY", "Veza")


def open_client(veza: Veza) -> VezaClient:
    """A client for these settings; nothing is sent yet. ConfigurationError names the setting that is wrong."""
    if not veza.url:
        raise ConfigurationError("The address of Veza is missing.", "Set --veza-url or VEZA_URL.")
    if not veza.api_key:
        raise ConfigurationError("The key for Veza is missing.", "Set VEZA_API_KEY or VEZA_API_KEY_FILE.")
    key = veza.api_key.reveal().strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "VEZA_API_KEY is not a valid key: it is blank, or contains spaces, line breaks or non-ASCII letters.",
            "Copy it again from Veza (Administration, API Keys).",
        )
    _check_proxy(veza.url)
    environment_number("OAA_API_TIMEOUT", OAAClient.DEFAULT_API_TIMEOUT, least=1)
    environment_number("OAA_API_RETRIES", DEFAULT_RETRIES, least=0)
    return VezaClient(veza.url, key)


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

    Cancellation takes effect at once, and the call is abandoned. The thread is a daemon, so it does not keep the
    process alive while a server hangs for minutes. An executor's threads would.
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
