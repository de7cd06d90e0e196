"""`push FILE`: finishes the job of a run that could not upload."""

import asyncio
import logging
from pathlib import Path

from oaa_bitbucket_async.errors import RemovalError
from oaa_bitbucket_async.oaa.payload import load_payload
from oaa_bitbucket_async.oaa.upload import check_settings, check_veza, push
from oaa_bitbucket_async.ops.summary import UploadOutcome
from oaa_bitbucket_async.run.last_upload import LastUpload, changes_of, check_removed, refused
from oaa_bitbucket_async.run.reporting import Report
from oaa_bitbucket_async.run.veza_report import report_in_veza
from oaa_bitbucket_async.settings import State, Veza

_log = logging.getLogger(__name__)


async def push_file(
    veza: Veza, file: Path, report: Report, state: State | None = None, max_removed: float | None = None
) -> int:
    """Without `state` the last upload is neither compared with nor replaced.

    Raises ConfigurationError if the file is no payload, RemovalError if it would remove more than `max_removed` per
    cent, UploadError if Veza does not take it.
    """
    payload = await asyncio.to_thread(load_payload, file)
    data_source = check_settings(veza, payload.base_url)
    await check_veza(veza)
    summary = report.summary
    last = LastUpload.of(state, veza, data_source) if state is not None else None
    try:
        summary.changes = await changes_of(last, payload, max_removed)
        check_removed(summary.changes, max_removed)
    except RemovalError as error:
        raise refused(error, last, file) from None
    result = await push(payload, veza)
    if last is not None:
        await last.keep(payload)
    summary.users, summary.groups = payload.counts.users, payload.counts.groups
    summary.projects, summary.repositories = payload.counts.projects, payload.counts.repositories
    summary.grants = payload.counts.grants
    summary.payload_bytes, summary.upload_bytes = payload.raw_size, len(payload.compressed)
    summary.upload = UploadOutcome(
        outcome="uploaded",
        detail=f"data source {result.data_source}" + (", parsed by Veza" if result.parsed else ""),
        warnings=result.warnings,
    )
    await report_in_veza(veza, payload, result, summary)
    report.shown = True
    await report.finish(0)
    return 0
