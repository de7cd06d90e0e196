"""Uploads a payload to Veza: checks the key, creates provider and data source, pushes, and reports the result.

oaaclient makes the calls, and this program makes every retry. The body is encoded only once. A push replaces the data
source's content, so it is safe to repeat a push whose answer was lost.
"""

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from oaaclient.client import OAAClient

from oaa_bitbucket_async.errors import (
    CollectorError,
    ConfigurationError,
    TemporaryError,
    UploadError,
    WrongAddressError,
)
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.answers import CallError, Json, heard
from oaa_bitbucket_async.oaa.client import DEFAULT_RETRIES, VezaClient, environment_number, open_client
from oaa_bitbucket_async.oaa.follow import Following, status_of, tells_times
from oaa_bitbucket_async.oaa.names import check_name, data_source_name_for
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.retry import RetryPolicy, VezaFailingError, VezaRefusedError, VezaUnreachableError, ask
from oaa_bitbucket_async.redaction import Redact
from oaa_bitbucket_async.settings import Veza
from oaa_bitbucket_async.text import one_line
from oaa_bitbucket_async.unreached import Cause

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

TEMPLATE = "application"
_MOST_KINDS = 50
_LONGEST_WARNING = 1000
"""How many characters of a warning are read: its kind is at the beginning."""
_LONGEST_STATUS = 100
_MOST_DEBUGGED = 100
"""Warnings that the debug log repeats as they came."""
_TRIES_OF_A_CHECK = 4
"""Only a few: somebody may be waiting for the check, and nothing is lost if it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Veza's limits for one push, in bytes and parts."""

    body: int = OAAClient.MAX_PAYLOAD_SIZE
    """Of the compressed payload in base64."""
    part: int = OAAClient.DEFAULT_PART_SIZE
    """Of one part, uncompressed."""
    parts: int = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """What became of a payload."""

    outcome: Literal["uploaded", "unchanged", "dry run", "not uploaded", "refused"] = "uploaded"
    reason: str = ""
    """Why it was not uploaded, for people."""
    provider: str = ""
    data_source: str = ""
    warnings: Counter[str] = field(default_factory=Counter)
    """Veza's, by kind: numbers and names left out."""
    created_provider: bool = False
    created_data_source: bool = False
    parts: int = 0
    """0 for a push in one piece."""
    parsed: bool = False
    """True if Veza has said that it parsed the payload (`--wait`)."""

    @property
    def detail(self) -> str:
        """More for people: where it is, or why it is not there."""
        if self.outcome != "uploaded":
            return self.reason
        return f"data source {self.data_source}" + (", processed by Veza" if self.parsed else "")


def default_policy(*, at_most: int | None = None) -> RetryPolicy:
    """As many tries as oaaclient would make (OAA_API_RETRIES, 10): some five minutes."""
    attempts = 1 + environment_number("OAA_API_RETRIES", DEFAULT_RETRIES, least=0)
    return RetryPolicy(attempts=attempts if at_most is None else min(attempts, at_most))


def check_settings(veza: Veza, base_url: str | None) -> str:
    """Checks all that can be checked without a request, and gives the data source's name.

    `base_url` is Bitbucket's (or what a saved payload says of it): the name is made from it if none is set.
    """
    open_client(veza).close()
    check_name(veza.provider_name, "--provider-name (OAA_PROVIDER_NAME)")
    if veza.data_source_name is not None:
        return check_name(veza.data_source_name, "--data-source-name (OAA_DATA_SOURCE_NAME)")
    if not base_url:
        raise ConfigurationError(
            "The payload does not say which Bitbucket it comes from.", "Set --data-source-name or OAA_DATA_SOURCE_NAME."
        )
    return data_source_name_for(base_url)


async def check_veza(veza: Veza, *, policy: RetryPolicy | None = None) -> None:
    """Asks Veza whether the address and the key are good; meant for the time before a crawl.

    UploadError if Veza refuses, TemporaryError if it goes on failing or can't be reached for now, WrongAddressError or
    another ConfigurationError if it can't be reached with these settings.
    """
    await _look(
        veza, policy, "the check of the API key", lambda client: client.api_get("/api/v1/providers/custom/templates")
    )


async def look_up(veza: Veza, data_source: str, *, policy: RetryPolicy | None = None) -> Json | None:
    """The data source as Veza has it; None if there is none. Raises as `check_veza`."""

    def search(client: VezaClient) -> Json | None:
        provider = client.get_provider(veza.provider_name)
        return client.get_data_source(data_source, str(provider["id"])) if provider else None

    return await _look(veza, policy, "the search for the data source", search)


async def _look(veza: Veza, policy: RetryPolicy | None, what: str, call: Callable[[VezaClient], _T]) -> _T:
    with closing(open_client(veza)) as client:
        try:
            return await ask(client, policy or default_policy(at_most=_TRIES_OF_A_CHECK), what, lambda: call(client))
        except (VezaFailingError, VezaUnreachableError) as error:
            raise _before_a_crawl(error) from None


def _before_a_crawl(error: VezaFailingError | VezaUnreachableError) -> CollectorError:
    """Nothing was uploaded yet, so the error is a wrong setting or a problem that can pass, not a failed upload."""
    if isinstance(error, VezaFailingError):
        return TemporaryError(error.message, "Check --veza-url and the network, or try again later.")
    if error.cause in (Cause.NO_SUCH_HOST, Cause.NO_TLS, Cause.OTHER_NAME):
        return WrongAddressError(error.message, error.advice)
    return ConfigurationError(error.message, error.advice)


async def push(
    payload: Payload, veza: Veza, *, policy: RetryPolicy | None = None, limits: Limits | None = None
) -> UploadResult:
    """Pushes the payload; creates provider and data source where they don't exist.

    UploadError if Veza refuses it or goes on failing, or (`veza.wait`) does not parse it.
    """
    data_source_name = check_settings(veza, payload.base_url)
    with closing(open_client(veza)) as client:
        return await _Push(client, veza, data_source_name, policy or default_policy(), limits or Limits()).run(payload)


class _Push:
    """One upload."""

    def __init__(
        self, client: VezaClient, veza: Veza, data_source_name: str, policy: RetryPolicy, limits: Limits
    ) -> None:
        self._client = client
        self._veza = veza
        self._data_source_name = data_source_name
        self._policy = policy
        self._limits = limits
        self._created_provider = False
        self._created_data_source = False
        self._before: Json | None = None
        """The data source before the push; None if there was none."""

    async def run(self, payload: Payload) -> UploadResult:
        encoded_size = 4 * math.ceil(len(payload.compressed) / 3)
        parts = 0 if encoded_size <= self._limits.body else math.ceil(payload.raw_size / self._limits.part)
        if parts > self._limits.parts:
            raise UploadError(
                f"The payload is too large for Veza: {encoded_size:,} bytes compressed "
                f"(at most {self._limits.body:,}), or {parts} parts (at most {self._limits.parts}).",
                "Upload parts of the instance to separate data sources, with --project and --data-source-name.",
            )
        provider_id = await ask(
            self._client, self._policy, f"the provider {self._veza.provider_name!r}", self._ensure_provider
        )
        data_source_id = await ask(
            self._client,
            self._policy,
            f"the data source {self._data_source_name!r}",
            lambda: self._ensure_data_source(provider_id),
        )
        path = f"/api/v1/providers/custom/{provider_id}/datasources/{data_source_id}"
        if parts:
            answer = await self._push_parts(f"{path}:parts", payload)
        else:
            answer = await self._push_whole(f"{path}:push", provider_id, data_source_id, payload)
        parsed = await self._follow(provider_id) if self._veza.wait else False
        return UploadResult(
            provider=self._veza.provider_name,
            data_source=self._data_source_name,
            warnings=count_warnings(_messages(answer, self._client.redact)),
            created_provider=self._created_provider,
            created_data_source=self._created_data_source,
            parts=parts,
            parsed=parsed,
        )

    def _ensure_provider(self) -> str:
        """Looked up at every attempt, so that a creation whose answer was lost is found."""
        name = self._veza.provider_name
        provider = self._client.get_provider(name)
        if not provider:
            self._created_provider = True
            provider = self._client.create_provider(name, TEMPLATE)
        template = provider.get("custom_template") or TEMPLATE
        if template != TEMPLATE:
            shown = heard(str(template), self._client.redact)
            raise UploadError(
                f"The provider {name!r} already exists in Veza with a different template ({shown}).",
                "Choose another name with --provider-name (OAA_PROVIDER_NAME).",
            )
        return _id_of(provider)

    def _ensure_data_source(self, provider_id: str) -> str:
        data_source = self._client.get_data_source(self._data_source_name, provider_id)
        if not data_source:
            self._created_data_source = True
            data_source = self._client.create_data_source(self._data_source_name, provider_id)
        elif not self._created_data_source:
            self._before = data_source
        return _id_of(data_source)

    async def _push_whole(self, path: str, provider_id: str, data_source_id: str, payload: Payload) -> Json:
        body: Json = {
            "id": provider_id,
            "data_source_id": data_source_id,
            "json_data": payload.compressed,
            "compression_type": "GZIP",
        }
        return await self._post("the payload", path, body)

    async def _push_parts(self, path: str, payload: Payload) -> Json:
        """oaaclient's upload in parts, with a retry for each and never more than one of them in memory.

        The parts are of the uncompressed payload: whether Veza takes compressed ones is not documented.
        """
        start = await self._post("the start of an upload in parts", path, {"operation": "start"})
        value = start.get("value", start)  # oaaclient knows both
        upload_id = value.get("upload_id") if isinstance(value, dict) else None
        if not upload_id:
            raise UploadError(
                "Veza gave no upload id for an upload in parts.", "Report the time of this run to Veza's support."
            )
        sequence = 0
        for chunk in payload.json_chunks(self._limits.part):
            sequence += 1
            part: Json = {
                "operation": "upload",
                "upload_id": upload_id,
                "sequence_number": sequence,
                "data": chunk,
            }
            await self._post(f"part {sequence} of the payload", path, part)
        complete: Json = {"operation": "complete", "upload_id": upload_id, "sequence_count": sequence}
        return await self._post("the payload", path, complete)

    async def _post(self, what: str, path: str, body: Json) -> Json:
        return await ask(self._client, self._policy, what, lambda: _taken(self._client.post_object(path, body)))

    async def _follow(self, provider_id: str) -> bool:
        """Looks at the data source until Veza has parsed the payload. False if Veza does not tell whether it has."""
        name, waited, following = self._data_source_name, 0.0, Following(self._before)

        def look() -> Json | None:
            return self._client.get_data_source(name, provider_id)

        while True:
            await self._policy.sleep(self._policy.poll_every)
            waited += self._policy.poll_every
            try:
                row = await ask(self._client, self._policy, "the data source's status", look) or {}
            except (VezaFailingError, VezaRefusedError, VezaUnreachableError) as error:
                _log.warning(
                    "Veza accepted the payload, but it is unknown whether Veza could process it: %s",
                    error,
                    extra=event(Event.VEZA_PARSING_UNKNOWN, data_source=name),
                )
                return False
            status, verdict = heard(status_of(row), self._client.redact, _LONGEST_STATUS), following.look(row)
            _log.debug("status of the data source after %.0f s: %s, %s", waited, status, verdict)
            settled = verdict == "as before" and waited >= self._policy.settle_for
            if verdict == "parsed":
                return True
            if verdict == "failed" or (settled and status != "SUCCESS"):
                raise UploadError(
                    f"Veza accepted the payload but could not process it: the status of {name!r} is {status}"
                    + (", as before the upload." if settled else "."),
                    "Veza shows the reason at the data source (Integrations).",
                )
            if settled and not tells_times(row):
                _log.warning(
                    "Veza shows %r as SUCCESS, as before the upload, and does not say when it processed it, so it is "
                    "unknown whether that is this upload",
                    name,
                    extra=event(Event.VEZA_PARSING_UNKNOWN, data_source=name),
                )
                return False
            if waited >= self._policy.poll_for:
                raise UploadError(
                    f"Veza accepted the payload but has not processed it after {waited:.0f} s: "
                    f"the status of {name!r} is {status}" + (", of an earlier upload." if settled else "."),
                    "Look at the data source in Veza; without --wait, a run does not wait for it.",
                )


def _id_of(row: Json) -> str:
    """The id by which a provider or data source is addressed."""
    given = row["id"]
    if not given or not isinstance(given, str | int):
        raise CallError("the row has no id", passes=True)
    return str(given)


def _taken(answer: Json) -> Json:
    """An answer that says that a push was taken: its warnings are absent or a list, whatever else it holds."""
    warnings = answer.get("warnings")
    if warnings is not None and not isinstance(warnings, list):
        raise CallError("the warnings in the answer are not a list", passes=True)
    return answer


def _messages(answer: Json, redact: Redact) -> Iterator[str]:
    warnings = answer.get("warnings") or []
    for number, warning in enumerate(warnings if isinstance(warnings, list) else []):
        message = str(warning.get("message", warning)) if isinstance(warning, dict) else str(warning)
        message = one_line(message, redact, _LONGEST_WARNING)
        if number < _MOST_DEBUGGED:
            _log.debug("Veza warns: %s", message)
        yield message


def count_warnings(messages: Iterable[str]) -> Counter[str]:
    """Messages by kind, at most 50 kinds; `…` stands for all others.

    Veza names each thing in its own message, tens of thousands of them for one cause.
    """
    kinds = Counter(map(_kind, messages))
    if len(kinds) <= _MOST_KINDS:
        return kinds
    coarse: Counter[str] = Counter()
    for kind, count in kinds.items():
        coarse[" ".join(kind.split()[:4]) + " …"] += count
    if len(coarse) <= _MOST_KINDS:
        return coarse
    found = Counter(dict(coarse.most_common(_MOST_KINDS - 1)))
    found["…"] += coarse.total() - found.total()
    return found


def _kind(message: str) -> str:
    """`Cannot find identity by names: [a@example.com]` → `Cannot find identity by names: …`."""
    text = message.partition(": ")
    kind = f"{text[0]}: …" if text[1] else text[0]
    kind = re.sub(r"""(["'`]).*?\1|\[.*?\]|\S+@\S+""", "…", kind)
    kind = re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\d+", "N", kind)
    return kind[:200]
