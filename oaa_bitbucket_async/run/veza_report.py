"""The report in Veza after an upload. The upload counts even if the report fails."""

import logging

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.notes import Code, Note
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.upload import UploadResult
from oaa_bitbucket_async.oaa.veza_report import ReportResult, make_report
from oaa_bitbucket_async.ops.result import RunResult
from oaa_bitbucket_async.settings import Veza

_log = logging.getLogger(__name__)


async def report_in_veza(veza: Veza, payload: Payload, uploaded: UploadResult, result: RunResult) -> None:
    """Makes or completes the report if it is this run's turn, and notes it in `result`. A failure is a warning."""
    wanted = uploaded.created_provider if veza.create_report is None else veza.create_report
    if not wanted:
        return
    try:
        report = await make_report(veza, payload.node_types, parsed=uploaded.parsed)
    except CollectorError as error:
        _failed(result, str(error))
        return
    except Exception:
        _log.exception(
            "the report in Veza could not be created; this is a bug, please report it with these lines",
            extra=event(Event.REPORT_FAILED),
        )
        _failed(result, "a bug; see the log.")
        return
    result.veza_report = report
    for reason in dict.fromkeys(report.refused.values()):
        names = tuple(name for name, why in report.refused.items() if why == reason)
        several = f" ({len(names):,})" if len(names) > 1 else ""
        message = f"a query of the report was left out: {reason}{several}"
        result.warnings.append(Note(Code.VEZA_QUERY_LEFT_OUT, message, len(names), names))


def _failed(result: RunResult, why: str) -> None:
    result.veza_report = ReportResult(outcome="failed")
    message = (
        f"the report in Veza was not created: {why} The upload counts. A later run with --create-report creates the "
        "report."
    )
    result.warnings.append(Note(Code.VEZA_REPORT_FAILED, message))
