"""The report in Veza after an upload. Whatever goes wrong with it, the upload stands."""

import logging

from oaa_bitbucket_async.errors import CollectorError
from oaa_bitbucket_async.events import Event, event
from oaa_bitbucket_async.oaa.counts import Counts
from oaa_bitbucket_async.oaa.payload import Payload
from oaa_bitbucket_async.oaa.upload import PushResult
from oaa_bitbucket_async.oaa.veza_report import ReportResult, make_report
from oaa_bitbucket_async.ops.summary import ReportOutcome, Summary
from oaa_bitbucket_async.settings import Veza

_log = logging.getLogger(__name__)


async def report_in_veza(veza: Veza, payload: Payload, uploaded: PushResult, summary: Summary) -> None:
    """Makes or completes the report if it is this run's turn, and says so in the summary. A failure is a warning."""
    wanted = uploaded.created_provider if veza.create_report is None else veza.create_report
    if not wanted:
        return
    try:
        result = await make_report(veza, payload.node_types, parsed=uploaded.parsed)
    except CollectorError as error:
        _failed(summary, str(error))
        return
    except Exception:
        _log.exception(
            "the report in Veza could not be made; this is a bug: please report it with these lines",
            extra=event(Event.REPORT_FAILED),
        )
        _failed(summary, "a bug, told in the log.")
        return
    summary.veza_report = ReportOutcome(outcome=result.outcome, detail=_detail(result, payload.counts))
    for reason in result.refused.values():
        summary.warnings[f"a query of the report was left out: {reason}"] += 1


def _failed(summary: Summary, why: str) -> None:
    summary.veza_report = ReportOutcome(outcome="failed", detail="the upload is not touched by that")
    summary.warnings[
        f"the report in Veza was not made: {why} The upload stands; a later run with --create-report makes it."
    ] += 1


def _detail(result: ReportResult, counts: Counts) -> str:
    lacking = "need --include" if counts.projects and counts.repositories else "look at what is not there"
    waiting = f", {len(result.absent)} more {lacking}" if result.absent else ""
    return f"{result.name}, {len(result.queries)} queries{waiting}"
