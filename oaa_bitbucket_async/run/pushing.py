"""`push FILE`: finishes the job of a run that could not upload."""

import asyncio
import logging
from pathlib import Path

from oaa_bitbucket_async.oaa.payload import load_payload
from oaa_bitbucket_async.oaa.upload import check_settings, check_veza, push
from oaa_bitbucket_async.ops.summary import UploadOutcome
from oaa_bitbucket_async.run.reporting import Report
from oaa_bitbucket_async.settings import Veza

_log = logging.getLogger(__name__)


async def push_file(veza: Veza, file: Path, report: Report) -> int:
    """Raises ConfigurationError if the file is no payload, UploadError if Veza does not take it."""
    payload = await asyncio.to_thread(load_payload, file)
    check_settings(veza, payload.base_url)
    await check_veza(veza)
    result = await push(payload, veza)
    summary = report.summary
    summary.users, summary.groups = payload.counts.users, payload.counts.groups
    summary.projects, summary.repositories = payload.counts.projects, payload.counts.repositories
    summary.grants = payload.counts.grants
    summary.payload_bytes, summary.upload_bytes = payload.raw_size, len(payload.compressed)
    summary.upload = UploadOutcome(
        outcome="uploaded",
        detail=f"data source {result.data_source}" + (", parsed by Veza" if result.parsed else ""),
        warnings=result.warnings,
    )
    report.shown = True
    await report.finish(0)
    return 0
