"""The last upload to a data source: kept for the next one, which is compared with it before it replaces it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oaa_bitbucket_async.errors import CollectorError, ConfigurationError, RemovalError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import private_dir, write_private
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.saved import compare_with_file
from oaa_bitbucket_async.settings import State, Veza
from oaa_bitbucket_async.state import last_payload_path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LastUpload:
    """The payload that was last uploaded where the next one goes, in `path`, if there is any."""

    path: Path

    @classmethod
    def of(cls, state: State, veza: Veza, data_source: str) -> "LastUpload | None":
        """None where it is not to be kept, or nobody said where payloads go (a dry run without Veza)."""
        if not state.keep_last or veza.url is None:
            return None
        return cls(last_payload_path(state.directory, veza.url, veza.provider_name, data_source))

    async def compare(self, payload: Payload) -> Changes | None:
        """What an upload of `payload` would add and remove; None, and a line that says so, if nothing was kept.

        Raises ConfigurationError if there is a last payload and it can't be read.
        """
        try:
            uploaded_at = self.path.stat().st_mtime
        except FileNotFoundError:
            _log.info(
                "no earlier upload to this data source is known in %s: nothing to compare with",
                self.path.parent,
                extra=event(Event.NO_LAST_UPLOAD, folder=str(self.path.parent)),
            )
            return None
        except OSError as error:
            raise ConfigurationError(f"Can't read {self.path}: {error.strerror or error}.") from None
        changes = await asyncio.to_thread(compare_with_file, self.path, payload.compressed)
        return changes.at(datetime.fromtimestamp(uploaded_at, UTC))

    async def keep(self, payload: Payload) -> None:
        """`payload` was uploaded: from now on it is the last one. Never raises: the upload stands."""
        try:
            await asyncio.to_thread(private_dir, self.path.parent)
            await asyncio.to_thread(write_private, self.path, payload.compressed)
        except CollectorError as error:
            _log.warning(
                "the payload was uploaded, but could not be kept for the next run to compare with: %s",
                error,
                extra=event(Event.LAST_UPLOAD_NOT_KEPT),
            )


async def changes_of(last: LastUpload | None, payload: Payload, max_removed: float | None) -> Changes | None:
    """What the upload would change, where that can be told.

    Raises RemovalError if `max_removed` asks for a comparison and the last payload can't be read.
    """
    if last is None:
        return None
    try:
        return await last.compare(payload)
    except ConfigurationError as error:
        if max_removed is not None:
            raise RemovalError(
                f"The last upload can't be read, so that nobody knows what this one would remove: {error.message}",
                f"Mend {last.path} or remove it: the next upload takes its place.",
            ) from None
        _log.warning(
            "the last upload can't be compared with; this one takes its place: %s",
            error.message,
            extra=event(Event.LAST_UPLOAD_UNREADABLE),
        )
        return None


def check_removed(changes: Changes | None, max_removed: float | None) -> None:
    """Raises RemovalError if more than `max_removed` per cent of the grants, or of the memberships, would go.

    Each has its own share: groups that lose their members lose what they hold, and not one grant goes.
    """
    if changes is None or max_removed is None:
        return
    parts = ((changes.grants, "grants"), (changes.members, "memberships of groups"))
    over = [
        f"{part.removed:,} of the {part.before:,} {name} ({part.removed_share:.1f} %)"
        for part, name in parts
        if part.removed_share > max_removed
    ]
    if over:
        since = f" of {changes.since:%Y-%m-%d %H:%M} UTC" if changes.since else ""
        raise RemovalError(
            f"The upload would remove {' and '.join(over)} of the last one{since}, and --max-removed "
            f"(OAA_MAX_REMOVED) allows {max_removed:g} %."
        )


def refused(error: RemovalError, last: LastUpload | None, kept: Path) -> RemovalError:
    """The same, with what to do about the payload in `kept`."""
    look = f"`oaa-bitbucket-async diff {last.path} {kept}` shows what would change. " if last else ""
    return RemovalError(
        f"{error.message} Nothing was uploaded.",
        f"{error.advice} {look}The payload is kept in {kept}: if it is right, "
        f"`oaa-bitbucket-async push --max-removed 100 {kept}` uploads it.".lstrip(),
    )
