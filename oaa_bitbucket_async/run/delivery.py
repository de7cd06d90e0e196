"""Sends a payload to Veza, from a run or from a file (`push`)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from oaa_bitbucket_async.errors import RemovalError
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.upload import UploadResult, push
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.run.guards import check_removed, unknown_upload
from oaa_bitbucket_async.run.keeping import Kept, command, push_command
from oaa_bitbucket_async.run.last_upload import LastUpload
from oaa_bitbucket_async.run.veza_report import report_in_veza
from oaa_bitbucket_async.settings import Scope, State, Veza


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A payload that is going to replace the last upload. `result` records the outcome."""

    payload: Payload
    veza: Veza
    data_source: str
    scope: Scope
    state: State
    last: LastUpload | None
    """What is uploaded there; None: it is neither compared with nor kept."""
    result: RunResult

    async def compare(self, max_removed: float | None, keep: Callable[[], Awaitable[Kept]]) -> None:
        """Finds out what the upload will change. RemovalError, with the payload in a file, if it removes too much."""
        try:
            self.result.changes = None if self.last is None else await self.last.compare(self.payload, max_removed)
            self.result.compared_with = None if self.last is None else self.last.path
            check_removed(self.result.changes, max_removed)
        except RemovalError as error:
            self.result.upload = UploadResult(outcome="not uploaded", reason="too much would be removed")
            kept = await keep()
            advice = [error.advice, kept.told]
            if kept.path is not None:
                if self.last is not None:
                    advice.append(f"`{command('diff', self.last.path, kept.path)}` shows what would change.")
                again = push_command(kept.path, self.payload, self.veza, self.state, None)
                advice.append(f"If it is right, `{again}` uploads it.")
            raise RemovalError(f"{error.message} Nothing was uploaded.", " ".join(filter(None, advice))) from None

    async def upload(self) -> None:
        """Uploads it, keeps it as the last upload, and makes the report in Veza. Raises as `push`."""
        unknown = unknown_upload(self.last, self.data_source, self.scope)
        self.result.upload_bytes = len(self.payload.compressed)
        self.result.upload = uploaded = await push(self.payload, self.veza)
        if unknown is not None and not uploaded.created_data_source:
            unknown.log()
        if self.last is not None:
            await self.last.keep(self.payload)
        await report_in_veza(self.veza, self.payload, uploaded, self.result)
