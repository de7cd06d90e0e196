"""The last upload to a data source. It is kept, so that the next payload can be compared with it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oaa_bitbucket_async.collect.snapshot import PublicAccess
from oaa_bitbucket_async.errors import CollectorError, ConfigurationError, RemovalError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.files import private_dir, write_whole
from oaa_bitbucket_async.oaa.changes import Changes
from oaa_bitbucket_async.oaa.names import data_source_of
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.saved import Head, compare_with_file, head_of_ours
from oaa_bitbucket_async.settings import Settings, State, Veza
from oaa_bitbucket_async.state import last_payload_path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LastUpload:
    """The payload that was last uploaded where the next one goes, in `path`, if there is any."""

    path: Path

    @classmethod
    def of(cls, state: State, veza: Veza, data_source: str) -> "LastUpload | None":
        """None if it is not kept, or if there is no target (a dry run without Veza)."""
        if not state.keep_last or veza.url is None:
            return None
        return cls(last_payload_path(state.directory, veza.url, veza.provider_name, data_source))

    @classmethod
    def of_run(cls, settings: Settings) -> "LastUpload | None":
        """That of the data source to which a run with these settings uploads."""
        return cls.of(settings.state, settings.veza, data_source_of(settings.veza, settings.bitbucket_url))

    @property
    def known(self) -> bool:
        """Whether the file exists. Reading it shows whether it is valid."""
        try:
            self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # it may be there
            return True
        return True

    async def head(self, max_removed: float | None) -> Head | None:
        """Its target, scope and projects. None if nothing was kept, or it can't be read and there is no guard.

        Raises RemovalError if there is a guard and the last payload can't be read.
        """
        if not self.known:
            return None
        try:
            return await asyncio.to_thread(head_of_ours, self.path)
        except FileNotFoundError:
            return None
        except ConfigurationError as error:
            self._unreadable(error, max_removed)
            return None

    async def public_access(self) -> PublicAccess | None:
        """Its value of public access. None if it has none, or can't be read (`compare` reports that)."""
        try:
            head = await asyncio.to_thread(head_of_ours, self.path)
        except (FileNotFoundError, ConfigurationError):
            return None
        return head.public_access

    async def compare(self, payload: Payload, max_removed: float | None) -> Changes | None:
        """What an upload of `payload` would change. If that is unknown, None and a line in the log.

        Raises RemovalError if there is a guard and the last payload can't be read.
        """
        try:
            uploaded_at = self.path.lstat().st_mtime
            changes = await asyncio.to_thread(compare_with_file, self.path, payload.compressed)
        except (FileNotFoundError, NotADirectoryError):
            _log.info(
                "no earlier upload to this data source in %s: nothing to compare with",
                self.path.parent,
                extra=event(Event.NO_LAST_UPLOAD, folder=str(self.path.parent)),
            )
        except OSError as error:
            self._unreadable(ConfigurationError(f"Can't read {self.path}: {error.strerror or error}."), max_removed)
        except ConfigurationError as error:
            self._unreadable(error, max_removed)
        else:
            return changes.at(datetime.fromtimestamp(uploaded_at, UTC))
        return None

    def _unreadable(self, error: ConfigurationError, max_removed: float | None) -> None:
        if max_removed is not None:
            raise RemovalError(
                f"The last upload can't be read, so what this one would remove is unknown: {error.message}",
                f"Repair or delete {self.path}; the next upload replaces it.",
            ) from None
        _log.warning(
            "the last upload can't be read, so nothing is compared; this one replaces it: %s",
            error.message,
            extra=event(Event.LAST_UPLOAD_UNREADABLE),
        )

    async def keep(self, payload: Payload) -> None:
        """`payload` was uploaded: from now on it is the last one. Never raises: the upload stands."""
        try:
            await asyncio.to_thread(private_dir, self.path.parent)
            await asyncio.to_thread(write_whole, self.path, payload.compressed)
        except CollectorError as error:
            _log.warning(
                "the payload was uploaded, but it could not be kept for the next run to compare with: %s",
                error,
                extra=event(Event.LAST_UPLOAD_NOT_KEPT),
            )
